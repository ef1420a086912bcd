//! The snapshot before: files that have not changed since are not read again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, Result};
use crate::find::{SnapshotInfo, newest_first};
use crate::format::blob::BlobKind;
use crate::format::gojson::time::clamp;
use crate::format::node::{Glimpse, Node, NodeKind};
use crate::id::Id;
use crate::index::Index;
use crate::repository::Repository;
use crate::trees::Trees;
use crate::write::Writer;

/// The kernel's file times move in steps of up to 10 ms.
const CLOCK_STEP: SignedDuration = SignedDuration::from_millis(20);

/// One folder of the parent: what is needed of its nodes, by name, and the tree that they came from.
#[derive(Default)]
pub(super) struct Known {
    tree: Option<Id>,
    nodes: Vec<Glimpse>,
}

impl Known {
    /// One of the parent's trees. A parent only saves work, so one that is damaged is not used.
    pub(super) fn read(trees: &[Trees<'_>], tree: Option<Id>) -> Self {
        let read = |id| trees.iter().find_map(|trees| trees.glimpse(id).ok());
        let Some(mut nodes) = tree.and_then(read) else { return Self::default() };
        if !nodes.is_sorted_by(|a, b| a.name < b.name) {
            nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        }
        Self { tree, nodes }
    }

    /// The node of a name, and its number in the order of names.
    pub(super) fn get(&self, name: &[u8]) -> Option<(usize, &Glimpse)> {
        let at = self.nodes.binary_search_by(|node| node.name.as_slice().cmp(name)).ok()?;
        Some((at, self.nodes.get(at)?))
    }

    /// The tree, when it has no more nodes than these, which are all as before, and is wherever it is needed.
    pub(super) fn same(&self, slots: &[Slot], writer: &Writer<'_>) -> Option<Id> {
        let mut left = self.nodes.len();
        for slot in slots {
            match slot {
                Slot::Nothing => {}
                Slot::AsBefore(_) => left = left.checked_sub(1)?,
                Slot::OtherTree(..) | Slot::New(_) => return None,
            }
        }
        self.tree.filter(|tree| left == 0 && writer.has(BlobKind::Tree, *tree))
    }

    /// What the slots of a folder stand for.
    pub(super) fn nodes(&self, slots: Vec<Slot>, trees: &[Trees<'_>]) -> Result<Vec<Node>> {
        let mut known = Vec::new();
        if let Some(tree) = self.tree.filter(|_| slots.iter().any(Slot::is_of_parent)) {
            let lost = Err(Error::Internal("a parent's tree in no repository"));
            let mut nodes = trees.iter().fold(lost, |read, trees| read.or_else(|_| trees.read(tree)))?;
            nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            known = nodes.into_iter().map(Some).collect();
        }
        let mut of_parent = |number: usize| {
            let node = known.get_mut(number).and_then(Option::take);
            node.ok_or(Error::Internal("a parent's tree lost a node"))
        };
        let node = |slot| match slot {
            Slot::Nothing => None,
            Slot::AsBefore(number) => Some(of_parent(number)),
            Slot::OtherTree(number, id) => {
                Some(of_parent(number).map(|node| Node { subtree: Some(id), ..node }))
            }
            Slot::New(node) => Some(Ok(*node)),
        };
        slots.into_iter().filter_map(node).collect()
    }
}

/// What becomes of one entry of a folder.
#[derive(Clone, Default)]
pub(super) enum Slot {
    /// It is left out.
    #[default]
    Nothing,
    /// The parent's node with this number.
    AsBefore(usize),
    /// The same, of a folder whose tree is another one now.
    OtherTree(usize, Id),
    /// A node that the parent does not have.
    New(Box<Node>),
}

impl Slot {
    fn is_of_parent(&self) -> bool {
        matches!(self, Self::AsBefore(_) | Self::OtherTree(..))
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
pub(super) fn is_unchanged(now: &Metadata, then: &Glimpse, trusted_before: Timestamp) -> bool {
    let mtime = clamp(now.mtime(), now.mtime_nsec());
    let ctime = clamp(now.ctime(), now.ctime_nsec());
    now.ino() == then.inode && mtime == then.mtime && ctime == then.ctime && ctime < trusted_before
}

/// Whether a file's content is as the parent knows it, and every repository has all its blobs.
pub(super) fn has_content(now: &Metadata, then: &Glimpse, writer: &Writer<'_>) -> bool {
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
