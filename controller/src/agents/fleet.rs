//! What is known of each host right now.
//!
//! Silence is measured on this host's clock since boot, from the last message of any kind, whether a
//! session is open or not: a frozen agent keeps its connection, and only its silence shows. A host that
//! was never heard by this process is counted from the process' start, never from a time in the store:
//! a controller that was down cannot know how long others were.

use super::SessionHandle;
use super::instances::Instances;
use crate::store::agents::Heard;
use model::nouns::MemberFacts;
use model::{HostName, Micros, Name, Outcome};
use runtime::Clock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Heartbeats that may be missed before a host counts as silent.
pub const MISSED_HEARTBEATS: u32 = 3;

/// How often it is kept that a host of which nothing else is new was heard.
pub const KEEP_EVERY: Duration = Duration::from_secs(60);

/// What a check that is asked all the time last answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// The answer.
    pub outcome: Outcome,
    /// When, by the host's clock.
    pub at: Micros,
}

/// What is known of one host.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Its session, while one is open.
    pub session: Option<SessionHandle>,
    /// When it was last heard, on this host's clock since boot.
    pub heard: Option<Duration>,
    /// The same by the wall clock.
    pub heard_at: Micros,
    /// Its clock minus ours, in microseconds.
    pub skew_us: i64,
    /// Its program's version.
    pub version: String,
    /// The assignment that it has.
    pub assignment_version: u64,
    /// The highest epoch that it has seen.
    pub epoch: u64,
    /// What its members said about themselves.
    pub facts: Vec<MemberFacts>,
    /// When they did.
    pub facts_at: Micros,
    /// What its members said while they were primaries: of one that is down that is the last that is known.
    pub as_primary: BTreeMap<Name, MemberFacts>,
    /// What its checks answered.
    pub monitors: BTreeMap<Name, Monitor>,
    /// What is wrong with it, in words.
    pub trouble: String,
    /// The processes that have spoken for it.
    instances: Instances,
    changed: bool,
    /// What was kept in the store, and when.
    kept: Option<(Duration, Heard)>,
}

impl Known {
    fn to_keep(&self) -> Heard {
        Heard {
            at: self.heard_at,
            skew_us: self.skew_us,
            epoch: self.epoch,
            assignment_version: self.assignment_version,
            version: self.version.clone(),
            facts: serde_json::to_string(&self.facts).unwrap_or_else(|_| "[]".to_string()),
        }
    }

    /// Whether the store should hear of it now: at once of what is new, and now and then that it still lives.
    fn is_due(&self, now: Duration) -> bool {
        self.kept.as_ref().is_none_or(|(at, kept)| {
            now.saturating_sub(*at) >= KEEP_EVERY || !self.to_keep().says_the_same(kept)
        })
    }
}

/// Every host that was heard. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    hosts: Arc<Mutex<BTreeMap<HostName, Known>>>,
    clock: Clock,
    started: Duration,
    heartbeat: Duration,
}

impl Fleet {
    /// Nobody was heard yet.
    pub fn new(clock: Clock, heartbeat: Duration) -> Self {
        let started = clock.since_boot();
        Self { hosts: Arc::default(), clock, started, heartbeat }
    }

    /// How often an agent says that it lives.
    pub fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    fn hosts(&self) -> MutexGuard<'_, BTreeMap<HostName, Known>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session opened. The one that it replaces is ended: the newer session is the agent's.
    pub fn connect(&self, host: &HostName, session: SessionHandle) -> Option<SessionHandle> {
        let mut hosts = self.hosts();
        let known = hosts.entry(host.clone()).or_default();
        known.trouble.clear();
        known.session.replace(session)
    }

    /// A process of an agent says hello; gives whether another one lives beside it.
    pub fn is_twice(&self, host: &HostName, instance: Uuid) -> bool {
        self.hosts().entry(host.clone()).or_default().instances.came(instance)
    }

    /// A session is over. One that was replaced before takes nothing away.
    pub fn disconnect(&self, host: &HostName, number: u64) {
        if let Some(known) = self.hosts().get_mut(host)
            && known.session.as_ref().is_some_and(|session| session.number() == number)
        {
            known.session = None;
        }
    }

    /// Something came from a host: it lives. `learn` takes over what it said.
    pub fn heard(&self, host: &HostName, learn: impl FnOnce(&mut Known)) {
        let (heard, heard_at) = (self.clock.since_boot(), self.clock.now());
        let mut hosts = self.hosts();
        let known = hosts.entry(host.clone()).or_default();
        known.heard = Some(heard);
        known.heard_at = heard_at;
        known.changed = true;
        learn(known);
    }

    /// What is wrong with a host, for people.
    pub fn trouble(&self, host: &HostName, text: String) {
        self.hosts().entry(host.clone()).or_default().trouble = text;
    }

    /// The open session of a host.
    pub fn session(&self, host: &HostName) -> Option<SessionHandle> {
        self.hosts().get(host)?.session.clone().filter(|session| !session.ended().is_cancelled())
    }

    /// Every open session.
    pub fn sessions(&self) -> Vec<(HostName, SessionHandle)> {
        let hosts = self.hosts();
        hosts.iter().filter_map(|(host, known)| Some((host.clone(), known.session.clone()?))).collect()
    }

    /// How long a host has been silent.
    pub fn silent_for(&self, host: &HostName) -> Duration {
        let heard = self.hosts().get(host).and_then(|known| known.heard).unwrap_or(self.started);
        self.clock.since_boot().saturating_sub(heard)
    }

