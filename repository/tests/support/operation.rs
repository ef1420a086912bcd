//! One operation on a repository, in a process of its own that may be killed or lied to by its system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use repository::{
    CheckOptions, Filter, InitOptions, KdfParams, Monitor, PruneOptions, Repository, RestoreOptions,
    SnapshotSummary, TreeOptions,
};

use super::tracer::{self, Call, Ended, Harm, READY};
use super::{at, meta, noise, objects, open, password, quick_locks, sql};

pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// What such a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Backup,
    /// Removes nothing yet.
    PruneMarks,
    /// Long after, when the grace is over.
    PruneRemoves,
    Restore,
}

impl Operation {
    const ALL: [(Self, &str); 4] = [
        (Self::Backup, "backup"),
        (Self::PruneMarks, "prune that marks"),
        (Self::PruneRemoves, "prune that removes"),
        (Self::Restore, "restore"),
    ];

    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(operation, _)| *operation == self).unwrap().1
    }
}

/// A repository of two snapshots, the folder that was backed up, and one for restores.
pub struct Scene {
    pub folder: tempfile::TempDir,
}

impl Scene {
    /// What `operation` finds: for a backup there is something new, for a prune there is something to remove.
    pub fn of(operation: Operation) -> Self {
        let scene = Self { folder: scratch() };
        let init = InitOptions { kdf: KdfParams::LIGHT };
        Repository::init(at(&scene.repository()), &password(), init).unwrap();
        scene.fill();
        let first = scene.back_up().snapshot;
        scene.change();
        if operation != Operation::Backup {
            scene.back_up();
        }
        if matches!(operation, Operation::PruneMarks | Operation::PruneRemoves) {
            scene.open().forget(&[first]).unwrap();
        }
        if operation == Operation::PruneRemoves {
            prune(&scene.open(), Duration::ZERO).unwrap();
        }
        scene
    }

    pub fn repository(&self) -> PathBuf {
        self.folder.path().join("r")
    }

    pub fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    pub fn target(&self) -> PathBuf {
        self.folder.path().join("target")
    }

    pub fn open(&self) -> Repository {
        open(&self.repository())
    }

    fn fill(&self) {
        for n in 0..12 {
            let folder = self.source().join(format!("folder-{}", n % 3));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("file-{n}")), noise(n, 500 + 2500 * n as usize)).unwrap();
        }
        std::fs::write(self.source().join("text"), sql(3000)).unwrap();
    }

    fn change(&self) {
        for n in 0..6 {
            let file = self.source().join(format!("folder-{}/file-{n}", n % 3));
            std::fs::write(file, noise(100 + n, 20_000)).unwrap();
        }
        std::fs::create_dir(self.source().join("empty")).unwrap();
        std::fs::write(self.source().join("large"), noise(9, large())).unwrap();
        std::fs::hard_link(self.source().join("text"), self.source().join("empty/text-again")).unwrap();
    }

    /// Backs up in this process.
    pub fn back_up(&self) -> SnapshotSummary {
        back_up(&self.open(), &self.source()).unwrap()
    }

    /// The repository as it is now, to begin again from it.
    pub fn save(&self) {
        let saved = self.saved();
        if saved.exists() {
            std::fs::remove_dir_all(&saved).unwrap();
        }
        copy(&self.repository(), &saved);
    }

    fn saved(&self) -> PathBuf {
        self.folder.path().join("saved")
    }

    pub fn begin_again(&self) {
        for folder in [self.repository(), self.target()] {
            if folder.exists() {
                std::fs::remove_dir_all(folder).unwrap();
            }
        }
        copy(&self.saved(), &self.repository());
    }

    /// Runs the operation in a process of its own, and harms it at the calls that count.
    pub fn run(&self, operation: Operation, harm: Harm, counts: &dyn Fn(&Call) -> bool) -> Outcome {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "does_one_operation_when_asked", "--nocapture"])
            .env("LIFEBOAT_TEST_OPERATION", operation.word())
            .env("LIFEBOAT_TEST_FOLDER", self.folder.path());
        Outcome::of(tracer::run(&mut command, harm, counts))
    }

    /// What the newest snapshot has, restored: by path below the source.
    pub fn restored(&self, repo: &Repository, filter: &Filter) -> BTreeMap<PathBuf, Vec<u8>> {
        let to = tempfile::tempdir_in(self.folder.path()).unwrap();
        let snapshot = repo.find(filter).unwrap();
        let source = self.source();
        let options = RestoreOptions::default();
        repo.restore_tree(&snapshot, source.to_str().unwrap(), to.path(), options, &Monitor::new()).unwrap();
        contents(to.path())
    }

    /// Everything is sound, and every snapshot of before restores as it was.
    pub fn is_intact(&self, before: &BTreeMap<repository::Id, BTreeMap<PathBuf, Vec<u8>>>) {
        let repo = self.open();
        let whole = CheckOptions { read_data: true, ..CheckOptions::default() };
        let report = repo.check(whole, &Monitor::new()).unwrap();
        assert!(report.is_sound(), "{:?}", report.damages);
        for (id, wanted) in before {
            assert!(self.restored(&repo, &Filter::parse(&id.to_string())) == *wanted, "{id} has changed");
        }
    }

    /// Every snapshot, restored.
    pub fn snapshots(&self) -> BTreeMap<repository::Id, BTreeMap<PathBuf, Vec<u8>>> {
        let repo = self.open();
        let ids: Vec<_> = repo.snapshots().unwrap().iter().map(|info| info.id).collect();
        ids.into_iter().map(|id| (id, self.restored(&repo, &Filter::parse(&id.to_string())))).collect()
    }
}

