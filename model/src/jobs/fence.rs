//! Make sure that a member cannot accept writes: stop its server, mask it, see it gone.

use crate::Evidence;
use crate::nouns::SourceSpec;
use serde::{Deserialize, Serialize};

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The member, as its host reaches it.
    pub source: SourceSpec,
}

/// What it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceOutput {
    /// What was obtained, never more. `unreachable` when no agent answered.
    pub evidence: Evidence,
    /// In words: what was seen.
    pub detail: String,
    /// Last position of the stopped server, as a byte number, when it could still be read.
    #[serde(default)]
    pub final_lsn: Option<u64>,
}
