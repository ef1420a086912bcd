//! Make an old primary, which was fenced, a standby of the member that is the primary now.

use crate::nouns::SourceSpec;
use crate::{HostName, Micros};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejoin {
    /// The member that comes back, as its own host reaches it.
    pub source: SourceSpec,
    /// The other members. The one of them that takes writes is followed.
    pub others: Vec<Peer>,
    /// Its name among the standbys of the primary.
    pub name: String,
    /// How long what is replaced stays.
    #[serde(with = "crate::duration", default = "crate::jobs::Swap::default_keep_old")]
    pub keep_old: Duration,
}

/// Another member of the same source, as its peers reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its host.
    pub host: HostName,
    /// Host name or address.
    pub address: String,
    /// TCP port.
    pub port: u16,
}

/// How a member came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It followed already, and nothing was done.
    Already,
    /// Its own data was wound back to where the two parted, by pg_rewind.
    Rewound,
    /// It got a new copy of the primary's data.
    Copied,
}

impl Way {
    /// The word of reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Way::Already => "already",
            Way::Rewound => "rewound",
            Way::Copied => "copied",
        }
    }
}

/// What it gives, once the member streams from the new primary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejoinOutput {
    /// How.
    pub way: Way,
    /// The member that it follows now.
    pub follows: HostName,
    /// The timeline that it follows.
    pub timeline: u32,
    /// Bytes of its log (WAL) that no other member had, and that it gave up. None where that could not be told.
    #[serde(default)]
    pub diverged_bytes: Option<u64>,
    /// Where what it gave up is kept: the old data folder, or the part of the log that was wound back. None when
    /// nothing was given up.
    #[serde(default)]
    pub kept: Option<PathBuf>,
    /// Until when that is kept at least.
    #[serde(default)]
    pub keep_until: Option<Micros>,
    /// Milliseconds until it streamed.
    pub took_ms: u64,
}