/// Not on a disk when it is small: what counts is the order of calls, and a disk waits for other tests' syncs.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() && !super::is_full() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// Bytes of the largest file: in the full suite enough for several packs and an index on the way.
fn large() -> usize {
    if super::is_full() { 40_000_000 } else { 300_000 }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// The bytes of every file below a folder; folders have none.
pub fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = objects(root, &[""]).into_iter();
    files.map(|path| (path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap())).collect()
}

/// How the operation ended by its own word.
#[derive(Debug)]
pub enum Outcome {
    Killed,
    /// What it warned of.
    Done {
        calls: u64,
        warnings: u64,
    },
    Failed {
        calls: u64,
        code: String,
    },
}

impl Outcome {
    fn of(ended: Ended) -> Self {
        let Some(code) = ended.code else { return Self::Killed };
        assert_eq!(code, 0, "it must not panic: {}", ended.said);
        let said = ended.said.lines().find_map(|line| line.strip_prefix("ended "));
        let (word, rest) = said.expect(&ended.said).split_once(' ').unwrap();
        match word {
            "well" => Self::Done { calls: ended.calls, warnings: rest.parse().unwrap() },
            _ => Self::Failed { calls: ended.calls, code: word.to_owned() },
        }
    }

    pub fn calls(&self) -> u64 {
        match self {
            Self::Killed => 0,
            Self::Done { calls, .. } | Self::Failed { calls, .. } => *calls,
        }
    }
}

/// Not a test of its own: the process that is harmed.
pub fn serve() {
    let Some(word) = std::env::var_os("LIFEBOAT_TEST_OPERATION") else { return };
    let (operation, _) = *Operation::ALL.iter().find(|(_, known)| word == *known).unwrap();
    let scene = PathBuf::from(std::env::var_os("LIFEBOAT_TEST_FOLDER").unwrap());
    println!("\n{READY}");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    match perform(operation, &scene) {
        Ok(warnings) => println!("\nended well {warnings}"),
        Err(e) => println!("\nended {} {:?} {e}", e.code(), e.class()),
    }
}

fn perform(operation: Operation, scene: &Path) -> repository::Result<u64> {
    let repo = Repository::open(at(&scene.join("r")), &password())?.with_lock_times(quick_locks());
    let source = scene.join("source");
    match operation {
        Operation::Backup => back_up(&repo, &source).map(|_| 0),
        Operation::PruneMarks => prune(&repo, Duration::ZERO).map(|()| 0),
        Operation::PruneRemoves => prune(&repo, 2 * DAY).map(|()| 0),
        Operation::Restore => restore(&repo, &source, &scene.join("target")),
    }
}

fn back_up(repo: &Repository, source: &Path) -> repository::Result<SnapshotSummary> {
    repo.backup_tree(&[source.to_owned()], &TreeOptions::default(), &meta(), &Monitor::new())
}

/// Prunes all that nobody needs, as if it were that much later.
pub fn prune(repo: &Repository, later: Duration) -> repository::Result<()> {
    let options = PruneOptions { max_unused: 0.0, allow_large: true, ..PruneOptions::default() };
    let now = SystemTime::now() + later;
    let plan = repo.prune_plan(&options, now, &Monitor::new())?;
    repo.prune(&plan, &options, now, &Monitor::new()).map(drop)
}

/// Restores the newest snapshot over what is there. Gives the number of warnings.
pub fn restore(repo: &Repository, source: &Path, target: &Path) -> repository::Result<u64> {
    let options = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
    let snapshot = repo.find(&Filter::default())?;
    let done = repo.restore_tree(&snapshot, source.to_str().unwrap(), target, options, &Monitor::new())?;
    assert_eq!(done.damaged_count, 0);
    Ok(done.warning_count)
}

/// Numbers of calls to harm: all of them in the full suite, else about `quick` that are spread evenly, the last
/// one among them.
pub fn numbers(calls: u64, quick: u64) -> Vec<u64> {
    let step = if super::is_full() { 1 } else { calls.div_ceil(quick).max(1) };
    let mut numbers: Vec<u64> = (1..=calls).step_by(usize::try_from(step).unwrap()).chain([calls]).collect();
    numbers.dedup();
    numbers.retain(|number| *number > 0);
    numbers
}

/// A failure of this kind for one call, or for it and all after it.
pub fn failing(number: u64, errno: Errno, from_then_on: bool) -> Harm {
    if from_then_on { Harm::FailFrom(number, errno) } else { Harm::FailOne(number, errno) }
}
