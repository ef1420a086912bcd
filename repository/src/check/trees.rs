//! Trees: that each can be read and that every blob of every file is there.
//!
//! The first pass reads each tree once, however many snapshots share it, with several threads, and only
//! says whether all is well. When it is not, or packs are damaged, a second pass goes through each snapshot
//! by itself and says which files of which snapshots are touched.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Findings, MAX_FILES_NAMED};
use crate::error::{Class, Error, Result};
use crate::find::SnapshotInfo;
use crate::format::blob::BlobKind;
use crate::format::node::{Node, NodeKind};
use crate::id::Id;
use crate::index::Index;
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::sync::locked;
use crate::tasks::Tasks;
use crate::trees::Trees;

/// Folders inside each other; no file system allows more.
const MAX_DEPTH: usize = 4096;

/// Goes through each snapshot and names every damage in it.
pub(super) fn name_damage(
    repo: &Repository,
    index: &Index,
    snapshots: &[SnapshotInfo],
    monitor: &Monitor,
    findings: &mut Findings,
) -> Result<()> {
    let mut pass = Pass { repo, index, monitor, seen: HashSet::new(), bad_trees: HashMap::new() };
    for snapshot in snapshots {
        pass.seen.clear();
        pass.snapshot(snapshot, findings)?;
    }
    Ok(())
}

/// Whether every tree can be read and every file has all its blobs and the size that they have together.
pub(super) fn all_is_well(
    repo: &Repository,
    index: &Index,
    snapshots: &[SnapshotInfo],
    monitor: &Monitor,
) -> Result<bool> {
    let roots: HashSet<Id> = snapshots.iter().map(|info| info.snapshot.tree).collect();
    let tasks = Tasks::new(roots.iter().map(|tree| (*tree, 0)));
    let (seen, trees) = (Mutex::new(roots), Trees::new(repo, index));
    let (is_well, error) = (AtomicBool::new(true), Mutex::new(None));
    let look = |tree: Id, depth: usize| -> Result<bool> {
        monitor.proceed()?;
        let nodes = match trees.read(tree) {
            Ok(nodes) => nodes,
            Err(e) if e.class() == Class::Integrity => return Ok(false),
            Err(e) => return Err(e),
        };
        let mut below = Vec::new();
        for node in &nodes {
            match (node.kind, node.subtree) {
                (NodeKind::File, _) if content(index, node) != Ok(node.size) => return Ok(false),
                (NodeKind::Folder, Some(subtree)) => below.push((subtree, depth + 1)),
                _ => {}
            }
        }
        let mut seen = locked(&seen);
        below.retain(|(subtree, _)| seen.insert(*subtree));
        drop(seen);
        tasks.add(below);
        Ok(depth <= MAX_DEPTH)
    };
    std::thread::scope(|scope| {
        for _ in 0..repo.readers() {
            scope.spawn(|| {
                tasks.work(|(tree, depth)| match look(tree, depth) {
                    Ok(true) => {}
                    Ok(false) => {
                        is_well.store(false, Ordering::Relaxed);
                        tasks.stop();
                    }
                    Err(e) => {
                        locked(&error).get_or_insert(e);
                        tasks.stop();
                    }
                });
            });
        }
    });
    let error = locked(&error).take();
    error.map_or_else(|| Ok(is_well.into_inner()), Err)
}

/// How many bytes the blobs of a file have, or the first one that no index file knows.
fn content(index: &Index, node: &Node) -> Result<u64, Id> {
    let mut size = 0_u64;
    for id in node.content.as_deref().unwrap_or_default() {
        let place = index.find(BlobKind::Data, *id).ok_or(*id)?;
        size = size.saturating_add(place.plain_bytes(BlobKind::Data, *id));
    }
    Ok(size)
}

struct Pass<'a> {
    repo: &'a Repository,
    index: &'a Index,
    monitor: &'a Monitor,
    seen: HashSet<Id>,
    /// Trees that cannot be read, and the object to blame.
    bad_trees: HashMap<Id, String>,
}

impl Pass<'_> {
    fn snapshot(&mut self, info: &SnapshotInfo, findings: &mut Findings) -> Result<()> {
        let mut stack = vec![(String::new(), info.snapshot.tree, 0)];
        while let Some((path, tree, depth)) = stack.pop() {
            self.monitor.proceed()?;
            if !self.seen.insert(tree) {
                continue;
            }
            if depth > MAX_DEPTH {
                findings.add(&format!("tree {tree}"), "it is nested deeper than paths can be");
                continue;
            }
            let Some(nodes) = self.read(tree, findings)? else {
                if let Some(object) = self.bad_trees.get(&tree) {
                    self.touch(object, info.id, &format!("{path}/"), findings);
                }
                continue;
            };
            for node in nodes {
                let path = format!("{path}/{}", node.os_name().to_string_lossy());
                match (node.kind, node.subtree) {
                    (NodeKind::Folder, Some(subtree)) => stack.push((path, subtree, depth + 1)),
                    (NodeKind::File, _) => self.file(&node, &path, info.id, findings),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, tree: Id, findings: &mut Findings) -> Result<Option<Vec<Node>>> {
        if self.bad_trees.contains_key(&tree) {
            return Ok(None);
        }
        match self.repo.read_tree(self.index, tree) {
            Ok(nodes) => Ok(Some(nodes)),
            Err(e) => {
                let object = match (&e, findings.bad_blobs.get(&(BlobKind::Tree, tree))) {
                    (_, Some(known)) => known.clone(),
                    (Error::Damaged { object, .. }, None) => object.clone(),
                    _ => format!("tree {tree}"),
                };
                findings.add_error(&object, e)?;
                self.bad_trees.insert(tree, object);
                Ok(None)
            }
        }
    }

    fn file(&self, node: &Node, path: &str, snapshot: Id, findings: &mut Findings) {
        for id in node.content.as_deref().unwrap_or_default() {
            if !self.index.has(BlobKind::Data, *id) {
                let object = format!("blob {id}");
                findings.add(&object, "no index file knows it");
                self.touch(&object, snapshot, path, findings);
            } else if let Some(object) = findings.bad_blobs.get(&(BlobKind::Data, *id)).cloned() {
                self.touch(&object, snapshot, path, findings);
            }
        }
        if let Ok(size) = content(self.index, node)
            && size != node.size
        {
            // Stock restic restores as many bytes as the node says, without an error.
            let object = format!("the size of {path} in snapshot {}", snapshot.short());
            findings.add(&object, format!("it says {} bytes, its blobs have {size}", node.size));
            self.touch(&object, snapshot, path, findings);
        }
    }

    fn touch(&self, object: &str, snapshot: Id, path: &str, findings: &mut Findings) {
        if let Some(damage) = findings.damages.get_mut(object) {
            damage.snapshots.insert(snapshot);
            if damage.files.len() < MAX_FILES_NAMED {
                damage.files.insert(format!("{}:{path}", snapshot.short()));
            }
        }
    }
}
