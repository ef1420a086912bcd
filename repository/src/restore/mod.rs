//! Restoring files of a snapshot.
//!
//! ```text
//! walk: trees -> folders, links, devices; blobs of files, a window at a time, in the order of packs
//!    -> queue (bounded) -> threads: read a run of a pack, open, decompress, hash, write in place
//!    -> whoever writes a file's last blob restores its metadata, and a folder's after its last entry
//! beside them: one thread syncs the file system every few hundred MiB
//! at last: hard links, one sync of the file system, the mark of an unfinished restore removed
//! ```
//!
//! Nothing is written that was not decrypted, decompressed and hashed. A file with a blob that cannot be
//! trusted is removed again and named; the others go on. Over what is already there only what differs is
//! written, which is also how a restore that was interrupted goes on: the target carries a mark until all
//! of it is on disk.
//!
//! Memory: a window of names and places, and for each thread one read of a pack and one blob.

mod marker;
mod metadata;
mod pace;
mod site;
mod walk;
mod window;
mod work;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

pub use marker::UNFINISHED_MARK;

use self::marker::Marker;
use self::site::{Folder, Site};
use self::walk::{Link, Walk};
use self::work::Hand;
use crate::browse::Target;
use crate::error::{Error, Result};
use crate::find::SnapshotInfo;
use crate::format::node::{Node, NodeKind};
use crate::index::Index;
use crate::monitor::Monitor;
use crate::repository::Repository;

/// So many damaged files and warnings are named; all are counted.
pub const MAX_NAMED: usize = 1000;
/// Reads of packs that wait for a thread.
const QUEUED_JOBS: usize = 16;

/// How a restore treats what it finds.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoreOptions {
    /// Write into a folder that is not empty. Parts of files that are right already stay, also when no
    /// good copy of them is stored any more; what differs is written over. Other files stay.
    pub overwrite: bool,
    /// End well although some files are damaged. They are named in the summary, and not there.
    pub skip_damaged: bool,
}

/// A file that could not be restored as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedFile {
    /// Its path in the snapshot.
    pub path: String,
    /// What is wrong with its stored data.
    pub reason: String,
}

/// What a restore did.
#[derive(Clone, Debug, Default)]
pub struct RestoreSummary {
    /// Files, links and devices made.
    pub files: u64,
    /// Folders made.
    pub folders: u64,
    /// Bytes of files, holes included.
    pub bytes: u64,
    /// How many of them were there already, and right.
    pub bytes_kept: u64,
    /// How many files are damaged, and so not there.
    pub damaged_count: u64,
    /// The first [`MAX_NAMED`] of them.
    pub damaged: Vec<DamagedFile>,
    /// How many owners, attributes and special files could not be restored.
    pub warning_count: u64,
    /// The first [`MAX_NAMED`] of them.
    pub warnings: Vec<String>,
}

impl RestoreSummary {
    /// Whether everything is as it was.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.damaged_count == 0 && self.warning_count == 0
    }

    pub(in crate::restore) fn warn(&mut self, path: &Path, what: &str, error: impl std::fmt::Display) {
        self.warning_count += 1;
        if self.warnings.len() < MAX_NAMED {
            self.warnings.push(format!("{what} of {}: {error}", path.display()));
        }
    }

    pub(in crate::restore) fn damage(&mut self, path: &str, reason: String) {
        self.damaged_count += 1;
        if self.damaged.len() < MAX_NAMED {
            self.damaged.push(DamagedFile { path: path.to_owned(), reason });
        }
    }
}

