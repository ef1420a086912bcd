//! Keys, locks by hand, numbers, and copies into another repository.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use repository::{InitOptions, KdfParams, Monitor, Password, Repository, TreeOptions};
use support::{Local, at, meta, noise, open, password, quick_locks, restic_agrees, restic_ok, sql};

fn light() -> KdfParams {
    KdfParams::LIGHT
}

fn back_up(local: &Local) -> repository::SnapshotSummary {
    let root = local.beside("tree");
    std::fs::write(root.join("noise"), noise(3, 3_000_000)).unwrap();
    std::fs::write(root.join("dump.sql"), sql(30_000)).unwrap();
    local.repo.backup_tree(&[root], &TreeOptions::default(), &meta(), &Monitor::new()).unwrap()
}

#[test]
fn a_password_is_added_and_another_taken_away() {
    let local = Local::new();
    back_up(&local);
    let new = local.repo.key_add(&Password::new("second"), light()).unwrap();
    let second = Repository::open(at(&local.path()), &Password::new("second")).unwrap();
    assert_eq!(second.keys().unwrap().len(), 2);
    // Not the one in hand.
    assert_eq!(second.key_remove(&new.to_string()).unwrap_err().code(), "LB3015");
    assert_eq!(second.key_remove("zz").unwrap_err().code(), "LB3016");
    let first = second.keys().unwrap().iter().map(|k| k.id).find(|id| *id != new).unwrap();
    second.key_remove(&first.to_string()[..10]).unwrap();
    assert_eq!(Repository::open(at(&local.path()), &password()).unwrap_err().code(), "LB3014");
    // Not the last one.
    assert_eq!(second.key_remove(&new.to_string()).unwrap_err().code(), "LB3015");
    for restic in support::judges() {
        let mut command = restic.command(&local.path(), &["check"]);
        assert!(command.env("RESTIC_PASSWORD", "second").status().unwrap().success());
    }
}

#[test]
fn stale_locks_are_removed_and_live_ones_only_when_asked() {
    let local = Local::new();
    let times = repository::LockTimes { stale: std::time::Duration::ZERO, ..quick_locks() };
    // Somebody died with his lock.
    let dying = support::dying::Dying::after(at(&local.path()), 1);
    let other = Repository::open(dying, &password()).unwrap().with_lock_times(quick_locks());
    let root = local.beside("tree");
    other.backup_tree(&[root], &TreeOptions::default(), &meta(), &Monitor::new()).unwrap_err();
    assert_eq!(local.repo.locks().unwrap().len(), 1);
    assert!(local.repo.unlock(false).unwrap().is_empty());
    let later = open(&local.path()).with_lock_times(times);
    assert_eq!(later.unlock(false).unwrap().len(), 1);
    assert!(local.repo.locks().unwrap().is_empty());
}

#[test]
fn numbers_say_what_is_stored() {
    let local = Local::new();
    let done = back_up(&local);
    let stats = local.repo.stats().unwrap();
    assert_eq!((stats.snapshots, stats.packs, stats.blobs), (1, done.packs, done.blobs_new));
    assert!(stats.plain_bytes > done.bytes && stats.stored_bytes < done.bytes, "{stats:?}");
    assert_eq!(stats.packs_unindexed, 0);
}

#[test]
fn snapshots_are_copied_once_and_restic_reads_the_copy() {
    let local = Local::new();
    let done = back_up(&local);
    let other = local.folder.path().join("other");
    let to = Repository::init(at(&other), &password(), InitOptions { kdf: light() }).unwrap();
    let to = to.with_lock_times(quick_locks());
    let all = local.repo.snapshots().unwrap();
    let copied = local.repo.copy(&to, &all, &Monitor::new()).unwrap();
    assert_eq!((copied.copied.len(), copied.copied[0].0), (1, done.snapshot));
    assert_eq!(copied.blobs, done.blobs_new);
    let again = local.repo.copy(&to, &all, &Monitor::new()).unwrap();
    assert_eq!((again.copied.len(), again.blobs, again.present), (0, 0, vec![done.snapshot]));
    restic_agrees(&other);
    let listed: serde_json::Value =
        serde_json::from_slice(&restic_ok(&other, &["snapshots", "--json"])).unwrap();
    assert_eq!(listed[0]["original"], done.snapshot.to_string());
    assert_eq!(to.snapshots().unwrap()[0].snapshot.tree, done.tree);
    assert_eq!(local.repo.copy(&local.repo, &all, &Monitor::new()).unwrap_err().code(), "LB3070");
}

#[test]
fn we_copy_from_what_restic_made() {
    let folder = tempfile::tempdir().unwrap();
    let (theirs, ours) = (folder.path().join("theirs"), folder.path().join("ours"));
    std::fs::write(folder.path().join("f"), noise(5, 4_000_000)).unwrap();
    restic_ok(&theirs, &["init", "--repository-version", "2"]);
    restic_ok(&theirs, &["backup", folder.path().join("f").to_str().unwrap()]);
    let from = open(&theirs);
    let to = Repository::init(at(&ours), &password(), InitOptions { kdf: light() }).unwrap();
    from.copy(&to, &from.snapshots().unwrap(), &Monitor::new()).unwrap();
    restic_agrees(&ours);
    let back = restic_ok(&ours, &["dump", "latest", folder.path().join("f").to_str().unwrap()]);
    assert_eq!(back, noise(5, 4_000_000));
}
