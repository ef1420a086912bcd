//! Make a standby the primary.

use crate::nouns::SourceSpec;
use crate::{HostName, Micros};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promote {
    /// The standby, as its host reaches it.
    pub source: SourceSpec,
    /// What is known of the other members when the order is sent. What it lacks of that is lost by promoting it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Known>,
    /// How much, in time, may be lost without asking anybody; nothing when absent.
    #[serde(with = "crate::duration::option", default, skip_serializing_if = "Option::is_none")]
    pub lose_at_most: Option<Duration>,
    /// Somebody has allowed to promote it when it has received at least that much, as a byte number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_lsn: Option<u64>,
}

impl Promote {
    /// Of this standby, with nothing known of the others.
    pub fn of(source: SourceSpec) -> Promote {
        Promote { source, known: Vec::new(), lose_at_most: None, allowed_lsn: None }
    }
}

/// How far another member had come, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its host.
    pub host: HostName,
    /// It took writes; else it followed.
    pub was_primary: bool,
    /// Written or received, as a byte number.
    pub lsn: u64,
    /// When that was so, by the controller's clock.
    pub at: Micros,
    /// It was stopped there, and wrote nothing after.
    pub stopped: bool,
    /// Each of its commits waited for the standby that is to be promoted: what that one lacks was acknowledged to
    /// nobody.
    pub waited: bool,
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
