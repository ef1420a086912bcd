//! A repository in a folder.
//!
//! An object is written under a temporary name, synced, renamed without replacing, and then its folder
//! is synced: a power cut leaves the whole object or a temporary file that no reader looks at.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, CWD, RenameFlags, fadvise, renameat_with};

use super::{Kind, Listed, Object, Problem, Storage, StorageError};
use crate::id::Id;

/// A folder of this host that holds a repository.
#[derive(Debug)]
pub struct LocalStorage {
    root: PathBuf,
}

impl LocalStorage {
    /// The repository in this folder, which need not exist yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, object: Object) -> PathBuf {
        self.root.join(object.path())
    }

    fn error(&self, op: &'static str, object: impl ToString, source: io::Error) -> StorageError {
        let problem = match source.kind() {
            io::ErrorKind::NotFound => Problem::Missing,
            io::ErrorKind::AlreadyExists => Problem::Exists,
            io::ErrorKind::UnexpectedEof => Problem::Short,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Problem::Full,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Problem::Denied,
            io::ErrorKind::Interrupted | io::ErrorKind::TimedOut | io::ErrorKind::ResourceBusy => {
                Problem::Unavailable
            }
            _ => Problem::Failed,
        };
        StorageError {
            op,
            object: object.to_string(),
            place: self.root.display().to_string(),
            problem,
            source: Some(Box::new(source)),
        }
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn write_new(temporary: &Path, target: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    match renameat_with(CWD, temporary, CWD, target, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // Some network file systems know no such flag; a hard link refuses to replace just as well.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            fs::hard_link(temporary, target)?;
            fs::remove_file(temporary)?;
        }
        Err(e) => return Err(e.into()),
    }
    // Its name may be lost in a power cut, so this is an error; and whoever is told of an error must not find
    // the object all the same, a snapshot least of all.
    sync_folder(folder).inspect_err(|_| drop(fs::remove_file(target)))
}

impl Storage for LocalStorage {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn prepare(&self) -> Result<(), StorageError> {
        let made = (|| {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
            for kind in Kind::ALL {
                make_folder(&self.root.join(kind.folder()))?;
            }
            for byte in 0..=255_u8 {
                make_folder(&self.root.join(format!("data/{byte:02x}")))?;
            }
            sync_folder(&self.root.join("data"))?;
            sync_folder(&self.root)
        })();
        made.map_err(|e| self.error("making the folders of", "the repository", e))
    }

    fn put(&self, object: Object, bytes: &[u8]) -> Result<(), StorageError> {
        let target = self.path(object);
        let folder = target.parent().unwrap_or(&self.root);
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let temporary = folder.join(format!("{name}-tmp-{:016x}", rand::random::<u64>()));
        let written = write_new(&temporary, &target, folder, bytes).or_else(|e| {
            // restic makes the folders of data/ only when it needs them.
            if e.kind() != io::ErrorKind::NotFound || !self.root.is_dir() {
                return Err(e);
            }
            make_folder(folder)?;
            folder.parent().map_or(Ok(()), sync_folder)?;
            write_new(&temporary, &target, folder, bytes)
        });
        let Err(e) = written else { return Ok(()) };
        let _ = fs::remove_file(&temporary);
        match self.error("storing", object, e) {
            exists if exists.problem == Problem::Exists => super::accept_same(self, object, bytes, exists),
            error => Err(error),
        }
    }

    fn will_read(&self, object: Object, offset: u64, length: usize) {
        if let Ok(file) = File::open(self.path(object)) {
            // What the kernel makes of it is its own affair.
            let _ = fadvise(&file, offset, NonZeroU64::new(length as u64), Advice::WillNeed);
        }
    }

    fn read_into(
        &self,
        object: Object,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        let read = (|| {
            let mut file = File::open(self.path(object))?;
            // Asked first, so that a wrong length costs no memory.
            if file.metadata()?.len() < offset.saturating_add(length as u64) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.seek(SeekFrom::Start(offset))?;
            buffer.resize(length, 0);
            file.read_exact(buffer)
        })();
        read.map_err(|e| self.error("reading", object, e))
    }

    fn stat(&self, object: Object) -> Result<Option<u64>, StorageError> {
        match fs::metadata(self.path(object)) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.error("asking for", object, e)),
        }
    }

    fn list(&self, kind: Kind, each: &mut dyn FnMut(Listed)) -> Result<(), StorageError> {
        let folder = self.root.join(kind.folder());
        let listed = if kind == Kind::Pack {
            list_folder(&folder, &mut |name, path| match name {
                [_, _] => list_files(&path, each),
                _ => Ok(()),
            })
        } else {
            list_files(&folder, each)
        };
        listed.map_err(|e| self.error("listing", format!("{}/", kind.folder()), e))
    }

    fn delete(&self, object: Object) -> Result<(), StorageError> {
        let path = self.path(object);
        let removed = fs::remove_file(&path).and_then(|()| sync_folder(path.parent().unwrap_or(&self.root)));
        match removed {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|e| self.error("removing", object, e)),
        }
    }
}

fn list_folder(folder: &Path, each: &mut dyn FnMut(&[u8], PathBuf) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        each(entry.file_name().as_encoded_bytes(), entry.path())?;
    }
    Ok(())
}

fn list_files(folder: &Path, each: &mut dyn FnMut(Listed)) -> io::Result<()> {
    list_folder(folder, &mut |name, path| {
        // Other names are temporary files of a writer, or not ours.
        let Some(id) = std::str::from_utf8(name).ok().and_then(|n| n.parse::<Id>().ok()) else {
            return Ok(());
        };
        match fs::metadata(&path) {
            Ok(meta) => each(Listed { id, size: meta.len(), written: meta.modified().ok() }),
            // Removed since the folder was read: locks come and go.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        Ok(())
    })
}
