//! Prove a point: restore it into a scratch copy, compare, drop the copy.

use super::restore::RowComparison;
use crate::nouns::{CheckSpec, Point, RepositorySpec, SourceSpec};
use crate::{Micros, SnapshotId};
use serde::{Deserialize, Serialize};

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prove {
    /// The source, as this host reaches the server or file system that takes the scratch copy.
    pub source: SourceSpec,
    /// Where from.
    pub repository: RepositorySpec,
    /// Which point.
    pub point: Point,
    /// SQL checks that are asked of the copy instead of the live database.
    #[serde(default)]
    pub checks: Vec<CheckSpec>,
}

/// What it gives: a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProveOutput {
    /// The snapshot that was proven.
    pub snapshot: SnapshotId,
    /// The moment that it shows.
    pub at: Micros,
    /// Rows compared, table by table (databases).
    #[serde(default)]
    pub tables: Vec<RowComparison>,
    /// Files compared (files).
    #[serde(default)]
    pub files: u64,
    /// Names of the checks that passed on the copy.
    #[serde(default)]
    pub checks: Vec<String>,
    /// Milliseconds from the start until the copy answered: the measured restore time.
    pub took_ms: u64,
}
