//! Removing data: nothing that a snapshot needs goes, whenever it is interrupted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use repository::retention::Policy;
use repository::{
    Filter, Id, Monitor, PruneOptions, PrunePlan, PruneSummary, Repository, Storage, TreeOptions,
};
use support::dying::Dying;
use support::{Local, at, meta, noise, objects, open, password, quick_locks, restic_agrees, restic_ok};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn now_and(later: Duration) -> SystemTime {
    SystemTime::now() + later
}

fn options() -> PruneOptions {
    PruneOptions { max_unused: 0.0, allow_large: true, ..PruneOptions::default() }
}

fn prune(repo: &Repository, now: SystemTime) -> repository::Result<(PrunePlan, PruneSummary)> {
    let plan = repo.prune_plan(&options(), now, &Monitor::new())?;
    let done = repo.prune(&plan, &options(), now, &Monitor::new())?;
    Ok((plan, done))
}

fn back_up(repo: &Repository, root: &Path) -> Id {
    let paths = [root.to_owned()];
    let options = TreeOptions { ignore_parent: true, ..TreeOptions::default() };
    repo.backup_tree(&paths, &options, &meta(), &Monitor::new()).unwrap().snapshot
}

/// Two snapshots that share some files; the first is forgotten. Gives the folder as the second has it.
fn with_garbage(local: &Local) -> PathBuf {
    let root = local.beside("tree");
    for n in 0..6 {
        std::fs::write(root.join(format!("f{n}")), noise(n, 30_000)).unwrap();
    }
    let first = back_up(&local.repo, &root);
    for n in 0..3 {
        std::fs::write(root.join(format!("f{n}")), noise(100 + n, 30_000)).unwrap();
    }
    back_up(&local.repo, &root);
    local.repo.forget(&[first]).unwrap();
    root
}

fn all_is_there(repo: &Repository, root: &Path, scratch: &Path) {
    let report =
        repo.check(repository::CheckOptions { read_data: true, ..Default::default() }, &Monitor::new());
    let report = report.unwrap();
    assert!(report.is_sound(), "{:?}", report.damages);
    let latest = repo.find(&Filter::default()).unwrap();
    let to = scratch.join(format!("out-{}", rand::random::<u64>()));
    let below = root.to_str().unwrap();
    repo.restore_tree(&latest, below, &to, repository::RestoreOptions::default(), &Monitor::new()).unwrap();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let back = to.join(path.file_name().unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(back).unwrap());
    }
}

fn packs(path: &Path) -> BTreeSet<PathBuf> {
    objects(path, &["data"]).into_iter().collect()
}

#[test]
fn what_nobody_needs_is_marked_then_removed_after_the_grace() {
    let local = Local::new();
    let root = with_garbage(&local);
    let before = packs(&local.path());
    let (plan, done) = prune(&local.repo, now_and(Duration::ZERO)).unwrap();
    assert!(plan.repack.packs >= 1, "{plan:?}");
    let marked = done.marked.packs;
    assert_eq!(marked, plan.repack.packs + plan.mark.packs);
    assert_eq!(done.removed.packs, 0, "nothing goes at once");
    assert!(before.is_subset(&packs(&local.path())));
    all_is_there(&local.repo, &root, local.folder.path());
    restic_agrees(&local.path());

    // Within the grace nothing goes, and nothing is marked twice.
    let (plan, done) = prune(&local.repo, now_and(DAY / 2)).unwrap();
    assert_eq!((done.removed.packs, done.marked.packs), (0, 0), "{plan:?}");
    assert_eq!(plan.waiting.packs, marked);

    let (_, done) = prune(&local.repo, now_and(2 * DAY)).unwrap();
    assert_eq!(done.removed.packs, marked);
    assert_eq!(before.difference(&packs(&local.path())).count() as u64, marked);
    all_is_there(&local.repo, &root, local.folder.path());
    restic_agrees(&local.path());
    restic_ok(&local.path(), &["prune"]);
    assert!(local.repo.prune_plan(&options(), now_and(4 * DAY), &Monitor::new()).unwrap().is_empty());
}

#[test]
fn a_marked_pack_that_a_late_snapshot_needs_comes_back() {
    let local = Local::new();
    let root = local.beside("tree");
    std::fs::write(root.join("f"), noise(1, 50_000)).unwrap();
    let only = back_up(&local.repo, &root);
    let listed = objects(&local.path(), &["snapshots"]);
    let snapshot = std::fs::read(&listed[0]).unwrap();
    local.repo.forget(&[only]).unwrap();
    prune(&local.repo, now_and(Duration::ZERO)).unwrap();
    // A backup that had lost its lock unnoticed writes its snapshot now.
    std::fs::write(&listed[0], snapshot).unwrap();
    let (plan, done) = prune(&local.repo, now_and(2 * DAY)).unwrap();
    assert_eq!((done.removed.packs, done.revived > 0), (0, true), "{plan:?}");
    all_is_there(&local.repo, &root, local.folder.path());
    restic_agrees(&local.path());
}

#[test]
fn packs_of_an_interrupted_backup_wait_for_the_grace_too() {
    let local = Local::new();
    let root = local.beside("tree");
    std::fs::write(root.join("f"), noise(1, 50_000)).unwrap();
    back_up(&local.repo, &root);
    std::fs::write(root.join("g"), noise(2, 50_000)).unwrap();
    let dying = Dying::after(at(&local.path()), 2);
    let other = Repository::open(dying, &password()).unwrap().with_lock_times(quick_locks());
    let failed =
        other.backup_tree(std::slice::from_ref(&root), &TreeOptions::default(), &meta(), &Monitor::new());
    assert!(failed.is_err());
    drop(other);
    local.repo.unlock(true).unwrap();
    let left = packs(&local.path()).len();
    prune(&local.repo, now_and(DAY / 2)).unwrap();
    assert_eq!(packs(&local.path()).len(), left);
    let (_, done) = prune(&local.repo, now_and(2 * DAY)).unwrap();
    assert_eq!(done.removed.packs, 1);
    std::fs::remove_file(root.join("g")).unwrap();
    all_is_there(&local.repo, &root, local.folder.path());
}

