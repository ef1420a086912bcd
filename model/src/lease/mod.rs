//! Leases: an agent's right, bounded in time, to let a primary accept writes.
//!
//! Why no interleaving gives two primaries. A server of a leased source writes only between the moment at
//! which its host took a grant and the end of that grant, its *deadline*. The holder counts the deadline
//! from when it *sent* its request, so whatever the network does to request and grant, only less is left.
//! At the deadline the watchdog, which neither a frozen nor a dead agent holds up, has the stop time to see
//! every process of the server gone. The grantor counts from when it *answered*, which was later than the
//! sending, and adds the drift that two clocks may have between them over that time, and the stop time; so
//! when its count is over the server is gone, whether the grant arrived, was lost, came late or twice. It
//! begins to count for good when it has *closed* the member: from then on it answers no request of it, so
//! no later grant can be on its way. Only then, and only where the last request said that a watchdog was
//! armed, is the lease called expired, and only one other member is entitled; that one is granted nothing
//! before every lease of another has run out. A reboot ends every process, and a deadline carries the boot
//! that it was made in, so after a reboot nothing opens before a fresh grant. Of two grantors the later one
//! knows from its store to whom leases were given, for how long at most, and who is closed, since each of
//! these was durable before it was answered; it does not know when, so it counts the longest of them from
//! its own beginning, by which the earlier one could no longer answer: a grant ends no later than the
//! leadership that gave it. What this rests on: the bounds of drift and stop time hold, the service manager
//! brings a watchdog that died back within the stop time, and a host's clock does not stand still while its
//! processes run. (The clock of a virtual machine that is paused stands still with everything on it; once it
//! goes on it takes the rest of its lease. Such a host's lease is no proof.) `tests/lease` tries to show the
//! contrary with random events, and shows it at once when one of these rules is left out.
//!
//! When no grantor answers, the holder may be extended by its *promotable set*, which each grant names, with a
//! term that grows with each change of who may write and of who may be promoted. Why no interleaving gives two
//! primaries here either. An extension takes the word of *all* members of the set that the holder holds; so
//! whoever of them is promoted has given its word to the holder, or will be asked for it and refuse. (A majority
//! would do only if a promotion took the word of a majority as well, and of a primary and one standby it would
//! be the one standby all the same; all to extend and one to promote keeps a pair useful, and a failover never
//! waits for a third. The price: a member that is gone ends extensions, until a controller names a set without
//! it.) Each word is durable before it is sent, and counts on the member's own clock from its answer for the
//! length, the drift and the stop time, as a grantor counts; until then the member takes no lease, and after a
//! reboot, not knowing when it gave its word, it waits the whole time from its boot on. When it does take one,
//! it first makes durable that it extends nothing of an earlier term: so whoever it replaces, and whoever was
//! replaced before that, is extended by it never again, however long that one was switched off and whatever it
//! still believes. Whoever is *not* in the set could be passed over, so it is granted nothing while the earlier
//! primary may hold a set without it: the grantor counts every set that it has sent and of which the primary
//! has not acknowledged a newer one, and a member becomes promotable when the primary has acknowledged the
//! lease that names it. The one other way is that a member of all those sets says that it extends nothing of
//! these terms any more, and how long what it gave may still run; by that same word, and no other, an extended
//! lease is called expired. A set with nobody in it extends nothing, for all of nobody would always agree; the
//! word of a member counts only for the set in whose name it was asked; and only a server that a watchdog
//! guards is extended, since only its end is sure.
//!
//! Three states that are never mixed: *held*; *lapsed*, its time ran out or it never had any in this boot:
//! writes are stopped, and resume when it is granted again, which it is as long as nothing was promoted;
//! *fenced*, another member was made the primary or is about to be: it stays so until it is rejoined.

mod grantor;
mod holder;
mod member;
mod sets;
mod watch;

pub use grantor::{Given, Grantor, Refusal, Row};
pub use holder::{Holder, Standing};
pub use member::{Member, Pledges, Promise, Unextended};
pub use watch::{Answer, Ask, Duty, MAX_DUTIES, Permit, State, Watch};

use crate::HostName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// What one clock may gain on another, in millionths of the time that passes. A clock that is slewed after
/// a large error gains up to a twelfth (chrony's greatest rate); in peace it is less than a thousandth.
pub const DRIFT_PPM: u32 = 100_000;

/// The stop time when nobody says otherwise: from the deadline until no process of the server is left.
pub const DEFAULT_STOP: Duration = Duration::from_secs(2);

/// A grant shorter than this is not worth sending.
pub const SHORTEST: Duration = Duration::from_millis(200);

/// What a lease is about, in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// From the request until writes must stop, on the clock of the holder's host.
    #[serde(with = "crate::duration")]
    pub length: Duration,
    /// From the deadline until every process of the server is gone, on the same clock.
    #[serde(with = "crate::duration")]
    pub stop: Duration,
}

impl Terms {
    /// How long a grantor waits on its own clock from its last answer until the server is surely gone.
    pub fn wait(&self) -> Duration {
        let all = self.length + self.stop;
        all + all * DRIFT_PPM / 1_000_000
    }

    /// Terms that cover both.
    fn longest(self, other: Terms) -> Terms {
        Terms { length: self.length.max(other.length), stop: self.stop.max(other.stop) }
    }
}

/// A holder asks. Every time is on its own clock since boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which boot of the host it is.
    pub boot: String,
    /// When it was sent; also its number, since no two are sent at one moment.
    pub sent: Duration,
    /// What is asked for.
    pub terms: Terms,
    /// A watchdog answers and holds a deadline for the server, or the server does not run.
    pub armed: bool,
    /// The set that the sender holds, and none that is older; none when it never held any.
    pub held: Option<Promotable>,
}

/// Who may extend a lease when no controller does, and may be promoted after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotable {
    /// Grows with each change of who may write, and of who may be promoted. 0 is none at all.
    pub term: u64,
    /// All of them must agree to an extension; when there is none, nobody extends it.
    pub members: BTreeSet<HostName>,
}

/// A primary asks every member of its set to extend its lease. Times are on its own clock since boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extend {
    /// Which boot of its host it is.
    pub boot: String,
    /// When it was sent; the answers repeat it.
    pub sent: Duration,
    /// What is asked for.
    pub terms: Terms,
    /// The term of the set that is asked.
    pub term: u64,
    /// A watchdog holds a deadline for the server, or the server does not run.
    pub armed: bool,
}

/// A grantor grants: it repeats what it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The boot of the request.
    pub boot: String,
    /// When the request was sent.
    pub sent: Duration,
    /// What is granted, counted from `sent`: no more than was asked for.
    pub length: Duration,
    /// Number of the epoch that grants.
    pub epoch: u64,
    /// The set from now on; none from a controller that knows of no sets.
    pub set: Option<Promotable>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_covers_the_lease_on_the_slowest_clock_and_the_stop_time() {
        let terms = Terms { length: Duration::from_secs(10), stop: Duration::from_secs(2) };
        assert_eq!(terms.wait(), Duration::from_millis(13_200));
    }
}
