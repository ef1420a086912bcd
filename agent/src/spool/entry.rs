//! What the spool remembers, as a fold over its records.

use super::copies::Copies;
use model::{CopiedRow, Epoch, Head, Micros, Order, Outcome, RunId, StepPath, Token};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// One record of the log. Variants are only ever added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// An order was taken; from here on its token is known.
    Order {
        /// The order, with the epoch that it came under.
        order: Box<Order>,
        /// Set for work that a schedule fired.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schedule: Option<StepPath>,
        /// When, by this host's wall clock.
        at: Micros,
        /// The boot during which it was taken: its time-out is void in another one.
        boot: String,
    },
    /// The same token came again under a newer epoch.
    Reordered {
        /// The token.
        token: Token,
        /// The newer epoch.
        epoch: Epoch,
    },
    /// The job begins now. It never begins again under this token.
    Begun {
        /// The token.
        token: Token,
        /// When.
        at: Micros,
    },
    /// It ended.
    Ended {
        /// The token.
        token: Token,
        /// How.
        outcome: Outcome,
        /// When it began; equal to the end when it never did.
        started: Micros,
        /// When it ended.
        ended: Micros,
        /// How long it took on the monotonic clock, in microseconds.
        took_us: u64,
    },
    /// The controller has journaled the result.
    Delivered {
        /// The token.
        token: Token,
    },
    /// The controller no longer wants it: it will never begin.
    Revoked {
        /// The token.
        token: Token,
    },
    /// The controller took a token back that never arrived: should it still come, it is turned away.
    Barred {
        /// The token.
        token: Token,
    },
    /// The highest epoch that was obeyed.
    Epoch {
        /// It.
        epoch: Epoch,
    },
    /// The newest journal head that was seen of a run.
    Head {
        /// It.
        head: Head,
    },
    /// Rows of a run's journal, kept for a rescue.
    Copied {
        /// The run.
        run: RunId,
        /// They follow those before.
        rows: Vec<CopiedRow>,
    },
    /// The run is closed; its tokens may go after the keeping time.
    Closed {
        /// The run.
        run: RunId,
        /// When that was heard.
        at: Micros,
    },
}

/// How far a token has come.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Durable, not begun.
    Spooled,
    /// Begun and not ended.
    Running {
        /// When it began.
        started: Micros,
    },
    /// Ended; the result is kept.
    Ended(Box<Ended>),
    /// Taken back before it began.
    Revoked,
}

/// A result.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// When it began.
    pub started: Micros,
    /// When it ended.
    pub ended: Micros,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// The controller has it.
    pub delivered: bool,
}

/// Everything about one token.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The order; its epoch is the newest under which it came.
    pub order: Order,
    /// Set for work that a schedule fired.
    pub schedule: Option<StepPath>,
    /// When it was taken.
    pub taken: Micros,
    /// The boot during which it was taken.
    pub boot: String,
    /// How far it has come.
    pub state: State,
}

/// The fold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// Every token that is known, by its key.
    pub entries: HashMap<String, Entry>,
    /// Tokens that were taken back before they arrived, by their key.
    pub barred: BTreeMap<String, Token>,
    /// The highest epoch that was obeyed.
    pub epoch: Option<Epoch>,
    /// Newest heads.
    pub heads: BTreeMap<RunId, Head>,
    /// Runs that are closed, and since when.
    pub closed: BTreeMap<RunId, Micros>,
    /// Copies of the journals of open runs.
    pub copies: Copies,
}

/// A record that does not follow from those before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("LB2124: record {what} names token {token}, which no order before it has")]
pub struct Unfounded {
    /// The record's kind.
    pub what: &'static str,
    /// The token.
    pub token: String,
}

