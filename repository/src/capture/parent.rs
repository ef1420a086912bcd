//! The snapshot before: files that have not changed since are not read again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use jiff::{SignedDuration, Timestamp};

use crate::error::Result;
use crate::find::{SnapshotInfo, newest_first};
use crate::format::blob::BlobKind;
use crate::format::gojson::time::clamp;
use crate::format::node::{Node, NodeKind};
use crate::id::Id;
use crate::index::Index;
use crate::repository::Repository;
use crate::trees::Trees;
use crate::write::Writer;

/// The kernel's file times move in steps of up to 10 ms.
const CLOCK_STEP: SignedDuration = SignedDuration::from_millis(20);

/// One folder of the parent: its nodes by name, and the tree that they came from.
#[derive(Default)]
pub(super) struct Known {
    tree: Option<Id>,
    nodes: Vec<Node>,
}

impl Known {
    /// One of the parent's trees. A parent only saves work, so one that is damaged is not used.
    pub(super) fn read(trees: &[Trees<'_>], tree: Option<Id>) -> Self {
        let read = |id| trees.iter().find_map(|trees| trees.read(id).ok());
        let Some(mut nodes) = tree.and_then(read) else { return Self::default() };
        if !nodes.is_sorted_by(|a, b| a.name < b.name) {
            nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        }
        Self { tree, nodes }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Node> {
        let at = self.nodes.binary_search_by(|node| node.name.as_slice().cmp(name)).ok()?;
        self.nodes.get(at)
    }

    /// The tree, when it holds just these nodes, which are sorted by name, and is wherever it is needed.
    pub(super) fn same(&self, nodes: &[Node], writer: &Writer<'_>) -> Option<Id> {
        self.tree.filter(|tree| self.nodes == nodes && writer.has(BlobKind::Tree, *tree))
    }
}

/// The newest snapshot of this host with these paths.
pub(super) fn choose(repo: &Repository, hostname: &str, paths: &[String]) -> Result<Option<SnapshotInfo>> {
    let mut all = repo.snapshots()?;
    newest_first(&mut all);
    Ok(all.into_iter().find(|s| s.snapshot.hostname == hostname && s.snapshot.paths == paths))
}

/// Since when a change may have escaped the parent: a file that was changed after the parent's backup had
/// begun may have been read before, within one step of the kernel's clock, and look the same.
pub(super) fn trusted_before(parent: &SnapshotInfo) -> Timestamp {
    parent.snapshot.time.saturating_sub(CLOCK_STEP).unwrap_or(Timestamp::MIN)
}

/// Whether a file or folder is as the parent knows it. The time of the inode's last change covers owner,
/// mode, attributes and links too.
pub(super) fn is_unchanged(now: &Metadata, then: &Node, trusted_before: Timestamp) -> bool {
    let mtime = clamp(now.mtime(), now.mtime_nsec());
    let ctime = clamp(now.ctime(), now.ctime_nsec());
    now.ino() == then.inode && mtime == then.mtime && ctime == then.ctime && ctime < trusted_before
}

/// Whether a file's content is as the parent knows it, and every repository has all its blobs.
pub(super) fn has_content(now: &Metadata, then: &Node, writer: &Writer<'_>) -> bool {
    then.kind == NodeKind::File
        && now.size() == then.size
        && then
            .content
            .as_ref()
            .is_some_and(|blobs| writer.indexes().all(|index| length_in(index, blobs) == Some(then.size)))
}

/// How long these blobs are together; none when one of them is missing.
fn length_in(index: &Index, blobs: &[Id]) -> Option<u64> {
    let length = |id: &Id| index.find(BlobKind::Data, *id).map(|p| p.plain_bytes(BlobKind::Data, *id));
    blobs.iter().map(length).sum()
}
