//! A member's side of an extension: what it has promised a primary, and what it must not do meanwhile.
//!
//! Everything here is durable before it matters: a promise before it is sent, a floor before it is told.

use super::{Extend, SHORTEST, Terms};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// That this host takes no lease of its own before a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// The boot in which it was given.
    pub boot: String,
    /// Until when, in microseconds since that boot.
    pub until_us: u64,
    /// What was promised: after a reboot all of it is waited once more.
    pub terms: Terms,
}

/// What a member must not forget, on its disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pledges {
    /// Nothing is extended that was granted in an earlier term.
    pub floor: u64,
    /// The newest promise.
    pub promise: Option<Promise>,
}

/// Why nothing is extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unextended {
    /// This host itself holds the lease.
    Primary,
    /// The asker's term is over: another was made the primary, or a controller forbade it.
    Withheld,
    /// No watchdog guards the asker's server.
    Unarmed,
    /// Too short to be of use.
    TooShort,
}

/// One member in one boot.
#[derive(Debug, Clone)]
pub struct Member {
    boot: String,
    kept: Pledges,
}

impl Member {
    /// Goes on with what it must not forget.
    pub fn new(boot: &str, kept: Pledges) -> Member {
        Member { boot: boot.to_string(), kept }
    }

    /// What must be durable before anything of it is told.
    pub fn kept(&self) -> &Pledges {
        &self.kept
    }

    /// From when on it may take a lease of its own, on its clock since boot. Of a promise that was given in an
    /// earlier boot only the length is known: it began before this boot did.
    fn over(&self) -> Duration {
        match &self.kept.promise {
            Some(promise) if promise.boot == self.boot => Duration::from_micros(promise.until_us),
            Some(promise) => promise.terms.wait(),
            None => Duration::ZERO,
        }
    }

    /// How long what it has promised still runs: until then it takes no lease, so it is not promoted.
    pub fn left(&self, now: Duration) -> Duration {
        self.over().saturating_sub(now)
    }

    /// A primary asks. `holds`: this host itself holds the lease. What is given must be durable before it is sent.
    pub fn asked(&mut self, ask: &Extend, now: Duration, holds: bool) -> Result<Duration, Unextended> {
        if holds {
            return Err(Unextended::Primary);
        }
        if ask.term < self.kept.floor {
            return Err(Unextended::Withheld);
        }
        if !ask.armed {
            return Err(Unextended::Unarmed);
        }
        if ask.terms.length < SHORTEST {
            return Err(Unextended::TooShort);
        }
        let running = self.kept.promise.as_ref().filter(|_| self.over() > now).map(|promise| promise.terms);
        let until = self.over().max(now + ask.terms.wait());
        self.kept = Pledges {
            floor: ask.term,
            promise: Some(Promise {
                boot: self.boot.clone(),
                until_us: u64::try_from(until.as_micros()).unwrap_or(u64::MAX),
                terms: running.map_or(ask.terms, |earlier| earlier.longest(ask.terms)),
            }),
        };
        Ok(ask.terms.length)
    }

    /// Extends nothing below this term from now on. Gives whether that is new, and must be made durable.
    pub fn raise(&mut self, floor: u64) -> bool {
        let new = floor > self.kept.floor;
        self.kept.floor = self.kept.floor.max(floor);
        new
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn ask(term: u64) -> Extend {
        let terms = Terms { length: S(10), stop: S(2) };
        Extend { boot: "p".to_string(), sent: S(100), terms, term, armed: true }
    }

    fn member() -> Member {
        Member::new("one", Pledges::default())
    }

    #[test]
    fn what_is_promised_runs_for_the_whole_wait_and_is_not_shortened() {
        let mut member = member();
        assert_eq!(member.asked(&ask(3), S(50), false).unwrap(), S(10));
        assert_eq!(member.left(S(50)), Duration::from_millis(13_200));
        let short = Extend { terms: Terms { length: S(3), stop: S(0) }, ..ask(3) };
        member.asked(&short, S(51), false).unwrap();
        assert_eq!(member.left(S(51)), Duration::from_millis(12_200));
        assert_eq!(member.left(S(64)), Duration::ZERO);
    }

    #[test]
    fn after_a_reboot_a_whole_extension_is_waited() {
        let mut before = member();
        before.asked(&ask(3), S(5000), false).unwrap();
        let after = Member::new("two", before.kept().clone());
        assert_eq!(after.left(S(1)), Duration::from_millis(12_200));
        assert_eq!(after.left(S(14)), Duration::ZERO);
    }

    #[test]
    fn an_earlier_term_a_holder_and_an_unguarded_server_are_extended_nothing() {
        let mut member = member();
        assert!(member.raise(4) && !member.raise(2));
        assert_eq!(member.asked(&ask(3), S(1), false), Err(Unextended::Withheld));
        assert_eq!(member.asked(&ask(4), S(1), true), Err(Unextended::Primary));
        let unarmed = Extend { armed: false, ..ask(4) };
        assert_eq!(member.asked(&unarmed, S(1), false), Err(Unextended::Unarmed));
        member.asked(&ask(6), S(1), false).unwrap();
        assert_eq!(member.asked(&ask(5), S(2), false), Err(Unextended::Withheld));
    }
}
