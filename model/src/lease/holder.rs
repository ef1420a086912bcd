//! The holder's side: what an agent knows of its own lease.

use super::{Extend, Grant, Promotable, Request, SHORTEST, Terms};
use crate::HostName;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Requests that wait for an answer; older ones are forgotten.
const MAX_PENDING: usize = 16;

/// Questions to its set that wait for answers; older ones are forgotten.
const MAX_ROUNDS: usize = 8;

/// One question to every member of the set.
#[derive(Debug, Clone)]
struct Round {
    sent: Duration,
    /// The term of the set that was asked.
    term: u64,
    /// Who has not agreed yet.
    missing: BTreeSet<HostName>,
    /// The least that was given.
    length: Duration,
}

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
    set: Promotable,
    rounds: VecDeque<Round>,
}

impl Holder {
    /// Nothing is held in this boot yet.
    pub fn new(boot: &str, terms: Terms) -> Holder {
        let boot = boot.to_string();
        Holder {
            boot,
            terms,
            pending: VecDeque::new(),
            until: Duration::ZERO,
            fenced: false,
            epoch: 0,
            set: Promotable::default(),
            rounds: VecDeque::new(),
        }
    }

    /// Goes on with the set that it held, in this boot or an earlier one.
    pub fn with_set(mut self, set: Promotable) -> Holder {
        self.set = set;
        self
    }

    /// The promotable set that it holds: durable before it is acknowledged by the next request.
    pub fn set(&self) -> &Promotable {
        &self.set
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
        let now = whole_us(now);
        self.pending.push_back(now);
        if self.pending.len() > MAX_PENDING {
            self.pending.pop_front();
        }
        let held = Some(self.set.clone()).filter(|set| set.term > 0);
        Request { boot: self.boot.clone(), sent: now, terms: self.terms, armed, held }
    }

    /// The set of a grant that is to be taken, where it is newer than what is held: it must be durable before
    /// [`Holder::granted`] takes it.
    pub fn newer_set<'a>(&self, grant: &'a Grant) -> Option<&'a Promotable> {
        grant.set.as_ref().filter(|set| self.fits(grant) && set.term > self.set.term)
    }

    /// Whether a grant answers a request of this boot, and nobody newer has answered.
    fn fits(&self, grant: &Grant) -> bool {
        grant.boot == self.boot && grant.epoch >= self.epoch && self.pending.contains(&grant.sent)
    }

    /// Takes a grant. Gives the new deadline; none when the grant is of another boot, of an older epoch, of
    /// a request that was never sent, or too late to be of use.
    pub fn granted(&mut self, grant: &Grant, now: Duration) -> Option<Duration> {
        if !self.fits(grant) {
            return None;
        }
        self.epoch = grant.epoch;
        if let Some(set) = grant.set.as_ref().filter(|set| set.term > self.set.term) {
            self.set = set.clone();
            // Whoever agreed before was asked as a member of another set.
            self.rounds.clear();
        }
        self.pending.retain(|sent| *sent > grant.sent);
        self.prolong(grant.sent, grant.length, now)?;
        self.fenced = false;
        Some(self.until)
    }

    /// A deadline counts from the sending, whoever grants.
    fn prolong(&mut self, sent: Duration, length: Duration, now: Duration) -> Option<Duration> {
        let until = sent + length.min(self.terms.length);
        if until < now + SHORTEST / 4 || until <= self.until {
            return None;
        }
        self.until = until;
        Some(until)
    }

    /// What to ask of every member of the set, when no controller grants. None when there is nobody to ask, when
    /// another member is the primary, or no watchdog guards the server.
    pub fn extend(&mut self, now: Duration, armed: bool) -> Option<Extend> {
        if self.set.members.is_empty() || self.fenced || !armed {
            return None;
        }
        let now = whole_us(now);
        let (term, missing) = (self.set.term, self.set.members.clone());
        self.rounds.push_back(Round { sent: now, term, missing, length: self.terms.length });
        if self.rounds.len() > MAX_ROUNDS {
            self.rounds.pop_front();
        }
        Some(Extend { boot: self.boot.clone(), sent: now, terms: self.terms, term, armed })
    }

    /// A member of the set agrees to a question. Gives the new deadline once all have.
    pub fn extended(
        &mut self,
        from: &HostName,
        ask: &Extend,
        length: Duration,
        now: Duration,
    ) -> Option<Duration> {
        if ask.boot != self.boot || ask.term != self.set.term || self.fenced {
            return None;
        }
        let round = self.rounds.iter_mut().find(|round| round.sent == ask.sent && round.term == ask.term)?;
        round.missing.remove(from);
        round.length = round.length.min(length);
        if !round.missing.is_empty() {
            return None;
        }
        let length = round.length;
        self.rounds.retain(|round| round.sent > ask.sent);
        self.prolong(ask.sent, length, now)
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

/// As it crosses the wire: the answer repeats it.
fn whole_us(now: Duration) -> Duration {
    Duration::from_micros(u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
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
        Grant { boot: "one".to_string(), sent, length: S(10), epoch: 3, set: None }
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

    fn with(term: u64, members: &[&str], sent: Duration) -> Grant {
        let members = members.iter().map(|host| HostName::new(*host).unwrap()).collect();
        Grant { set: Some(Promotable { term, members }), ..grant(sent) }
    }

    #[test]
    fn only_all_members_together_extend_and_the_deadline_counts_from_the_question() {
        let (b, c) = (HostName::new("b").unwrap(), HostName::new("c").unwrap());
        let mut holder = holder();
        holder.ask(S(100), true);
        holder.granted(&with(1, &["b", "c"], S(100)), S(101)).unwrap();
        assert_eq!(holder.extend(S(106), false), None);
        let ask = holder.extend(S(106), true).unwrap();
        assert_eq!(holder.extended(&b, &ask, S(10), S(107)), None);
        assert_eq!(holder.extended(&b, &ask, S(10), S(107)), None, "the same one again is not another one");
        assert_eq!(holder.extended(&c, &ask, S(9), S(108)), Some(S(115)));
    }

    #[test]
    fn nobody_to_ask_another_set_and_a_fence_extend_nothing() {
        let b = HostName::new("b").unwrap();
        let mut holder = holder();
        holder.ask(S(100), true);
        holder.granted(&with(1, &[], S(100)), S(101)).unwrap();
        assert_eq!(holder.extend(S(105), true), None);
        holder.ask(S(105), true);
        let grant = with(2, &["b"], S(105));
        assert_eq!(holder.newer_set(&grant), grant.set.as_ref());
        holder.granted(&grant, S(105)).unwrap();
        let ask = holder.extend(S(110), true).unwrap();
        holder.ask(S(111), true);
        holder.granted(&with(3, &["b", "c"], S(111)), S(111)).unwrap();
        assert_eq!(holder.extended(&b, &ask, S(10), S(112)), None, "c was not asked");
        holder.ask(S(113), true);
        holder.refused("one", S(113), 3, true);
        assert_eq!(holder.extend(S(114), true), None);
    }
}
