//! The walk through a file tree, by several threads.
//!
//! A folder is listed by whoever comes first, its entries are looked at in batches by all threads, and
//! small files are read, hashed and sealed right there: many are in flight at once, so that a disk with
//! latency is kept busy. Large files are cut by one thread each, their blobs sealed by the session's
//! workers. Whoever finishes a folder's last entry stores its tree and tells the folder above.

use std::ffi::OsString;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::excludes::Excludes;
use super::parent::{self, Known, Slot};
use super::plan::Plan;
use super::pool::Pool;
use super::reading::{Content, Hand, Large};
use super::tree::TreeOptions;
use super::trouble::{OnTrouble, Troubles};
use super::{BackupMeta, Counts, METADATA_FILE, entry};
use crate::chunker::Chunker;
use crate::error::{Error, Result};
use crate::find::SnapshotInfo;
use crate::format::node::{Node, NodeKind};
use crate::format::sealer::Sealer;
use crate::format::{mode, tree};
use crate::host::Names;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::sync::locked;
use crate::tasks::Tasks;
use crate::trees::Trees;
use crate::write::{self, Writer};

/// The list of what an incomplete snapshot misses, at its root.
const INCOMPLETE_FILE: &str = "lifeboat-incomplete.json";
/// Longer paths cannot be opened.
const MAX_DEPTH: usize = 4096;
/// Entries of a folder that one thread takes at once.
const BATCH: usize = 32;
/// So many threads look at files, since that mostly waits.
const READERS: usize = 8;

/// Folders so deep keep themselves open while their entries are looked at, which saves the way to each.
const MAX_HELD_DEPTH: usize = 32;

/// One entry of a folder.
struct Entry {
    name: OsString,
    plan: Option<Plan>,
    /// As it was listed, with the folder held open.
    listed: Option<DirEntry>,
}

/// A folder whose entries are being captured.
pub(super) struct Folder {
    path: PathBuf,
    /// What it is itself, and its place in the folder above; none for the root of the snapshot.
    above: Option<(Own, Arc<Folder>, usize)>,
    state: Mutex<State>,
    known: Known,
    /// The file system to stay on, once inside of a given path.
    device: Option<u64>,
    depth: usize,
}

/// A folder's own node, without its tree.
enum Own {
    /// The parent's, with this number and this tree.
    AsBefore(usize, Option<Id>),
    New(Box<Node>),
}

/// What becomes of the entries of a folder in the order of names, and how many are still to come.
#[derive(Default)]
struct State {
    slots: Vec<Slot>,
    open: usize,
}

enum Task {
    /// List it.
    List(Arc<Folder>, Option<Plan>),
    /// Look at these entries, of which the first has this place.
    Look(Arc<Folder>, usize, Vec<Entry>),
    /// Cut and store a large file.
    Cut(Arc<Folder>, usize, Box<Large>),
}

/// What is known of an entry after a look.
enum Looked {
    Done(Slot),
    /// It comes later, by this task.
    Later(Task),
}

