//! Looking into snapshots: walking trees, listing.

use crate::error::{Error, Result};
use crate::find::SnapshotInfo;
use crate::format::blob::BlobKind;
use crate::format::node::{Node, NodeKind};
use crate::format::tree;
use crate::id::Id;
use crate::index::Index;
use crate::repository::Repository;
use crate::trees::Trees;

/// Folders inside each other; no file system allows more.
const MAX_DEPTH: usize = 4096;

/// What a path in a snapshot names.
pub(crate) enum Target {
    /// The root of the snapshot.
    Root(Id),
    /// Anything else.
    Node(Box<Node>),
}

impl Repository {
    /// Calls `each` with the path and the node of everything at and below `path`, folders before what is
    /// in them. `recursive: false` stays in the one folder.
    ///
    /// # Errors
    /// [`Error::NoSuchPath`], damage, or what `each` returned.
    pub fn ls(
        &self,
        snapshot: &SnapshotInfo,
        path: &str,
        recursive: bool,
        each: &mut dyn FnMut(&str, &Node) -> Result<()>,
    ) -> Result<()> {
        let _lock = self.read_lock()?;
        let index = self.index()?;
        let base = format!("/{}", path.trim_matches('/'));
        let tree = match self.resolve(&index, snapshot, path)? {
            Target::Root(tree) => tree,
            Target::Node(node) => match node.subtree.filter(|_| node.kind == NodeKind::Folder) {
                Some(tree) => tree,
                None => return each(&base, &node),
            },
        };
        let base = base.trim_end_matches('/').to_owned();
        self.walk(&index, tree, &base, &mut |path, node| {
            each(path, node)?;
            Ok(recursive)
        })
    }

    /// The nodes of a tree.
    pub(crate) fn read_tree(&self, index: &Index, id: Id) -> Result<Vec<Node>> {
        let bytes = self.read_blob(index, BlobKind::Tree, id)?;
        tree::decode(&bytes).map_err(|e| Error::damaged(format!("tree {id}"), e.to_string()))
    }

    /// What a path names.
    pub(crate) fn resolve(&self, index: &Index, snapshot: &SnapshotInfo, path: &str) -> Result<Target> {
        let none = || Error::NoSuchPath { snapshot: snapshot.id.short(), path: path.to_owned() };
        let mut target = Target::Root(snapshot.snapshot.tree);
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let tree = match &target {
                Target::Root(tree) => *tree,
                Target::Node(node) => node.subtree.ok_or_else(none)?,
            };
            let nodes = self.read_tree(index, tree)?;
            let node = nodes.into_iter().find(|n| n.name == part.as_bytes()).ok_or_else(none)?;
            target = Target::Node(Box::new(node));
        }
        Ok(target)
    }

    /// Calls `each` for every node below a tree; goes into a folder when it returned true.
    pub(crate) fn walk(
        &self,
        index: &Index,
        tree: Id,
        base: &str,
        each: &mut dyn FnMut(&str, &Node) -> Result<bool>,
    ) -> Result<()> {
        let trees = Trees::new(self, index);
        let mut stack = vec![(base.to_owned(), trees.read(tree)?.into_iter())];
        while let Some((path, nodes)) = stack.last_mut() {
            let Some(node) = nodes.next() else {
                stack.pop();
                continue;
            };
            let path = format!("{path}/{}", node.os_name().to_string_lossy());
            let goes_in = each(&path, &node)?;
            if let Some(subtree) = node.subtree.filter(|_| goes_in && node.kind == NodeKind::Folder) {
                if stack.len() >= MAX_DEPTH {
                    return Err(Error::damaged(
                        format!("tree {subtree}"),
                        "it is nested deeper than paths can be",
                    ));
                }
                stack.push((path, trees.read(subtree)?.into_iter()));
            }
        }
        Ok(())
    }
}
