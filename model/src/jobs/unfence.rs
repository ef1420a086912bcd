//! Lift the fence of a member: its server may be started again.

use super::Peer;
use crate::nouns::SourceSpec;
use serde::{Deserialize, Serialize};

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfence {
    /// The member, as its own host reaches it.
    pub source: SourceSpec,
    /// The other members. None of them may be the primary, or have been made it since, or have more data.
    pub others: Vec<Peer>,
}

/// What it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfenceOutput {
    /// Whether there was a fence to lift.
    pub was_fenced: bool,
    /// In words: why it may be lifted, with the positions that were compared.
    pub detail: String,
}
