//! One capture into one repository or several.
//!
//! The source is read once, and each blob hashed and compressed once; see [`crate::write`] for what follows.
//! Three things come from the list's order. The first repository's secret decides where blobs are cut, so the
//! others see the same blobs again only while the first one stays the same. Its memory and threads are for
//! all together, while each keeps its own bandwidth. And its newest fitting snapshot is the parent: a file is
//! taken over from it unread only while every repository has all its blobs, since each may have let go of
//! other snapshots.
//!
//! A repository that fails (a storage, a lock, damage) ends alone. A source that fails, or a cancel, ends all,
//! and no snapshot is written anywhere.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{BackupMeta, Counts, OnTrouble, SnapshotBuilder, SnapshotSummary, TreeOptions, Troubles};
use crate::error::{Error, Result, SourceError};
use crate::find::SnapshotInfo;
use crate::format::gojson;
use crate::format::snapshot::Snapshot;
use crate::index::Index;
use crate::lock::{LockGuard, Mode};
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::storage::Kind;
use crate::write::{self, Opened, Writer, Written};

/// More repositories would leave too little memory for the packs of each: here, in another region, for years.
pub const MAX_REPOSITORIES: usize = 3;

/// Where a capture goes: one repository or several.
#[derive(Clone, Debug)]
pub struct Capture<'a> {
    repos: Vec<&'a Repository>,
}

/// What came of a capture in each repository, in the order in which they were given.
pub type Outcomes = Vec<Result<SnapshotSummary>>;

/// What a capture has to say in its snapshot.
#[derive(Clone)]
pub(super) struct Captured {
    /// Without a parent, which is each repository's own.
    pub(super) snapshot: Snapshot,
    pub(super) counts: Counts,
    pub(super) troubles: Troubles,
}

/// A repository that is locked for a capture.
struct Ready<'a> {
    repo: &'a Repository,
    lock: LockGuard,
    parent: Option<SnapshotInfo>,
    index: Arc<Index>,
}

