//! Restores over what is there, restores that go on, and the mark of one that is not finished.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use repository::restore::UNFINISHED_MARK;
use repository::{Error, Monitor, RestoreOptions, RestoreSummary, Result, SnapshotInfo, TreeOptions};
use support::{Local, meta, noise, sql};

const OVER: RestoreOptions = RestoreOptions { overwrite: true, skip_damaged: false };

/// A repository with one snapshot of a tree, and that tree.
fn stored() -> (Local, PathBuf) {
    let local = Local::new();
    let root = local.beside("data");
    fs::create_dir_all(root.join("deep/er")).unwrap();
    fs::write(root.join("large"), noise(1, 12_000_000)).unwrap();
    fs::write(root.join("text"), sql(20_000)).unwrap();
    fs::write(root.join("deep/er/small"), b"small").unwrap();
    fs::write(root.join("deep/empty"), b"").unwrap();
    let hole = fs::File::create(root.join("hole")).unwrap();
    hole.write_all_at(b"end", 5_000_000).unwrap();
    backup(&local, &root);
    (local, root)
}

fn backup(local: &Local, root: &Path) {
    let paths = [root.to_owned()];
    local.repo.backup_tree(&paths, &TreeOptions::default(), &meta(), &Monitor::new()).unwrap();
}

fn restore(local: &Local, root: &Path, to: &Path, options: RestoreOptions) -> Result<RestoreSummary> {
    restore_of(local, &local.latest(), root, to, options)
}

fn restore_of(
    local: &Local,
    snapshot: &SnapshotInfo,
    root: &Path,
    to: &Path,
    options: RestoreOptions,
) -> Result<RestoreSummary> {
    local.repo.restore_tree(snapshot, root.to_str().unwrap(), to, options, &Monitor::new())
}

fn assert_same(a: &Path, b: &Path) {
    for name in ["large", "text", "deep/er/small", "deep/empty", "hole"] {
        assert!(fs::read(a.join(name)).unwrap() == fs::read(b.join(name)).unwrap(), "{name}");
        assert_eq!(
            fs::metadata(a.join(name)).unwrap().modified().unwrap(),
            fs::metadata(b.join(name)).unwrap().modified().unwrap()
        );
    }
    assert!(!b.join(UNFINISHED_MARK).exists(), "the mark is left");
}

#[test]
fn a_restore_over_an_older_state_writes_only_what_differs() {
    let (local, root) = stored();
    let to = local.beside("to");
    restore(&local, &root, &to, RestoreOptions::default()).unwrap();
    let whole = restore(&local, &root, &to, OVER).unwrap();
    assert_eq!(whole.bytes_kept, whole.bytes, "all was there");
    // In the middle, too long, gone, and a hole that is none any more.
    let file = fs::OpenOptions::new().write(true).open(to.join("large")).unwrap();
    file.write_all_at(b"changed", 6_000_000).unwrap();
    fs::write(to.join("text"), [sql(20_000), b"more".to_vec()].concat()).unwrap();
    fs::remove_file(to.join("deep/er/small")).unwrap();
    fs::OpenOptions::new().write(true).open(to.join("hole")).unwrap().write_all_at(b"junk", 100).unwrap();
    fs::write(to.join("other"), b"stays").unwrap();
    let inode = fs::metadata(to.join("large")).unwrap().ino();
    let done = restore(&local, &root, &to, OVER).unwrap();
    assert_same(&root, &to);
    assert_eq!(fs::read(to.join("other")).unwrap(), b"stays");
    assert_eq!(fs::metadata(to.join("large")).unwrap().ino(), inode, "it was written over, not anew");
    assert!(done.bytes_kept > 8_000_000 && done.bytes_kept < done.bytes, "{} kept", done.bytes_kept);
}

