//! Restoring files of a snapshot.
//!
//! Folders are made first as the walk meets them, files are gathered into windows of bounded size, and
//! the blobs of a window are read in the order in which they lie in packs, by two threads, each decrypted,
//! decompressed and hashed before one byte of it is written. A file with a blob that cannot be trusted is
//! removed again and named; the others go on. At the end come hard links, then the metadata of folders
//! from the deepest up (writing into a folder changes its times), then one sync of the file system.

mod content;
mod metadata;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use content::Window;
use rustix::fs::OFlags;

use crate::browse::Target;
use crate::error::{Error, Result};
use crate::find::SnapshotInfo;
use crate::format::node::{Node, NodeKind};
use crate::index::Index;
use crate::monitor::Monitor;
use crate::repository::Repository;

/// So many damaged files and warnings are named; all are counted.
pub const MAX_NAMED: usize = 1000;
/// Folders inside each other; no file system allows more.
const MAX_DEPTH: usize = 4096;

/// How a restore treats what it finds.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoreOptions {
    /// Write into a folder that is not empty, replacing files of the same names. Other files stay.
    pub overwrite: bool,
    /// End well although some files are damaged. They are named in the summary, and not there.
    pub skip_damaged: bool,
}

/// A file that could not be restored as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedFile {
    /// Its path in the snapshot.
    pub path: String,
    /// What is wrong with its stored data.
    pub reason: String,
}

/// What a restore did.
#[derive(Clone, Debug, Default)]
pub struct RestoreSummary {
    /// Files, links and devices made.
    pub files: u64,
    /// Folders made.
    pub folders: u64,
    /// Bytes of files, holes included.
    pub bytes: u64,
    /// How many files are damaged, and so not there.
    pub damaged_count: u64,
    /// The first [`MAX_NAMED`] of them.
    pub damaged: Vec<DamagedFile>,
    /// How many owners, attributes and special files could not be restored.
    pub warning_count: u64,
    /// The first [`MAX_NAMED`] of them.
    pub warnings: Vec<String>,
}

impl RestoreSummary {
    /// Whether everything is as it was.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.damaged_count == 0 && self.warning_count == 0
    }

    fn warn(&mut self, path: &Path, what: &str, error: impl std::fmt::Display) {
        self.warning_count += 1;
        if self.warnings.len() < MAX_NAMED {
            self.warnings.push(format!("{what} of {}: {error}", path.display()));
        }
    }

    fn damage(&mut self, path: &str, reason: String) {
        self.damaged_count += 1;
        if self.damaged.len() < MAX_NAMED {
            self.damaged.push(DamagedFile { path: path.to_owned(), reason });
        }
    }
}

impl Repository {
    /// Restores what is at `path` in a snapshot (`""`: everything) into the folder `target`: a folder's
    /// entries, or one file under its own name. When it returns, all of it is on disk.
    ///
    /// # Errors
    /// [`Error::TargetNotEmpty`], [`Error::NoSuchPath`], [`Error::FilesDamaged`] after everything else was
    /// restored, [`Error::Local`] when the target fails, [`Error::Cancelled`].
    pub fn restore_tree(
        &self,
        snapshot: &SnapshotInfo,
        path: &str,
        target: &Path,
        options: RestoreOptions,
        monitor: &Monitor,
    ) -> Result<RestoreSummary> {
        let _lock = self.read_lock()?;
        let index = self.index()?;
        let found = self.resolve(&index, snapshot, path)?;
        prepare(target, options)?;
        let mut restore = Restore::new(self, &index, monitor, options);
        let base = path.trim_matches('/');
        match found {
            Target::Root(tree) => restore.tree(tree, base, target)?,
            Target::Node(node) => match node.subtree.filter(|_| node.kind == NodeKind::Folder) {
                Some(tree) => {
                    restore.folders.push((target.to_owned(), Node { content: None, ..*node }));
                    restore.tree(tree, base, target)?;
                }
                None => {
                    let to = target.join(node.os_name());
                    restore.entry(*node, base.to_owned(), to)?;
                }
            },
        }
        restore.finish(target)
    }
}

fn prepare(target: &Path, options: RestoreOptions) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(target)
        .map_err(Error::local("making the folder", target))?;
    let mut entries = fs::read_dir(target).map_err(Error::local("listing", target))?;
    if entries.next().is_some() && !options.overwrite {
        return Err(Error::TargetNotEmpty { path: target.to_owned() });
    }
    Ok(())
}

struct Restore<'a> {
    repo: &'a Repository,
    index: &'a Index,
    monitor: &'a Monitor,
    options: RestoreOptions,
    window: Window,
    folders: Vec<(PathBuf, Node)>,
    /// The first name of each file that has several.
    first_names: HashMap<(u64, u64), PathBuf>,
    /// Further names: path in the snapshot, where it goes, the first name.
    links: Vec<(String, PathBuf, PathBuf)>,
    summary: RestoreSummary,
}

impl<'a> Restore<'a> {
    fn new(repo: &'a Repository, index: &'a Index, monitor: &'a Monitor, options: RestoreOptions) -> Self {
        Self {
            repo,
            index,
            monitor,
            options,
            window: Window::default(),
            folders: Vec::new(),
            first_names: HashMap::new(),
            links: Vec::new(),
            summary: RestoreSummary::default(),
        }
    }

