//! The walk through the trees of a snapshot: it makes folders, links and devices, and hands over the blobs
//! of files, window after window.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use rustix::fs::OFlags;

use super::site::{Folder, Site, Target};
use super::window::{Piece, Window, extent, locate};
use super::work::Job;
use super::{marker, metadata};
use crate::error::{Class, Error, Result};
use crate::format::blob::BlobKind;
use crate::format::node::{Node, NodeKind};
use crate::id::Id;
use crate::index::Index;
use crate::repository::Repository;
use crate::storage::{Kind, Object};
use crate::trees::Trees;

/// Folders inside each other; no file system allows more.
const MAX_DEPTH: usize = 4096;

/// A further name of a file that has several: made when all files are there.
pub(super) struct Link {
    folder: Arc<Folder>,
    node: Node,
    first: PathBuf,
}

/// One walk.
pub(super) struct Walk<'a> {
    repo: &'a Repository,
    pub(super) index: &'a Index,
    pub(super) trees: Trees<'a>,
    pub(super) site: &'a Site<'a>,
    pub(super) jobs: SyncSender<Job>,
    /// Whether the target may have files of an earlier restore, or others that are replaced.
    pub(super) over: bool,
    window: Window,
    /// The first name of each file that has several.
    first_names: HashMap<(u64, u64), PathBuf>,
    links: Vec<Link>,
}

type Level = (Arc<Folder>, std::vec::IntoIter<Node>);

impl<'a> Walk<'a> {
    pub(super) fn new(
        repo: &'a Repository,
        index: &'a Index,
        site: &'a Site<'a>,
        jobs: SyncSender<Job>,
        over: bool,
    ) -> Self {
        let trees = Trees::new(repo, index);
        let (window, first_names, links) = (Window::default(), HashMap::new(), Vec::new());
        Self { repo, index, trees, site, jobs, over, window, first_names, links }
    }

    /// Everything below a tree. A folder whose tree is damaged is named, and left empty.
    pub(super) fn tree(&mut self, tree: Id, root: Arc<Folder>) -> Result<()> {
        let mut stack: Vec<Level> = Vec::new();
        self.enter(tree, root, &mut stack)?;
        while let Some((folder, nodes)) = stack.last_mut() {
            self.site.monitor.proceed()?;
            if self.site.has_failed() {
                return Ok(());
            }
            let Some(node) = nodes.next() else {
                if let Some((folder, _)) = stack.pop() {
                    self.site.entry_done(&folder)?;
                }
                continue;
            };
            let folder = Arc::clone(folder);
            if stack.len() >= MAX_DEPTH {
                return Err(Error::damaged(format!("tree {tree}"), "it is nested deeper than paths can be"));
            }
            let Some(subtree) = node.subtree.filter(|_| node.kind == NodeKind::Folder) else {
                self.entry(&folder, node)?;
                continue;
            };
            let to = folder.path.join(node.os_name());
            self.make_folder(&to)?;
            let shown = folder.shown(&node);
            let below = Folder::new(to, shown, Some(Node { content: None, ..node }), Some(folder));
            self.site.note(|s| s.folders += 1);
            self.enter(subtree, below, &mut stack)?;
        }
        Ok(())
    }