#[test]
fn what_is_in_a_files_place_and_not_only_this_file_is_replaced_and_not_written_through() {
    let (local, root) = stored();
    let (to, outside) = (local.beside("to"), local.beside("outside"));
    fs::write(outside.join("precious"), b"precious").unwrap();
    fs::hard_link(outside.join("precious"), to.join("text")).unwrap();
    symlink(outside.join("precious"), to.join("large")).unwrap();
    symlink(&outside, to.join("deep")).unwrap();
    fs::write(to.join("hole"), b"secret").unwrap();
    xattr::set(to.join("hole"), "user.old", b"1").unwrap();
    fs::set_permissions(to.join("hole"), fs::Permissions::from_mode(0o400)).unwrap();
    restore(&local, &root, &to, OVER).unwrap();
    assert_same(&root, &to);
    assert_eq!(fs::read(outside.join("precious")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "something was written through a link");
    assert_eq!(xattr::get(to.join("hole"), "user.old").unwrap(), None);
}

#[test]
fn fault_26_a_restore_that_was_stopped_goes_on_and_keeps_what_it_had() {
    let (local, root) = stored();
    let to = local.beside("to");
    let monitor = Monitor::new();
    let stopped = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let path = root.to_str().unwrap();
            local.repo.restore_tree(&local.latest(), path, &to, RestoreOptions::default(), &monitor)
        });
        while monitor.progress().bytes_done < 3_000_000 && !run.is_finished() {
            std::thread::yield_now();
        }
        monitor.cancel();
        run.join().unwrap()
    });
    if stopped.is_ok() {
        // It was faster than the cancel: nothing is left to go on with.
        return;
    }
    assert!(to.join(UNFINISHED_MARK).exists(), "fault 27: a target that is half says so");
    let done = restore(&local, &root, &to, RestoreOptions::default()).unwrap();
    assert!(done.bytes_kept > 0, "nothing was kept");
    assert_same(&root, &to);
}

#[test]
fn fault_64_the_mark_of_another_restore_allows_nothing() {
    let (local, root) = stored();
    let to = local.beside("to");
    let first = local.latest();
    restore(&local, &root, &to, RestoreOptions::default()).unwrap();
    fs::write(root.join("text"), b"newer").unwrap();
    backup(&local, &root);
    let mark = |snapshot: &SnapshotInfo, path: &str| {
        let text = serde_json::json!({ "snapshot": snapshot.id.to_string(), "path": path });
        fs::write(to.join(UNFINISHED_MARK), text.to_string()).unwrap();
    };
    let path = root.to_str().unwrap().trim_matches('/');
    for (snapshot, path) in [(&first, path), (&local.latest(), "else")] {
        mark(snapshot, path);
        let refused = restore(&local, &root, &to, RestoreOptions::default()).unwrap_err();
        assert!(matches!(refused, Error::TargetNotEmpty { .. }), "{refused}");
    }
    mark(&first, path);
    restore_of(&local, &first, &root, &to, RestoreOptions::default()).unwrap();
}

#[test]
fn a_file_whose_stored_data_is_damaged_stays_when_it_is_right_already() {
    let (local, root) = stored();
    let to = local.beside("to");
    restore(&local, &root, &to, RestoreOptions::default()).unwrap();
    for pack in support::objects(&local.path(), &["data"]) {
        let mut bytes = fs::read(&pack).unwrap();
        // The packs of trees are small.
        if bytes.len() > 1_000_000 {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::set_permissions(&pack, fs::Permissions::from_mode(0o600)).unwrap();
            fs::write(&pack, bytes).unwrap();
        }
    }
    let fresh = local.beside("fresh");
    assert!(matches!(
        restore(&local, &root, &fresh, RestoreOptions::default()).unwrap_err(),
        Error::FilesDamaged { .. }
    ));
    assert!(fresh.join(UNFINISHED_MARK).exists());
    let done = restore(&local, &root, &to, OVER).unwrap();
    assert_eq!(done.bytes_kept, done.bytes);
    assert_same(&root, &to);
}

#[test]
fn a_file_with_the_marks_name_is_left_out_and_said_so() {
    let (local, root) = stored();
    fs::write(root.join(UNFINISHED_MARK), b"old").unwrap();
    backup(&local, &root);
    let to = local.beside("to");
    let done = restore(&local, &root, &to, RestoreOptions::default()).unwrap();
    assert_eq!(done.warning_count, 1, "{:?}", done.warnings);
    assert_same(&root, &to);
}