/// One backup of a tree.
pub(super) struct Walk<'a> {
    pub(super) writer: &'a Writer<'a>,
    pub(super) monitor: &'a Monitor,
    options: &'a TreeOptions,
    excludes: Excludes,
    meta: &'a BackupMeta,
    parent: Option<&'a SnapshotInfo>,
    trusted_before: Timestamp,
    names: Names,
    /// Of each repository, for what the parent knows.
    trees: Vec<Trees<'a>>,
    /// That compute.
    pub(super) threads: usize,
    pub(super) chunkers: Pool<Chunker<'a>>,
    pub(super) sealers: Pool<Sealer>,
    counts: Mutex<Counts>,
    pub(super) troubles: Mutex<Troubles>,
    root: Mutex<Option<Id>>,
    error: Mutex<Option<Error>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        repo: &'a Repository,
        writer: &'a Writer<'a>,
        monitor: &'a Monitor,
        options: &'a TreeOptions,
        excludes: Excludes,
        parent: Option<&'a SnapshotInfo>,
        meta: &'a BackupMeta,
    ) -> Result<Self> {
        let threads = repo.limits().threads();
        Ok(Self {
            writer,
            monitor,
            options,
            excludes,
            meta,
            parent,
            trusted_before: parent.map_or(Timestamp::MIN, parent::trusted_before),
            names: Names::load(),
            trees: writer.trees(),
            threads,
            chunkers: Pool::new((0..threads).map(|_| Chunker::new(repo.gear())).collect()),
            sealers: Pool::new((0..threads).map(|_| write::sealer()).collect::<Result<_>>()?),
            counts: Mutex::default(),
            troubles: Mutex::default(),
            root: Mutex::default(),
            error: Mutex::default(),
        })
    }

    /// Walks everything, and gives the root tree.
    pub(super) fn run(self, plan: Plan) -> Result<(Id, Counts, Troubles)> {
        let path = PathBuf::from("/");
        let device = if plan.whole { fs::symlink_metadata(&path).ok().map(|m| m.dev()) } else { None };
        let known = self.known(self.parent.map(|p| p.snapshot.tree));
        let root = Folder { path, above: None, state: Mutex::default(), known, device, depth: 0 };
        let tasks = Tasks::new([Task::List(Arc::new(root), Some(plan))]);
        let died = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..READERS).map(|_| scope.spawn(|| self.work(&tasks))).collect();
            // All are waited for, also when one died.
            threads.into_iter().map(std::thread::ScopedJoinHandle::join).filter(Result::is_err).count() > 0
        });
        if died {
            return Err(Error::Internal("a thread of a backup panicked"));
        }
        if let Some(error) = locked(&self.error).take() {
            return Err(error);
        }
        let root = locked(&self.root).take().ok_or(Error::Internal("a walk without root"))?;
        let mut troubles = std::mem::take(&mut *locked(&self.troubles));
        troubles.sort();
        Ok((root, *locked(&self.counts), troubles))
    }

    fn work(&self, tasks: &Tasks<Task>) {
        let mut hand = Hand::default();
        tasks.work(|task| {
            let done = match task {
                Task::List(folder, plan) => self.list(tasks, &mut hand, &folder, plan),
                Task::Look(folder, first, entries) => self.look(tasks, &mut hand, &folder, first, entries),
                Task::Cut(folder, place, what) => self.cut(&mut hand, &folder, place, *what),
            };
            if let Err(e) = done {
                self.fail(tasks, e);
            }
        });
        locked(&self.counts).add(hand.counts);
    }

    fn fail(&self, tasks: &Tasks<Task>, error: Error) {
        locked(&self.error).get_or_insert(error);
        tasks.stop();
    }

    fn known(&self, tree: Option<Id>) -> Known {
        Known::read(&self.trees, tree)
    }

    fn list(
        &self,
        tasks: &Tasks<Task>,
        hand: &mut Hand,
        folder: &Arc<Folder>,
        plan: Option<Plan>,
    ) -> Result<()> {
        self.writer.proceed()?;
        if folder.depth > MAX_DEPTH {
            return Err(Error::Invalid("the tree is deeper than paths can be".to_owned()));
        }
        let mut entries = match entries(folder, plan) {
            Ok(entries) => entries,
            Err(e) if folder.above.is_none() => return Err(Error::local("listing", &folder.path)(e)),
            Err(e) => {
                locked(&self.troubles).add_error(&folder.path, &e);
                Vec::new()
            }
        };
        let count = entries.len();
        *locked(&folder.state) = State { slots: vec![Slot::Nothing; count], open: count };
        if count == 0 {
            return self.complete(Arc::clone(folder), Vec::new());
        }
        if count <= BATCH {
            return self.look(tasks, hand, folder, 0, entries);
        }
        let mut batches = Vec::with_capacity(count.div_ceil(BATCH));
        // From the end, so that the first names are on top.
        while !entries.is_empty() {
            let first = (entries.len() - 1) / BATCH * BATCH;
            batches.push(Task::Look(Arc::clone(folder), first, entries.split_off(first)));
        }
        tasks.add(batches);
        Ok(())
    }

    fn look(
        &self,
        tasks: &Tasks<Task>,
        hand: &mut Hand,
        folder: &Arc<Folder>,
        first: usize,
        entries: Vec<Entry>,
    ) -> Result<()> {
        let (mut done, mut later) = (Vec::with_capacity(entries.len()), Vec::new());
        for (number, entry) in entries.into_iter().enumerate() {
            let place = first + number;
            self.writer.proceed()?;
            match self.visit(hand, folder, place, entry)? {
                Looked::Done(slot) => done.push((place, slot)),
                Looked::Later(task) => later.push(task),
            }
        }
        later.reverse();
        tasks.add(later);
        self.settle(folder, done)
    }

    /// One entry: a task for a folder or a large file, a node for everything else.
    fn visit(
        &self,
        hand: &mut Hand,
        folder: &Arc<Folder>,
        place: usize,
        Entry { name, plan, listed }: Entry,
    ) -> Result<Looked> {
        let path = folder.path.join(&name);
        // What was asked for by name, or leads there, is not left out.
        if plan.is_none() && self.excludes.covers(&path) {
            return Ok(Looked::Done(Slot::Nothing));
        }
        let is_on_the_way = plan.as_ref().is_some_and(|p| !p.whole);
        let looked = match listed {
            Some(listed) => listed.metadata(),
            None if is_on_the_way => fs::metadata(&path),
            None => fs::symlink_metadata(&path),
        };
        let meta = match looked {
            Ok(meta) => meta,
            Err(e) => return Ok(self.failed(&path, &e)),
        };
        let kind = entry::kind_of(&meta);
        let then = folder.known.get(name.as_bytes()).filter(|(_, then)| then.kind == kind);
        let same = then.filter(|(_, then)| parent::is_unchanged(&meta, then, self.trusted_before));
        let describe = || entry::describe(&path, &name, &meta, &self.names).map(Box::new);
        if kind == NodeKind::Folder {
            let subtree = then.and_then(|(_, then)| then.subtree);
            let own = match same {
                Some((number, _)) => Own::AsBefore(number, subtree),
                None => match describe() {
                    Ok(node) => Own::New(node),
                    Err(e) => return Ok(self.failed(&path, &e)),
                },
            };
            hand.counts.folders += 1;
            return Ok(Looked::Later(self.enter(folder, place, path, own, &meta, subtree, plan)));
        }
        match same {
            Some((number, then)) if parent::has_content(&meta, then, self.writer) => {
                hand.counts.files_unchanged += 1;
                self.count_file(hand, then.size);
                self.monitor.add_done(then.size);
                return Ok(Looked::Done(Slot::AsBefore(number)));
            }
            Some((number, _)) if kind != NodeKind::File => {
                hand.counts.files += 1;
                return Ok(Looked::Done(Slot::AsBefore(number)));
            }
            _ => {}
        }
        let mut node = match describe() {
            Ok(node) => node,
            Err(e) => return Ok(self.failed(&path, &e)),
        };
        if kind != NodeKind::File {
            hand.counts.files += 1;
            return Ok(Looked::Done(Slot::New(node)));
        }
        match self.read_small(hand, &path, &mut node, &meta)? {
            Content::Read => Ok(Looked::Done(Slot::New(node))),
            Content::Failed => Ok(Looked::Done(Slot::Nothing)),
            Content::Large => {
                let before = then.and_then(|(_, then)| then.content.clone()).unwrap_or_default();
                let large = Large { path, node: *node, seen: meta, before };
                Ok(Looked::Later(Task::Cut(Arc::clone(folder), place, Box::new(large))))
            }
        }
    }

    /// An entry that could not be looked at: it is noted, and left out.
    fn failed(&self, path: &Path, error: &io::Error) -> Looked {
        locked(&self.troubles).add_error(path, error);
        Looked::Done(Slot::Nothing)
    }

    #[expect(clippy::too_many_arguments, reason = "a folder is all of these")]
    fn enter(
        &self,
        above: &Arc<Folder>,
        place: usize,
        path: PathBuf,
        own: Own,
        meta: &Metadata,
        known: Option<Id>,
        plan: Option<Plan>,
    ) -> Task {
        let begins = plan.as_ref().is_some_and(|p| p.whole);
        let device = if begins { Some(meta.dev()) } else { above.device };
        let is_elsewhere = self.options.one_file_system && device.is_some_and(|d| d != meta.dev());
        let plan = if is_elsewhere { Some(Plan::default()) } else { plan };
        let above_depth = above.depth;
        let folder = Folder {
            path,
            above: Some((own, Arc::clone(above), place)),
            state: Mutex::default(),
            known: self.known(known),
            device,
            depth: above_depth + 1,
        };
        Task::List(Arc::new(folder), plan)
    }

    fn cut(&self, hand: &mut Hand, folder: &Arc<Folder>, place: usize, large: Large) -> Result<()> {
        self.writer.proceed()?;
        let node = self.read_large(hand, large)?;
        self.settle(folder, vec![(place, node.map_or(Slot::Nothing, |node| Slot::New(Box::new(node))))])
    }

    pub(super) fn count_file(&self, hand: &mut Hand, size: u64) {
        hand.counts.files += 1;
        hand.counts.bytes += size;
        self.monitor.add_file();
    }

    /// Puts entries in their places; the last one completes the folder.
    fn settle(&self, folder: &Arc<Folder>, done: Vec<(usize, Slot)>) -> Result<()> {
        match folder.fill(done) {
            Some(slots) => self.complete(Arc::clone(folder), slots),
            None => Ok(()),
        }
    }

    /// Stores the tree of a folder, and of those above that it completes.
    fn complete(&self, mut folder: Arc<Folder>, mut slots: Vec<Slot>) -> Result<()> {
        loop {
            if folder.above.is_none() {
                slots.extend(self.own_files()?.into_iter().map(|node| Slot::New(Box::new(node))));
            }
            let id = match folder.known.same(&slots, self.writer) {
                Some(id) => id,
                None => {
                    let mut nodes = folder.known.nodes(slots, &self.trees)?;
                    let bytes =
                        tree::encode(&mut nodes).map_err(|_| Error::Internal("a tree cannot be encoded"))?;
                    self.writer.tree(bytes)?
                }
            };
            let Some((own, above, place)) = &folder.above else {
                *locked(&self.root) = Some(id);
                return Ok(());
            };
            match above.fill(vec![(*place, own.with(id))]) {
                Some(of_above) => (folder, slots) = (Arc::clone(above), of_above),
                None => return Ok(()),
            }
        }
    }

    /// Our own description, and the list of what is missing, at the root of the snapshot.
    fn own_files(&self) -> Result<Vec<Node>> {
        let mut troubles = locked(&self.troubles).clone();
        troubles.sort();
        let missing = if troubles.is_empty() || self.options.on_trouble == OnTrouble::Fail {
            None
        } else {
            Some(
                serde_json::to_vec_pretty(&troubles)
                    .map_err(|_| Error::Internal("the list of troubles cannot be encoded"))?,
            )
        };
        let own = [(METADATA_FILE, self.meta.metadata.clone()), (INCOMPLETE_FILE, missing)];
        let mut nodes = Vec::new();
        for (name, bytes) in own {
            let Some(bytes) = bytes else { continue };
            let mut node = Node::new(name, NodeKind::File, mode::from_unix(0o100_600), self.meta.time);
            (node.uid, node.gid) = crate::host::ids();
            nodes.push(self.read_own(node, &bytes)?);
        }
        Ok(nodes)
    }
}

