//! Files that survive a crash: either the old content or the new one, never a part of either.
//!
//! A file is replaced in four ordered steps: write a new file beside it, fsync it, rename it over the
//! old one, fsync the folder. A crash before the rename leaves the old file; after it, the new one
//! with its content already on disk. The folder's fsync makes the rename itself last. All calls block.

use crate::Explained;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Mode of files that only their owner may read: keys, secrets.
pub const PRIVATE: u32 = 0o600;
/// Mode of files that everybody may read: certificates.
pub const PUBLIC: u32 = 0o644;

static NEXT_TEMP: AtomicU64 = AtomicU64::new(0);

/// A file could not be read or replaced.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// An operation on a file or folder failed.
    #[error("LB5201: cannot {operation} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `rename` …
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The file is larger than its reader takes.
    #[error("LB5202: {} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The bound, in bytes.
        limit: usize,
    },
    /// The path has no file name or is no regular file.
    #[error("LB5203: {} is not a regular file", path.display())]
    NotAFile {
        /// Which path.
        path: PathBuf,
    },
}

impl FileError {
    fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| FileError::Io { operation, path, source }
    }

    /// Whether the file is simply not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, FileError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

impl Explained for FileError {
    fn advice(&self) -> &'static str {
        match self {
            FileError::Io { .. } => "check that the path exists, who owns it, and that the disk has space",
            FileError::TooLarge { .. } => "check that the right file is named",
            FileError::NotAFile { .. } => "name a regular file",
        }
    }
}

/// Replaces a file durably and gives it the mode (`0o600` …). When this returns, the content is on disk.
pub fn write_durable(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let name = path.file_name().ok_or_else(|| FileError::NotAFile { path: path.to_path_buf() })?;
    let folder = folder_of(path);
    let number = NEXT_TEMP.fetch_add(1, Ordering::Relaxed);
    let temp = folder.join(format!(".{}.{}.{number}.tmp", name.to_string_lossy(), std::process::id()));
    let written = write_temp(&temp, content, mode)
        .and_then(|()| std::fs::rename(&temp, path).map_err(FileError::io("rename over", path)));
    if written.is_err() {
        // The error of the write is the one that matters; a left-over temporary file does no harm.
        let _ = std::fs::remove_file(&temp);
    }
    written?;
    sync_folder(&folder)
}

fn write_temp(temp: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    // A left-over of a crashed process with our id would make create_new fail for ever.
    let _ = std::fs::remove_file(temp);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(temp)
        .map_err(FileError::io("create", temp))?;
    // The process' umask may have taken bits away.
    file.set_permissions(std::fs::Permissions::from_mode(mode))
        .map_err(FileError::io("set mode of", temp))?;
    file.write_all(content).map_err(FileError::io("write", temp))?;
    file.sync_all().map_err(FileError::io("fsync", temp))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Makes renames and removals in a folder durable.
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    let file = File::open(folder).map_err(FileError::io("open", folder))?;
    file.sync_all().map_err(FileError::io("fsync", folder))
}

/// Removes a file durably; a file that is not there is fine.
pub fn remove_durable(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_folder(&folder_of(path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FileError::io("remove", path)(error)),
    }
}

/// Reads a regular file of at most `limit` bytes. A pipe or device is refused before it is opened.
pub fn read_bounded(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    let about = std::fs::metadata(path).map_err(FileError::io("read", path))?;
    if !about.is_file() {
        return Err(FileError::NotAFile { path: path.to_path_buf() });
    }
    let file = File::open(path).map_err(FileError::io("open", path))?;
    let mut content = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bound).read_to_end(&mut content).map_err(FileError::io("read", path))?;
    if content.len() > limit {
        return Err(FileError::TooLarge { path: path.to_path_buf(), limit });
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_replaced_file_has_the_new_content_the_mode_and_no_left_overs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write_durable(&path, b"old", PUBLIC).unwrap();
        write_durable(&path, b"new", PRIVATE).unwrap();
        assert_eq!(read_bounded(&path, 3).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_cannot_be_finished_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("target");
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(write_durable(&path, b"x", PUBLIC), Err(FileError::Io { .. })));
        assert!(path.is_dir());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_above_the_bound_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big");
        write_durable(&path, &[0; 10], PUBLIC).unwrap();
        assert!(matches!(read_bounded(&path, 9), Err(FileError::TooLarge { limit: 9, .. })));
        assert!(matches!(read_bounded(folder.path(), 9), Err(FileError::NotAFile { .. })));
        assert!(read_bounded(&folder.path().join("none"), 9).unwrap_err().is_missing());
        remove_durable(&path).unwrap();
        remove_durable(&path).unwrap();
    }
}
