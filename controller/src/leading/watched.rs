//! What a standby has seen of the leadership, and what it makes of it.

use crate::store::leadership::Seen;
use std::time::Duration;

/// A leader that did not renew for so many parts of ten of its length counts as silent.
const SILENT_AFTER: u32 = 4;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may be taken.
    Free,
    /// Somebody renews it.
    Leads,
    /// Somebody has it and has missed renewals.
    Silent,
}

/// The row as it was last seen to change.
#[derive(Debug, Default)]
pub struct Watched {
    seen: Option<(u64, i64)>,
    since: Duration,
}

impl Watched {
    /// Looks at the row, at a moment of our own clock since boot. `place` is where we run: whoever led
    /// from there before is dead, since we hold the lock of its folder.
    pub fn look(&mut self, seen: &Seen, place: Option<&str>, at: Duration) -> Verdict {
        let now = (seen.epoch, seen.until);
        if self.seen != Some(now) {
            (self.seen, self.since) = (Some(now), at);
        }
        let unchanged = at.saturating_sub(self.since);
        if seen.is_given_up() || place.is_some_and(|place| place == seen.place) {
            return Verdict::Free;
        }
        match seen.has_run_out() && unchanged >= seen.length {
            true => Verdict::Free,
            false if unchanged * 10 >= seen.length * SILENT_AFTER => Verdict::Silent,
            false => Verdict::Leads,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(5);
    const SECOND: i64 = 1_000_000;

    fn row(until: i64, now: i64) -> Seen {
        Seen { epoch: 3, name: "main".into(), place: "there".into(), until, length: LENGTH, now }
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_leader_that_renews_leads_and_one_that_stopped_is_silent_and_then_over() {
        let mut watched = Watched::default();
        assert_eq!(watched.look(&row(5 * SECOND, 0), None, at(0)), Verdict::Leads);
        assert_eq!(watched.look(&row(6 * SECOND, SECOND), None, at(1000)), Verdict::Leads);
        assert_eq!(watched.look(&row(6 * SECOND, 2 * SECOND), None, at(2900)), Verdict::Leads);
        assert_eq!(watched.look(&row(6 * SECOND, 3 * SECOND), None, at(3000)), Verdict::Silent);
        assert_eq!(watched.look(&row(6 * SECOND, 6 * SECOND - 1), None, at(6100)), Verdict::Silent);
        assert_eq!(watched.look(&row(6 * SECOND, 6 * SECOND), None, at(6100)), Verdict::Free);
    }

    #[test]
    fn fault_22_a_databases_clock_that_is_set_makes_no_second_leader() {
        let mut watched = Watched::default();
        watched.look(&row(5 * SECOND, 0), None, at(0));
        // An hour ahead: the row has run out by that clock, but we have not seen it stand still.
        let ahead = row(5 * SECOND, 3600 * SECOND);
        assert_eq!(watched.look(&ahead, None, at(1000)), Verdict::Leads);
        assert_eq!(watched.look(&ahead, None, at(4999)), Verdict::Silent);
        assert_eq!(watched.look(&ahead, None, at(5000)), Verdict::Free);
        // An hour back: it would last for an hour, and nobody renews it.
        let mut watched = Watched::default();
        let back = row(3605 * SECOND, 0);
        assert_eq!(watched.look(&back, None, at(0)), Verdict::Leads);
        assert_eq!(watched.look(&back, None, at(5000)), Verdict::Free);
    }

    #[test]
    fn what_was_given_up_and_what_died_here_is_free_at_once() {
        assert_eq!(Watched::default().look(&row(0, SECOND), None, at(0)), Verdict::Free);
        let fresh = row(5 * SECOND, 0);
        assert_eq!(Watched::default().look(&fresh, Some("there"), at(0)), Verdict::Free);
        assert_eq!(Watched::default().look(&fresh, Some("here"), at(0)), Verdict::Leads);
    }
}
