//! File trees in and out, with stock restic as the judge.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use repository::{BackupMeta, Monitor, OnTrouble, RestoreOptions, TreeOptions};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use support::restic::{Restic, newest};
use support::trees::{look, set_time};
use support::{Local, judges, meta, noise, restic_agrees, restic_ok, sql};

/// One of everything that a file system has.
fn make_zoo(root: &Path) {
    let is_root = rustix::process::geteuid().is_root();
    fs::create_dir_all(root.join("folder/deep/er")).unwrap();
    fs::write(root.join("folder/text"), sql(20_000)).unwrap();
    fs::write(root.join("folder/noise"), noise(1, 3_000_000)).unwrap();
    fs::write(root.join("folder/deep/er/small"), b"small").unwrap();
    fs::write(root.join("empty"), b"").unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(20_000_000).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"odd \xff\n\"name\\ <&>")), b"odd").unwrap();
    fs::write(root.join("ünïcode \u{ad}\u{301}"), b"uni").unwrap();
    fs::hard_link(root.join("folder/text"), root.join("folder/deep/text-again")).unwrap();
    symlink("folder/text", root.join("link")).unwrap();
    symlink("/nowhere/at/all", root.join("dangling")).unwrap();
    mknodat(CWD, root.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    if is_root {
        let null = rustix::fs::makedev(1, 3);
        mknodat(CWD, root.join("null"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), null).unwrap();
        std::os::unix::fs::lchown(root.join("empty"), Some(1234), Some(5678)).unwrap();
        std::os::unix::fs::lchown(root.join("dangling"), Some(1), Some(2)).unwrap();
    }
    xattr::set(root.join("folder/text"), "user.comment", b"kept\0\xff").unwrap();
    xattr::set(root.join("folder"), "user.folder", b"too").unwrap();
    fs::set_permissions(root.join("folder/noise"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(root.join("folder/deep"), fs::Permissions::from_mode(0o1777)).unwrap();
    set_time(&root.join("empty"), -86_400, 123_456_789);
    set_time(&root.join("dangling"), 1_000_000_000, 1);
    set_time(&root.join("folder/deep"), 1_500_000_000, 999_999_999);
    set_time(root, 1_600_000_000, 5);
}

fn back_up(local: &Local, root: &Path) -> repository::SnapshotSummary {
    local.repo.backup_tree(&[root.to_owned()], &TreeOptions::default(), &meta(), &Monitor::new()).unwrap()
}

#[test]
fn a_tree_comes_back_with_all_metadata_by_us_and_by_restic() {
    let local = Local::new();
    let root = local.beside("zoo");
    make_zoo(&root);
    let before = look(&root);
    let done = back_up(&local, &root);
    assert!(done.troubles.is_empty(), "{:?}", done.troubles);
    restic_agrees(&local.path());

    let ours = local.folder.path().join("ours");
    let summary = local.repo.restore_tree(
        &local.latest(),
        root.to_str().unwrap(),
        &ours,
        RestoreOptions::default(),
        &Monitor::new(),
    );
    let summary = summary.unwrap();
    assert!(summary.is_complete(), "{:?}", summary.warnings);
    pretty_assert(&look(&ours), &before);
    assert!(fs::metadata(ours.join("sparse")).unwrap().blocks() < 1000, "holes come back as holes");

    for restic in judges() {
        let theirs = restic.restore(&local.path(), &root, local.folder.path());
        pretty_assert(&look(&theirs), &before);
    }
}

fn pretty_assert(found: &BTreeMap<PathBuf, String>, wanted: &BTreeMap<PathBuf, String>) {
    for (path, what) in wanted {
        assert_eq!(found.get(path), Some(what), "{}", path.display());
    }
    assert_eq!(found.len(), wanted.len());
}

/// restic compares our trees with its own encoding of them before it rewrites one: every byte must agree.
#[test]
fn restic_rewrites_our_trees_without_losing_anything() {
    let local = Local::new();
    let root = local.beside("zoo");
    make_zoo(&root);
    let done = back_up(&local, &root);
    let rewriter = newest();
    if !rewriter.is_at_least([0, 15]) {
        eprintln!("SKIPPED: restic {} is too old to rewrite snapshots", rewriter.version);
        return;
    }
    // It saves a snapshot either way, with statistics added. The trees must be the same.
    rewriter.ok(&local.path(), &["rewrite", "--exclude", "no-such-file", "latest"]);
    let others = || local.repo.snapshots().unwrap().iter().filter(|s| s.snapshot.tree != done.tree).count();
    assert_eq!(others(), 0);
    rewriter.ok(&local.path(), &["rewrite", "--exclude", "empty", "latest"]);
    assert_eq!(others(), 1);
    restic_agrees(&local.path());
}

#[test]
fn a_tree_that_restic_stored_comes_back_by_us() {
    judges().iter().for_each(a_tree_that_it_stored_comes_back);
}

fn a_tree_that_it_stored_comes_back(restic: &Restic) {
    let folder = tempfile::tempdir().unwrap();
    let (path, root) = (folder.path().join("r"), folder.path().join("zoo"));
    make_zoo(&{
        fs::create_dir(&root).unwrap();
        root.clone()
    });
    let before = look(&root);
    restic.init(&path);
    restic.ok(&path, &["backup", root.to_str().unwrap()]);
    let repo = support::open(&path);
    let ours = folder.path().join("ours");
    let snapshot = repo.find(&repository::Filter::default()).unwrap();
    let summary = repo.restore_tree(
        &snapshot,
        root.to_str().unwrap(),
        &ours,
        RestoreOptions::default(),
        &Monitor::new(),
    );
    assert!(summary.unwrap().is_complete());
    pretty_assert(&look(&ours), &before);
    assert!(
        repo.check(repository::CheckOptions { read_data: true, ..Default::default() }, &Monitor::new())
            .unwrap()
            .is_sound()
    );
}

#[test]
fn an_unchanged_tree_is_not_read_again() {
    let local = Local::new();
    let root = local.beside("zoo");
    make_zoo(&root);
    // A file that was changed when its backup begins is read once more.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let first = back_up(&local, &root);
    let second = back_up(&local, &root);
    assert_eq!((second.bytes_read, second.bytes), (0, first.bytes));
    // Folders above the tree may have changed: other tests share the temporary folder.
    assert!(second.blobs_new < root.components().count() as u64, "{}", second.blobs_new);
    assert_eq!(second.files_unchanged, 8, "regular files, one with two names");
    fs::write(root.join("folder/deep/er/small"), b"grown").unwrap();
    let third = back_up(&local, &root);
    assert_eq!(third.bytes_read, 5);
    restic_agrees(&local.path());
    let sent = restic_ok(&local.path(), &["snapshots", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(listed[2]["parent"], second.snapshot.to_string());
}

#[test]
fn a_file_that_may_have_changed_while_the_backup_ran_is_read_again() {
    let local = Local::new();
    let root = local.beside("tree");
    fs::write(root.join("f"), b"content").unwrap();
    let began = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(3600);
    let meta = repository::BackupMeta { time: began, ..meta() };
    let options = repository::TreeOptions::default();
    for _ in 0..2 {
        let done =
            local.repo.backup_tree(std::slice::from_ref(&root), &options, &meta, &Monitor::new()).unwrap();
        assert_eq!((done.files_unchanged, done.bytes_read), (0, 7));
    }
}

#[test]
fn excluded_files_are_left_out_and_several_paths_share_one_snapshot() {
    let local = Local::new();
    let root = local.beside("data");
    for path in ["a/keep", "a/x.tmp", "b/keep", "c/never", "a/cache/big"] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), path).unwrap();
    }
    let options = TreeOptions { excludes: vec!["*.tmp".into(), "a/cache".into()], ..TreeOptions::default() };
    let paths = [root.join("b"), root.join("a"), root.join("a/keep")];
    let meta = BackupMeta { metadata: Some(b"{}".to_vec()), ..meta() };
    local.repo.backup_tree(&paths, &options, &meta, &Monitor::new()).unwrap();
    let mut seen = Vec::new();
    let all = &mut |path: &str, node: &repository::Node| {
        if node.kind == repository::NodeKind::File {
            seen.push(path.trim_start_matches(root.to_str().unwrap()).to_owned());
        }
        Ok(())
    };
    local.repo.ls(&local.latest(), "", true, all).unwrap();
    seen.sort();
    assert_eq!(seen, ["/a/keep", "/b/keep", "/lifeboat.json"]);
    restic_agrees(&local.path());
}

#[test]
fn fault_62_files_that_cannot_be_captured_fail_the_backup_or_are_named_by_policy() {
    let local = Local::new();
    let root = local.beside("data");
    fs::write(root.join("good"), b"good").unwrap();
    // Somebody goes on writing into it.
    let growing = root.join("growing");
    fs::write(&growing, noise(2, 20_000_000)).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = {
        let (growing, stop) = (growing.clone(), std::sync::Arc::clone(&stop));
        std::thread::spawn(move || {
            use std::io::Write;
            let mut file = fs::OpenOptions::new().append(true).open(growing).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all(b"x").unwrap();
            }
        })
    };
    let back_up = |on_trouble| {
        let options = TreeOptions { on_trouble, ..TreeOptions::default() };
        local.repo.backup_tree(std::slice::from_ref(&root), &options, &meta(), &Monitor::new())
    };
    let error = back_up(OnTrouble::Fail).unwrap_err();
    assert_eq!(error.code(), "LB3052", "{error}");
    assert!(local.repo.snapshots().unwrap().is_empty());
    let done = back_up(OnTrouble::KeepIncomplete).unwrap();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    assert!(done.is_incomplete());
    assert_eq!((done.troubles.changed, done.troubles.named.len()), (1, 1));
    assert!(done.troubles.named[0].path.ends_with("/growing"));
    let kept = local.repo.find(&repository::Filter { incomplete: true, ..Default::default() }).unwrap();
    assert!(kept.snapshot.is_incomplete());
    let mut list = Vec::new();
    local.repo.dump(&kept, "lifeboat-incomplete.json", &mut list, &Monitor::new()).unwrap();
    assert!(String::from_utf8(list).unwrap().contains("growing"));
    restic_agrees(&local.path());
}