impl Memory {
    /// Takes one record in. The same function serves the running agent and its restart.
    pub fn apply(&mut self, record: Record) -> Result<(), Unfounded> {
        match record {
            Record::Order { order, schedule, at, boot } => {
                self.raise(order.epoch);
                self.see(&order.head);
                let entry = Entry { order: *order, schedule, taken: at, boot, state: State::Spooled };
                self.entries.entry(entry.order.token.key()).or_insert(entry);
            }
            Record::Reordered { token, epoch } => {
                self.raise(epoch);
                self.entry("reordered", &token)?.order.epoch = epoch;
            }
            Record::Begun { token, at } => {
                self.entry("begun", &token)?.state = State::Running { started: at }
            }
            Record::Ended { token, outcome, started, ended, took_us } => {
                let end = Ended { outcome, started, ended, took_us, delivered: false };
                self.entry("ended", &token)?.state = State::Ended(Box::new(end));
            }
            Record::Delivered { token } => {
                if let State::Ended(end) = &mut self.entry("delivered", &token)?.state {
                    end.delivered = true;
                }
            }
            Record::Revoked { token } => self.entry("revoked", &token)?.state = State::Revoked,
            Record::Barred { token } => {
                self.barred.insert(token.key(), token);
            }
            Record::Epoch { epoch } => self.raise(epoch),
            Record::Head { head } => self.see(&head),
            Record::Copied { run, rows } => self.copies.add(run, rows),
            Record::Closed { run, at } => {
                self.closed.insert(run, at);
                self.copies.drop(run);
            }
        }
        Ok(())
    }

    /// Records that give this memory again, without what may be forgotten: tokens of runs closed before
    /// `horizon`, and delivered results of schedules that ended before it.
    pub fn compacted(&self, horizon: Micros) -> Vec<Record> {
        let mut records: Vec<Record> = self.epoch.map(|epoch| Record::Epoch { epoch }).into_iter().collect();
        let old = |run: &RunId| self.closed.get(run).is_some_and(|at| *at < horizon);
        records.extend(
            self.heads
                .values()
                .filter(|head| !old(&head.run))
                .map(|head| Record::Head { head: head.clone() }),
        );
        records.extend(self.copies.records());
        for entry in
            self.entries.values().filter(|entry| !old(&entry.order.token.run) && !entry.done_before(horizon))
        {
            entry.records(&mut records);
        }
        records.extend(
            self.barred
                .values()
                .filter(|token| !old(&token.run))
                .map(|token| Record::Barred { token: token.clone() }),
        );
        records.extend(
            self.closed
                .iter()
                .filter(|(_, at)| **at >= horizon)
                .map(|(run, at)| Record::Closed { run: *run, at: *at }),
        );
        records
    }

    fn raise(&mut self, epoch: Epoch) {
        if self.epoch.is_none_or(|seen| epoch.number > seen.number) {
            self.epoch = Some(epoch);
        }
    }

    fn see(&mut self, head: &Head) {
        let newer = self.heads.get(&head.run).is_none_or(|seen| head.sequence > seen.sequence);
        if newer {
            self.heads.insert(head.run, head.clone());
        }
    }

    fn entry(&mut self, what: &'static str, token: &Token) -> Result<&mut Entry, Unfounded> {
        self.entries.get_mut(&token.key()).ok_or_else(|| Unfounded { what, token: token.key() })
    }
}

impl Entry {
    fn done_before(&self, horizon: Micros) -> bool {
        match &self.state {
            State::Ended(end) => self.schedule.is_some() && end.delivered && end.ended < horizon,
            State::Spooled | State::Running { .. } | State::Revoked => false,
        }
    }

    fn records(&self, out: &mut Vec<Record>) {
        let token = self.order.token.clone();
        out.push(Record::Order {
            order: Box::new(self.order.clone()),
            schedule: self.schedule.clone(),
            at: self.taken,
            boot: self.boot.clone(),
        });
        match &self.state {
            State::Spooled => {}
            State::Running { started } => out.push(Record::Begun { token, at: *started }),
            State::Revoked => out.push(Record::Revoked { token }),
            State::Ended(end) => {
                let Ended { outcome, started, ended, took_us, delivered } = end.as_ref().clone();
                out.push(Record::Ended { token: token.clone(), outcome, started, ended, took_us });
                if delivered {
                    out.push(Record::Delivered { token });
                }
            }
        }
    }
}