impl Own {
    /// The folder with its tree.
    fn with(&self, tree: Id) -> Slot {
        match self {
            Self::AsBefore(number, before) if *before == Some(tree) => Slot::AsBefore(*number),
            Self::AsBefore(number, _) => Slot::OtherTree(*number, tree),
            Self::New(node) => Slot::New(Box::new(Node { subtree: Some(tree), ..(**node).clone() })),
        }
    }
}

impl Folder {
    /// Puts entries in their places; gives all of them when the last one came.
    fn fill(&self, done: Vec<(usize, Slot)>) -> Option<Vec<Slot>> {
        let mut state = locked(&self.state);
        state.open = state.open.saturating_sub(done.len());
        let was_any = !done.is_empty();
        for (place, slot) in done {
            if let Some(empty) = state.slots.get_mut(place) {
                *empty = slot;
            }
        }
        if state.open > 0 || !was_any {
            return None;
        }
        Some(std::mem::take(&mut state.slots))
    }
}

/// What a folder has, by plan or by listing, in the order of names.
fn entries(folder: &Folder, plan: Option<Plan>) -> io::Result<Vec<Entry>> {
    let is_held = folder.depth <= MAX_HELD_DEPTH;
    let mut entries: Vec<Entry> = match plan {
        Some(plan) if !plan.whole => {
            let planned = plan.children.into_iter();
            planned.map(|(name, plan)| Entry { name, plan: Some(plan), listed: None }).collect()
        }
        _ => {
            let listed =
                |e: DirEntry| Entry { name: e.file_name(), plan: None, listed: Some(e).filter(|_| is_held) };
            fs::read_dir(&folder.path)?.map(|e| e.map(listed)).collect::<io::Result<_>>()?
        }
    };
    entries.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    Ok(entries)
}
