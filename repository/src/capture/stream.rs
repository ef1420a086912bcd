//! Snapshots of streams: a dump on a pipe, several dumps, small files made in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Read;

use jiff::Timestamp;

use super::content::Blobs;
use super::into::{Capture, Captured, Outcomes, only};
use super::{BackupMeta, Counts, METADATA_FILE, OnTrouble, SnapshotSummary, Troubles, describe};
use crate::chunker::Chunker;
use crate::error::{Error, Result, SourceError};
use crate::format::node::{Node, NodeKind};
use crate::format::{mode, tree};
use crate::host;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::write::Writer;

/// Deeper paths than this make no sense in a snapshot of streams.
const MAX_DEPTH: usize = 64;
/// Dumps hold secrets.
const FILE_PERMISSIONS: u32 = 0o600;
const FOLDER_PERMISSIONS: u32 = 0o700;

impl Repository {
    /// Backs up one stream as one file. It is read to its end, then `finish` is asked whether the source
    /// ended well (a process's exit code, say), and only then the snapshot is written.
    ///
    /// # Errors
    /// [`Error::SourceRead`] when the reader fails, [`Error::SourceFailed`] with what `finish` said,
    /// [`Error::Cancelled`], or what storing failed with. In each case there is no new snapshot.
    pub fn backup_stream<E: Into<SourceError>>(
        &self,
        meta: &BackupMeta,
        file_name: &str,
        reader: &mut dyn Read,
        finish: impl FnOnce() -> Result<(), E>,
        monitor: &Monitor,
    ) -> Result<SnapshotSummary> {
        only(Capture::into(&[self])?.stream(meta, file_name, reader, finish, monitor))
    }

    /// Backs up several streams as one snapshot: `build` adds them one after another, and says at the
    /// end whether all sources ended well. Only then the snapshot is written.
    ///
    /// # Errors
    /// What `build` returned (see [`Error::source_failed`]), or what storing failed with. In each case
    /// there is no new snapshot.
    pub fn backup_streams(
        &self,
        meta: &BackupMeta,
        monitor: &Monitor,
        build: impl FnOnce(&mut SnapshotBuilder<'_>) -> Result<()>,
    ) -> Result<SnapshotSummary> {
        only(Capture::into(&[self])?.streams(meta, monitor, build))
    }
}

pub(super) fn capture(
    into: &Capture<'_>,
    meta: &BackupMeta,
    monitor: &Monitor,
    build: impl FnOnce(&mut SnapshotBuilder<'_>) -> Result<()>,
) -> Result<Outcomes> {
    let first = into.first()?;
    into.run(
        monitor,
        |_| Ok(None),
        OnTrouble::Fail,
        |writer, _| {
            let mut builder = SnapshotBuilder::new(first, writer, monitor, meta.time);
            build(&mut builder)?;
            let paths = builder.paths.clone();
            if let Some(bytes) = &meta.metadata {
                builder.bytes(METADATA_FILE, bytes)?;
            }
            monitor.proceed()?;
            let root = builder.finish()?;
            let snapshot = describe(meta, root, paths);
            Ok(Captured { snapshot, counts: builder.counts, troubles: Troubles::default() })
        },
    )
}

impl Error {
    /// For a source that did not end well: what `build` of [`Repository::backup_streams`] returns.
    pub fn source_failed(source: impl Into<SourceError>) -> Self {
        Self::SourceFailed { source: source.into() }
    }
}

enum Item {
    File(Box<Node>),
    Folder(Folder),
}

#[derive(Default)]
struct Folder(BTreeMap<Vec<u8>, Item>);

/// A snapshot of streams that is being made. Paths have `/` between their parts; folders appear by themselves.
pub struct SnapshotBuilder<'w> {
    pub(super) writer: &'w Writer<'w>,
    pub(super) monitor: &'w Monitor,
    chunker: Chunker<'w>,
    root: Folder,
    template: Node,
    paths: Vec<String>,
    counts: Counts,
}

impl<'w> SnapshotBuilder<'w> {
    fn new(repo: &'w Repository, writer: &'w Writer<'w>, monitor: &'w Monitor, time: Timestamp) -> Self {
        let mut template = Node::new("", NodeKind::File, FILE_PERMISSIONS, time);
        (template.uid, template.gid) = host::ids();
        let names = host::Names::load();
        template.user = names.user(template.uid).unwrap_or_default().to_owned();
        template.group = names.group(template.gid).unwrap_or_default().to_owned();
        Self {
            writer,
            monitor,
            chunker: Chunker::new(repo.gear()),
            root: Folder::default(),
            template,
            paths: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Adds a file with what the reader gives until its end. Returns its size in bytes.
    ///
    /// # Errors
    /// [`Error::SourceRead`], [`Error::BadName`] for a path that cannot be or is there already, or what
    /// storing failed with.
    pub fn stream(&mut self, path: &str, reader: &mut dyn Read) -> Result<u64> {
        let parts = self.check(path)?;
        let mut blobs = Blobs::default();
        let read = blobs.read(reader, &mut self.chunker, self.writer, self.monitor);
        read.map_err(|failure| failure.of(path))?;
        let node = blobs.finish(self.node_named(&parts), self.writer)?;
        let size = node.size;
        self.add(path, &parts, node)?;
        Ok(size)
    }

    /// Adds a file with these bytes.
    ///
    /// # Errors
    /// As [`SnapshotBuilder::stream`].
    pub fn bytes(&mut self, path: &str, mut bytes: &[u8]) -> Result<u64> {
        self.stream(path, &mut bytes)
    }

    /// A file of this name, without content.
    pub(super) fn node_named(&self, parts: &[&str]) -> Node {
        let name = parts.last().copied().unwrap_or_default();
        Node { name: name.as_bytes().to_vec(), ..self.template.clone() }
    }

    /// Puts a file with its content in its place.
    pub(super) fn add(&mut self, path: &str, parts: &[&str], node: Node) -> Result<()> {
        let size = node.size;
        self.insert(path, parts, node)?;
        self.counts.files += 1;
        self.counts.bytes += size;
        self.counts.bytes_read += size;
        self.monitor.add_file();
        self.paths.push(format!("/{}", path.trim_matches('/')));
        Ok(())
    }

    pub(super) fn check<'p>(&self, path: &'p str) -> Result<Vec<&'p str>> {
        let refuse = |reason| Error::BadName { name: path.to_owned(), reason };
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        if parts.len() > MAX_DEPTH {
            return Err(refuse("it has too many parts"));
        }
        if !parts.iter().all(|part| tree::is_safe(part.as_bytes())) {
            return Err(refuse("a part of it is empty, . or .."));
        }
        Ok(parts)
    }

