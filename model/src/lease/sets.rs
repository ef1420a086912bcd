//! What a grantor knows of the promotable sets that a primary may hold, and of who has cut it off from them.

use super::Promotable;
use crate::HostName;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Sets that were sent and not acknowledged; from then on the newest of them is sent again.
const MAX_SETS: usize = 8;

/// The sets of one member.
#[derive(Debug, Clone, Default)]
pub(super) struct Sets {
    /// Every set that it may hold, oldest first; those with nobody in them extend nothing and are left out.
    may_hold: Vec<Promotable>,
    /// The set that was sent last.
    sent: Option<Promotable>,
    /// Who extends nothing below a term any more, and from when on what it gave before is over.
    words: BTreeMap<HostName, (u64, Duration)>,
}

impl Sets {
    pub(super) fn new(may_hold: Vec<Promotable>) -> Sets {
        Sets { sent: may_hold.last().cloned(), may_hold, words: BTreeMap::new() }
    }

    /// What must be durable.
    pub(super) fn may_hold(&self) -> &[Promotable] {
        &self.may_hold
    }

    /// The set to send now. Other members are a new term; a new term is a new set.
    pub(super) fn send(&mut self, term: &mut u64, members: &BTreeSet<HostName>) -> Promotable {
        if let Some(sent) = &self.sent
            && (self.may_hold.len() >= MAX_SETS || sent.term == *term && sent.members == *members)
        {
            return sent.clone();
        }
        // Also when nothing is known of what was sent: a holder takes only what is newer than what it has.
        if self.sent.as_ref().is_none_or(|sent| sent.members != *members) {
            *term += 1;
        }
        let set = Promotable { term: *term, members: members.clone() };
        if !set.members.is_empty() {
            self.may_hold.push(set.clone());
        }
        self.sent = Some(set.clone());
        set
    }

    /// It holds this one, and none that is older.
    pub(super) fn acknowledged(&mut self, held: &Promotable) {
        self.may_hold.retain(|set| set.term >= held.term);
        let is_known = self.may_hold.iter().any(|set| set.term == held.term);
        if !is_known && !held.members.is_empty() {
            self.may_hold.insert(0, held.clone());
        }
    }

    /// Somebody extends nothing below `floor` any more, and what it gave before is over at `until`.
    pub(super) fn word(&mut self, from: &HostName, floor: u64, until: Duration) {
        let known = self.words.entry(from.clone()).or_insert((floor, until));
        if floor > known.0 {
            *known = (floor, until);
        } else if floor == known.0 {
            known.1 = known.1.min(until);
        }
    }

    /// Whether a member is in every set that may be held.
    pub(super) fn name(&self, host: &HostName) -> bool {
        self.may_hold.iter().all(|set| set.members.contains(host))
    }

    /// From then on no set can extend it: one that all of its sets need has said so. None while nobody has.
    pub(super) fn cut_at(&self) -> Option<Duration> {
        if self.may_hold.is_empty() {
            return Some(Duration::ZERO);
        }
        let newest = self.may_hold.iter().map(|set| set.term).max().unwrap_or_default();
        let cuts = self.words.iter().filter(|(from, (floor, _))| self.name(from) && newest < *floor);
        cuts.map(|(_, (_, until))| *until).min()
    }

    /// Sets from which it is cut off for good are forgotten.
    pub(super) fn settle(&mut self, now: Duration) {
        if self.cut_at().is_some_and(|cut| cut <= now) {
            self.may_hold.clear();
            self.words.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn set(hosts: &[&str]) -> BTreeSet<HostName> {
        hosts.iter().map(|host| HostName::new(*host).unwrap()).collect()
    }

    fn host(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    #[test]
    fn a_new_member_is_named_for_good_once_the_set_with_it_is_acknowledged() {
        let (mut sets, mut term) = (Sets::default(), 0);
        sets.send(&mut term, &set(&["b"]));
        assert!(sets.name(&host("b")) && !sets.name(&host("c")));
        let both = sets.send(&mut term, &set(&["b", "c"]));
        assert_eq!((both.term, sets.send(&mut term, &set(&["b", "c"])).term), (2, 2));
        assert!(!sets.name(&host("c")), "the older set may still be held, and c has no say in it");
        sets.acknowledged(&both);
        assert!(sets.name(&host("c")) && sets.name(&host("b")));
        let fewer = sets.send(&mut term, &set(&["c"]));
        assert!(!sets.name(&host("b")), "it may be extended without b from now on");
        sets.acknowledged(&fewer);
        assert!(!sets.name(&host("b")) && sets.name(&host("c")));
    }

    #[test]
    fn a_set_with_nobody_in_it_extends_nothing_once_it_is_acknowledged() {
        let (mut sets, mut term) = (Sets::default(), 0);
        sets.send(&mut term, &set(&["b"]));
        let none = sets.send(&mut term, &set(&[]));
        assert_eq!((none.term, sets.cut_at()), (2, None));
        sets.acknowledged(&none);
        assert_eq!(sets.cut_at(), Some(Duration::ZERO));
    }

    #[test]
    fn one_that_all_sets_need_cuts_it_off_and_no_other() {
        let (mut sets, mut term) = (Sets::default(), 0);
        sets.send(&mut term, &set(&["b"]));
        sets.send(&mut term, &set(&["b", "c"]));
        sets.word(&host("c"), 3, S(5));
        assert_eq!(sets.cut_at(), None, "the first set does without c");
        sets.word(&host("b"), 2, S(5));
        assert_eq!(sets.cut_at(), None, "what it said is about earlier terms");
        sets.word(&host("b"), 3, S(9));
        sets.word(&host("b"), 2, S(1));
        assert_eq!(sets.cut_at(), Some(S(9)));
        sets.settle(S(8));
        assert_eq!(sets.may_hold().len(), 2);
        sets.settle(S(9));
        assert!(sets.may_hold().is_empty());
    }

    #[test]
    fn sets_that_are_never_acknowledged_stay_a_bounded_list() {
        let (mut sets, mut term) = (Sets::default(), 0);
        for round in 0..50 {
            sets.send(&mut term, &set(if round % 2 == 0 { &["b"] } else { &["b", "c"] }));
        }
        assert_eq!(sets.may_hold().len(), MAX_SETS);
    }
}
