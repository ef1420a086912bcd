//! One capture into several repositories: the source is read once, and each repository is whole by itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use repository::{
    Capture, CheckOptions, Filter, InitOptions, KdfParams, Monitor, Repository, RestoreOptions,
    SnapshotSummary, TreeOptions,
};
use support::dying::Dying;
use support::moto::Moto;
use support::{Local, at, meta, noise, objects, password, quick_locks, restic_agrees, restic_ok, sql};

/// Files below and above the size of one blob.
fn make_tree(local: &Local) -> PathBuf {
    let root = local.beside("data");
    fs::create_dir(root.join("folder")).unwrap();
    fs::write(root.join("folder/text"), sql(20_000)).unwrap();
    fs::write(root.join("noise"), noise(1, 3_000_000)).unwrap();
    for n in 0..20 {
        fs::write(root.join(format!("folder/small-{n}")), noise(n, 5000)).unwrap();
    }
    // A file that was changed when its backup begins is read once more.
    std::thread::sleep(std::time::Duration::from_millis(50));
    root
}

fn back_up(repos: &[&Repository], root: &Path) -> Vec<repository::Result<SnapshotSummary>> {
    let capture = Capture::into(repos).unwrap();
    capture.tree(&[root.to_owned()], &TreeOptions::default(), &meta(), &Monitor::new()).unwrap()
}

fn well(outcomes: Vec<repository::Result<SnapshotSummary>>) -> [SnapshotSummary; 2] {
    outcomes.into_iter().map(Result::unwrap).collect::<Vec<_>>().try_into().unwrap()
}

/// Restores the newest snapshot, which must be as the tree is.
fn comes_back(repo: &Repository, root: &Path) {
    let scratch = tempfile::tempdir().unwrap();
    let target = scratch.path().join("restored");
    let latest = repo.find(&Filter::default()).unwrap();
    let options = RestoreOptions::default();
    repo.restore_tree(&latest, root.to_str().unwrap(), &target, options, &Monitor::new()).unwrap();
    is_same(root, &target);
}

fn is_same(root: &Path, restored: &Path) {
    let files = objects(root, &[""]);
    assert_eq!(objects(restored, &[""]).len(), files.len());
    for file in files {
        let found = fs::read(restored.join(file.strip_prefix(root).unwrap())).unwrap();
        assert!(found == fs::read(&file).unwrap(), "{}", file.display());
    }
}

#[test]
fn both_repositories_hold_the_same_tree_and_restic_agrees() {
    let (here, there) = (Local::new(), Local::new());
    let root = make_tree(&here);
    let [one, two] = well(back_up(&[&here.repo, &there.repo], &root));
    assert_eq!((one.tree, one.bytes_read, one.blobs_new), (two.tree, two.bytes_read, two.blobs_new));
    assert_ne!(one.snapshot, two.snapshot, "each snapshot is sealed with its own key");
    for local in [&here, &there] {
        comes_back(&local.repo, &root);
        restic_agrees(&local.path());
        let theirs = local.beside("theirs");
        restic_ok(&local.path(), &["restore", "latest", "--target", theirs.to_str().unwrap()]);
        is_same(&root, &theirs.join(root.strip_prefix("/").unwrap()));
    }
}

#[test]
fn an_unchanged_second_run_reads_nothing_and_sends_nothing_to_either() {
    let (here, there) = (Local::new(), Local::new());
    let root = make_tree(&here);
    let firsts = well(back_up(&[&here.repo, &there.repo], &root));
    let packs = [objects(&here.path(), &["data"]), objects(&there.path(), &["data"])];
    let seconds = well(back_up(&[&here.repo, &there.repo], &root));
    for (first, second) in firsts.iter().zip(&seconds) {
        assert_eq!((second.bytes_read, second.bytes), (0, first.bytes));
        // Folders above the tree may have changed: other tests share the temporary folder.
        assert!(second.blobs_new < root.components().count() as u64, "{}", second.blobs_new);
    }
    for (local, before) in [&here, &there].into_iter().zip(packs) {
        let new: u64 = objects(&local.path(), &["data"])
            .iter()
            .filter(|pack| !before.contains(pack))
            .map(|pack| fs::metadata(pack).unwrap().len())
            .sum();
        assert!(new < 20_000, "{new} bytes of folders above the tree");
        let listed: serde_json::Value =
            serde_json::from_slice(&local.restic(&["snapshots", "--json"])).unwrap();
        assert_eq!(listed[1]["parent"], listed[0]["id"], "its own parent, not the other repository's");
    }
}

#[test]
fn a_blob_that_is_missing_in_one_is_read_again_and_sent_only_there() {
    let (here, there) = (Local::new(), Local::new());
    let root = make_tree(&here);
    let alone =
        well([back_up(&[&here.repo], &root), back_up(&[&here.repo], &root)].into_iter().flatten().collect());
    assert_eq!(alone[1].bytes_read, 0);
    // The first one has the parent and every blob, the second has nothing.
    let [one, two] = well(back_up(&[&here.repo, &there.repo], &root));
    assert_eq!(one.bytes_read, one.bytes, "a file that one of them lacks is read again");
    assert!(one.blobs_new < root.components().count() as u64, "{}", one.blobs_new);
    assert!(two.blobs_new > 20, "{}", two.blobs_new);
    comes_back(&there.repo, &root);
    restic_agrees(&here.path());
    restic_agrees(&there.path());
    // And one new file later, which only the second has from a backup of its own. It is too small to be cut: each
    // repository cuts at other places.
    fs::write(root.join("new"), noise(99, 500_000)).unwrap();
    back_up(&[&there.repo], &root);
    let [one, two] = well(back_up(&[&here.repo, &there.repo], &root));
    assert!(one.bytes_stored > 500_000, "{}", one.bytes_stored);
    assert!(two.bytes_stored < one.bytes_stored, "{} {}", two.bytes_stored, one.bytes_stored);
}

