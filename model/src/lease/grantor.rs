//! The grantor's side: what a controller knows of the leases of one source.

use super::sets::Sets;
use super::{DRIFT_PPM, Grant, Promotable, Request, SHORTEST, Terms};
use crate::HostName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Earlier boots of a host that are remembered, so that a request of one cannot pass for a new one.
const MAX_BOOTS: usize = 16;

/// What must be durable of one member before it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// It is the member that may be granted a lease.
    pub primary: bool,
    /// It is granted nothing: it was fenced, or is about to be.
    pub closed: bool,
    /// The longest lease that it was given; none when it never was.
    pub terms: Option<Terms>,
    /// The last request said that a watchdog is armed.
    pub armed: bool,
    /// The newest term that any member was granted a lease in, or closed in.
    #[serde(default)]
    pub term: u64,
    /// Every promotable set that it may hold.
    #[serde(default)]
    pub sets: Vec<Promotable>,
}

/// The newest answer to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// When it was answered, on the grantor's clock.
    pub at: Duration,
    /// What was given.
    pub terms: Terms,
    /// The request said that a watchdog is armed.
    pub armed: bool,
    /// An earlier answer that runs for longer: when it was, and what was given.
    longer: Option<(Duration, Terms)>,
}

impl Given {
    fn new(at: Duration, terms: Terms, armed: bool) -> Given {
        Given { at, terms, armed, longer: None }
    }

    /// From then on, on the grantor's clock, the server is gone.
    pub fn over(&self) -> Duration {
        let longer = self.longer.map_or(Duration::ZERO, |(at, terms)| at + terms.wait());
        longer.max(self.at + self.terms.wait())
    }

    /// The next answer after this one.
    fn then(self, next: Given) -> Given {
        let earlier = [self.longer, Some((self.at, self.terms))].into_iter().flatten();
        let longest = earlier.max_by_key(|(at, terms)| *at + terms.wait());
        Given { longer: longest.filter(|(at, terms)| *at + terms.wait() > next.over()), ..next }
    }

    /// Terms that cover all that may still run.
    fn covered(&self) -> Terms {
        self.longer.map_or(self.terms, |(_, longer)| self.terms.longest(longer))
    }
}

#[derive(Debug, Clone, Default)]
struct Member {
    given: Option<Given>,
    closed: bool,
    /// The boot that asks and those before it, newest last.
    boots: Vec<String>,
    sent: Duration,
    sets: Sets,
}

/// Why nothing is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is fenced: another member is the primary or is to be.
    Fenced,
    /// Another member is the primary.
    HeldBy(HostName),
    /// The lease of another member may still run for that long.
    NotYet(HostName, Duration),
    /// The request is older than one that was answered.
    Old,
    /// The grantor's own leadership ends too soon.
    NoTime,
    /// The lease of another member may be extended by a set in which this one is not.
    NotNamed(HostName),
}

/// The leases of one source, as one grantor knows them.
#[derive(Debug, Clone)]
pub struct Grantor {
    epoch: u64,
    /// Grows with each change of who may write, and of who may be promoted.
    term: u64,
    primary: Option<HostName>,
    members: BTreeMap<HostName, Member>,
}

impl Grantor {
    /// Begins with what is durable. Whatever an earlier grantor gave counts as answered at `began`, the
    /// moment from which it could no longer answer.
    pub fn new(epoch: u64, began: Duration, rows: &BTreeMap<HostName, Row>) -> Grantor {
        let member = |row: &Row| Member {
            given: row.terms.map(|terms| Given::new(began, terms, row.armed)),
            closed: row.closed,
            sets: Sets::new(row.sets.clone()),
            ..Member::default()
        };
        Grantor {
            epoch,
            term: rows.values().map(|row| row.term).max().unwrap_or_default(),
            primary: rows.iter().find(|(_, row)| row.primary).map(|(host, _)| host.clone()),
            members: rows.iter().map(|(host, row)| (host.clone(), member(row))).collect(),
        }
    }

