//! The spool: what the agent was told and what it did, durable before it acts and before it answers.
//!
//! One token is executed at most once. That holds because of three orders of events, each of which is a
//! durable append before the next step:
//!
//! 1. `Order` before the acknowledgement: a controller that was told "accepted" may rely on it.
//! 2. `Begun` before the job: after a crash a begun token is never begun again, its end is `unknown`.
//! 3. `Ended` before the result is sent: a repeat is answered from here, whoever asks.
//!
//! An append that failed poisons the spool: whether the record is on the disk is not known, so nothing
//! more is done under it and the process stops (its restart reads what is really there).

mod copies;
mod entry;
mod log;

pub use copies::{Copies, NotCopied};
pub use entry::{Ended, Entry, Memory, Record, State, Unfounded};
pub use log::{Log, LogError};

use model::{CopiedRow, Epoch, Head, HostName, Micros, Order, Outcome, Problem, RunId, StepPath, Token};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tokens that are kept at most. Beyond it new orders are refused, nothing is forgotten.
pub const MAX_TOKENS: usize = 100_000;
/// How long tokens are kept after their run was closed.
pub const KEEP_CLOSED: Duration = Duration::from_secs(30 * 24 * 3600);
/// It is also compacted when it holds so many tokens.
const COMPACT_TOKENS: usize = MAX_TOKENS / 2;
/// The log is compacted when it is larger than this, in bytes, and at least half of it is dead.
const COMPACT_BYTES: u64 = 16 * 1024 * 1024;

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record that is no record.
    #[error("LB2125: record {number} of {path} cannot be read")]
    Unreadable {
        /// The log.
        path: PathBuf,
        /// Counted from 1.
        number: usize,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A record that does not follow from those before it.
    #[error("record {number} of {path} does not follow")]
    Unfounded {
        /// The log.
        path: PathBuf,
        /// Counted from 1.
        number: usize,
        /// The cause.
        #[source]
        source: Unfounded,
    },
    /// The spool was there once and is gone.
    #[error(
        "LB2126: {path} is missing, and this agent had one: it may have begun work that it no longer knows"
    )]
    Gone {
        /// Where it should be.
        path: PathBuf,
    },
    /// An earlier append failed.
    #[error("LB2127: the spool failed before and is not used any more; the agent must restart")]
    Poisoned,
    /// A record that is larger than one may be; nothing was written.
    #[error("LB2129: a record of {bytes} bytes is more than the spool takes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Too many tokens.
    #[error("LB2128: the spool holds {MAX_TOKENS} tokens, the most that it takes")]
    Full,
}

impl SpoolError {
    /// The error as a problem for people and wire.
    pub fn problem(&self) -> Problem {
        let (code, advice) = match self {
            SpoolError::Log(LogError::Io { .. }) => (
                "LB2120",
                "Free space or mend the disk under the agent's state folder, then restart the agent.",
            ),
            SpoolError::Log(LogError::Damaged { .. }) => (
                "LB2121",
                "Look at what the host really did, then `lifeboat-agent reset-spool --accept-loss`: open attempts of this host become unknown.",
            ),
            SpoolError::Log(LogError::Foreign { .. }) => ("LB2122", "Is the state folder the right one?"),
            SpoolError::Log(LogError::TooLarge { .. }) => {
                ("LB2123", "Restart the agent with room on its disk.")
            }
            SpoolError::Unfounded { .. } => ("LB2124", "As for LB2121."),
            SpoolError::Unreadable { .. } => {
                ("LB2125", "As for LB2121, or run the agent version that wrote it.")
            }
            SpoolError::Gone { .. } => (
                "LB2126",
                "Bring the file back, or `lifeboat-agent reset-spool --accept-loss` after a look at what the host really did.",
            ),
            SpoolError::TooLarge { .. } => ("LB2129", "Report this: results are cut before they are kept."),
            SpoolError::Poisoned => ("LB2127", "Restart the agent."),
            SpoolError::Full => ("LB2128", "End old runs on the controller so that their tokens may go."),
        };
        Problem::new(code, "the agent's spool cannot be used", advice).caused_by(self)
    }
}

