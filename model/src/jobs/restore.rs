//! Restore a point of a source beside the live one, and check the copy.

use crate::nouns::{Point, RepositorySpec, SourceSpec};
use crate::{Micros, SnapshotId};
use serde::{Deserialize, Serialize};

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// The source, as this host reaches the server or file system that takes the copy.
    pub source: SourceSpec,
    /// Where from.
    pub repository: RepositorySpec,
    /// Which point.
    pub point: Point,
    /// Name of the copy: a database, or an absolute folder. It must not exist, or be an unfinished copy of ours.
    pub into: String,
}

/// What it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreOutput {
    /// The snapshot that was restored.
    pub snapshot: SnapshotId,
    /// The moment that it shows.
    pub at: Micros,
    /// Name of the copy.
    pub into: String,
    /// Bytes written.
    pub bytes: u64,
    /// Rows compared, table by table (databases).
    #[serde(default)]
    pub tables: Vec<RowComparison>,
    /// Files written (files).
    #[serde(default)]
    pub files: u64,
    /// True when everything that was recorded at backup time was found in the copy.
    pub matches: bool,
    /// Milliseconds that it took.
    pub took_ms: u64,
}

/// One table at backup time and in the copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowComparison {
    /// `schema.table`.
    pub table: String,
    /// Rows recorded with the backup.
    pub expected: u64,
    /// Rows found in the copy.
    pub found: u64,
}
