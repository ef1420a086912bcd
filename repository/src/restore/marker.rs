//! The mark of a restore that is not finished: a file at the root of its target.
//!
//! Whoever finds a folder with it knows that what is there may be half. A restore of the same snapshot and
//! path goes on where the last one stopped, without being told to overwrite; it reads what is there and
//! keeps what is right. The mark is removed when everything else is on disk.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::site::Folder;
use crate::error::{Error, Result};
use crate::format::node::Node;
use crate::id::Id;

/// Its name.
pub const UNFINISHED_MARK: &str = ".lifeboat-restore";
const MAX_BYTES: u64 = 64 * 1024;

/// What is being restored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    pub(super) snapshot: String,
    pub(super) path: String,
}

impl Marker {
    pub(super) fn new(snapshot: Id, path: &str) -> Self {
        Self { snapshot: snapshot.to_string(), path: path.trim_matches('/').to_owned() }
    }

    /// The mark in a folder, when there is one that can be read.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let mut text = Vec::new();
        let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path(folder)).ok()?;
        file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Puts the mark into a folder, durably.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let to = path(folder);
        let failed = || Error::local("marking the unfinished restore in", &to);
        let text = serde_json::to_vec(self).map_err(|_| Error::Internal("a mark cannot be encoded"))?;
        remove_file(&to).map_err(failed())?;
        let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags).open(&to);
        let written = file.and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()?;
            File::open(folder)?.sync_all()
        });
        written.map_err(failed())
    }
}

/// Removes the mark, durably. The folder's times stay, for they are restored already; gives why they do not.
pub(super) fn remove(folder: &Path) -> Result<Option<io::Error>> {
    let to = path(folder);
    let removed = (|| {
        let open = File::open(folder)?;
        let meta = open.metadata()?;
        remove_file(&to)?;
        let times = FileTimes::new().set_accessed(meta.accessed()?).set_modified(meta.modified()?);
        let changed = open.set_times(times).err();
        open.sync_all().map(|()| changed)
    })();
    removed.map_err(Error::local("removing the mark", &to))
}

/// Whether an entry of a snapshot would take the mark's place.
pub(super) fn is_marker(folder: &Folder, node: &Node) -> bool {
    folder.is_root() && node.name == UNFINISHED_MARK.as_bytes()
}

/// Why such an entry is left out.
pub(super) fn taken() -> io::Error {
    io::Error::other("this name is the mark of an unfinished restore, and is left out")
}

fn path(folder: &Path) -> PathBuf {
    folder.join(UNFINISHED_MARK)
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