    /// Answers a request. The row of the host must be durable before the grant is sent. `left` is how long
    /// this grantor still leads, where that is bounded; `promotable` are the members that may extend the lease,
    /// all together, and one of which may be promoted.
    pub fn grant(
        &mut self,
        host: &HostName,
        request: &Request,
        now: Duration,
        left: Option<Duration>,
        promotable: &BTreeSet<HostName>,
    ) -> Result<Grant, Refusal> {
        self.learn(host, request, now);
        self.judge(host, request, now)?;
        let length = request.terms.length.min(left.unwrap_or(Duration::MAX));
        if length < SHORTEST {
            return Err(Refusal::NoTime);
        }
        self.primary = Some(host.clone());
        let member = self.members.entry(host.clone()).or_default();
        if member.boots.last() != Some(&request.boot) {
            member.boots.push(request.boot.clone());
            if member.boots.len() > MAX_BOOTS {
                member.boots.remove(0);
            }
        }
        member.sent = request.sent;
        let next = Given::new(now, Terms { length, ..request.terms }, request.armed);
        member.given = Some(member.given.map_or(next, |given| given.then(next)));
        let set = Some(member.sets.send(&mut self.term, promotable));
        Ok(Grant { boot: request.boot.clone(), sent: request.sent, length, epoch: self.epoch, set })
    }

    /// A request says which set its sender holds, and so that it extends nothing of an earlier term. True
    /// whether it is granted or not, and however late it comes: what a host holds only grows.
    fn learn(&mut self, host: &HostName, request: &Request, now: Duration) {
        let Some(held) = &request.held else { return };
        self.term = self.term.max(held.term);
        self.members.entry(host.clone()).or_default().sets.acknowledged(held);
        self.word(host, held.term, Duration::ZERO, now);
    }

    /// A member says that it extends nothing below a term from now on, and for how long by its clock something
    /// that it gave before may still run.
    pub fn word(&mut self, from: &HostName, floor: u64, left: Duration, now: Duration) {
        let until = now + left + left * DRIFT_PPM / 1_000_000;
        for (_, member) in self.members.iter_mut().filter(|(host, _)| *host != from) {
            member.sets.word(from, floor, until);
            member.sets.settle(now);
        }
    }

    /// The term below which members must extend nothing, so that the lease of a closed one can run out; none
    /// when no set can extend it, or one that it needs has said so.
    pub fn withhold(&self, host: &HostName) -> Option<u64> {
        let member = self.members.get(host).filter(|member| member.closed)?;
        member.sets.cut_at().is_none().then_some(self.term)
    }

    fn judge(&self, host: &HostName, request: &Request, now: Duration) -> Result<(), Refusal> {
        let member = self.members.get(host);
        if member.is_some_and(|member| member.closed) {
            return Err(Refusal::Fenced);
        }
        if let Some(primary) = self.primary.as_ref().filter(|primary| *primary != host) {
            return Err(Refusal::HeldBy(primary.clone()));
        }
        if let Some(member) = member
            && let Some(place) = member.boots.iter().position(|boot| *boot == request.boot)
            && (place + 1 < member.boots.len() || request.sent <= member.sent)
        {
            return Err(Refusal::Old);
        }
        for (other, member) in self.members.iter().filter(|(other, _)| *other != host) {
            if let Some(given) = member.given.filter(|given| given.over() > now) {
                return Err(Refusal::NotYet(other.clone(), given.over() - now));
            }
            if member.sets.name(host) {
                // What it has promised itself, its own agent waits for.
                continue;
            }
            match member.sets.cut_at() {
                Some(cut) if cut > now => return Err(Refusal::NotYet(other.clone(), cut - now)),
                Some(_) => {}
                None => return Err(Refusal::NotNamed(other.clone())),
            }
        }
        Ok(())
    }

    /// Grants nothing to a member from now on: it is about to be fenced. Gives whether that is new.
    pub fn close(&mut self, host: &HostName) -> bool {
        let member = self.members.entry(host.clone()).or_default();
        let new = !std::mem::replace(&mut member.closed, true);
        self.term += u64::from(new);
        new
    }

    /// Nothing was promoted, and nobody wants that any more: the primary may ask again. Gives whether it may.
    pub fn reopen(&mut self, host: &HostName) -> bool {
        let is_primary = self.primary.as_ref() == Some(host);
        match self.members.get_mut(host) {
            Some(member) if is_primary => std::mem::replace(&mut member.closed, false),
            Some(_) | None => false,
        }
    }