#[test]
fn a_folder_and_a_bucket_are_fed_in_one_pass() {
    let (here, moto) = (Local::new(), Moto::start());
    let bucket = Repository::init(moto.storage("r"), &password(), InitOptions { kdf: KdfParams::LIGHT });
    let bucket = bucket.unwrap().with_lock_times(quick_locks());
    let root = make_tree(&here);
    let [one, two] = well(back_up(&[&here.repo, &bucket], &root));
    assert_eq!(one.blobs_new, two.blobs_new);
    comes_back(&here.repo, &root);
    comes_back(&bucket, &root);
    let [_, again] = well(back_up(&[&here.repo, &bucket], &root));
    assert_eq!(again.bytes_read, 0);
}

#[test]
fn fault_60_a_storage_that_dies_midway_leaves_the_other_repository_whole() {
    for (writes, dying_at) in [(0, 0), (1, 1), (2, 0), (3, 1), (4, 0)] {
        one_dies_after(writes, dying_at);
    }
}

/// The repository at this place of the list can be written so often.
fn one_dies_after(writes: i64, dying_at: usize) {
    let (here, there) = (Local::new(), Local::new());
    let dump = noise(5, 10_000_000);
    let storage = Dying::after(at(&there.path()), writes);
    let dying = Repository::open(storage.clone(), &password()).unwrap().with_lock_times(quick_locks());
    let order = if dying_at == 0 { [&dying, &here.repo] } else { [&here.repo, &dying] };
    let back_up = |repos: &[&Repository]| {
        let ended_well = || Ok::<(), std::io::Error>(());
        let capture = Capture::into(repos).unwrap();
        capture.stream(&meta(), "dump", &mut dump.as_slice(), ended_well, &Monitor::new()).unwrap()
    };
    let outcomes = back_up(&order);
    assert!(storage.is_dead(), "it was to die");
    let error = outcomes[dying_at].as_ref().unwrap_err();
    assert!(matches!(error, repository::Error::Storage(_)), "{error}");
    assert_eq!(outcomes[1 - dying_at].as_ref().unwrap().bytes, 10_000_000);
    assert!(here.dump("dump") == dump);
    is_sound(&here.repo);

    // The other has what it had before, and takes a backup when it is back.
    let back = support::open(&there.path());
    assert!(back.snapshots().unwrap().is_empty());
    assert_eq!(well(back_up(&[&here.repo, &back])).map(|done| done.bytes), [10_000_000; 2]);
    is_sound(&back);
}

fn is_sound(repo: &Repository) {
    let options = CheckOptions { read_data: true, ..CheckOptions::default() };
    assert!(repo.check(options, &Monitor::new()).unwrap().is_sound());
}

#[test]
fn when_all_repositories_fail_each_one_says_why() {
    let (here, there) = (Local::new(), Local::new());
    let root = make_tree(&here);
    let dead = [&here, &there].map(|local| {
        Repository::open(Dying::after(at(&local.path()), 2), &password())
            .unwrap()
            .with_lock_times(quick_locks())
    });
    for repos in [vec![&dead[0], &dead[1]], vec![&dead[0]]] {
        for outcome in back_up(&repos, &root) {
            assert!(matches!(outcome, Err(repository::Error::Storage(_))), "{outcome:?}");
        }
    }
}

#[test]
fn a_source_that_fails_writes_no_snapshot_in_either() {
    let (here, there) = (Local::new(), Local::new());
    let repos = [&here.repo, &there.repo];
    let failed = || Err(std::io::Error::other("exit code 1"));
    let capture = Capture::into(&repos).unwrap();
    let error =
        capture.stream(&meta(), "dump", &mut sql(1000).as_slice(), failed, &Monitor::new()).unwrap_err();
    assert_eq!(error.code(), "LB3051");
    let cancelled = Monitor::new();
    cancelled.cancel();
    let root = make_tree(&here);
    let options = TreeOptions::default();
    let error = capture.tree(&[root], &options, &meta(), &cancelled).unwrap_err();
    assert!(matches!(error, repository::Error::Cancelled), "{error}");
    for local in [&here, &there] {
        assert!(local.repo.snapshots().unwrap().is_empty());
        assert!(objects(&local.path(), &["locks"]).is_empty());
    }
}

#[test]
fn a_repository_counts_once_and_there_are_few() {
    let here = Local::new();
    let again = support::open(&here.path());
    for repos in [vec![], vec![&here.repo, &again], vec![&here.repo; 4]] {
        assert_eq!(Capture::into(&repos).unwrap_err().code(), "LB3070");
    }
}
