//! What an agent lives by without a controller. Versioned, and on its disk.

use crate::lease::Terms;
use crate::nouns::SourceSpec;
use crate::schedule::Cron;
use crate::{HostName, Name, Work};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that one host does by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Grows with each estate that is applied. An older one is refused.
    pub version: u64,
    /// Whose it is.
    pub host: HostName,
    /// In which region the host is.
    pub region: Name,
    /// Work that fires by the clock, controller or no controller.
    #[serde(default)]
    pub schedules: Vec<Scheduled>,
    /// Checks that are asked all the time and reported with heartbeats.
    #[serde(default)]
    pub monitors: Vec<Monitored>,
    /// Members of sources on this host: their positions are reported with heartbeats.
    #[serde(default)]
    pub members: Vec<SourceSpec>,
    /// Members whose server accepts writes only under a lease.
    #[serde(default)]
    pub leases: Vec<Leased>,
}

/// A member whose server accepts writes only under a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// The source; it is one of the members.
    pub source: Name,
    /// What is asked for.
    pub terms: Terms,
    /// The other members, and where their agents listen for each other; none where that is not asked for.
    #[serde(default)]
    pub peers: BTreeMap<HostName, String>,
}

/// Work that fires by the clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// Name of the schedule in the estate.
    pub name: Name,
    /// When.
    pub at: Cron,
    /// What, one after another; the next only when the one before succeeded (backup, prove, retain).
    pub work: Vec<Work>,
    /// After this the attempt is `unknown`.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
}

/// A check that is asked all the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitored {
    /// Name of the check.
    pub name: Name,
    /// The check, as `Work::Check`.
    pub work: Work,
    /// How often.
    #[serde(with = "crate::duration")]
    pub every: Duration,
}
