//! Actions that the controller itself performs for a step.

use crate::Name;
use crate::nouns::{ChannelSpec, RecordSpec};
use serde::{Deserialize, Serialize};

/// What the controller does, instead of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum ControlAction {
    /// Points a record at a region's addresses, in one conditional update, verified at every server.
    Cutover {
        /// The record.
        record: RecordSpec,
        /// The region.
        to: Name,
    },
    /// Puts a record back to what it was before this run's cut-over of it: the inverse that was saved
    /// under the run's id before the update was sent.
    RestoreRecord {
        /// The record.
        record: RecordSpec,
    },
    /// Tells people.
    Notify {
        /// Where.
        channel: ChannelSpec,
        /// `investigating`, `identified`, `monitoring` or `resolved`.
        state: String,
        /// One line.
        title: String,
        /// The message.
        text: String,
    },
}

/// What a cut-over gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutoverOutput {
    /// Values before.
    pub before: Vec<String>,
    /// Values now.
    pub after: Vec<String>,
    /// The generation now.
    pub generation: u64,
    /// Milliseconds from the update's sending until every authoritative server answered the new value.
    pub verified_after_ms: u64,
    /// The servers that answered.
    pub servers: Vec<String>,
    /// Seconds that resolvers may still hold the old value (its TTL).
    pub ttl_seconds: u64,
}

/// What a notification gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyOutput {
    /// Where it went.
    pub channel: Name,
    /// Tries that it took.
    pub tries: u32,
}
