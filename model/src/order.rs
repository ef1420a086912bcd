//! Work sent to an agent under a token.

use crate::{Digest, Epoch, RunId, Token, Work};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far a run's journal has come. An agent refuses an order whose head is older than one it has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The run.
    pub run: RunId,
    /// Number of its last event.
    pub sequence: u64,
    /// Hash of its last event, chained over all before it.
    pub hash: Digest,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The name of the effect.
    pub token: Token,
    /// The sender's authority. Not part of the token.
    pub epoch: Epoch,
    /// The run's journal at the time of sending.
    pub head: Head,
    /// What to do.
    pub work: Work,
    /// From the order's start at the agent until its result is `unknown`.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
}

/// What an agent says when an order has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ack {
    /// Spooled, and begins now.
    Accepted,
    /// Already running under this token.
    Running,
    /// Already ended; its result follows.
    Ended,
}

/// How far a job has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What it is doing, in a few words.
    pub phase: String,
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes in all, when known.
    #[serde(default)]
    pub total_bytes: Option<u64>,
}