    fn enter(&self, tree: Id, folder: Arc<Folder>, stack: &mut Vec<Level>) -> Result<()> {
        match self.trees.read(tree) {
            Ok(nodes) => stack.push((folder, nodes.into_iter())),
            Err(e) if e.class() == Class::Integrity => {
                self.site.note(|s| s.damage(&format!("{}/", folder.shown), e.to_string()));
                self.site.entry_done(&folder)?;
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// A folder, made or found. Never through a link that somebody put there.
    fn make_folder(&self, to: &Path) -> Result<()> {
        if self.over {
            match fs::symlink_metadata(to) {
                Ok(meta) if meta.is_dir() => return Ok(()),
                Ok(_) => fs::remove_file(to).map_err(Error::local("replacing", to))?,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::local("looking at", to)(e)),
            }
        }
        fs::DirBuilder::new().mode(0o700).create(to).map_err(Error::local("making the folder", to))
    }

    /// Anything but a folder.
    pub(super) fn entry(&mut self, folder: &Arc<Folder>, node: Node) -> Result<()> {
        let to = folder.path.join(node.os_name());
        if marker::is_marker(folder, &node) {
            self.site.note(|s| s.warn(&to, "name", marker::taken()));
            return Ok(());
        }
        folder.hold();
        if node.links > 1 && node.device_id != 0 {
            let first = self.first_names.entry((node.device_id, node.inode)).or_insert_with(|| to.clone());
            if *first != to {
                let first = first.clone();
                self.links.push(Link { folder: Arc::clone(folder), node, first });
                return Ok(());
            }
        }
        if node.kind == NodeKind::File {
            let found = self.over && usable(&to)?;
            return self.file(folder, node, found);
        }
        if self.over {
            remove(&to)?;
        }
        let warn = |what: &str, e: io::Error| self.site.note(|s| s.warn(&to, what, e));
        match metadata::make_special(&to, &node) {
            Ok(true) => {
                self.site.note(|s| s.files += 1);
                metadata::apply(&to, &node, &warn);
            }
            Ok(false) => warn("type", io::Error::other(format!("{} is not restored", node.kind.word()))),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => warn("making the special file", e),
            Err(e) => return Err(Error::local("making", &to)(e)),
        }
        self.site.entry_done(folder)
    }

    fn file(&mut self, folder: &Arc<Folder>, mut node: Node, found: bool) -> Result<()> {
        // What is needed of the node from here on is its metadata.
        let blobs = node.content.take().unwrap_or_default();
        let (size, wrong) = locate(self.index, &blobs);
        // A file that cannot be had whole is not written at all.
        let count = if wrong.is_some() { 0 } else { blobs.len() };
        let target = Arc::new(Target::new(Arc::clone(folder), node, size, found, count));
        if count == 0 {
            wrong.into_iter().for_each(|reason| target.spoil(reason));
            return self.send(Job::Finish(target));
        }
        self.window.begin_file();
        let mut at = 0;
        for id in blobs {
            let place = self.index.find(BlobKind::Data, id).ok_or(Error::Internal("a blob got lost"))?;
            let piece = Piece { place, id, target: Arc::clone(&target), at };
            at += piece.length();
            self.window.add(piece);
            if self.window.is_full() {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Hands over what was gathered.
    fn flush(&mut self) -> Result<()> {
        for run in self.window.take_runs() {
            if let Some((pack, offset, length)) = extent(self.index, &run)? {
                self.repo.storage().will_read(Object::Named(Kind::Pack, pack), offset, length);
            }
            self.send(Job::Run(run))?;
        }
        Ok(())
    }

    fn send(&self, job: Job) -> Result<()> {
        self.jobs.send(job).map_err(|_| Error::Internal("all threads of a restore are gone"))
    }

    /// Hands over the rest. Gives the links, which can be made when the threads are done.
    pub(super) fn end(mut self) -> Result<Vec<Link>> {
        self.flush()?;
        Ok(std::mem::take(&mut self.links))
    }
}

/// Makes further names of files.
pub(super) fn make_links(site: &Site<'_>, links: Vec<Link>, over: bool) -> Result<()> {
    for Link { folder, node, first } in links {
        let to = folder.path.join(node.os_name());
        if over {
            remove(&to)?;
        }
        match fs::hard_link(&first, &to) {
            Ok(()) => site.note(|s| s.files += 1),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let reason = format!("it is another name of {}, which is damaged", first.display());
                site.note(|s| s.damage(&folder.shown(&node), reason));
            }
            Err(e) => return Err(Error::local("linking", &to)(e)),
        }
        site.entry_done(&folder)?;
    }
    Ok(())
}

/// Whether there is a file whose good parts can stay. Anything else in its place is removed: a file with
/// several names, since another name of it may be somebody else's, and one that cannot be written.
fn usable(to: &Path) -> Result<bool> {
    match fs::symlink_metadata(to) {
        Ok(meta) if meta.is_file() && meta.nlink() == 1 && can_write(to) => Ok(true),
        Ok(_) => remove(to).map(|()| false),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::local("looking at", to)(e)),
    }
}

fn can_write(to: &Path) -> bool {
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK).bits().cast_signed();
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(to).is_ok()
}

fn remove(to: &Path) -> Result<()> {
    match fs::remove_file(to) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::local("replacing", to)(e)),
        _ => Ok(()),
    }
}