impl Repository {
    /// Restores what is at `path` in a snapshot (`""`: everything) into the folder `target`: a folder's
    /// entries, or one file under its own name. When it returns, all of it is on disk. A restore of the
    /// same that was interrupted goes on.
    ///
    /// # Errors
    /// [`Error::TargetNotEmpty`], [`Error::NoSuchPath`], [`Error::FilesDamaged`] after everything else was
    /// restored, [`Error::Local`] when the target fails, [`Error::Cancelled`]. Until it returns well, the
    /// target holds the file [`UNFINISHED_MARK`].
    pub fn restore_tree(
        &self,
        snapshot: &SnapshotInfo,
        path: &str,
        target: &Path,
        options: RestoreOptions,
        monitor: &Monitor,
    ) -> Result<RestoreSummary> {
        let _lock = self.read_lock()?;
        let index = self.index()?;
        let found = self.resolve(&index, snapshot, path)?;
        let over = prepare(target, &Marker::new(snapshot.id, path), options)?;
        // Opened before anything is written: it is told of every write that failed since.
        let file_system = File::open(target).map_err(Error::local("opening", target))?;
        let site = Site::new(monitor);
        let links = self.build(&index, &site, found, (target, path.trim_matches('/')), over)?;
        walk::make_links(&site, links, over)?;
        let mut summary = site.end();
        sync(&file_system, target).map_err(Error::local("syncing the file system of", target))?;
        if summary.damaged_count > 0 && !options.skip_damaged {
            return Err(Error::FilesDamaged { files: summary.damaged });
        }
        if let Some(error) = marker::remove(target)? {
            summary.warn(target, "times", error);
        }
        Ok(summary)
    }

    /// Walks with this thread, writes with others. Gives the links that are still to be made.
    fn build(
        &self,
        index: &Index,
        site: &Site<'_>,
        found: Target,
        (target, shown): (&Path, &str),
        over: bool,
    ) -> Result<Vec<Link>> {
        let file_system = File::open(target).map_err(Error::local("opening", target))?;
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(QUEUED_JOBS);
            // Owned by the threads alone: when all are gone, the walk's next job fails.
            let receiver = Arc::new(Mutex::new(receiver));
            let mut threads = Vec::new();
            for _ in 0..self.readers() {
                let mut hand = Hand::new(self, index, site)?;
                let receiver = Arc::clone(&receiver);
                threads.push(scope.spawn(move || hand.work(&receiver)));
            }
            drop(receiver);
            let pace = scope.spawn(|| site.pace.keep(&file_system));
            let walk = Walk::new(self, index, site, sender, over);
            let walked = walk_from(walk, found, target, shown);
            let died = threads.into_iter().map(|t| t.join()).filter(Result::is_err).count() > 0;
            site.pace.end();
            let died = pace.join().is_err() || died;
            if died {
                return Err(Error::Internal("a thread of a restore panicked"));
            }
            site.check()?;
            walked
        })
    }
}

fn walk_from(mut walk: Walk<'_>, found: Target, target: &Path, shown: &str) -> Result<Vec<Link>> {
    let root = |node: Option<Node>, shown: &str| Folder::new(target.to_owned(), shown.to_owned(), node, None);
    match found {
        Target::Root(tree) => walk.tree(tree, root(None, shown))?,
        Target::Node(node) => match node.subtree.filter(|_| node.kind == NodeKind::Folder) {
            Some(tree) => walk.tree(tree, root(Some(Node { content: None, ..*node }), shown))?,
            None => {
                let above = shown.rsplit_once('/').map_or("", |(above, _)| above);
                walk.entry(&root(None, above), *node)?;
            }
        },
    }
    walk.end()
}

/// Makes the target and marks it. Gives whether it may have files.
fn prepare(target: &Path, marker: &Marker, options: RestoreOptions) -> Result<bool> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(target)
        .map_err(Error::local("making the folder", target))?;
    let mut entries = fs::read_dir(target).map_err(Error::local("listing", target))?;
    let over = entries.next().is_some();
    let goes_on = over && Marker::read(target).is_some_and(|found| found == *marker);
    if over && !options.overwrite && !goes_on {
        return Err(Error::TargetNotEmpty { path: target.to_owned() });
    }
    marker.write(target)?;
    Ok(over)
}

/// One sync for all files, and the target's own name.
fn sync(file_system: &File, target: &Path) -> io::Result<()> {
    rustix::fs::syncfs(file_system)?;
    target.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
