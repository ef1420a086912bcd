//! Backup repositories: encrypted, deduplicated, verified, and readable by others.
//!
//! This crate writes and reads the restic repository format, version 2, with its own code. A team whose
//! Lifeboat is gone restores with stock `restic`; the tests have stock restic judge what is written here.
//! It needs no controller and no other crate of Lifeboat.
//!
//! ```no_run
//! use repository::{BackupMeta, Filter, InitOptions, Location, Monitor, Password, Repository, StorageOptions, storage};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let place = storage::open(&Location::parse("s3://tutor-backups/eu")?, &StorageOptions::default())?;
//! let password = Password::new("correct horse");
//! Repository::init(place.clone(), &password, InitOptions::default())?;
//! let repo = Repository::open(place, &password)?;
//!
//! // A dump from a pipe: the snapshot exists only if the process ended well.
//! let mut dump = std::process::Command::new("pg_dump").arg("tutor").stdout(std::process::Stdio::piped()).spawn()?;
//! let mut pipe = dump.stdout.take().ok_or("no pipe")?;
//! let ended_well = || match dump.wait() {
//!     Ok(status) if status.success() => Ok(()),
//!     Ok(status) => Err(std::io::Error::other(format!("pg_dump: {status}"))),
//!     Err(e) => Err(e),
//! };
//! let meta = BackupMeta::of_this_host(jiff::Timestamp::now());
//! let done = repo.backup_stream(&meta, "tutor.dump", &mut pipe, ended_well, &Monitor::new())?;
//!
//! let snapshot = repo.find(&Filter::parse(&done.snapshot.short()))?;
//! repo.dump(&snapshot, "tutor.dump", &mut std::io::stdout(), &Monitor::new())?;
//! # Ok(()) }
//! ```
//!
//! # The verbs
//!
//! Everything is a method of [`Repository`], and blocks: call it on a thread that may block.
//!
//! | verb | what it does |
//! |---|---|
//! | [`backup_stream`](Repository::backup_stream), [`backup_streams`](Repository::backup_streams) | one stream, or several as a small tree, into a snapshot |
//! | [`backup_tree`](Repository::backup_tree) | files and folders with all their metadata |
//! | [`backup_device`](Repository::backup_device) | a block device or an image of one |
//! | [`Capture`] | each of these into several repositories, which reads the source once |
//! | [`snapshots`](Repository::snapshots), [`find`](Repository::find) | all, or the one that a [`Filter`] means |
//! | [`ls`](Repository::ls), [`dump`](Repository::dump) | look inside; one file to a writer |
//! | [`restore_tree`](Repository::restore_tree) | everything or a part, verified, over what is there, durable when it returns; goes on where it was stopped |
//! | [`check`](Repository::check) | every damage, with the snapshots and files that it touches |
//! | [`forget`](Repository::forget), [`forget_plan`](Repository::forget_plan) | remove snapshots; which of them may go |
//! | [`prune`](Repository::prune), [`prune_plan`](Repository::prune_plan) | remove data that nobody needs, after a grace |
//! | [`protect`](Repository::protect) | keep what is needed from being removed, by the storage's own lock |
//! | [`copy`](Repository::copy) | snapshots into another repository |
//! | [`keys`](Repository::keys), [`key_add`](Repository::key_add), [`key_remove`](Repository::key_remove) | passwords |
//! | [`locks`](Repository::locks), [`unlock`](Repository::unlock), [`stats`](Repository::stats) | who is there; what there is |
//! | [`init_archive`](Repository::init_archive), [`thaw`](Repository::thaw) | a repository of a quarter in a cold class; make it readable |
//! | [`rebuild_index`](Repository::rebuild_index) | make a lost index anew from the packs |
//!
//! A [`Monitor`] shows progress and cancels. An [`Error`] has a class (try again, change something,
//! damage, cancelled), a stable code and an advice.
//!
//! # How data flows
//!
//! ```text
//! small files -> some readers: read, hash, known? compress, seal, open again, compare ----+
//! large files, streams -> chunker -> queue (bounded in bytes) -> workers: the same --------+
//!        -> open packs (data and trees apart) -> uploaders -> storage
//!        -> index every few packs or 30 s -> lock refreshed -> snapshot
//! snapshot -> trees -> files gathered into windows -> readers in pack order: open, decompress, hash
//!        -> what differs is written in place -> metadata -> one sync of the file system
//! ```
//!
//! # What always holds
//!
//! 1. A snapshot is written after its source ended well, its packs and index are durable, and the lock was
//!    just refreshed. Packs before index, index before snapshot.
//! 2. Nothing stored is ever replaced. A file's name is the SHA-256 of its bytes, and is checked on reading;
//!    of a pack the blobs and the header are, which together are all of it.
//! 3. No byte is given out, or written by a restore, that was not decrypted, decompressed and hashed.
//! 4. A listing is whole or an error. Damage of one object is named and never hides another.
//! 5. A node's `size` is the sum of its blobs: stock restic restores just so many bytes.
//! 6. Locks are taken and honoured, also restic's; a writer that lost its lock writes no snapshot.
//! 7. Memory is bounded in bytes by [`Limits`]; beside it there is the index.
//! 8. A prune removes only what was in no index for its grace, and nothing after an error.
//!
//! # Limits today
//!
//! The index is held in memory, some 100 bytes a blob.

pub mod archive;
mod browse;
pub mod capture;
pub mod check;
mod chunker;
mod copy;
mod dump;
mod error;
mod find;
mod forget;
mod format;
mod host;
mod id;
mod index;
mod keys;
mod limits;
mod lock;
mod monitor;
mod parallel;
mod password;
mod protect;
pub mod prune;
mod rebuild;
mod repository;
pub mod restore;
pub mod retention;
mod stats;
pub mod storage;
mod sync;
mod tasks;
pub mod thaw;
mod trees;
mod unlock;
mod versions;
mod write;

pub use archive::{Archive, Quarter};
pub use capture::{BackupMeta, Capture, LookAhead, OnTrouble, SnapshotBuilder, SnapshotSummary, TreeOptions};
pub use check::{CheckOptions, CheckReport, Damage, Finding, Subset};
pub use copy::CopySummary;
pub use error::{Class, Error, Result, SourceError};
pub use find::{Filter, SnapshotInfo};
pub use forget::{ForgetPlan, PROVEN_TAG};
pub use format::keyfile::KdfParams;
pub use format::node::{Node, NodeKind, Xattr};
pub use format::snapshot::{INCOMPLETE_TAG, Snapshot};
pub use id::Id;
pub use keys::KeyInfo;
pub use limits::Limits;
pub use lock::LockTimes;
pub use monitor::{Monitor, Progress};
pub use password::Password;
pub use protect::ProtectSummary;
pub use prune::{PruneOptions, PrunePlan, PruneSummary};
pub use rebuild::RebuildSummary;
pub use repository::{InitOptions, Repository};
pub use restore::{RestoreOptions, RestoreSummary};
pub use stats::Stats;
pub use storage::{Location, Storage, StorageOptions};
pub use thaw::ThawSummary;
pub use unlock::LockInfo;