impl<'a> Capture<'a> {
    /// A capture into these repositories.
    ///
    /// # Errors
    /// [`Error::Invalid`] for none, more than [`MAX_REPOSITORIES`], or one that is named twice.
    pub fn into(repos: &[&'a Repository]) -> Result<Self> {
        if repos.is_empty() || repos.len() > MAX_REPOSITORIES {
            return Err(Error::Invalid(format!("a backup goes into 1 to {MAX_REPOSITORIES} repositories")));
        }
        for (at, repo) in repos.iter().enumerate() {
            if repos.iter().take(at).any(|other| other.id() == repo.id()) {
                return Err(Error::Invalid(format!("the repository at {} is named twice", repo.location())));
            }
        }
        Ok(Self { repos: repos.to_vec() })
    }

    /// [`Repository::backup_tree`] into all of them.
    ///
    /// # Errors
    /// What concerns all of them: files that could not be captured, a path that is not there,
    /// [`Error::Cancelled`]. Then there is no new snapshot in any.
    pub fn tree(
        &self,
        paths: &[PathBuf],
        options: &TreeOptions,
        meta: &BackupMeta,
        monitor: &Monitor,
    ) -> Result<Outcomes> {
        super::tree::capture(self, paths, options, meta, monitor)
    }

    /// [`Repository::backup_streams`] into all of them.
    ///
    /// # Errors
    /// What `build` returned, or [`Error::Cancelled`]. Then there is no new snapshot in any.
    pub fn streams(
        &self,
        meta: &BackupMeta,
        monitor: &Monitor,
        build: impl FnOnce(&mut SnapshotBuilder<'_>) -> Result<()>,
    ) -> Result<Outcomes> {
        super::stream::capture(self, meta, monitor, build)
    }

    /// [`Repository::backup_stream`] into all of them.
    ///
    /// # Errors
    /// As [`Capture::streams`], with the errors of one stream.
    pub fn stream<E: Into<SourceError>>(
        &self,
        meta: &BackupMeta,
        file_name: &str,
        reader: &mut dyn Read,
        finish: impl FnOnce() -> Result<(), E>,
        monitor: &Monitor,
    ) -> Result<Outcomes> {
        self.streams(meta, monitor, |snapshot| {
            snapshot.stream(file_name, reader)?;
            finish().map_err(Error::source_failed)
        })
    }

    /// [`Repository::backup_device`] into all of them.
    ///
    /// # Errors
    /// As [`Capture::streams`], with the errors of a device.
    pub fn device(
        &self,
        meta: &BackupMeta,
        file_name: &str,
        device: &Path,
        monitor: &Monitor,
    ) -> Result<Outcomes> {
        self.streams(meta, monitor, |snapshot| snapshot.device(file_name, device).map(drop))
    }

    /// The one whose secret cuts and whose limits hold.
    pub(super) fn first(&self) -> Result<&'a Repository> {
        self.repos.first().copied().ok_or(Error::Internal("a capture into no repository"))
    }

    /// Locks the repositories, runs `body` with a writer into those that can be written, and writes their
    /// snapshots.
    pub(super) fn run(
        &self,
        monitor: &Monitor,
        parent_in: impl Fn(&Repository) -> Result<Option<SnapshotInfo>>,
        policy: OnTrouble,
        body: impl FnOnce(&Writer<'_>, Option<&SnapshotInfo>) -> Result<Captured>,
    ) -> Result<Outcomes> {
        let ready: Vec<_> = self.repos.iter().map(|repo| Ready::new(repo, &parent_in)).collect();
        let opened: Vec<_> = ready.iter().flatten().map(Ready::opened).collect();
        let mut written = Vec::new();
        if !opened.is_empty() {
            let parent = ready.iter().flatten().find_map(|ready| ready.parent.as_ref());
            written = write::session_into(opened, monitor, |writer| body(writer, parent))?;
        }
        // Only now, so that what was read is stored and indexed also when the policy refuses it.
        if let Some((captured, _)) = written.iter().flatten().next() {
            captured.troubles.judge(policy)?;
        }
        let mut written = written.into_iter();
        let outcomes = ready.into_iter().map(|ready| {
            let ready = ready?;
            let nothing = || Err(Error::Internal("a session forgot a repository"));
            let (captured, written) = written.next().unwrap_or_else(nothing)?;
            ready.commit(captured, written)
        });
        Ok(outcomes.collect())
    }
}

impl<'a> Ready<'a> {
    fn new(
        repo: &'a Repository,
        parent_in: impl Fn(&Repository) -> Result<Option<SnapshotInfo>>,
    ) -> Result<Self> {
        let lock = LockGuard::acquire(repo, Mode::Shared)?;
        repo.may_grow(&lock)?;
        let parent = parent_in(repo)?;
        Ok(Self { repo, lock, parent, index: repo.index()? })
    }

    fn opened(&self) -> Opened<'_> {
        Opened { repo: self.repo, lock: &self.lock, index: Arc::clone(&self.index) }
    }

    /// Writes the snapshot: the moment from which the backup exists.
    fn commit(self, captured: Captured, written: Written) -> Result<SnapshotSummary> {
        let Captured { mut snapshot, counts, troubles } = captured;
        snapshot.parent = self.parent.map(|parent| parent.id);
        let json = gojson::encode(&snapshot).map_err(|_| Error::Internal("a snapshot cannot be encoded"))?;
        self.lock.confirm()?;
        let id = self.repo.write_unpacked(Kind::Snapshot, &json)?;
        Ok(SnapshotSummary {
            snapshot: id,
            tree: snapshot.tree,
            files: counts.files,
            folders: counts.folders,
            files_unchanged: counts.files_unchanged,
            bytes: counts.bytes,
            bytes_read: counts.bytes_read,
            blobs_new: written.blobs,
            bytes_stored: written.stored_bytes,
            packs: written.packs,
            troubles,
        })
    }
}

/// The outcome of a capture into one repository.
pub(super) fn only(outcomes: Result<Outcomes>) -> Result<SnapshotSummary> {
    outcomes?.pop().unwrap_or(Err(Error::Internal("a capture without an outcome")))
}
