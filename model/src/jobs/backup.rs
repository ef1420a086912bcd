//! Back a source up into a repository.

use crate::nouns::{RepositorySpec, SourceSpec};
use crate::{Micros, SnapshotId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// What is backed up, as this host reaches it.
    pub source: SourceSpec,
    /// Where to. Initialised when it does not exist.
    pub repository: RepositorySpec,
    /// Extra tags of the snapshot.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// What it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupOutput {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The moment that the snapshot shows.
    pub at: Micros,
    /// Bytes read from the source.
    pub read_bytes: u64,
    /// Bytes added to the repository.
    pub stored_bytes: u64,
    /// Files or streams.
    pub files: u64,
    /// Rows of each table at that moment (databases), taken in the same transaction snapshot as the dump.
    #[serde(default)]
    pub rows: BTreeMap<String, u64>,
    /// Files that changed, vanished or could not be read (files).
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The server's version.
    #[serde(default)]
    pub server_version: Option<String>,
}
