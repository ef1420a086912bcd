//! Repositories that released versions wrote stay readable for ever.
//!
//! New ones are made with `LIFEBOAT_WRITE_GOLDEN=1 cargo test -p lifeboat-repository --test golden`: of this
//! version, as it is after a backup and as a prune leaves it between its two phases, and of the newest restic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use repository::{BackupMeta, CheckOptions, Filter, Id, InitOptions, KdfParams, Monitor, Repository};
use support::operation::DAY;
use support::restic::{self, Restic};
use support::{meta, sql};

const TAG: &str = "lifeboat:kind=golden";
const KIND: &[u8] = b"{\"kind\":\"golden\"}";

const FOLDERS: [&str; 5] = ["data", "index", "keys", "locks", "snapshots"];

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn text() -> Vec<u8> {
    sql(2000)
}

/// Bytes that do not compress, the same for ever.
fn noise() -> Vec<u8> {
    (0..2000_u32).flat_map(|n| *Id::of(&n.to_le_bytes()).as_bytes()).collect()
}

/// A copy that may be locked; a checkout has no empty folders.
fn copy(from: &Path, to: &Path) {
    for folder in FOLDERS {
        fs::create_dir_all(to.join(folder)).unwrap();
    }
    for file in support::objects(from, &["config", "data", "index", "keys", "snapshots"]) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

fn write(path: &Path) {
    let init = InitOptions { kdf: KdfParams::LIGHT };
    let repo = Repository::init(support::at(path), &support::password(), init).unwrap();
    let meta = BackupMeta {
        time: "2026-11-20T12:00:00.5Z".parse().unwrap(),
        tags: vec![TAG.into()],
        metadata: Some(KIND.to_vec()),
        ..meta()
    };
    let made = repo.backup_streams(&meta, &Monitor::new(), |snapshot| {
        snapshot.bytes("folder/text.sql", &text())?;
        snapshot.bytes("folder/noise", &noise())?;
        snapshot.bytes("empty", b"").map(drop)
    });
    made.unwrap();
}

/// What a prune leaves between its two phases: packs that nobody needs, and a mark that names them.
fn write_marked(path: &Path) {
    write(path);
    let repo = support::open(path);
    let needed = repo.snapshots().unwrap().len();
    let garbage = support::noise(58, 30_000);
    let done = repo.backup_stream(
        &meta(),
        "garbage",
        &mut garbage.as_slice(),
        || Ok::<(), std::io::Error>(()),
        &Monitor::new(),
    );
    repo.forget(&[done.unwrap().snapshot]).unwrap();
    support::operation::prune(&repo, Duration::ZERO).unwrap();
    assert_eq!(repo.snapshots().unwrap().len(), needed);
}

/// The same content, stored by restic alone.
fn write_by_restic(restic: &Restic, path: &Path) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let files: [(&str, &[u8]); 4] =
        [("folder/text.sql", &text()), ("folder/noise", &noise()), ("empty", b""), ("lifeboat.json", KIND)];
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    restic.init(path);
    let backup = ["backup", "--host", "db-1", "--tag", TAG, "--time", "2026-11-20 12:00:00"];
    let mut command = restic.command(path, &[&backup[..], &["folder", "empty", "lifeboat.json"]].concat());
    assert!(command.current_dir(folder.path()).env("TZ", "UTC").status().unwrap().success());
}

fn write_missing() {
    let restic = restic::newest();
    let missing = |name: String| Some(testdata().join(name)).filter(|path| !path.exists());
    let version = env!("CARGO_PKG_VERSION");
    missing(version.to_owned()).iter().for_each(|path| write(path));
    missing(format!("{version}-marked")).iter().for_each(|path| write_marked(path));
    missing(format!("restic-{}", restic.version)).iter().for_each(|path| write_by_restic(restic, path));
}

fn is_as_it_was(repo: &Repository, path: &Path) {
    let whole = CheckOptions { read_data: true, ..CheckOptions::default() };
    assert!(repo.check(whole, &Monitor::new()).unwrap().is_sound());
    let snapshot = repo.find(&Filter { tags: vec![TAG.into()], ..Filter::default() }).unwrap();
    assert!(snapshot.snapshot.time.to_string().starts_with("2026-11-20T12:00:00"));
    let contents: [(&str, &[u8]); 4] =
        [("folder/text.sql", &text()), ("folder/noise", &noise()), ("empty", b""), ("lifeboat.json", KIND)];
    for (name, wanted) in contents {
        let mut out = Vec::new();
        repo.dump(&snapshot, name, &mut out, &Monitor::new()).unwrap();
        assert!(out == wanted, "{name}");
    }
    support::restic_agrees(path);
}

#[test]
fn golden_repositories_of_every_version_stay_readable() {
    if std::env::var_os("LIFEBOAT_WRITE_GOLDEN").is_some() {
        write_missing();
    }
    let mut names = Vec::new();
    for version in fs::read_dir(testdata()).unwrap() {
        let version = version.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r");
        copy(&version.path(), &path);
        is_as_it_was(&support::open(&path), &path);
        names.push(version.file_name().into_string().unwrap());
    }
    assert!(names.iter().any(|name| name.starts_with("restic-")), "{names:?}");
    assert!(names.iter().any(|name| name.ends_with("-marked")), "{names:?}");
}

/// A copy of a repository is as old as the copy, so here the grace begins anew.
#[test]
fn a_prune_of_an_older_version_is_completed() {
    for version in fs::read_dir(testdata()).unwrap() {
        let version = version.unwrap();
        if !version.file_name().to_string_lossy().ends_with("-marked") {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r");
        copy(&version.path(), &path);
        let repo = support::open(&path);
        let left = || support::objects(&path, &["data"]).len();
        let before = left();
        support::operation::prune(&repo, DAY / 2).unwrap();
        assert_eq!(left(), before, "within the grace nothing goes");
        support::operation::prune(&repo, 2 * DAY).unwrap();
        assert!(left() < before);
        is_as_it_was(&repo, &path);
    }
}
