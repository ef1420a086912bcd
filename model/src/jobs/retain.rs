//! Forget what a schedule keeps no longer, and remove data that nobody needs.

use crate::nouns::{RepositorySpec, SourceSpec};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retain {
    /// Whose snapshots.
    pub source: SourceSpec,
    /// Where they are.
    pub repository: RepositorySpec,
    /// Only those with this tag besides the source's: a schedule lets go of its own.
    pub tag: String,
    /// Those that the storage received within this time stay.
    #[serde(with = "crate::duration")]
    pub keep: Duration,
}

/// What it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetainOutput {
    /// Snapshots that were forgotten.
    pub forgotten: u64,
    /// Bytes of packs that nobody needs any more and that wait a day.
    pub marked_bytes: u64,
    /// Bytes of packs that were removed.
    pub removed_bytes: u64,
    /// Why some of it is left to another time or another key.
    #[serde(default)]
    pub left: Option<String>,
}
