//! Snapshots of file trees.
//!
//! The walk goes through folders in the order of names with a stack of its own, so that a deep tree costs
//! no thread stack. A folder's tree is stored when the last of its entries is done, its parent's after it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::content::{Nodes, ReadFailure};
use super::excludes::Excludes;
use super::parent::{self, Known};
use super::plan::Plan;
use super::trouble::{OnTrouble, TroubleKind, Troubles};
use super::{BackupMeta, Counts, METADATA_FILE, SnapshotSummary, commit, describe, entry};
use crate::chunker::Chunker;
use crate::error::{Error, Result};
use crate::find::SnapshotInfo;
use crate::format::mode;
use crate::format::node::{Node, NodeKind};
use crate::format::tree;
use crate::host::Names;
use crate::id::Id;
use crate::lock::{LockGuard, Mode};
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::write::{self, Writer};

/// The list of what an incomplete snapshot misses, at its root.
const INCOMPLETE_FILE: &str = "lifeboat-incomplete.json";
/// Longer paths cannot be opened.
const MAX_DEPTH: usize = 4096;

/// How a tree is backed up.
#[derive(Clone, Debug, Default)]
pub struct TreeOptions {
    /// Patterns of what is left out; see the guide. Without `/`: names anywhere; with `/`: paths.
    pub excludes: Vec<String>,
    /// Do not go into other file systems than those of the given paths.
    pub one_file_system: bool,
    /// What to do about files that cannot be captured as they are.
    pub on_trouble: OnTrouble,
    /// Read every file again, even when it looks unchanged.
    pub ignore_parent: bool,
}

impl Repository {
    /// Backs up files and folders, given as absolute paths.
    ///
    /// # Errors
    /// [`Error::FilesFailed`] when files could not be captured and the policy is to fail; a path that is
    /// not there; [`Error::Cancelled`]; or what storing failed with. In each case there is no new snapshot.
    pub fn backup_tree(
        &self,
        paths: &[PathBuf],
        options: &TreeOptions,
        meta: &BackupMeta,
        monitor: &Monitor,
    ) -> Result<SnapshotSummary> {
        let plan = Plan::of(paths)?;
        let excludes = Excludes::compile(&options.excludes)?;
        for path in paths {
            fs::symlink_metadata(path).map_err(Error::local("looking at", path))?;
        }
        let mut shown: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        shown.sort_unstable();
        let lock = LockGuard::acquire(self, Mode::Shared)?;
        let parent = if options.ignore_parent { None } else { parent::choose(self, &meta.hostname, &shown)? };
        let ((root, counts, troubles), written) = write::session(self, &lock, monitor, |writer| {
            let mut walk = Walk::new(self, writer, monitor, options, excludes);
            let root = walk.run(plan, parent.as_ref(), meta)?;
            Ok((root, walk.counts, walk.troubles))
        })?;
        let mut snapshot = describe(meta, root, shown);
        snapshot.parent = parent.map(|p| p.id);
        snapshot.excludes.clone_from(&options.excludes);
        snapshot.tags.extend(troubles.judge(options.on_trouble)?.map(str::to_owned));
        commit(self, &lock, &snapshot, counts, written, troubles)
    }
}

/// One folder that is being walked.
struct Frame {
    path: PathBuf,
    /// Its own node; none for the root of the snapshot.
    node: Option<Node>,
    /// What is still to be looked at, the next one last, and the plan of each when it is on the way.
    entries: Vec<(OsString, Option<Plan>)>,
    nodes: Nodes,
    known: Known,
    /// The file system to stay on, once inside of a given path.
    device: Option<u64>,
}

struct Walk<'a> {
    repo: &'a Repository,
    writer: &'a Writer<'a>,
    monitor: &'a Monitor,
    one_file_system: bool,
    on_trouble: OnTrouble,
    excludes: Excludes,
    chunker: Chunker<'a>,
    names: Names,
    counts: Counts,
    troubles: Troubles,
}

