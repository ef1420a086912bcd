//! One operation on a repository, in a process of its own that may be killed or lied to by its system.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use repository::{Filter, Monitor, PruneOptions, Repository, RestoreOptions, SnapshotSummary, TreeOptions};

use super::tracer::{Ended, Harm, READY};
use super::{at, meta, password, quick_locks};

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
    pub fn of(ended: Ended) -> Self {
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

/// Backs up the whole of a folder.
pub fn back_up(repo: &Repository, source: &Path) -> repository::Result<SnapshotSummary> {
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
