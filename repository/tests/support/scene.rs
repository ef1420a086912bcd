//! A repository and what is around it, to be begun again as often as an operation is harmed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use repository::{
    CheckOptions, Filter, Id, InitOptions, KdfParams, Monitor, Repository, RestoreOptions, SnapshotSummary,
};

use super::operation::{self, Operation, Outcome};
use super::tracer::{self, Call, Harm};
use super::{at, noise, objects, open, password, sql};

/// Bytes of the largest file, where not told otherwise.
const SMALL: usize = 300_000;

/// The bytes of every file by its path.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A repository of two snapshots, the folder that was backed up, and one for restores.
pub struct Scene {
    pub folder: tempfile::TempDir,
}

impl Scene {
    /// What `operation` finds: for a backup there is something new, for a prune there is something to remove.
    pub fn of(operation: Operation) -> Self {
        Self::sized(operation, SMALL)
    }

    /// The same with a largest file of so many bytes.
    pub fn sized(operation: Operation, large: usize) -> Self {
        let scene = Self { folder: scratch(large) };
        let init = InitOptions { kdf: KdfParams::LIGHT };
        Repository::init(at(&scene.repository()), &password(), init).unwrap();
        scene.fill();
        let first = scene.back_up().snapshot;
        scene.change(large);
        if operation != Operation::Backup {
            scene.back_up();
        }
        if matches!(operation, Operation::PruneMarks | Operation::PruneRemoves) {
            scene.open().forget(&[first]).unwrap();
        }
        if operation == Operation::PruneRemoves {
            operation::prune(&scene.open(), Duration::ZERO).unwrap();
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

    fn change(&self, large: usize) {
        for n in 0..6 {
            let file = self.source().join(format!("folder-{}/file-{n}", n % 3));
            std::fs::write(file, noise(100 + n, 20_000)).unwrap();
        }
        std::fs::create_dir(self.source().join("empty")).unwrap();
        std::fs::write(self.source().join("large"), noise(9, large)).unwrap();
        std::fs::hard_link(self.source().join("text"), self.source().join("empty/text-again")).unwrap();
    }

    /// Backs up in this process.
    pub fn back_up(&self) -> SnapshotSummary {
        operation::back_up(&self.open(), &self.source()).unwrap()
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
    pub fn restored(&self, repo: &Repository, filter: &Filter) -> Files {
        let to = tempfile::tempdir_in(self.folder.path()).unwrap();
        let snapshot = repo.find(filter).unwrap();
        let source = self.source();
        let options = RestoreOptions::default();
        repo.restore_tree(&snapshot, source.to_str().unwrap(), to.path(), options, &Monitor::new()).unwrap();
        contents(to.path())
    }

    /// Everything is sound, and every snapshot of before restores as it was.
    pub fn is_intact(&self, before: &BTreeMap<Id, Files>) {
        let repo = self.open();
        let whole = CheckOptions { read_data: true, ..CheckOptions::default() };
        let report = repo.check(whole, &Monitor::new()).unwrap();
        assert!(report.is_sound(), "{:?}", report.damages);
        for (id, wanted) in before {
            assert!(self.restored(&repo, &Filter::parse(&id.to_string())) == *wanted, "{id} has changed");
        }
    }

    /// Every snapshot, restored.
    pub fn snapshots(&self) -> BTreeMap<Id, Files> {
        let repo = self.open();
        let ids: Vec<_> = repo.snapshots().unwrap().iter().map(|info| info.id).collect();
        ids.into_iter().map(|id| (id, self.restored(&repo, &Filter::parse(&id.to_string())))).collect()
    }
}

/// Not on a disk when it is small: what counts is the order of calls, and a disk waits for other tests' syncs.
fn scratch(large: usize) -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() && large <= SMALL {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// The bytes of every file below a folder; folders have none.
pub fn contents(root: &Path) -> Files {
    let files = objects(root, &[""]).into_iter();
    files.map(|path| (path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap())).collect()
}
