//! The lock on a data folder: one controller at a time, and the second is told who has it.
//!
//! The lock is the operating system's, on an open file: it goes when its process goes, however that
//! ended, so there is no stale lock to remove by hand. The text in the file is only for people.

use super::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Name of the lock file in the data folder.
pub const LOCK_FILE: &str = "controller.lock";

/// Longest holder text that is read.
const MAX_HOLDER_BYTES: u64 = 512;

/// Held until it is dropped.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

impl FolderLock {
    /// Takes the lock, or says who holds it.
    pub fn take(folder: &Path, name: &str) -> Result<Self, StoreError> {
        let path = folder.join(LOCK_FILE);
        let failed = |operation| {
            let path = path.clone();
            move |error| StoreError::LockFile { path, operation, error }
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed("opened"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = file.take(MAX_HOLDER_BYTES).read_to_string(&mut holder);
                if read.is_err() || holder.trim().is_empty() {
                    holder = "another controller".to_string();
                }
                return Err(StoreError::Locked {
                    folder: folder.to_path_buf(),
                    holder: holder.trim().to_string(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed("locked")(error)),
        }
        let holder = format!("controller {name}, process {}\n", std::process::id());
        file.set_len(0).map_err(failed("emptied"))?;
        file.rewind().map_err(failed("rewound"))?;
        file.write_all(holder.as_bytes()).map_err(failed("written"))?;
        Ok(Self { file })
    }

    /// What tells this folder from every other one of this boot of this host: a copy has another.
    pub fn identity(&self) -> Option<String> {
        let meta = self.file.metadata().ok()?;
        Some(format!("{}:{}", meta.dev(), meta.ino()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fault_13_a_second_controller_is_told_who_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let held = FolderLock::take(folder.path(), "main").unwrap();
        let refused = FolderLock::take(folder.path(), "other").unwrap_err();
        assert!(refused.to_string().contains("controller main, process"), "{refused}");
        drop(held);
        FolderLock::take(folder.path(), "other").unwrap();
    }
}
