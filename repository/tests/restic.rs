//! The format is a contract: every verb of stock restic over our repositories, and ours over restic's, in
//! every version of restic that is there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use repository::{CheckOptions, Filter, Monitor, Repository, RestoreOptions, TreeOptions};
use support::restic::Restic;
use support::trees::{look, set_time};
use support::{Local, judges, meta, noise, objects, open, restic_agrees, sql};

/// Text and noise, a hole, two names of one file, attributes, and times and modes to be kept.
fn make(root: &Path) {
    fs::create_dir_all(root.join("folder/empty")).unwrap();
    fs::write(root.join("folder/text.sql"), sql(40_000)).unwrap();
    fs::write(root.join("folder/noise"), noise(1, 2_500_000)).unwrap();
    fs::hard_link(root.join("folder/noise"), root.join("noise-again")).unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(5_000_000).unwrap();
    sparse.write_all_at(b"in the middle of a hole", 3_000_001).unwrap();
    xattr::set(root.join("folder/text.sql"), "user.comment", b"kept").unwrap();
    fs::set_permissions(root.join("folder/noise"), fs::Permissions::from_mode(0o4750)).unwrap();
    set_time(&root.join("folder/text.sql"), -1, 999_999_999);
    set_time(&root.join("folder"), 4_000_000_000, 5);
}

fn back_up(repo: &Repository, root: &Path) {
    repo.backup_tree(&[root.to_owned()], &TreeOptions::default(), &meta(), &Monitor::new()).unwrap();
}

/// Two snapshots, some of whose files differ.
fn ours() -> (Local, PathBuf) {
    let local = Local::new();
    let root = local.beside("tree");
    make(&root);
    back_up(&local.repo, &root);
    fs::write(root.join("folder/text.sql"), sql(20_000)).unwrap();
    fs::write(root.join("later"), noise(2, 300_000)).unwrap();
    back_up(&local.repo, &root);
    (local, root)
}

fn all_comes_back(repo: &Repository, root: &Path, scratch: &Path) {
    let whole = CheckOptions { read_data: true, ..CheckOptions::default() };
    let report = repo.check(whole, &Monitor::new()).unwrap();
    assert!(report.is_sound(), "{:?}", report.damages);
    let to = tempfile::tempdir_in(scratch).unwrap();
    let latest = repo.find(&Filter::default()).unwrap();
    let options = RestoreOptions::default();
    let done = repo.restore_tree(&latest, root.to_str().unwrap(), to.path(), options, &Monitor::new());
    assert!(done.unwrap().is_complete());
    assert_eq!(look(to.path()), look(root));
}

fn for_each_restic(test: impl Fn(&Restic)) {
    for restic in judges() {
        println!("restic {}", restic.version);
        test(restic);
    }
}

#[test]
fn restic_checks_restores_dumps_and_lists_what_we_wrote() {
    let (local, root) = ours();
    for_each_restic(|restic| {
        restic.agrees(&local.path());
        let back = restic.restore(&local.path(), &root, local.folder.path());
        assert_eq!(look(&back), look(&root));
        let dumped = restic.ok(&local.path(), &["dump", "latest", root.join("later").to_str().unwrap()]);
        assert!(dumped == noise(2, 300_000));
        let listed = String::from_utf8(restic.ok(&local.path(), &["ls", "latest"])).unwrap();
        assert!(listed.contains("/folder/text.sql"), "{listed}");
        let changed = restic.ok(&local.path(), &["diff", &snapshot(&local, 0), &snapshot(&local, 1)]);
        assert!(String::from_utf8(changed).unwrap().contains("/later"));
    });
}

fn snapshot(local: &Local, number: usize) -> String {
    local.repo.snapshots().unwrap()[number].id.to_string()
}

#[test]
fn restic_copies_what_we_wrote() {
    let (local, root) = ours();
    for_each_restic(|restic| {
        let to = Local::new();
        restic.ok(&to.path(), &["copy", "--from-repo", local.path().to_str().unwrap()]);
        restic_agrees(&to.path());
        assert_eq!(to.repo.snapshots().unwrap().len(), 2);
        all_comes_back(&to.repo, &root, local.folder.path());
    });
}

#[test]
fn restic_forgets_and_prunes_what_we_wrote() {
    for_each_restic(|restic| {
        let (local, root) = ours();
        let before: u64 = sizes(&local.path());
        restic.ok(&local.path(), &["forget", &snapshot(&local, 0)]);
        restic.ok(&local.path(), &["prune", "--max-unused", "0"]);
        assert!(sizes(&local.path()) < before, "something is gone");
        restic_agrees(&local.path());
        all_comes_back(&open(&local.path()), &root, local.folder.path());
        // And we go on in it.
        back_up(&open(&local.path()), &root);
        restic_agrees(&local.path());
    });
}

fn sizes(repository: &Path) -> u64 {
    objects(repository, &["data"]).iter().map(|pack| fs::metadata(pack).unwrap().len()).sum()
}

#[test]
fn restic_builds_the_index_of_what_we_wrote_anew() {
    for_each_restic(|restic| {
        let (local, root) = ours();
        for file in objects(&local.path(), &["index"]) {
            fs::remove_file(file).unwrap();
        }
        restic.repair_index(&local.path());
        restic_agrees(&local.path());
        all_comes_back(&open(&local.path()), &root, local.folder.path());
    });
}

#[test]
fn we_read_check_and_restore_what_restic_wrote_in_every_compression_and_pack_size() {
    for_each_restic(|restic| {
        for (compression, pack_size) in [("off", "4"), ("auto", "16"), ("max", "128")] {
            // Ours when it is empty: its password opens faster, and what is written is the same.
            let local = Local::new();
            let root = local.beside("tree");
            make(&root);
            let options = ["--compression", compression, "--pack-size", pack_size];
            restic.ok(&local.path(), &[&["backup", root.to_str().unwrap()], &options[..]].concat());
            all_comes_back(&local.repo, &root, local.folder.path());
            // We add to it, and both read what is there now.
            fs::write(root.join("later"), noise(3, 200_000)).unwrap();
            back_up(&local.repo, &root);
            all_comes_back(&local.repo, &root, local.folder.path());
            restic.agrees(&local.path());
        }
    });
}

#[test]
fn we_prune_and_rebuild_the_index_of_what_restic_wrote() {
    for_each_restic(|restic| {
        let local = Local::new();
        let (path, root) = (local.path(), local.beside("tree"));
        make(&root);
        restic.ok(&path, &["backup", root.to_str().unwrap()]);
        fs::write(root.join("folder/text.sql"), noise(4, 1_000_000)).unwrap();
        restic.ok(&path, &["backup", root.to_str().unwrap()]);
        let repo = &local.repo;
        let first = repo.snapshots().unwrap()[0].id;
        repo.forget(&[first]).unwrap();
        for days in [0, 2] {
            support::operation::prune(repo, days * support::operation::DAY).unwrap();
            restic_agrees(&path);
            all_comes_back(repo, &root, local.folder.path());
        }
        for file in objects(&path, &["index"]) {
            fs::remove_file(file).unwrap();
        }
        repo.rebuild_index(&Monitor::new()).unwrap();
        restic_agrees(&path);
        all_comes_back(repo, &root, local.folder.path());
    });
}