/// The spool of one agent. One owner; every change is durable when it returns.
#[derive(Debug)]
pub struct Spool {
    log: Log,
    memory: Memory,
    poisoned: bool,
    live_bytes: u64,
    compact_at_tokens: usize,
    /// Bytes of a torn record that were cut off when it was opened.
    pub torn_bytes: u64,
}

impl Spool {
    /// Opens the spool in the state folder, or makes it when this agent never had one.
    pub fn open(folder: &Path) -> Result<Spool, SpoolError> {
        let path = folder.join("spool.log");
        let marker = folder.join("spool.made");
        if !path.exists() {
            if marker.exists() {
                return Err(SpoolError::Gone { path });
            }
            let log = Log::create(&path)?;
            Log::create(&marker).map(drop)?;
            return Ok(Spool::over(log, Memory::default(), 0, 0));
        }
        let opened = Log::open(&path)?;
        let mut memory = Memory::default();
        for (index, payload) in opened.records.iter().enumerate() {
            let number = index + 1;
            let record = serde_json::from_slice(payload).map_err(|source| SpoolError::Unreadable {
                path: path.clone(),
                number,
                source,
            })?;
            memory.apply(record).map_err(|source| SpoolError::Unfounded {
                path: path.clone(),
                number,
                source,
            })?;
        }
        if !marker.exists() {
            Log::create(&marker).map(drop)?;
        }
        let live_bytes = opened.log.bytes();
        Ok(Spool::over(opened.log, memory, live_bytes, opened.torn_bytes))
    }

    fn over(log: Log, memory: Memory, live_bytes: u64, torn_bytes: u64) -> Spool {
        Spool { log, memory, poisoned: false, live_bytes, compact_at_tokens: COMPACT_TOKENS, torn_bytes }
    }

    /// Moves a spool that cannot be used aside, so that the next start makes a fresh one. Only on a
    /// person's word: what it knew is lost.
    pub fn reset(folder: &Path, now: Micros) -> std::io::Result<PathBuf> {
        let path = folder.join("spool.log");
        let aside = folder.join(format!("spool.log.reset-{}", now.0));
        if path.exists() {
            std::fs::rename(&path, &aside)?;
        }
        let marker = folder.join("spool.made");
        if marker.exists() {
            std::fs::remove_file(marker)?;
        }
        Ok(aside)
    }

    /// What is remembered.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The entry of a token.
    pub fn entry(&self, token: &Token) -> Option<&Entry> {
        self.memory.entries.get(&token.key())
    }

    /// Takes an order in under a new token.
    pub fn take(
        &mut self,
        order: Order,
        schedule: Option<StepPath>,
        at: Micros,
        boot: &str,
    ) -> Result<(), SpoolError> {
        if self.memory.entries.len() >= MAX_TOKENS {
            return Err(SpoolError::Full);
        }
        self.append(Record::Order { order: Box::new(order), schedule, at, boot: boot.to_string() })
    }

    /// Takes an order in and begins it, in one append: for a job that may run at once. Cut off in between,
    /// the order is there and was not begun.
    pub fn take_and_begin(&mut self, order: Order, at: Micros, boot: &str) -> Result<(), SpoolError> {
        if self.memory.entries.len() >= MAX_TOKENS {
            return Err(SpoolError::Full);
        }
        let token = order.token.clone();
        let order = Record::Order { order: Box::new(order), schedule: None, at, boot: boot.to_string() };
        self.append_all(vec![order, Record::Begun { token, at }], true)
    }

