//! What the tests of this crate use: repositories in temporary folders, and stock restic, the judge.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod dying;
pub mod moto;
pub mod operation;
pub mod proxy;
pub mod restic;
pub mod tracer;
pub mod trees;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use repository::{
    BackupMeta, Filter, InitOptions, KdfParams, Location, LockTimes, Monitor, Password, Repository,
    SnapshotInfo, Storage, StorageOptions, storage,
};
#[allow(unused_imports)]
pub use restic::{judges, restic_agrees, restic_ok};

pub const PASSWORD: &str = "correct horse";

pub fn password() -> Password {
    Password::new(PASSWORD)
}

/// The lock protocol without its waiting, for tests that do not test it.
pub fn quick_locks() -> LockTimes {
    LockTimes { settle: std::time::Duration::ZERO, ..LockTimes::default() }
}

/// A repository in a folder of its own.
pub struct Local {
    pub folder: tempfile::TempDir,
    pub repo: Repository,
}

impl Local {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repository::init(
            at(&folder.path().join("r")),
            &password(),
            InitOptions { kdf: KdfParams::LIGHT },
        );
        Self { repo: repo.unwrap().with_lock_times(quick_locks()), folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("r")
    }

    /// An empty folder beside the repository.
    pub fn beside(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    pub fn restic(&self, args: &[&str]) -> Vec<u8> {
        restic_ok(&self.path(), args)
    }

    pub fn latest(&self) -> SnapshotInfo {
        self.repo.find(&Filter::default()).unwrap()
    }

    pub fn dump(&self, path: &str) -> Vec<u8> {
        let mut out = Vec::new();
        self.repo.dump(&self.latest(), path, &mut out, &Monitor::new()).unwrap();
        out
    }
}

pub fn at(path: &Path) -> Arc<dyn Storage> {
    storage::open(&Location::Folder(path.to_owned()), &StorageOptions::default()).unwrap()
}

pub fn open(path: &Path) -> Repository {
    Repository::open(at(path), &password()).unwrap().with_lock_times(quick_locks())
}

pub fn meta() -> BackupMeta {
    BackupMeta {
        hostname: "db-1".into(),
        username: "lifeboat".into(),
        ..BackupMeta::of_this_host(Timestamp::now())
    }
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::rngs::StdRng::seed_from_u64(seed).fill(&mut bytes[..]);
    bytes
}

/// Text as a dump has it.
pub fn sql(rows: usize) -> Vec<u8> {
    (0..rows)
        .flat_map(|n| {
            format!("INSERT INTO users VALUES ({n}, 'user-{n}@example.org', {});\n", n * 7919 % 1009)
                .into_bytes()
        })
        .collect()
}

/// Every file of a repository of these folders.
pub fn objects(repository: &Path, folders: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut stack: Vec<PathBuf> = folders.iter().map(|f| repository.join(f)).collect();
    while let Some(path) = stack.pop() {
        if path.is_dir() {
            stack.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Whether long sweeps run whole.
pub fn is_full() -> bool {
    std::env::var_os("LIFEBOAT_FULL").is_some()
}
