//! Which blobs the snapshots need.

use std::collections::HashSet;

use crate::error::Result;
use crate::format::blob::BlobKind;
use crate::format::node::NodeKind;
use crate::id::Id;
use crate::index::Index;
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::trees::Trees;

pub(crate) type Blobs = HashSet<(BlobKind, Id)>;

/// Every blob that a tree of these needs. `index` must know all trees; a blob of data is only named.
pub(crate) fn find(
    repo: &Repository,
    index: &Index,
    roots: impl Iterator<Item = Id>,
    monitor: &Monitor,
) -> Result<Blobs> {
    let trees = Trees::new(repo, index);
    let mut used = Blobs::new();
    let mut stack: Vec<Id> = roots.collect();
    while let Some(id) = stack.pop() {
        monitor.proceed()?;
        if !used.insert((BlobKind::Tree, id)) {
            continue;
        }
        for node in trees.read(id)? {
            match node.kind {
                NodeKind::Folder => stack.extend(node.subtree),
                NodeKind::File => {
                    used.extend(node.content.iter().flatten().map(|blob| (BlobKind::Data, *blob)));
                }
                _ => {}
            }
        }
    }
    Ok(used)
}