    fn insert(&mut self, path: &str, parts: &[&str], node: Node) -> Result<()> {
        let refuse = |reason| Error::BadName { name: path.to_owned(), reason };
        let Some((name, folders)) = parts.split_last() else {
            return Err(refuse("it is empty"));
        };
        let mut folder = &mut self.root;
        for part in folders {
            let item =
                folder.0.entry(part.as_bytes().to_vec()).or_insert_with(|| Item::Folder(Folder::default()));
            folder = match item {
                Item::Folder(folder) => folder,
                Item::File(_) => return Err(refuse("a part of it is a file")),
            };
        }
        match folder.0.entry(name.as_bytes().to_vec()) {
            Entry::Occupied(_) => Err(refuse("there is already one of that name")),
            Entry::Vacant(place) => {
                place.insert(Item::File(Box::new(node)));
                Ok(())
            }
        }
    }

    fn finish(&mut self) -> Result<Id> {
        let root = std::mem::take(&mut self.root);
        self.store(root)
    }

    /// Stores a folder's tree. As deep as [`MAX_DEPTH`] at most.
    fn store(&mut self, folder: Folder) -> Result<Id> {
        let mut nodes = Vec::with_capacity(folder.0.len());
        for (name, item) in folder.0 {
            nodes.push(match item {
                Item::File(node) => *node,
                Item::Folder(folder) => {
                    self.counts.folders += 1;
                    let subtree = self.store(folder)?;
                    let mode = mode::folder(FOLDER_PERMISSIONS);
                    Node {
                        name,
                        kind: NodeKind::Folder,
                        mode,
                        subtree: Some(subtree),
                        ..self.template.clone()
                    }
                }
            });
        }
        let bytes = tree::encode(&mut nodes).map_err(|_| Error::Internal("a tree cannot be encoded"))?;
        self.writer.tree(bytes)
    }
}
