//! Copying snapshots into another repository, whose keys and passwords are its own.
//!
//! Blobs keep their names, so what the other repository has is not read. All trees are walked, also those
//! that it has: one that a prune left behind says nothing about the files below it. A snapshot keeps its
//! time, host and tags, and says in `original` where it came from.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::find::SnapshotInfo;
use crate::format::blob::BlobKind;
use crate::format::node::NodeKind;
use crate::format::{gojson, tree};
use crate::id::Id;
use crate::index::{Index, Place};
use crate::lock::{LockGuard, Mode};
use crate::monitor::Monitor;
use crate::parallel;
use crate::repository::Repository;
use crate::storage::Kind;
use crate::trees::Trees;
use crate::write::{self, Writer};

/// One read of a pack, and the gap that it may read over.
const MAX_READ_BYTES: u64 = 4 * 1024 * 1024;
const MAX_GAP_BYTES: u64 = 64 * 1024;

/// What a copy did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopySummary {
    /// The new snapshots, each with the one that it is a copy of.
    pub copied: Vec<(Id, Id)>,
    /// Snapshots that the other repository had already.
    pub present: Vec<Id>,
    /// Blobs that it did not have.
    pub blobs: u64,
    /// Bytes of these blobs as stored there.
    pub stored_bytes: u64,
}

struct Needed {
    id: Id,
    place: Place,
}

impl Repository {
    /// Copies snapshots into another repository. What is there already is not copied again.
    ///
    /// # Errors
    /// Damage in this repository, a lock, a storage that fails, [`Error::Cancelled`]. Snapshots that were
    /// copied before stay; the one in hand does not appear.
    pub fn copy(&self, to: &Self, snapshots: &[SnapshotInfo], monitor: &Monitor) -> Result<CopySummary> {
        if self.id() == to.id() {
            return Err(Error::Invalid("a repository cannot be copied into itself".to_owned()));
        }
        let _from_lock = self.read_lock()?;
        let lock = LockGuard::acquire(to, Mode::Shared)?;
        let there = to.snapshots()?;
        let mut summary = CopySummary::default();
        for info in snapshots {
            let is_same = |other: &&SnapshotInfo| {
                (other.snapshot.tree, other.snapshot.time) == (info.snapshot.tree, info.snapshot.time)
                    && (&other.snapshot.hostname, &other.snapshot.paths)
                        == (&info.snapshot.hostname, &info.snapshot.paths)
            };
            if there.iter().find(is_same).is_some() {
                summary.present.push(info.id);
                continue;
            }
            let index = self.index()?;
            let ((), written) =
                write::session(to, &lock, monitor, |writer| self.copy_blobs(&index, info, writer, monitor))?;
            summary.blobs += written.blobs;
            summary.stored_bytes += written.stored_bytes;
            let mut snapshot = info.snapshot.clone();
            snapshot.original = Some(snapshot.original.unwrap_or(info.id));
            // Its parent has another name there, or is not there.
            snapshot.parent = None;
            let json =
                gojson::encode(&snapshot).map_err(|_| Error::Internal("a snapshot cannot be encoded"))?;
            lock.confirm()?;
            summary.copied.push((info.id, to.write_unpacked(Kind::Snapshot, &json)?));
        }
        Ok(summary)
    }

    fn copy_blobs(
        &self,
        index: &Index,
        info: &SnapshotInfo,
        writer: &Writer<'_>,
        monitor: &Monitor,
    ) -> Result<()> {
        let trees = Trees::new(self, index);
        let mut seen = HashSet::new();
        let mut needed = Vec::new();
        let mut stack = vec![info.snapshot.tree];
        while let Some(id) = stack.pop() {
            writer.proceed()?;
            if !seen.insert((BlobKind::Tree, id)) {
                continue;
            }
            let bytes = trees.bytes(id)?;
            let nodes =
                tree::decode(&bytes).map_err(|e| Error::damaged(format!("tree {id}"), e.to_string()))?;
            for node in nodes {
                if node.kind == NodeKind::Folder {
                    stack.extend(node.subtree);
                }
                for blob in node.content.into_iter().flatten() {
                    if !writer.has(BlobKind::Data, blob) && seen.insert((BlobKind::Data, blob)) {
                        let place = index.find(BlobKind::Data, blob);
                        let place = place.ok_or_else(|| {
                            Error::damaged(format!("blob {blob}"), "no index file knows it")
                        })?;
                        needed.push(Needed { id: blob, place });
                    }
                }
            }
            writer.tree(bytes)?;
        }
        needed.sort_unstable_by_key(|n| (n.place.pack, n.place.offset));
        let copy = |run: &&[Needed]| self.copy_run(index, run, writer, monitor);
        parallel::each(self.readers(), &runs(&needed), copy).map(drop)
    }

    /// One read, and its blobs stored, each verified by its name.
    fn copy_run(&self, index: &Index, run: &[Needed], writer: &Writer<'_>, monitor: &Monitor) -> Result<()> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
        let mut sealer = write::sealer()?;
        let pack = index.pack(first.place)?;
        let begin = first.place.offset;
        let length = (last.place.offset - begin) as usize + last.place.length as usize;
        let bytes = self.read_pack(pack, u64::from(begin), length)?;
        for needed in run {
            let from = (needed.place.offset - begin) as usize;
            let sealed = bytes.get(from..from + needed.place.length as usize).unwrap_or_default();
            let plain = self.open_blob(pack, needed.place, needed.id, sealed)?;
            writer.store(&mut sealer, BlobKind::Data, &plain)?;
            monitor.add_done(plain.len() as u64);
        }
        Ok(())
    }
}

/// Blobs that lie near each other in one pack.
fn runs(needed: &[Needed]) -> Vec<&[Needed]> {
    let end = |n: &Needed| u64::from(n.place.offset) + u64::from(n.place.length);
    let mut runs = Vec::new();
    let mut rest = needed;
    while let Some(first) = rest.first() {
        let begin = u64::from(first.place.offset);
        let mut reached = end(first);
        let count = rest.iter().take_while(|n| {
            let is_near = n.place.pack == first.place.pack
                && u64::from(n.place.offset) <= reached + MAX_GAP_BYTES
                && (end(n) - begin <= MAX_READ_BYTES || end(n) == end(first));
            reached = reached.max(end(n));
            is_near
        });
        let (run, after) = rest.split_at(count.count().max(1));
        runs.push(run);
        rest = after;
    }
    runs
}
