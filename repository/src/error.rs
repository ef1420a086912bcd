//! What can go wrong with a repository, said to a person and to a retry loop.
//!
//! Every error has a stable code (`LB30xx`), a [`Class`] that says what a caller may do next, and an
//! advice for the operator. An error names the operation and its object; the cause is its `source()`.

use std::io;
use std::path::PathBuf;

use crate::archive::Quarter;
use crate::restore::DamagedFile;
use crate::storage::StorageError;

/// The result of an operation on a repository.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller may do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// It may work when tried again later, unchanged.
    Transient,
    /// It will not work before somebody changed something.
    Permanent,
    /// Stored or read bytes are not what was written. Trying again will not help; another copy may.
    Integrity,
    /// Somebody asked for it to stop.
    Cancelled,
}

/// An error that a source of data reports, whatever its type.
pub type SourceError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Everything that an operation on a repository can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The place where the repository lives failed.
    #[error("repository storage: {0}")]
    Storage(#[from] StorageError),
    /// A location that cannot be understood.
    #[error("the repository location {text:?} is not understood: {reason}")]
    Location {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The storage has no `config`: there is no repository.
    #[error("there is no repository at {location}")]
    NotARepository {
        /// Where it was looked for.
        location: String,
    },
    /// `init` found a repository.
    #[error("there is already a repository at {location}")]
    AlreadyInitialised {
        /// Where.
        location: String,
    },
    /// A repository of a version that this program does not write.
    #[error("the repository has format version {version}; this program reads and writes version 2")]
    Version {
        /// What `config` says.
        version: u32,
    },
    /// No key of the repository opens with this password.
    #[error("the password opens none of the {tried} keys of the repository")]
    WrongPassword {
        /// How many key files were tried.
        tried: usize,
    },
    /// Stored bytes are damaged or missing.
    #[error("{object} is damaged: {detail}")]
    Damaged {
        /// What: a pack, an index file, a snapshot, a key, a blob.
        object: String,
        /// How it was noticed.
        detail: String,
    },
    /// Somebody wrote over a stored object. The bucket keeps versions, and an older one is good.
    #[error("{object}: an older version is good; somebody wrote over it")]
    Overwritten {
        /// What: a pack, an index file, a snapshot, a key, `config`.
        object: String,
    },
    /// A restore wrote all it could, and these files it could not.
    #[error("{} files could not be restored because their stored data is damaged; first: {}", files.len(), first(files))]
    FilesDamaged {
        /// Every damaged file, at most [`crate::restore::MAX_NAMED`] of them.
        files: Vec<DamagedFile>,
    },
    /// What was just made does not read back: memory or processor of this host cannot be trusted.
    #[error("blob {blob} did not read back before upload: {detail}")]
    SelfCheck {
        /// The blob.
        blob: String,
        /// How it was noticed.
        detail: String,
    },
    /// Another process holds a lock that excludes this operation.
    #[error("the repository is locked by {holder} since {since}")]
    Locked {
        /// Host, user and process of the holder.
        holder: String,
        /// When the lock was written last.
        since: String,
    },
    /// Our own lock could not be refreshed in time, so others may think that we are gone.
    #[error("the lock of this operation was not refreshed for {minutes} minutes")]
    LockLost {
        /// How long ago the last refresh was.
        minutes: u64,
    },
    /// A key that cannot be removed.
    #[error("key {id} stays: {reason}")]
    KeyNeeded {
        /// Its short id.
        id: String,
        /// Why.
        reason: &'static str,
    },
    /// No key has such an id.
    #[error("no key has the id {wanted}")]
    NoSuchKey {
        /// What was asked for.
        wanted: String,
    },
    /// The credentials may not remove anything but locks.
    #[error("these credentials may not remove {object}")]
    MayNotRemove {
        /// What was to be removed.
        object: String,
        /// What the storage said.
        #[source]
        source: StorageError,
    },
    /// A prune that would take more away than its bound, or rests on something that it cannot be sure of.
    #[error("the prune is refused, and nothing was removed: {reason}")]
    PruneRefused {
        /// Why.
        reason: String,
    },
    /// Between the plan and the prune somebody wrote, forgot or pruned.
    #[error("the repository changed since the plan was made, so nothing was removed")]
    PlanChanged,
    /// Something would be taken out of an archive.
    #[error("{operation} is not for an archive: that of {generation} is kept whole until it goes whole")]
    ArchiveKept {
        /// What was tried.
        operation: &'static str,
        /// The archive's quarter.
        generation: Quarter,
    },
    /// A snapshot of another quarter than the archive's.
    #[error("the archive is of {generation} and takes no snapshot in {current}")]
    ArchiveOver {
        /// The archive's quarter.
        generation: Quarter,
        /// The storage's.
        current: Quarter,
    },
    /// No snapshot matches what was asked for.
    #[error("no snapshot matches {wanted}")]
    NoSuchSnapshot {
        /// What was asked for.
        wanted: String,
    },
    /// An id prefix that fits several snapshots.
    #[error("{prefix:?} fits {count} snapshots")]
    AmbiguousSnapshot {
        /// What was given.
        prefix: String,
        /// How many fit.
        count: usize,
    },
    /// A snapshot has no such path.
    #[error("snapshot {snapshot} has no {path}")]
    NoSuchPath {
        /// The snapshot's short id.
        snapshot: String,
        /// What was asked for.
        path: String,
    },
    /// A path that is not what the operation needs.
    #[error("{path} in snapshot {snapshot} is {found}, not {wanted}")]
    WrongKind {
        /// The snapshot's short id.
        snapshot: String,
        /// The path.
        path: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// The source could not be read to its end.
    #[error("reading the source {name}")]
    SourceRead {
        /// The name of the stream.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The source ended, and then said that it had not ended well.
    #[error("the source did not end well, so no snapshot was written")]
    SourceFailed {
        /// What it said.
        #[source]
        source: SourceError,
    },
    /// Files that could not be captured, when the policy is to fail.
    #[error("{count} files could not be captured as they are, so no snapshot was written; first: {first}")]
    FilesFailed {
        /// How many.
        count: u64,
        /// The first of them, and why.
        first: String,
        /// All of them that are named, at most [`crate::capture::MAX_NAMED`].
        named: Vec<String>,
    },
    /// A name that a snapshot cannot hold.
    #[error("{name:?} cannot be stored: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// A file system of this host failed.
    #[error("{op} {}", path.display())]
    Local {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A restore into a folder that has something in it.
    #[error("the restore target {} is not empty", path.display())]
    TargetNotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The writer given to `dump` failed.
    #[error("writing the dumped data")]
    Sink(#[source] io::Error),
    /// Parameters that make no sense.
    #[error("{0}")]
    Invalid(String),
    /// Cancelled through the [`crate::Monitor`].
    #[error("cancelled")]
    Cancelled,
    /// A fault in this program.
    #[error("internal fault: {0}")]
    Internal(&'static str),
}

fn first(files: &[DamagedFile]) -> String {
    files.first().map(|f| format!("{} ({})", f.path, f.reason)).unwrap_or_default()
}

impl Error {
    pub(crate) fn damaged(object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Damaged { object: object.into(), detail: detail.into() }
    }

    pub(crate) fn local(op: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Local { op, path, source }
    }

    /// What a caller may do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Storage(e) => e.class(),
            Self::Damaged { .. }
            | Self::Overwritten { .. }
            | Self::FilesDamaged { .. }
            | Self::SelfCheck { .. } => Class::Integrity,
            Self::Locked { .. } | Self::LockLost { .. } | Self::SourceRead { .. } | Self::PlanChanged => {
                Class::Transient
            }
            Self::Cancelled => Class::Cancelled,
            Self::Local { source, .. } if source.kind() == io::ErrorKind::Interrupted => Class::Transient,
            Self::Location { .. }
            | Self::NotARepository { .. }
            | Self::AlreadyInitialised { .. }
            | Self::Version { .. }
            | Self::WrongPassword { .. }
            | Self::KeyNeeded { .. }
            | Self::NoSuchKey { .. }
            | Self::MayNotRemove { .. }
            | Self::PruneRefused { .. }
            | Self::ArchiveKept { .. }
            | Self::ArchiveOver { .. }
            | Self::NoSuchSnapshot { .. }
            | Self::AmbiguousSnapshot { .. }
            | Self::NoSuchPath { .. }
            | Self::WrongKind { .. }
            | Self::SourceFailed { .. }
            | Self::FilesFailed { .. }
            | Self::BadName { .. }
            | Self::Local { .. }
            | Self::TargetNotEmpty { .. }
            | Self::Sink(_)
            | Self::Invalid(_)
            | Self::Internal(_) => Class::Permanent,
        }
    }

    /// The stable code, for pages, searches and machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Storage(e) => e.code(),
            Self::Location { .. } => "LB3010",
            Self::NotARepository { .. } => "LB3011",
            Self::AlreadyInitialised { .. } => "LB3012",
            Self::Version { .. } => "LB3013",
            Self::WrongPassword { .. } => "LB3014",
            Self::KeyNeeded { .. } => "LB3015",
            Self::NoSuchKey { .. } => "LB3016",
            Self::Damaged { .. } => "LB3020",
            Self::FilesDamaged { .. } => "LB3021",
            Self::SelfCheck { .. } => "LB3022",
            Self::Overwritten { .. } => "LB3023",
            Self::Locked { .. } => "LB3030",
            Self::LockLost { .. } => "LB3031",
            Self::PruneRefused { .. } => "LB3032",
            Self::PlanChanged => "LB3033",
            Self::MayNotRemove { .. } => "LB3034",
            Self::ArchiveKept { .. } => "LB3035",
            Self::ArchiveOver { .. } => "LB3036",
            Self::NoSuchSnapshot { .. } => "LB3040",
            Self::AmbiguousSnapshot { .. } => "LB3041",
            Self::NoSuchPath { .. } => "LB3042",
            Self::WrongKind { .. } => "LB3043",
            Self::SourceRead { .. } => "LB3050",
            Self::SourceFailed { .. } => "LB3051",
            Self::FilesFailed { .. } => "LB3052",
            Self::BadName { .. } => "LB3053",
            Self::Local { .. } => "LB3060",
            Self::TargetNotEmpty { .. } => "LB3061",
            Self::Sink(_) => "LB3062",
            Self::Invalid(_) => "LB3070",
            Self::Cancelled => "LB3080",
            Self::Internal(_) => "LB3090",
        }
    }

    /// What to do next, for the operator.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Storage(e) => e.advice(),
            Self::Location { .. } => "give an absolute path or s3://bucket/prefix",
            Self::NotARepository { .. } => {
                "check the location; a backup creates the repository when there is none"
            }
            Self::AlreadyInitialised { .. } => "use it as it is, or choose another location",
            Self::Version { .. } => "run `restic migrate upgrade_repo_v2` on it, or create a new repository",
            Self::WrongPassword { .. } => {
                "check the password reference of this repository; `restic key list` shows who made which key"
            }
            Self::Damaged { .. } => {
                "run `lifeboat repo check --read-data` on the repository to see all damage; restore from another repository if you can"
            }
            Self::FilesDamaged { .. } => {
                "the other files are restored; take these from an older snapshot or another repository, or accept the loss with --skip-damaged"
            }
            Self::Overwritten { .. } => {
                "nothing is lost: the good version is read. Take the key from whoever wrote, and remove the bad versions"
            }
            Self::MayNotRemove { .. } => {
                "as it should be for a host that only backs up; forget and prune with the janitor's credentials"
            }
            Self::SelfCheck { .. } => {
                "nothing bad was stored; test the memory of this host before you trust it again"
            }
            Self::Locked { .. } => {
                "wait for the other operation to end; a lock is stale after 30 minutes without a refresh"
            }
            Self::LockLost { .. } => {
                "no snapshot was written; check the way to the storage and run the backup again"
            }
            Self::NoSuchSnapshot { .. } => {
                "list the restore points with `lifeboat points SOURCE` or `lifeboat repo snapshots`"
            }
            Self::KeyNeeded { .. } => "add a key for the new password first: `lifeboat repo key add`",
            Self::NoSuchKey { .. } => "list the keys with `lifeboat repo key list`",
            Self::PruneRefused { .. } => {
                "see what the plan says; run `lifeboat repo check`, and allow more only when you know why so much goes"
            }
            Self::ArchiveKept { .. } => {
                "let the whole archive expire by a rule of the bucket, or remove its prefix when nobody needs it"
            }
            Self::ArchiveOver { .. } => {
                "make the archive of the current quarter: `lifeboat repo init --archive` at another place, as s3://bucket/archive/{quarter}"
            }
            Self::PlanChanged => "look at the new plan and run it again",
            Self::AmbiguousSnapshot { .. } => "give more digits of the id",
            Self::NoSuchPath { .. } | Self::WrongKind { .. } => {
                "list the snapshot with `lifeboat repo ls SNAPSHOT`"
            }
            Self::SourceRead { .. } | Self::SourceFailed { .. } => {
                "see the source's own message, mend it, and run the backup again; earlier snapshots are untouched"
            }
            Self::FilesFailed { .. } => {
                "make the files readable, exclude them, or set the policy of this job to keep incomplete snapshots"
            }
            Self::BadName { .. } => "rename it",
            Self::Local { .. } => "check space, permissions and the disk of this host",
            Self::TargetNotEmpty { .. } => {
                "restore into an empty folder, or say explicitly that files may be overwritten"
            }
            Self::Sink(_) => "check whatever reads the dump",
            Self::Invalid(_) => "correct the parameters",
            Self::Cancelled => "run it again when wanted; what was stored is used again",
            Self::Internal(_) => "report this with the log of the operation",
        }
    }
}
