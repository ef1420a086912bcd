//! The leadership of this process: how it is won, kept, and how it ends.
//!
//! A leader commands until an end that it counts on its own clock since boot (which also counts suspend
//! and time in which the process was frozen), from when it *sent* the last renewal that succeeded, less
//! a margin for clocks that do not run alike. The database counts from when that renewal arrived, which
//! is later. So whoever takes over by the database does so after the old leader has stopped: it sends no
//! order, begins no action of its own and ends its agents' sessions, so that they look for another
//! leader. What was sent just before its end and is still on the way is refused by every agent that has
//! heard the new epoch.
//!
//! A leadership that lapsed and that nobody took is renewed when the database answers again, and
//! everything goes on under the same epoch. One that was taken ends the process: whoever supervises it
//! starts it again, and then it waits its turn.
//!
//! With SQLite the folder's lock is the leadership, and it has no end.

mod keep;
mod standby;
mod watched;
mod win;

pub use keep::keep;
pub(crate) use keep::lapsed;
pub use watched::{Verdict, Watched};
pub use win::{Candidate, win};

use runtime::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Renewals that fit in one length.
pub const RENEWALS: u32 = 5;
/// The share of a length by which a leader stops early.
const MARGIN: u32 = 10;

/// Until when, and how often it has lapsed and come back.
#[derive(Debug, Clone, Copy)]
struct Term {
    until: Duration,
    lapses: u64,
}

/// Until when this process leads. Cheap to clone.
#[derive(Clone)]
pub struct Leading {
    clock: Clock,
    term: Arc<watch::Sender<Term>>,
}

/// The end of a leadership that was asked for at `sent`, on the clock since boot.
fn end(sent: Duration, length: Duration) -> Duration {
    sent.saturating_add(length - length / MARGIN)
}

impl Leading {
    /// Without an end.
    pub fn for_ever(clock: Clock) -> Self {
        let term = Term { until: Duration::MAX, lapses: 0 };
        Self { clock, term: Arc::new(watch::Sender::new(term)) }
    }

    /// For a length from when it was asked for, on the clock since boot.
    pub fn bounded(clock: Clock, sent: Duration, length: Duration) -> Self {
        let term = Term { until: end(sent, length), lapses: 0 };
        Self { clock, term: Arc::new(watch::Sender::new(term)) }
    }

    /// A renewal that was sent then has succeeded. Gives whether the leadership had lapsed.
    pub fn renewed(&self, sent: Duration, length: Duration) -> bool {
        let lapsed = !self.holds();
        self.term.send_modify(|term| {
            term.until = term.until.max(end(sent, length));
            term.lapses += u64::from(lapsed);
        });
        lapsed
    }

    /// How long it lasts yet without another renewal.
    pub fn left(&self) -> Duration {
        self.term.borrow().until.saturating_sub(self.clock.since_boot())
    }

    /// Whether orders may be sent now.
    pub fn holds(&self) -> bool {
        !self.left().is_zero()
    }

    /// How often it lapsed and was renewed all the same.
    pub fn lapses(&self) -> u64 {
        self.term.borrow().lapses
    }

    /// Waits until it has lapsed.
    pub async fn lapsed(&self) {
        let mut term = self.term.subscribe();
        loop {
            let left = self.left();
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                // The sender is ours and lives.
                _ = term.changed() => {}
            }
        }
    }

    /// Waits until it holds.
    async fn regained(&self) {
        let mut term = self.term.subscribe();
        while !self.holds() {
            // As above.
            let _ = term.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Micros;

    const LENGTH: Duration = Duration::from_secs(5);

    #[test]
    fn fault_15_a_leader_stops_before_its_end_counted_from_when_it_asked() {
        let (clock, hand) = Clock::set(Micros(1));
        let sent = clock.since_boot();
        // The answer took two seconds.
        hand.advance(Duration::from_secs(2));
        let leading = Leading::bounded(clock.clone(), sent, LENGTH);
        assert_eq!(leading.left(), Duration::from_millis(2500));
        hand.advance(Duration::from_millis(2499));
        assert!(leading.holds());
        hand.advance(Duration::from_millis(1));
        assert!(!leading.holds());
        // Half a second before the database lets anybody else in.
        assert_eq!(clock.since_boot() - sent, LENGTH - Duration::from_millis(500));
        assert!(leading.renewed(clock.since_boot(), LENGTH));
        assert_eq!((leading.holds(), leading.lapses()), (true, 1));
        assert!(!leading.renewed(sent, LENGTH), "an older renewal takes nothing away");
        assert_eq!(leading.left(), Duration::from_millis(4500));
    }

    #[test]
    fn fault_22_a_step_of_the_wall_clock_changes_nothing() {
        let (clock, hand) = Clock::set(Micros(10_000_000_000));
        let leading = Leading::bounded(clock.clone(), clock.since_boot(), LENGTH);
        hand.step_to(Micros(1));
        assert_eq!(leading.left(), Duration::from_millis(4500));
        hand.step_to(Micros(i64::MAX));
        assert!(leading.holds());
    }
}
