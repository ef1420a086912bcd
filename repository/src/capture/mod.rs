//! Making snapshots: of streams ([`Repository::backup_stream`], [`Repository::backup_streams`]), of file
//! trees ([`Repository::backup_tree`]) and of block devices ([`Repository::backup_device`]), in one repository or in several at once ([`Capture`]).
//!
//! The rule that all keep: the snapshot file is written last, once every source has ended well, every
//! pack and index file is durable, and the lock was just refreshed. Whatever fails before leaves the
//! repository with the snapshots that it had.

mod again;
mod ahead;
mod content;
mod device;
mod entry;
mod excludes;
mod into;
mod parent;
mod plan;
mod pool;
mod reading;
mod stream;
mod tree;
mod trouble;
mod walk;

use jiff::Timestamp;

pub use ahead::LookAhead;
pub use into::{Capture, MAX_REPOSITORIES, Outcomes};
pub use stream::SnapshotBuilder;
pub use tree::TreeOptions;
pub use trouble::{MAX_NAMED, OnTrouble, Trouble, TroubleKind, Troubles};

use crate::format::snapshot::Snapshot;
use crate::host;
use crate::id::Id;
#[cfg(doc)]
use crate::repository::Repository;

/// The file at the root of a snapshot that carries our own description of it. The tree's hash
/// authenticates it, and it survives when somebody changes tags with stock restic.
pub const METADATA_FILE: &str = "lifeboat.json";

/// What is known about a backup before it begins.
#[derive(Clone, Debug)]
pub struct BackupMeta {
    /// The host that the data belongs to.
    pub hostname: String,
    /// The user that made the backup.
    pub username: String,
    /// Tags, ours as `lifeboat:job=...`.
    pub tags: Vec<String>,
    /// When the backup began.
    pub time: Timestamp,
    /// The content of [`METADATA_FILE`], when there shall be one.
    pub metadata: Option<Vec<u8>>,
}

impl BackupMeta {
    /// This host, this user, no tags, nothing extra.
    #[must_use]
    pub fn of_this_host(time: Timestamp) -> Self {
        Self {
            hostname: host::hostname(),
            username: host::username(),
            tags: Vec::new(),
            time,
            metadata: None,
        }
    }
}

/// What a backup did.
#[derive(Clone, Debug)]
pub struct SnapshotSummary {
    /// The new snapshot.
    pub snapshot: Id,
    /// Its root tree.
    pub tree: Id,
    /// Files in it.
    pub files: u64,
    /// Folders in it.
    pub folders: u64,
    /// Files taken over from the parent without reading.
    pub files_unchanged: u64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Blobs that the repository did not have.
    pub blobs_new: u64,
    /// Bytes of these blobs as stored.
    pub bytes_stored: u64,
    /// Packs written.
    pub packs: u64,
    /// Files that were not captured as they are, when the policy keeps such a snapshot.
    pub troubles: Troubles,
}

impl SnapshotSummary {
    /// Whether something is missing; such a snapshot carries the tag `lifeboat:incomplete`.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        !self.troubles.is_empty()
    }
}

/// What a capture counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    files: u64,
    folders: u64,
    files_unchanged: u64,
    bytes: u64,
    bytes_read: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.folders += other.folders;
        self.files_unchanged += other.files_unchanged;
        self.bytes += other.bytes;
        self.bytes_read += other.bytes_read;
    }
}

/// A snapshot file of this process.
fn describe(meta: &BackupMeta, tree: Id, paths: Vec<String>) -> Snapshot {
    let (uid, gid) = host::ids();
    Snapshot {
        time: meta.time,
        parent: None,
        tree,
        paths,
        hostname: meta.hostname.clone(),
        username: meta.username.clone(),
        uid,
        gid,
        excludes: Vec::new(),
        tags: meta.tags.clone(),
        original: None,
        program_version: concat!("lifeboat ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}