    /// Whether a host has a session and said so within the last heartbeats.
    pub fn is_connected(&self, host: &HostName) -> bool {
        self.session(host).is_some() && self.silent_for(host) <= self.heartbeat * MISSED_HEARTBEATS
    }

    /// What a check that a host asks by the clock last answered.
    pub fn monitor(&self, host: &HostName, check: &Name) -> Option<Monitor> {
        self.hosts().get(host)?.monitors.get(check).cloned()
    }

    /// How many hosts have a session and said so within the last heartbeats.
    pub fn connected(&self) -> usize {
        let (now, limit) = (self.clock.since_boot(), self.heartbeat * MISSED_HEARTBEATS);
        let is_connected = |known: &&Known| {
            let open = known.session.as_ref().is_some_and(|session| !session.ended().is_cancelled());
            open && now.saturating_sub(known.heard.unwrap_or(self.started)) <= limit
        };
        self.hosts().values().filter(is_connected).count()
    }

    /// What is known of every host.
    pub fn all(&self) -> BTreeMap<HostName, Known> {
        self.hosts().clone()
    }

    /// Hosts that are silent, and since when by the wall clock.
    pub fn silent(&self) -> BTreeMap<HostName, Micros> {
        let limit = self.heartbeat * MISSED_HEARTBEATS;
        let now = self.clock.since_boot();
        let hosts = self.hosts();
        let silent = hosts
            .iter()
            .filter(|(_, known)| known.heard.is_some_and(|heard| now.saturating_sub(heard) > limit));
        silent.map(|(host, known)| (host.clone(), known.heard_at)).collect()
    }

    /// What changed since this was asked before, to be kept in the store. That a host still lives, and how far its
    /// clock is off, is kept once in [`KEEP_EVERY`]: ten thousand rows each time would be most of what we do.
    pub fn take_changed(&self) -> Vec<(HostName, Heard)> {
        let now = self.clock.since_boot();
        let mut hosts = self.hosts();
        let changed = hosts.iter_mut().filter(|(_, known)| known.changed && known.is_due(now));
        changed
            .map(|(host, known)| {
                known.changed = false;
                let heard = known.to_keep();
                known.kept = Some((now, heard.clone()));
                (host.clone(), heard)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio_util::sync::CancellationToken;

    const BEAT: Duration = Duration::from_secs(2);

    #[test]
    fn a_connected_agent_that_says_nothing_becomes_silent() {
        let (clock, hand) = Clock::set(Micros(1_000_000));
        let fleet = Fleet::new(clock, BEAT);
        let host = HostName::new("db-1").unwrap();
        let (session, _outgoing) = SessionHandle::new(1, CancellationToken::new());
        fleet.connect(&host, session);
        fleet.heard(&host, |_| {});
        assert!(fleet.is_connected(&host) && fleet.connected() == 1);
        hand.advance(BEAT * MISSED_HEARTBEATS + Duration::from_millis(1));
        assert!(!fleet.is_connected(&host) && fleet.connected() == 0);
        assert_eq!(fleet.silent().len(), 1);
        hand.step_to(Micros(0));
        assert!(fleet.silent_for(&host) > BEAT * MISSED_HEARTBEATS, "a step of the wall clock heals nothing");
        fleet.heard(&host, |_| {});
        assert!(fleet.is_connected(&host));
    }

    #[test]
    fn what_is_new_is_kept_at_once_and_that_a_host_lives_now_and_then() {
        let (clock, hand) = Clock::set(Micros(1_000_000));
        let fleet = Fleet::new(clock, BEAT);
        let host = HostName::new("db-1").unwrap();
        let kept = |advance: Duration, epoch: u64| {
            hand.advance(advance);
            fleet.heard(&host, |known| known.epoch = epoch);
            fleet.take_changed().len()
        };
        assert_eq!((kept(BEAT, 1), kept(BEAT, 1), kept(BEAT, 2), kept(BEAT, 2)), (1, 0, 1, 0));
        assert_eq!((kept(KEEP_EVERY, 2), kept(BEAT, 2)), (1, 0));
        assert!(fleet.take_changed().is_empty(), "it was not heard since");
    }

    #[test]
    fn a_host_that_was_never_heard_is_silent_since_our_start() {
        let (clock, hand) = Clock::set(Micros(0));
        let fleet = Fleet::new(clock, BEAT);
        hand.advance(Duration::from_secs(5));
        assert_eq!(fleet.silent_for(&HostName::new("db-9").unwrap()), Duration::from_secs(5));
    }

    #[test]
    fn the_end_of_a_replaced_session_leaves_the_newer_one() {
        let fleet = Fleet::new(Clock::system(), BEAT);
        let host = HostName::new("db-1").unwrap();
        let (old, _a) = SessionHandle::new(1, CancellationToken::new());
        let (new, _b) = SessionHandle::new(2, CancellationToken::new());
        assert!(fleet.connect(&host, old).is_none());
        assert_eq!(fleet.connect(&host, new).unwrap().number(), 1);
        fleet.disconnect(&host, 1);
        assert_eq!(fleet.session(&host).unwrap().number(), 2);
        fleet.disconnect(&host, 2);
        assert!(fleet.session(&host).is_none());
    }

    #[test]
    fn fault_39_an_agent_that_does_not_keep_up_is_cut_off() {
        let (session, _never_read) = SessionHandle::new(1, CancellationToken::new());
        let ack = || proto::v1::controller_message::Message::HeartbeatAck(proto::v1::HeartbeatAck::default());
        let mut sent = 0;
        while session.send(ack()).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, super::super::handle::MAX_QUEUED);
        assert!(session.ended().is_cancelled());
    }
}