    /// Takes an order in that is refused at once: its token is known from here on, and its answer stays.
    pub fn take_refused(
        &mut self,
        order: Order,
        problem: Problem,
        at: Micros,
        boot: &str,
    ) -> Result<(), SpoolError> {
        let token = order.token.clone();
        self.take(order, None, at, boot)?;
        self.end(&token, Outcome::Refused { problem }, at, at, Duration::ZERO)
    }

    /// The same token came under a newer epoch.
    pub fn reorder(&mut self, token: &Token, epoch: Epoch) -> Result<(), SpoolError> {
        match self.entry(token) {
            Some(entry) if entry.order.epoch != epoch => {
                self.append(Record::Reordered { token: token.clone(), epoch })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The job begins now.
    pub fn begin(&mut self, token: &Token, at: Micros) -> Result<(), SpoolError> {
        self.append(Record::Begun { token: token.clone(), at })
    }

    /// It ended.
    pub fn end(
        &mut self,
        token: &Token,
        outcome: Outcome,
        started: Micros,
        ended: Micros,
        took: Duration,
    ) -> Result<(), SpoolError> {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.append(Record::Ended { token: token.clone(), outcome, started, ended, took_us })
    }

    /// The controller has journaled the result. Not synced: should the disk lose it, the result is sent once
    /// more, and answered once more. The next append makes it durable.
    pub fn delivered(&mut self, token: &Token, at: Micros) -> Result<(), SpoolError> {
        match self.entry(token).map(|entry| &entry.state) {
            Some(State::Ended(end)) if !end.delivered => {
                self.append_all(vec![Record::Delivered { token: token.clone() }], false)?;
            }
            Some(_) | None => {}
        }
        self.compact_if_large(at)
    }

    /// The controller no longer wants it. Durable: it will never begin.
    pub fn revoke(&mut self, token: &Token) -> Result<(), SpoolError> {
        self.append(Record::Revoked { token: token.clone() })
    }

    /// The controller no longer wants a token that never arrived here. Durable: it will never begin.
    pub fn bar(&mut self, token: &Token) -> Result<(), SpoolError> {
        if self.memory.barred.len() >= MAX_TOKENS {
            return Err(SpoolError::Full);
        }
        self.append(Record::Barred { token: token.clone() })
    }

    /// Remembers an epoch that was obeyed, if it is higher.
    pub fn obey(&mut self, epoch: Epoch) -> Result<(), SpoolError> {
        match self.memory.epoch {
            Some(seen) if seen.number >= epoch.number => Ok(()),
            Some(_) | None => self.append(Record::Epoch { epoch }),
        }
    }

    /// Keeps rows of a run's journal. Those that are there already are passed over. Not synced unless `sync`:
    /// they are on the disk before whatever is appended next.
    pub fn copy(&mut self, run: RunId, rows: Vec<CopiedRow>, sync: bool) -> Result<Copied, SpoolError> {
        if self.memory.closed.contains_key(&run) {
            return Ok(Err(NotCopied::Closed));
        }
        let new = match self.memory.copies.new_of(run, rows) {
            Ok(new) => new,
            Err(refused) => return Ok(Err(refused)),
        };
        if sync || !new.is_empty() {
            self.append_all(vec![Record::Copied { run, rows: new }], sync)?;
        }
        Ok(Ok(self.memory.copies.last(run)))
    }

    /// Remembers that a run is closed, and compacts when that pays.
    pub fn close(&mut self, run: RunId, at: Micros) -> Result<(), SpoolError> {
        if !self.memory.closed.contains_key(&run) {
            self.append(Record::Closed { run, at })?;
        }
        self.compact_if_large(at)
    }

    /// Newest heads of runs that are not closed. Work of schedules has no journal and thus no head.
    pub fn open_heads(&self) -> Vec<Head> {
        let closed = &self.memory.closed;
        self.memory
            .heads
            .values()
            .filter(|head| head.sequence > 0 && !closed.contains_key(&head.run))
            .cloned()
            .collect()
    }

    /// Results that the controller has not acknowledged, and everything that runs or waits.
    pub fn open_entries(&self) -> Vec<&Entry> {
        self.memory
            .entries
            .values()
            .filter(|entry| match &entry.state {
                State::Ended(end) => !end.delivered,
                State::Revoked => !self.memory.closed.contains_key(&entry.order.token.run),
                State::Spooled | State::Running { .. } => true,
            })
            .collect()
    }

    fn compact_if_large(&mut self, now: Micros) -> Result<(), SpoolError> {
        let large = self.log.bytes() >= COMPACT_BYTES && self.log.bytes() >= 2 * self.live_bytes;
        if !large && self.memory.entries.len() < self.compact_at_tokens {
            return Ok(());
        }
        let horizon =
            Micros(now.0.saturating_sub(i64::try_from(KEEP_CLOSED.as_micros()).unwrap_or(i64::MAX)));
        let records = self.memory.compacted(horizon);
        let mut memory = Memory::default();
        let mut payloads = Vec::with_capacity(records.len());
        for record in records {
            payloads.push(encode(&record)?);
            memory.apply(record).map_err(|source| SpoolError::Unfounded {
                path: PathBuf::from("the compacted spool"),
                number: payloads.len(),
                source,
            })?;
        }
        self.poisoned = true;
        self.log.rewrite(&payloads)?;
        self.poisoned = false;
        self.memory = memory;
        self.live_bytes = self.log.bytes();
        // What is left is needed: it is not looked through again until there is half as much more.
        let left = self.memory.entries.len();
        self.compact_at_tokens = (left + left / 2).max(COMPACT_TOKENS);
        Ok(())
    }

    fn append(&mut self, record: Record) -> Result<(), SpoolError> {
        self.append_all(vec![record], true)
    }

    /// Appends records, and waits for the disk where they must be `durable` when it returns.
    fn append_all(&mut self, records: Vec<Record>, durable: bool) -> Result<(), SpoolError> {
        if self.poisoned {
            return Err(SpoolError::Poisoned);
        }
        let payloads = records.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        if let Some(large) = payloads.iter().find(|payload| payload.len() > log::MAX_RECORD_BYTES) {
            return Err(SpoolError::TooLarge { bytes: large.len() });
        }
        self.poisoned = true;
        match durable {
            true => self.log.append(&payloads)?,
            false => self.log.append_unsynced(&payloads)?,
        }
        self.poisoned = false;
        for record in records {
            self.memory.apply(record).map_err(|source| SpoolError::Unfounded {
                path: PathBuf::from("the open spool"),
                number: 0,
                source,
            })?;
        }
        Ok(())
    }
}

/// The last row that is kept now, or why rows were not taken.
pub type Copied = Result<u64, NotCopied>;

/// A record as crash points name it.
struct Named<'a>(&'a [u8]);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let json: serde_json::Value = serde_json::from_slice(self.0).unwrap_or_default();
        let step = json["token"]["step"].as_str().or(json["order"]["token"]["step"].as_str());
        write!(f, "{}-{}", json["record"].as_str().unwrap_or("other"), step.unwrap_or("run"))
    }
}

fn encode(record: &Record) -> Result<Vec<u8>, SpoolError> {
    serde_json::to_vec(record).map_err(|source| SpoolError::Unreadable {
        path: PathBuf::from("a new record"),
        number: 0,
        source,
    })
}

/// The token of work that a schedule fires: a run of its own, named after the schedule.
pub fn scheduled_token(run: RunId, schedule: &model::Name, host: &HostName, part: usize) -> Option<Token> {
    Some(Token {
        run,
        step: StepPath::new(format!("schedule/{schedule}/{part}")).ok()?,
        target: model::Target {
            noun: model::Name::new("schedule").ok()?,
            name: schedule.clone(),
            host: Some(host.clone()),
        },
        direction: model::Direction::Do,
        attempt: 1,
        mode: model::Mode::Live,
    })
}

#[cfg(test)]
mod tests;
