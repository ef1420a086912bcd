//! What cannot be taken back waits until its record is on the disks of enough agents.

use crate::app::App;
use crate::rescue::copies::{Keepers, PATIENCE};
use engine::{Actor, Entry, Event, Report};
use model::{Head, Outcome, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Wait before the copies are looked at, and asked for, again.
const STEP: Duration = Duration::from_millis(200);

/// What waits in one run, and what need wait no more.
pub(super) struct Witnessing {
    keepers: Arc<Keepers>,
    waiting: BTreeMap<Token, Waiting>,
    settled: BTreeSet<Token>,
    /// Attempts that began in this process: nobody else can have sent them.
    ours: BTreeSet<Token>,
}

#[derive(Clone, Copy)]
struct Waiting {
    /// The last event that must be there.
    sequence: u64,
    since: Instant,
    asked: Instant,
}

impl Witnessing {
    pub(super) fn new(keepers: Arc<Keepers>) -> Self {
        Self { keepers, waiting: BTreeMap::new(), settled: BTreeSet::new(), ours: BTreeSet::new() }
    }

    /// Attempts whose beginning has just become durable.
    pub(super) fn began(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Event::AttemptStarted { token } = &entry.recorded.event {
                self.ours.insert(token.clone());
            }
        }
    }

    /// Looks whether a token may begin. A report when it has waited for too long: it is refused. Where an earlier
    /// process may have sent it, it is unknown, and its agent revokes it first.
    pub(super) fn look(&mut self, app: &App, token: &Token, head: &Head, now: Instant) -> Option<Report> {
        if self.is_settled(token) {
            return None;
        }
        let run = token.run;
        let new = !self.waiting.contains_key(token);
        let fresh = Waiting { sequence: head.sequence, since: now, asked: now };
        let waiting = self.waiting.entry(token.clone()).or_insert(fresh);
        let sequence = waiting.sequence;
        if app.copies.suffice(app, run, &self.keepers, sequence) {
            self.waiting.remove(token);
            self.settled.insert(token.clone());
            return None;
        }
        if now.duration_since(waiting.since) >= PATIENCE {
            self.waiting.remove(token);
            let problem = app.copies.too_few(app, run, &self.keepers, sequence);
            tracing::error!(%token, %problem, "not begun");
            let outcome = match self.ours.contains(token) {
                true => Outcome::Refused { problem },
                false => Outcome::Unknown { problem },
            };
            let (token, by) = (token.clone(), Actor::Controller);
            return Some(Report::Ended { token, outcome, by, took_us: None });
        }
        if new || now.duration_since(waiting.asked) >= STEP {
            waiting.asked = now;
            app.copies.ask(app, &self.keepers, run);
        }
        None
    }

    pub(super) fn is_settled(&self, token: &Token) -> bool {
        self.settled.contains(token)
    }

    /// Until something that waits is looked at again.
    pub(super) fn until_next(&self) -> Option<Duration> {
        (!self.waiting.is_empty()).then_some(STEP)
    }
}