    /// A member is to be the primary: every other is closed. Gives whether anything changed.
    pub fn entitle(&mut self, host: &HostName) -> bool {
        let mut changed = self.primary.as_ref() != Some(host);
        self.primary = Some(host.clone());
        self.members.entry(host.clone()).or_default();
        for (other, member) in &mut self.members {
            let closed = other != host;
            changed |= member.closed != closed;
            member.closed = closed;
        }
        self.term += u64::from(changed);
        changed
    }

    /// A closed member's server is gone by stronger evidence than time: nothing is waited for any more.
    pub fn gone(&mut self, host: &HostName) {
        if let Some(member) = self.members.get_mut(host).filter(|member| member.closed) {
            member.given = None;
        }
    }

    /// A closed member follows the primary now: it is a standby like any other, and not fenced any more. Gives
    /// whether that is new.
    pub fn rejoined(&mut self, host: &HostName) -> bool {
        let is_primary = self.primary.as_ref() == Some(host);
        match self.members.get_mut(host) {
            Some(member) if !is_primary && member.closed => {
                (member.closed, member.given) = (false, None);
                true
            }
            Some(_) | None => false,
        }
    }

    /// The fence of a member was lifted: its agent has seen that no other was promoted, so it is the primary as
    /// before, whoever was to be it. It is granted nothing before every lease of another has run out. Gives
    /// whether that is new.
    pub fn lifted(&mut self, host: &HostName) -> bool {
        let member = self.members.entry(host.clone()).or_default();
        let changed = std::mem::replace(&mut member.closed, false) || self.primary.as_ref() != Some(host);
        self.primary = Some(host.clone());
        self.term += u64::from(changed);
        changed
    }

    /// When the lease of a closed member will have run out, on this grantor's clock. None where that would
    /// prove nothing: it is not closed, has no lease, no watchdog was armed, or its set may still extend it.
    pub fn over(&self, host: &HostName) -> Option<Duration> {
        let member = self.members.get(host).filter(|member| member.closed)?;
        let given = member.given.filter(|given| given.armed)?;
        Some(given.over().max(member.sets.cut_at()?))
    }

    /// What must be durable of a member.
    pub fn row(&self, host: &HostName) -> Row {
        let member = self.members.get(host);
        let given = member.and_then(|member| member.given);
        Row {
            primary: self.primary.as_ref() == Some(host),
            closed: member.is_some_and(|member| member.closed),
            terms: given.map(|given| given.covered()),
            armed: given.is_some_and(|given| given.armed),
            term: self.term,
            sets: member.map(|member| member.sets.may_hold().to_vec()).unwrap_or_default(),
        }
    }

    /// Every member that is known.
    pub fn members(&self) -> impl Iterator<Item = &HostName> {
        self.members.keys()
    }

    /// The member that may be granted a lease.
    pub fn primary(&self) -> Option<&HostName> {
        self.primary.as_ref()
    }

