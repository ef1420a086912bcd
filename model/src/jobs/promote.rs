//! Make a standby the primary.

use crate::Micros;
use crate::nouns::SourceSpec;
use serde::{Deserialize, Serialize};

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promote {
    /// The standby, as its host reaches it.
    pub source: SourceSpec,
}

/// What it gives, once the server really takes writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromoteOutput {
    /// Timeline after the promotion.
    pub timeline: u32,
    /// Last position received from the old primary, as a byte number.
    pub received_lsn: u64,
    /// Last position replayed before the promotion, as a byte number.
    pub replayed_lsn: u64,
    /// Commit time of the last transaction that was replayed.
    #[serde(default)]
    pub last_commit_at: Option<Micros>,
    /// Milliseconds until a write was accepted.
    pub took_ms: u64,
    /// It was a primary already and nothing was done.
    #[serde(default)]
    pub already_primary: bool,
}