#[test]
fn fault_58_a_prune_that_is_killed_at_any_write_loses_nothing_and_can_be_run_again() {
    let mut points = 0;
    for phase in [Duration::ZERO, 2 * DAY] {
        for writes in 0.. {
            assert!(writes < 200, "it does not end");
            let local = Local::new();
            let root = with_garbage(&local);
            if phase > Duration::ZERO {
                prune(&local.repo, now_and(Duration::ZERO)).unwrap();
            }
            let dying = Dying::after(at(&local.path()), writes);
            let repo = Repository::open(dying.clone(), &password()).unwrap().with_lock_times(quick_locks());
            let done = prune(&repo, now_and(phase));
            drop(repo);
            if done.is_ok() && !dying.is_dead() {
                break;
            }
            points += 1;
            let after = open(&local.path());
            after.unlock(true).unwrap();
            all_is_there(&after, &root, local.folder.path());
            if writes % 4 == 0 {
                restic_agrees(&local.path());
            }
            prune(&after, now_and(phase + 2 * DAY)).unwrap();
            prune(&after, now_and(phase + 4 * DAY)).unwrap();
            all_is_there(&after, &root, local.folder.path());
        }
    }
    println!("killed at {points} writes of a prune: nothing lost");
    assert!(points > 10, "{points}");
}

#[test]
fn a_prune_refuses_over_damage_over_a_change_and_beyond_its_bound() {
    let local = Local::new();
    with_garbage(&local);
    let now = SystemTime::now();
    let strict = PruneOptions::default();
    // Everything is forgotten: that is more than half.
    let all: Vec<Id> = local.repo.snapshots().unwrap().iter().map(|info| info.id).collect();
    local.repo.forget(&all).unwrap();
    let plan = local.repo.prune_plan(&strict, now, &Monitor::new()).unwrap();
    let before = objects(&local.path(), &["data", "index"]);
    let refused = local.repo.prune(&plan, &strict, now, &Monitor::new()).unwrap_err();
    assert_eq!(refused.code(), "LB3032");
    // A snapshot more than when the plan was made.
    let root = local.beside("tree");
    back_up(&local.repo, &root);
    let changed = local.repo.prune(&plan, &options(), now, &Monitor::new()).unwrap_err();
    assert_eq!(changed.code(), "LB3033");
    assert!(before.iter().all(|file| file.exists()));
    // A pack is gone that is needed.
    let latest = objects(&local.path(), &["data"]).into_iter().find(|pack| !before.contains(pack));
    if let Some(pack) = latest {
        std::fs::remove_file(pack).unwrap();
        let damaged = local.repo.prune_plan(&options(), now, &Monitor::new()).unwrap_err();
        assert_eq!(damaged.class(), repository::Class::Integrity, "{damaged}");
    }
    // A damaged snapshot could need anything.
    let snapshot = objects(&local.path(), &["snapshots"]).remove(0);
    std::fs::remove_file(&snapshot).unwrap();
    std::fs::write(&snapshot, b"x").unwrap();
    let damaged = local.repo.prune_plan(&options(), now, &Monitor::new()).unwrap_err();
    assert_eq!(damaged.code(), "LB3020");
}

#[test]
fn a_snapshot_that_says_it_is_of_2099_expires_nothing() {
    let local = Local::new();
    let root = local.beside("tree");
    std::fs::write(root.join("f"), b"content").unwrap();
    back_up(&local.repo, &root);
    let forged = repository::BackupMeta { time: "2099-01-01T00:00:00Z".parse().unwrap(), ..meta() };
    local.repo.backup_tree(&[root], &TreeOptions::default(), &forged, &Monitor::new()).unwrap();
    let policy = Policy { within: 30 * DAY, ..Policy::default() };
    let plan = local.repo.forget_plan(&policy, &[], SystemTime::now()).unwrap();
    assert!(plan.verdict.expired.is_empty(), "{plan:?}");
    // What is old by the storage's clock goes, but for the newest whole one of its host and paths.
    let plan = local.repo.forget_plan(&policy, &[], now_and(40 * DAY)).unwrap();
    assert_eq!(plan.verdict.expired.len(), 1);
}

#[test]
fn a_prune_waits_for_no_backup_and_no_backup_runs_beside_it() {
    let local = Local::new();
    with_garbage(&local);
    let storage: std::sync::Arc<dyn Storage> = at(&local.path());
    let now = SystemTime::now();
    let plan = local.repo.prune_plan(&options(), now, &Monitor::new()).unwrap();
    let mut source = noise(9, 100_000);
    let mut refused = None;
    let mut reader = std::io::Read::chain(
        std::io::Cursor::new(std::mem::take(&mut source)),
        Probe(|| {
            refused = Some(local.repo.prune(&plan, &options(), now, &Monitor::new()).unwrap_err());
        }),
    );
    local
        .repo
        .backup_stream(&meta(), "dump", &mut reader, || Ok::<(), std::io::Error>(()), &Monitor::new())
        .unwrap();
    assert_eq!(refused.unwrap().code(), "LB3030");
    drop(storage);
}

/// A source that does something when it is read, and ends.
struct Probe<F: FnMut()>(F);

impl<F: FnMut()> std::io::Read for Probe<F> {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        (self.0)();
        Ok(0)
    }
}