    /// The newest answer to a member, and whether it is closed.
    pub fn given(&self, host: &HostName) -> (Option<Given>, bool) {
        self.members.get(host).map_or((None, false), |member| (member.given, member.closed))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn host(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    fn request(sent: u64) -> Request {
        let terms = Terms { length: S(10), stop: S(2) };
        Request { boot: "one".to_string(), sent: S(sent), terms, armed: true, held: None }
    }

    fn none() -> BTreeSet<HostName> {
        BTreeSet::new()
    }

    fn fresh() -> Grantor {
        Grantor::new(1, S(0), &BTreeMap::new())
    }

    #[test]
    fn a_closed_member_is_granted_nothing_and_its_lease_is_over_after_the_wait() {
        let (a, b) = (host("a"), host("b"));
        let mut grantor = fresh();
        grantor.grant(&a, &request(500), S(50), None, &none()).unwrap();
        assert_eq!(grantor.over(&a), None, "it may ask again");
        assert!(grantor.close(&a) && !grantor.close(&a));
        assert_eq!(grantor.grant(&a, &request(503), S(53), None, &none()), Err(Refusal::Fenced));
        assert_eq!(grantor.over(&a), Some(S(50) + Duration::from_millis(13_200)));
        assert_eq!(grantor.grant(&b, &request(9), S(53), None, &none()), Err(Refusal::HeldBy(a.clone())));
        grantor.entitle(&b);
        assert!(matches!(grantor.grant(&b, &request(9), S(63), None, &none()), Err(Refusal::NotYet(_, _))));
        grantor.grant(&b, &request(10), S(64), None, &none()).unwrap();
        assert!(!grantor.reopen(&a), "another is the primary");
    }

    #[test]
    fn a_lapsed_primary_is_granted_again_when_the_fence_is_called_off() {
        let a = host("a");
        let mut grantor = fresh();
        grantor.grant(&a, &request(1), S(1), None, &none()).unwrap();
        grantor.close(&a);
        assert!(grantor.reopen(&a));
        grantor.grant(&a, &request(40), S(40), None, &none()).unwrap();
    }

    #[test]
    fn a_successor_counts_the_longest_lease_from_its_own_beginning() {
        let a = host("a");
        let mut grantor = fresh();
        grantor.grant(&a, &request(1), S(1), None, &none()).unwrap();
        let rows = BTreeMap::from([(a.clone(), grantor.row(&a))]);
        let mut next = Grantor::new(2, S(7), &rows);
        next.close(&a);
        assert_eq!(next.over(&a), Some(S(7) + Duration::from_millis(13_200)));
    }

    #[test]
    fn a_lease_without_an_armed_watchdog_proves_nothing() {
        let a = host("a");
        let mut grantor = fresh();
        grantor.grant(&a, &request(1), S(1), None, &none()).unwrap();
        grantor.grant(&a, &Request { armed: false, ..request(2) }, S(2), None, &none()).unwrap();
        grantor.close(&a);
        assert_eq!(grantor.over(&a), None);
    }

    #[test]
    fn a_request_that_was_overtaken_is_old_also_from_an_earlier_boot() {
        let a = host("a");
        let mut grantor = fresh();
        grantor.grant(&a, &request(5), S(1), None, &none()).unwrap();
        assert_eq!(grantor.grant(&a, &request(4), S(2), None, &none()), Err(Refusal::Old));
        let two = Request { boot: "two".to_string(), ..request(1) };
        grantor.grant(&a, &two, S(3), None, &none()).unwrap();
        assert_eq!(grantor.grant(&a, &request(9), S(4), None, &none()), Err(Refusal::Old));
    }

    #[test]
    fn a_shorter_lease_counts_once_the_longer_one_before_it_has_run_out() {
        let a = host("a");
        let mut grantor = fresh();
        let long = Terms { length: S(100), stop: S(0) };
        grantor.grant(&a, &Request { terms: long, ..request(1) }, S(1), None, &none()).unwrap();
        grantor.grant(&a, &request(5), S(5), None, &none()).unwrap();
        assert_eq!(grantor.row(&a).terms.unwrap().length, S(100));
        grantor.close(&a);
        assert_eq!(grantor.over(&a), Some(S(111)));
        grantor.reopen(&a);
        grantor.grant(&a, &request(100), S(100), None, &none()).unwrap();
        grantor.close(&a);
        assert_eq!(grantor.over(&a), Some(S(100) + Duration::from_millis(13_200)));
        assert_eq!(grantor.row(&a).terms, Some(request(1).terms));
    }

    #[test]
    fn a_lease_ends_with_the_leadership_that_gives_it() {
        let mut grantor = fresh();
        let grant = grantor.grant(&host("a"), &request(1), S(1), Some(S(3)), &none()).unwrap();
        assert_eq!(grant.length, S(3));
        let late = grantor.grant(&host("a"), &request(2), S(2), Some(Duration::from_millis(1)), &none());
        assert_eq!(late, Err(Refusal::NoTime));
    }

    #[test]
    fn what_a_set_may_extend_is_over_only_by_the_word_of_one_that_the_set_needs() {
        let (a, b, c) = (host("a"), host("b"), host("c"));
        let mut grantor = fresh();
        let grant = grantor.grant(&a, &request(500), S(50), None, &BTreeSet::from([b.clone()])).unwrap();
        assert_eq!(grantor.withhold(&a), None, "it may ask again");
        grantor.close(&a);
        let floor = grantor.withhold(&a).unwrap();
        assert!(floor > grant.set.unwrap().term);
        assert_eq!(grantor.over(&a), None);
        grantor.word(&c, floor, S(0), S(60));
        assert_eq!(grantor.over(&a), None, "nobody asks c");
        grantor.word(&b, floor, S(10), S(60));
        assert_eq!((grantor.over(&a), grantor.withhold(&a)), (Some(S(71)), None));
        // A successor does not know what was said, and asks again.
        let rows = BTreeMap::from([(a.clone(), grantor.row(&a))]);
        let mut next = Grantor::new(2, S(7), &rows);
        assert_eq!((next.over(&a), next.withhold(&a)), (None, Some(floor)));
        next.word(&b, floor, S(0), S(8));
        assert_eq!(next.over(&a), Some(S(7) + Duration::from_millis(13_200)));
    }

    #[test]
    fn who_is_not_in_the_set_is_made_the_primary_only_once_the_set_is_cut_off_whatever_else_is_known() {
        let (a, b, c) = (host("a"), host("b"), host("c"));
        let mut grantor = fresh();
        grantor.grant(&a, &request(1), S(1), None, &BTreeSet::from([b.clone()])).unwrap();
        grantor.entitle(&c);
        grantor.gone(&a);
        let both = BTreeSet::from([a.clone(), b.clone()]);
        assert_eq!(grantor.grant(&c, &request(2), S(2), None, &both), Err(Refusal::NotNamed(a.clone())));
        grantor.word(&b, grantor.withhold(&a).unwrap(), S(0), S(3));
        assert!(grantor.grant(&c, &request(4), S(4), None, &both).is_ok());
    }

    #[test]
    fn who_is_in_the_set_takes_over_without_a_word_and_cuts_the_earlier_one_off_by_that() {
        let (a, b, c) = (host("a"), host("b"), host("c"));
        let mut grantor = fresh();
        grantor.grant(&a, &request(1), S(1), None, &BTreeSet::from([b.clone()])).unwrap();
        grantor.entitle(&b);
        let grant = grantor.grant(&b, &request(20), S(20), None, &BTreeSet::from([a.clone()])).unwrap();
        assert_eq!(grantor.row(&a).sets.len(), 1, "it is not known whether b has taken it");
        let held = Request { held: grant.set, ..request(24) };
        grantor.grant(&b, &held, S(24), None, &BTreeSet::from([a.clone()])).unwrap();
        assert!(grantor.row(&a).sets.is_empty());
        grantor.entitle(&c);
        assert_eq!(grantor.grant(&c, &request(90), S(90), None, &none()), Err(Refusal::NotNamed(b)));
    }

    #[test]
    fn a_member_that_was_rejoined_is_fenced_no_more_and_gets_no_lease_beside_the_primary() {
        let (a, b) = (host("a"), host("b"));
        let mut grantor = fresh();
        grantor.grant(&a, &request(500), S(50), None, &none()).unwrap();
        grantor.close(&a);
        assert!(grantor.entitle(&b));
        assert!(grantor.rejoined(&a) && !grantor.rejoined(&a) && !grantor.rejoined(&b));
        assert_eq!(grantor.given(&a), (None, false));
        assert_eq!(grantor.grant(&a, &request(600), S(100), None, &none()), Err(Refusal::HeldBy(b.clone())));
        // On the way back it is the primary again.
        grantor.close(&b);
        assert!(grantor.entitle(&a));
        grantor.grant(&a, &request(700), S(200), None, &none()).unwrap();
    }

    #[test]
    fn a_fence_that_is_lifted_makes_the_member_the_primary_as_before_but_not_beside_a_lease() {
        let (a, b) = (host("a"), host("b"));
        let mut grantor = fresh();
        grantor.grant(&a, &request(500), S(50), None, &none()).unwrap();
        grantor.close(&a);
        // A promotion was ordered and refused.
        grantor.entitle(&b);
        assert!(grantor.lifted(&a) && !grantor.lifted(&a));
        grantor.grant(&a, &request(600), S(60), None, &none()).unwrap();
        grantor.close(&a);
        grantor.entitle(&b);
        grantor.grant(&b, &request(500), S(100), None, &none()).unwrap();
        assert!(grantor.lifted(&a));
        assert!(matches!(grantor.grant(&a, &request(700), S(101), None, &none()), Err(Refusal::NotYet(..))));
    }
}
