//! The holder's side: what an agent knows of its own lease.

use super::{Grant, Request, SHORTEST, Terms};
use std::collections::VecDeque;
use std::time::Duration;

/// Requests that wait for an answer; older ones are forgotten.
const MAX_PENDING: usize = 16;

/// How a holder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The server may accept writes until then, on the host's clock since boot.
    Held {
        /// The deadline.
        until: Duration,
    },
    /// Its time ran out, or it never had any in this boot. It may ask.
    Lapsed,
    /// Another member is the primary, or is to be.
    Fenced,
}

/// One source on one host, in one boot.
#[derive(Debug, Clone)]
pub struct Holder {
    boot: String,
    terms: Terms,
    pending: VecDeque<Duration>,
    until: Duration,
    fenced: bool,
    epoch: u64,
}

impl Holder {
    /// Nothing is held in this boot yet.
    pub fn new(boot: &str, terms: Terms) -> Holder {
        let boot = boot.to_string();
        Holder { boot, terms, pending: VecDeque::new(), until: Duration::ZERO, fenced: false, epoch: 0 }
    }

    /// What is asked for.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// The estate says otherwise now. What is held stays as it was granted.
    pub fn set_terms(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// An earlier life of this agent held it until then, in this boot: its watchdog says so.
    pub fn resume(&mut self, until: Duration) {
        self.until = self.until.max(until);
    }

    /// Asks. The deadline of what is granted is counted from `now`.
    pub fn ask(&mut self, now: Duration, armed: bool) -> Request {
        // As it crosses the wire, in whole microseconds: the answer repeats it.
        let now = Duration::from_micros(u64::try_from(now.as_micros()).unwrap_or(u64::MAX));
        self.pending.push_back(now);
        if self.pending.len() > MAX_PENDING {
            self.pending.pop_front();
        }
        Request { boot: self.boot.clone(), sent: now, terms: self.terms, armed }
    }

    /// Takes a grant. Gives the new deadline; none when the grant is of another boot, of an older epoch, of
    /// a request that was never sent, or too late to be of use.
    pub fn granted(&mut self, grant: &Grant, now: Duration) -> Option<Duration> {
        let known = self.pending.contains(&grant.sent);
        if grant.boot != self.boot || grant.epoch < self.epoch || !known {
            return None;
        }
        self.epoch = grant.epoch;
        let until = grant.sent + grant.length.min(self.terms.length);
        self.pending.retain(|sent| *sent > grant.sent);
        if until < now + SHORTEST / 4 || until <= self.until {
            return None;
        }
        self.fenced = false;
        self.until = until;
        Some(until)
    }

    /// Takes a refusal of a request of this boot. `fenced`: another member is the primary, or is to be.
    pub fn refused(&mut self, boot: &str, sent: Duration, epoch: u64, fenced: bool) {
        if boot == self.boot && epoch >= self.epoch && self.pending.contains(&sent) {
            self.epoch = epoch;
            self.fenced = fenced;
        }
    }

    /// Gives up what is left, because the server does not run and nobody wants it to.
    pub fn drop_it(&mut self) {
        self.until = Duration::ZERO;
    }

    /// How it stands.
    pub fn standing(&self, now: Duration) -> Standing {
        if now < self.until {
            return Standing::Held { until: self.until };
        }
        if self.fenced { Standing::Fenced } else { Standing::Lapsed }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn holder() -> Holder {
        Holder::new("one", Terms { length: S(10), stop: S(2) })
    }

    fn grant(sent: Duration) -> Grant {
        Grant { boot: "one".to_string(), sent, length: S(10), epoch: 3 }
    }

    #[test]
    fn the_deadline_counts_from_the_sending_however_late_the_grant_comes() {
        let mut holder = holder();
        holder.ask(S(100), true);
        assert_eq!(holder.granted(&grant(S(100)), S(107)).unwrap(), S(110));
        assert_eq!(holder.standing(S(109)), Standing::Held { until: S(110) });
        assert_eq!(holder.standing(S(110)), Standing::Lapsed);
        holder.ask(S(120), true);
        assert!(holder.granted(&grant(S(120)), S(131)).is_none(), "it came too late");
    }

    #[test]
    fn a_request_is_known_again_by_its_microsecond() {
        let mut holder = holder();
        let request = holder.ask(S(100) + Duration::from_nanos(1_234_567), true);
        assert_eq!(request.sent, S(100) + Duration::from_micros(1234));
        holder.granted(&grant(request.sent), S(101)).unwrap();
    }

    #[test]
    fn a_grant_of_another_boot_an_older_epoch_or_no_request_opens_nothing() {
        let mut holder = holder();
        assert!(holder.granted(&grant(S(100)), S(101)).is_none());
        holder.ask(S(100), true);
        assert!(holder.granted(&Grant { boot: "zero".into(), ..grant(S(100)) }, S(101)).is_none());
        holder.granted(&grant(S(100)), S(101)).unwrap();
        holder.ask(S(104), true);
        assert!(holder.granted(&Grant { epoch: 2, ..grant(S(104)) }, S(105)).is_none());
    }

    #[test]
    fn what_is_held_ends_at_its_deadline_even_when_a_refusal_says_fenced() {
        let mut holder = holder();
        holder.ask(S(100), true);
        holder.granted(&grant(S(100)), S(101)).unwrap();
        holder.ask(S(103), true);
        holder.refused("one", S(103), 3, true);
        assert_eq!(holder.standing(S(105)), Standing::Held { until: S(110) });
        assert_eq!(holder.standing(S(111)), Standing::Fenced);
    }
}
