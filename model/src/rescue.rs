//! What agents and a rescue say to each other: the call that a rescue is announced with, and copies of the
//! journals of open runs that agents keep.

use crate::{Digest, Epoch, Micros, Name};
use serde::{Deserialize, Serialize};

/// A rescue announces itself: whoever believes the signature under it obeys its epoch and dials its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its authority. The holder is the rescue's own id: of two rescues with one number each agent obeys the
    /// first that it heard of.
    pub epoch: Epoch,
    /// The controller's name.
    pub name: Name,
    /// Where to dial it, as `host:port`.
    pub at: Vec<String>,
    /// SHA-256 of the certificate of the CA that it signs with: the one that agents know.
    pub ca_hash: String,
    /// When it was made.
    pub made_at: Micros,
}

/// A row of a journal as an agent keeps it: what is needed to check it again, and to write it once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedRow {
    /// 1 for the first event of the run, without gaps.
    pub sequence: u64,
    /// When it was recorded.
    pub at: Micros,
    /// Number of the epoch under which it was recorded.
    pub epoch: u64,
    /// JSON of the event, exactly as it is stored: the hash is over it.
    pub text: String,
    /// Hash of the row, chained over all before it.
    pub hash: Digest,
}

impl CopiedRow {
    /// What it takes of a record or a message, in bytes; generous.
    pub fn size(&self) -> usize {
        self.text.len() + 256
    }
}