impl<'a> Walk<'a> {
    fn new(
        repo: &'a Repository,
        writer: &'a Writer<'a>,
        monitor: &'a Monitor,
        options: &TreeOptions,
        excludes: Excludes,
    ) -> Self {
        Self {
            repo,
            writer,
            monitor,
            one_file_system: options.one_file_system,
            on_trouble: options.on_trouble,
            excludes,
            chunker: Chunker::new(repo.gear()),
            names: Names::load(),
            counts: Counts::default(),
            troubles: Troubles::default(),
        }
    }

    /// Walks everything and gives the root tree.
    fn run(&mut self, plan: Plan, parent: Option<&SnapshotInfo>, meta: &BackupMeta) -> Result<Id> {
        let root = PathBuf::from("/");
        let known = parent::nodes(self.repo, self.writer.index(), parent.map(|p| p.snapshot.tree));
        let device = if plan.whole { fs::symlink_metadata(&root).ok().map(|m| m.dev()) } else { None };
        let entries = self.entries(&root, Some(plan)).map_err(Error::local("listing", &root))?;
        let mut stack =
            vec![Frame { path: root, node: None, entries, nodes: Nodes::default(), known, device }];
        loop {
            self.writer.proceed()?;
            if stack.len() > MAX_DEPTH {
                return Err(Error::Invalid("the tree is deeper than paths can be".to_owned()));
            }
            let Some(frame) = stack.last_mut() else {
                return Err(Error::Internal("a walk without root"));
            };
            if let Some((name, plan)) = frame.entries.pop() {
                let below = self.visit(frame, &name, plan)?;
                stack.extend(below);
                continue;
            }
            let Some(mut done) = stack.pop() else {
                return Err(Error::Internal("a walk without root"));
            };
            if stack.is_empty() {
                self.add_own_files(&mut done.nodes, meta)?;
            }
            let mut nodes = done.nodes.finish(self.writer)?;
            let bytes = tree::encode(&mut nodes).map_err(|_| Error::Internal("a tree cannot be encoded"))?;
            let id = self.writer.tree(bytes)?;
            match (stack.last_mut(), done.node) {
                (Some(above), Some(mut node)) => {
                    node.subtree = Some(id);
                    above.nodes.push(node);
                }
                _ => return Ok(id),
            }
        }
    }

    /// What a folder has, by plan or by listing, the first name last.
    fn entries(&self, path: &Path, plan: Option<Plan>) -> io::Result<Vec<(OsString, Option<Plan>)>> {
        let mut entries: Vec<_> = match plan {
            Some(plan) if !plan.whole => {
                plan.children.into_iter().map(|(name, plan)| (name, Some(plan))).collect()
            }
            _ => fs::read_dir(path)?.map(|e| e.map(|e| (e.file_name(), None))).collect::<io::Result<_>>()?,
        };
        entries.sort_unstable_by(|a, b| b.0.as_bytes().cmp(a.0.as_bytes()));
        Ok(entries)
    }

    /// One entry: a frame for a folder, a node for everything else.
    fn visit(&mut self, frame: &mut Frame, name: &OsStr, plan: Option<Plan>) -> Result<Option<Frame>> {
        let path = frame.path.join(name);
        // What was asked for by name, or leads there, is not left out.
        if plan.is_none() && self.excludes.covers(&path) {
            return Ok(None);
        }
        let is_on_the_way = plan.as_ref().is_some_and(|p| !p.whole);
        let looked = if is_on_the_way { fs::metadata(&path) } else { fs::symlink_metadata(&path) };
        let described =
            looked.and_then(|meta| entry::describe(&path, name, &meta, &self.names).map(|node| (node, meta)));
        let (node, meta) = match described {
            Ok(both) => both,
            Err(e) => {
                self.troubles.add_error(&path, &e);
                return Ok(None);
            }
        };
        match node.kind {
            NodeKind::Folder => Ok(self.enter(frame, path, node, &meta, plan)),
            NodeKind::File => self.file(frame, &path, node, &meta).map(|()| None),
            _ => {
                frame.nodes.push(node);
                self.counts.files += 1;
                Ok(None)
            }
        }
    }

