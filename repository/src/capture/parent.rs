//! The snapshot before: files that have not changed since are not read again.

use std::collections::HashMap;

use crate::error::Result;
use crate::find::{SnapshotInfo, newest_first};
use crate::format::blob::BlobKind;
use crate::format::node::{Node, NodeKind};
use crate::format::tree;
use crate::id::Id;
use crate::index::Index;
use crate::repository::Repository;

/// The nodes of one folder of the parent, by name.
pub(super) type Known = HashMap<Vec<u8>, Node>;

/// The newest snapshot of this host with these paths.
pub(super) fn choose(repo: &Repository, hostname: &str, paths: &[String]) -> Result<Option<SnapshotInfo>> {
    let mut all = repo.snapshots()?;
    newest_first(&mut all);
    Ok(all.into_iter().find(|s| s.snapshot.hostname == hostname && s.snapshot.paths == paths))
}

/// The nodes of one of its trees. A parent only saves work, so one that is damaged is not used.
pub(super) fn nodes(repo: &Repository, index: &Index, tree_id: Option<Id>) -> Known {
    let Some(id) = tree_id else {
        return Known::new();
    };
    let nodes = repo.read_blob(index, BlobKind::Tree, id).ok().and_then(|bytes| tree::decode(&bytes).ok());
    nodes.unwrap_or_default().into_iter().map(|node| (node.name.clone(), node)).collect()
}

/// Whether a file is as the parent knows it, and all its blobs are there.
pub(super) fn is_unchanged(now: &Node, then: &Node, index: &Index) -> bool {
    then.kind == NodeKind::File
        && (now.size, now.inode, now.mtime, now.ctime) == (then.size, then.inode, then.mtime, then.ctime)
        && then.content.as_ref().is_some_and(|blobs| {
            let places: Option<u64> = blobs
                .iter()
                .map(|id| index.find(BlobKind::Data, *id).map(|p| p.plain_bytes(BlobKind::Data, *id)))
                .sum();
            places == Some(then.size)
        })
}
