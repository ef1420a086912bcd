//! What a restore builds: folders that are complete when their last entry is, and files that are complete
//! when their last blob is written.
//!
//! Each folder counts its entries that are not done, and the walk that is still in it; whoever brings the
//! count to zero restores the folder's metadata (writing into a folder changes its times) and tells the
//! folder above. Each file counts its blobs; whoever writes the last one finishes the file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::OFlags;

use super::pace::Pace;
use super::{RestoreSummary, metadata};
use crate::error::{Error, Result};
use crate::format::node::Node;
use crate::host;
use crate::monitor::Monitor;
use crate::sync::locked;

/// A folder whose entries are being restored.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Its path in the snapshot.
    pub(super) shown: String,
    /// What its metadata become; none for a target that is no folder of the snapshot.
    node: Option<Node>,
    above: Option<Arc<Self>>,
    /// Entries that are not done, and one for the walk.
    open: AtomicUsize,
}

impl Folder {
    /// A folder that the walk is in. The folder above waits for it.
    pub(super) fn new(
        path: PathBuf,
        shown: String,
        node: Option<Node>,
        above: Option<Arc<Self>>,
    ) -> Arc<Self> {
        if let Some(above) = &above {
            above.hold();
        }
        Arc::new(Self { path, shown, node, above, open: AtomicUsize::new(1) })
    }

    /// One more entry is to come.
    pub(super) fn hold(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it is the restore's target.
    pub(super) fn is_root(&self) -> bool {
        self.above.is_none()
    }

    /// The path in the snapshot of an entry.
    pub(super) fn shown(&self, node: &Node) -> String {
        let name = node.os_name().to_string_lossy();
        if self.shown.is_empty() { name.into_owned() } else { format!("{}/{name}", self.shown) }
    }
}

/// A file whose blobs are being written.
pub(super) struct Target {
    pub(super) folder: Arc<Folder>,
    pub(super) node: Node,
    /// The sum of its blobs.
    pub(super) size: u64,
    /// Whether a file was there already, of which good parts stay.
    pub(super) found: bool,
    /// Blobs that are not written yet.
    left: AtomicUsize,
    damage: Mutex<Option<String>>,
}

impl Target {
    pub(super) fn new(folder: Arc<Folder>, node: Node, size: u64, found: bool, blobs: usize) -> Self {
        let (left, damage) = (AtomicUsize::new(blobs), Mutex::default());
        Self { folder, node, size, found, left, damage }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path.join(self.node.os_name())
    }

    /// The file cannot be had whole. The first reason is kept.
    pub(super) fn spoil(&self, reason: String) {
        locked(&self.damage).get_or_insert(reason);
    }

    /// Opens the file to write it, and makes it when it is not there. Nobody else can read a new one before
    /// its owner is right; when that is so from the beginning, its mode is too.
    fn open(&self, path: &Path) -> io::Result<File> {
        let is_own = (self.node.uid, self.node.gid) == host::ids();
        let mode = if is_own { self.node.permissions() & 0o777 | 0o200 } else { 0o600 };
        let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
        OpenOptions::new().write(true).create(true).truncate(false).mode(mode).custom_flags(flags).open(path)
    }
}

/// Where a restore writes, and what it counts.
pub(super) struct Site<'a> {
    pub(super) monitor: &'a Monitor,
    pub(super) pace: Pace,
    summary: Mutex<RestoreSummary>,
    error: Mutex<Option<Error>>,
    failed: AtomicBool,
}

impl<'a> Site<'a> {
    pub(super) fn new(monitor: &'a Monitor) -> Self {
        Self {
            monitor,
            pace: Pace::default(),
            summary: Mutex::default(),
            error: Mutex::default(),
            failed: AtomicBool::new(false),
        }
    }

    /// Changes what is counted.
    pub(super) fn note(&self, change: impl FnOnce(&mut RestoreSummary)) {
        change(&mut locked(&self.summary));
    }

    /// Remembers the first error; everything stops soon after.
    pub(super) fn fail(&self, error: Error) {
        locked(&self.error).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// The first error.
    pub(super) fn check(&self) -> Result<()> {
        locked(&self.error).take().map_or(Ok(()), Err)
    }

    /// What was counted.
    pub(super) fn end(self) -> RestoreSummary {
        std::mem::take(&mut *locked(&self.summary))
    }

    /// Writes one blob at its place and finishes the file when it was the last one.
    pub(super) fn put(&self, target: &Target, at: u64, plain: &[u8]) -> Result<()> {
        let path = target.path();
        let mut file = None;
        // Zeros of a new file are left as a hole; its length is set at the end.
        if target.found || !is_zero(plain) {
            let open = target.open(&path).map_err(Error::local("opening", &path))?;
            open.write_all_at(plain, at).map_err(Error::local("writing", &path))?;
            file = Some(open);
        }
        self.monitor.add_done(plain.len() as u64);
        self.pace.add(plain.len() as u64);
        self.blob_done(target, file)
    }

    /// One blob less to write.
    pub(super) fn blob_done(&self, target: &Target, file: Option<File>) -> Result<()> {
        if target.left.fetch_sub(1, Ordering::AcqRel) == 1 { self.finish(target, file) } else { Ok(()) }
    }

    /// The length, the metadata, and the folder told; or the removal of a file that is damaged.
    pub(super) fn finish(&self, target: &Target, file: Option<File>) -> Result<()> {
        let path = target.path();
        if let Some(reason) = locked(&target.damage).take() {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::local("removing the damaged file", &path)(e));
                }
                _ => self.note(|s| s.damage(&target.folder.shown(&target.node), reason)),
            }
            return self.entry_done(&target.folder);
        }
        let file = file.map_or_else(|| target.open(&path), Ok).map_err(Error::local("opening", &path))?;
        let meta = file.metadata().map_err(Error::local("looking at", &path))?;
        if meta.size() != target.size {
            file.set_len(target.size).map_err(Error::local("setting the length of", &path))?;
        }
        metadata::apply_to_file(&file, &path, &meta, &target.node, target.found, &|what, e| {
            self.note(|s| s.warn(&path, what, e));
        });
        self.note(|s| {
            s.files += 1;
            s.bytes += target.size;
        });
        self.monitor.add_file();
        self.entry_done(&target.folder)
    }

    /// One entry of a folder, or the walk in it, is done.
    pub(super) fn entry_done(&self, folder: &Folder) -> Result<()> {
        let mut folder = folder;
        while folder.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            if let Some(node) = &folder.node {
                metadata::apply(&folder.path, node, &|what, e| self.note(|s| s.warn(&folder.path, what, e)));
            }
            match folder.above.as_deref() {
                Some(above) => folder = above,
                None => break,
            }
        }
        Ok(())
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    // The first bytes say no in nearly every case; the rest is compared with itself, shifted by one block.
    const BLOCK: usize = 64;
    let (head, _) = bytes.split_at(bytes.len().min(BLOCK));
    head.iter().all(|byte| *byte == 0)
        && (bytes.len() <= BLOCK || bytes[..bytes.len() - BLOCK] == bytes[BLOCK..])
}
