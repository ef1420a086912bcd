//! Repositories that released versions wrote stay readable for ever.
//!
//! A new one is made with `LIFEBOAT_WRITE_GOLDEN=1 cargo test -p lifeboat-repository --test golden`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use repository::{BackupMeta, CheckOptions, Filter, Id, InitOptions, KdfParams, Monitor, Repository};
use support::{meta, sql};

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
        tags: vec!["lifeboat:kind=golden".into()],
        metadata: Some(b"{\"kind\":\"golden\"}".to_vec()),
        ..meta()
    };
    let made = repo.backup_streams(&meta, &Monitor::new(), |snapshot| {
        snapshot.bytes("folder/text.sql", &text())?;
        snapshot.bytes("folder/noise", &noise())?;
        snapshot.bytes("empty", b"").map(drop)
    });
    made.unwrap();
}

#[test]
fn golden_repositories_of_every_version_stay_readable() {
    let current = testdata().join(env!("CARGO_PKG_VERSION"));
    if std::env::var_os("LIFEBOAT_WRITE_GOLDEN").is_some() && !current.exists() {
        write(&current);
    }
    let mut versions = 0;
    for version in fs::read_dir(testdata()).unwrap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r");
        copy(&version.unwrap().path(), &path);
        let repo = support::open(&path);
        assert!(
            repo.check(CheckOptions { read_data: true, ..Default::default() }, &Monitor::new())
                .unwrap()
                .is_sound()
        );
        let snapshot =
            repo.find(&Filter { tags: vec!["lifeboat:kind=golden".into()], ..Filter::default() }).unwrap();
        assert_eq!(snapshot.snapshot.time.to_string(), "2026-11-20T12:00:00.5Z");
        let contents: [(&str, &[u8]); 4] = [
            ("folder/text.sql", &text()),
            ("folder/noise", &noise()),
            ("empty", b""),
            ("lifeboat.json", b"{\"kind\":\"golden\"}"),
        ];
        for (name, wanted) in contents {
            let mut out = Vec::new();
            repo.dump(&snapshot, name, &mut out, &Monitor::new()).unwrap();
            assert!(out == wanted, "{name}");
        }
        support::restic_agrees(&path);
        versions += 1;
    }
    assert!(versions >= 1, "there is no golden repository");
}