/// restic 0.14 knows no such links; newer ones do.
#[test]
fn a_link_to_a_name_that_is_not_text_comes_back() {
    let local = Local::new();
    let root = local.beside("data");
    symlink(OsStr::from_bytes(b"bytes\xfe"), root.join("link")).unwrap();
    back_up(&local, &root);
    let ours = local.beside("ours");
    local
        .repo
        .restore_tree(
            &local.latest(),
            root.to_str().unwrap(),
            &ours,
            RestoreOptions::default(),
            &Monitor::new(),
        )
        .unwrap();
    assert_eq!(fs::read_link(ours.join("link")).unwrap().as_os_str().as_bytes(), b"bytes\xfe");
}

#[test]
fn a_path_that_is_not_there_is_an_error() {
    let local = Local::new();
    let gone = [local.folder.path().join("gone")];
    let error = local.repo.backup_tree(&gone, &TreeOptions::default(), &meta(), &Monitor::new()).unwrap_err();
    assert_eq!(error.code(), "LB3060");
}

#[test]
fn fault_64_a_restore_into_a_folder_with_files_is_refused_unless_told() {
    let local = Local::new();
    let root = local.beside("data");
    fs::create_dir(root.join("sub")).unwrap();
    fs::write(root.join("sub/file"), b"new").unwrap();
    back_up(&local, &root);
    let (target, outside) = (local.beside("target"), local.beside("outside"));
    fs::write(target.join("mine"), b"mine").unwrap();
    // A link where the snapshot has a folder must not lead the restore out of its target.
    symlink(&outside, target.join("sub")).unwrap();
    let restore = |overwrite| {
        let options = RestoreOptions { overwrite, ..RestoreOptions::default() };
        local.repo.restore_tree(&local.latest(), root.to_str().unwrap(), &target, options, &Monitor::new())
    };
    assert_eq!(restore(false).unwrap_err().code(), "LB3061");
    restore(true).unwrap();
    restore(true).unwrap();
    assert_eq!(fs::read(target.join("sub/file")).unwrap(), b"new");
    assert_eq!(fs::read(target.join("mine")).unwrap(), b"mine");
    assert!(fs::read_dir(&outside).unwrap().next().is_none());
}

#[test]
fn one_file_and_one_folder_can_be_restored_by_themselves() {
    let local = Local::new();
    let root = local.beside("zoo");
    make_zoo(&root);
    back_up(&local, &root);
    let restore = |path: &str, target: &Path| {
        let path = format!("{}/{path}", root.display());
        local.repo.restore_tree(&local.latest(), &path, target, RestoreOptions::default(), &Monitor::new())
    };
    let (one, sub) = (local.beside("one"), local.beside("sub"));
    restore("folder/text", &one).unwrap();
    assert!(fs::read(one.join("text")).unwrap() == sql(20_000));
    restore("folder/deep", &sub).unwrap();
    assert_eq!(fs::read(sub.join("er/small")).unwrap(), b"small");
    assert_eq!(restore("nothing", &local.beside("x")).unwrap_err().code(), "LB3042");
}