    fn enter(
        &mut self,
        above: &mut Frame,
        path: PathBuf,
        node: Node,
        meta: &Metadata,
        plan: Option<Plan>,
    ) -> Option<Frame> {
        let begins = plan.as_ref().is_some_and(|p| p.whole);
        let device = if begins { Some(meta.dev()) } else { above.device };
        let is_elsewhere = self.one_file_system && device.is_some_and(|d| d != meta.dev());
        let entries = if is_elsewhere { Ok(Vec::new()) } else { self.entries(&path, plan) };
        let entries = entries.unwrap_or_else(|e| {
            self.troubles.add_error(&path, &e);
            Vec::new()
        });
        self.counts.folders += 1;
        let then = above.known.get(&node.name).filter(|then| then.kind == NodeKind::Folder);
        let known = parent::nodes(self.repo, self.writer.index(), then.and_then(|then| then.subtree));
        Some(Frame { path, node: Some(node), entries, nodes: Nodes::default(), known, device })
    }

    fn file(&mut self, frame: &mut Frame, path: &Path, mut node: Node, seen: &Metadata) -> Result<()> {
        if let Some(then) =
            frame.known.get(&node.name).filter(|then| parent::is_unchanged(&node, then, self.writer.index()))
        {
            node.content.clone_from(&then.content);
            self.counts.files_unchanged += 1;
            self.count_file(node.size);
            self.monitor.add_done(node.size);
            frame.nodes.push(node);
            return Ok(());
        }
        let opened = entry::open(path).and_then(|file| file.metadata().map(|meta| (file, meta)));
        let (mut file, before) = match opened {
            Ok(both) => both,
            Err(e) => {
                self.troubles.add_error(path, &e);
                return Ok(());
            }
        };
        if !before.is_file() {
            self.troubles.add(
                TroubleKind::Changed,
                path,
                "it became something else while its folder was read",
            );
            return Ok(());
        }
        let size = match frame.nodes.push_read(node, &mut file, &mut self.chunker, self.writer, self.monitor)
        {
            Ok(size) => size,
            Err(ReadFailure::Session(e)) => return Err(e),
            Err(ReadFailure::Source(e)) => {
                self.troubles.add_error(path, &e);
                return Ok(());
            }
        };
        self.counts.bytes_read += size;
        self.count_file(size);
        match file.metadata() {
            Ok(after) if entry::is_same(seen, &after) => {}
            Ok(_) => self.troubles.add(TroubleKind::Changed, path, "it changed while it was read"),
            Err(e) => self.troubles.add_error(path, &e),
        }
        Ok(())
    }

    fn count_file(&mut self, size: u64) {
        self.counts.files += 1;
        self.counts.bytes += size;
        self.monitor.add_file();
    }

    /// Our own description, and the list of what is missing, at the root of the snapshot.
    fn add_own_files(&mut self, nodes: &mut Nodes, meta: &BackupMeta) -> Result<()> {
        let missing = if self.troubles.is_empty() || self.on_trouble == OnTrouble::Fail {
            None
        } else {
            Some(
                serde_json::to_vec_pretty(&self.troubles)
                    .map_err(|_| Error::Internal("the list of troubles cannot be encoded"))?,
            )
        };
        let own = [(METADATA_FILE, meta.metadata.clone()), (INCOMPLETE_FILE, missing)];
        for (name, bytes) in own {
            let Some(bytes) = bytes else { continue };
            let mut node = Node::new(name, NodeKind::File, mode::from_unix(0o100_600), meta.time);
            (node.uid, node.gid) = crate::host::ids();
            let read =
                nodes.push_read(node, &mut bytes.as_slice(), &mut self.chunker, self.writer, self.monitor);
            read.map_err(|failure| match failure {
                ReadFailure::Session(e) => e,
                ReadFailure::Source(source) => Error::SourceRead { name: name.to_owned(), source },
            })?;
        }
        Ok(())
    }
}