    /// Everything below a tree. A folder whose tree is damaged is named, and left empty.
    fn tree(&mut self, tree: crate::id::Id, base: &str, target: &Path) -> Result<()> {
        let mut stack = Vec::new();
        self.enter(tree, base.to_owned(), target.to_owned(), &mut stack)?;
        while let Some((path, target, nodes)) = stack.last_mut() {
            self.monitor.proceed()?;
            let Some(node) = nodes.next() else {
                stack.pop();
                continue;
            };
            let name = node.os_name().to_string_lossy();
            let path = if path.is_empty() { name.into_owned() } else { format!("{path}/{name}") };
            let to = target.join(node.os_name());
            if stack.len() >= MAX_DEPTH {
                return Err(Error::damaged(format!("tree {tree}"), "it is nested deeper than paths can be"));
            }
            let Some(subtree) = node.subtree.filter(|_| node.kind == NodeKind::Folder) else {
                self.entry(node, path, to)?;
                continue;
            };
            self.make_folder(&to)?;
            self.folders.push((to.clone(), Node { content: None, ..node }));
            self.summary.folders += 1;
            self.enter(subtree, path, to, &mut stack)?;
        }
        Ok(())
    }

    fn enter(
        &mut self,
        tree: crate::id::Id,
        path: String,
        target: PathBuf,
        stack: &mut Vec<(String, PathBuf, std::vec::IntoIter<Node>)>,
    ) -> Result<()> {
        match self.repo.read_tree(self.index, tree) {
            Ok(nodes) => stack.push((path, target, nodes.into_iter())),
            Err(e) if e.class() == crate::error::Class::Integrity => {
                self.summary.damage(&format!("{path}/"), e.to_string());
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// A folder, made or found. Never through a link that somebody put there.
    fn make_folder(&self, to: &Path) -> Result<()> {
        match fs::symlink_metadata(to) {
            Ok(meta) if meta.is_dir() => return Ok(()),
            Ok(_) if self.options.overwrite => fs::remove_file(to).map_err(Error::local("replacing", to))?,
            Ok(_) => return Err(Error::local("making the folder", to)(io::ErrorKind::AlreadyExists.into())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::local("looking at", to)(e)),
        }
        fs::DirBuilder::new().mode(0o700).create(to).map_err(Error::local("making the folder", to))
    }

    /// Anything but a folder.
    fn entry(&mut self, node: Node, path: String, to: PathBuf) -> Result<()> {
        if self.options.overwrite {
            match fs::remove_file(&to) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::local("replacing", &to)(e));
                }
                _ => {}
            }
        }
        if node.links > 1 && node.device_id != 0 {
            let first = self.first_names.entry((node.device_id, node.inode)).or_insert_with(|| to.clone());
            if *first != to {
                self.links.push((path, to, first.clone()));
                return Ok(());
            }
        }
        if node.kind == NodeKind::File {
            return self.file(node, path, to);
        }
        match metadata::make_special(&to, &node) {
            Ok(true) => {
                self.summary.files += 1;
                metadata::apply(&to, &node, &mut self.summary);
            }
            Ok(false) => self.summary.warn(&to, "type", format!("{} is not restored", node.kind.word())),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                self.summary.warn(&to, "making the special file", e);
            }
            Err(e) => return Err(Error::local("making", &to)(e)),
        }
        Ok(())
    }

    fn file(&mut self, node: Node, path: String, to: PathBuf) -> Result<()> {
        create(&to).map_err(Error::local("making the file", &to))?;
        self.window.begin(node, path, to);
        while !self.window.gather(self.index) {
            self.window.write(self.repo, self.index, self.monitor)?;
        }
        if self.window.is_full() {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what was gathered and finishes its files.
    fn flush(&mut self) -> Result<()> {
        self.window.write(self.repo, self.index, self.monitor)?;
        for file in self.window.take_files() {
            if let Some(reason) = file.damage {
                fs::remove_file(&file.to).map_err(Error::local("removing the damaged file", &file.to))?;
                self.summary.damage(&file.path, reason);
                continue;
            }
            // A hole at the end is not written, so the length is set here.
            let sized = OpenOptions::new().write(true).open(&file.to).and_then(|f| f.set_len(file.size));
            sized.map_err(Error::local("setting the length of", &file.to))?;
            self.summary.files += 1;
            self.summary.bytes += file.size;
            metadata::apply(&file.to, &file.node, &mut self.summary);
            self.monitor.add_file();
        }
        Ok(())
    }

    fn finish(mut self, target: &Path) -> Result<RestoreSummary> {
        self.flush()?;
        for (path, to, first) in std::mem::take(&mut self.links) {
            match fs::hard_link(&first, &to) {
                Ok(()) => self.summary.files += 1,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    self.summary.damage(
                        &path,
                        format!("it is another name of {}, which is damaged", first.display()),
                    );
                }
                Err(e) => return Err(Error::local("linking", &to)(e)),
            }
        }
        for (to, node) in std::mem::take(&mut self.folders).into_iter().rev() {
            metadata::apply(&to, &node, &mut self.summary);
        }
        sync(target).map_err(Error::local("syncing the file system of", target))?;
        if self.summary.damaged_count > 0 && !self.options.skip_damaged {
            return Err(Error::FilesDamaged { files: self.summary.damaged });
        }
        Ok(self.summary)
    }
}

/// A new, empty file that only its owner can read until its mode is restored.
fn create(to: &Path) -> io::Result<()> {
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
    OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags).open(to).map(drop)
}

/// One sync for all files, and the target's own name.
fn sync(target: &Path) -> io::Result<()> {
    rustix::fs::syncfs(File::open(target)?)?;
    target.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
