//! Where journals are kept: the contract between the engine's decisions and a store.
//!
//! An append is one transaction: all its rows and the run's cached columns, or nothing. It is conditional
//! on the number of the run's last row, so two drivers of one run cannot both append, and on the epoch,
//! so one that was superseded cannot append at all. When `append` returns, the rows are durable.

pub mod memory;

use crate::apply::{IllegalEvent, apply};
use crate::chain::chain;
use crate::event::{Event, Recorded};
use crate::state::RunState;
use crate::status::Summary;
use model::{Digest, Head, Micros, RunId};
use std::error::Error;
use std::future::Future;

pub use memory::MemoryJournal;

/// Most events of one append.
pub const MAX_BATCH: usize = 200_000;

/// What can go wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else has appended. Load again and decide again.
    #[error("LB1348: the journal of run {run} is at {found}, not at {expected}; load it and decide again")]
    Conflict {
        /// The run.
        run: RunId,
        /// What the append was made for.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// A newer epoch drives this run. Step down.
    #[error("LB1348: epoch {offered} is superseded by {current}; another controller leads now")]
    Superseded {
        /// The epoch of the append.
        offered: u64,
        /// The epoch that is in force.
        current: u64,
    },
    /// There is no such run.
    #[error("LB1302: there is no run {run}; see `lifeboat status` for the open ones")]
    NoRun {
        /// The run.
        run: RunId,
    },
    /// The hash chain is broken, a row is missing or cannot be read.
    #[error(
        "LB1349: the journal of run {run} is damaged at event {sequence}; the run is parked: restore the store from a backup"
    )]
    Damaged {
        /// The run.
        run: RunId,
        /// The first event that does not fit.
        sequence: u64,
    },
    /// The store failed.
    #[error("LB1349: {operation} failed; nothing was recorded or it is not known whether it was: load again")]
    Storage {
        /// What was tried.
        operation: String,
        /// Why it failed.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// One row as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The row.
    pub recorded: Recorded,
    /// JSON of its event. Stored and sent exactly as it stands: the hash is over it.
    pub text: String,
    /// Hash of the row, chained over all before it.
    pub hash: Digest,
}

impl Entry {
    /// A row from its columns.
    pub fn read(
        run: RunId,
        sequence: u64,
        at: Micros,
        epoch: u64,
        text: String,
        hash: Digest,
    ) -> Result<Self, JournalError> {
        let event: Event =
            serde_json::from_str(&text).map_err(|_| JournalError::Damaged { run, sequence })?;
        Ok(Self { recorded: Recorded { run, sequence, at, epoch, event }, text, hash })
    }
}

/// Rows to append together, with the state that they give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The run.
    pub run: RunId,
    /// Number of the last row before them; 0 for a new run.
    pub expected: u64,
    /// The epoch under which they are recorded.
    pub epoch: u64,
    /// The rows; may be empty.
    pub entries: Vec<Entry>,
    /// The state after them.
    pub state: RunState,
    /// The head after them: orders carry it.
    pub head: Head,
    /// The run's cached columns after them.
    pub summary: Summary,
}

impl Batch {
    /// Folds events onto a state and makes rows of them.
    ///
    /// `before` and `head` are what the last batch or the loaded journal gave; both `None` for a new run.
    pub fn prepare(
        before: Option<RunState>,
        head: Option<Head>,
        run: RunId,
        events: Vec<Event>,
        at: Micros,
        epoch: u64,
    ) -> Result<Self, IllegalEvent> {
        let expected = head.as_ref().map_or(0, |head| head.sequence);
        let (mut state, mut head) = (before, head);
        let mut entries = Vec::with_capacity(events.len().min(MAX_BATCH));
        for event in events {
            let sequence = head.as_ref().map_or(0, |head| head.sequence) + 1;
            let text = serde_json::to_string(&event)
                .map_err(|error| IllegalEvent::BadPlan { why: error.to_string() })?;
            let recorded = Recorded { run, sequence, at, epoch, event };
            state = Some(apply(state, &recorded)?);
            let hash = chain(head.as_ref().map(|head| &head.hash), &recorded, &text);
            head = Some(Head { run, sequence, hash: hash.clone() });
            entries.push(Entry { recorded, text, hash });
        }
        match (state, head) {
            (Some(state), Some(head)) => {
                let summary = state.summary();
                Ok(Self { run, expected, epoch, entries, state, head, summary })
            }
            (None, _) | (_, None) => Err(IllegalEvent::NoBeginning { kind: "nothing" }),
        }
    }

    /// The same rows, and more behind them.
    pub fn then(self, events: Vec<Event>, at: Micros) -> Result<Self, IllegalEvent> {
        let Self { run, expected, epoch, mut entries, state, head, summary: _ } = self;
        let rest = Self::prepare(Some(state), Some(head), run, events, at, epoch)?;
        entries.extend(rest.entries);
        Ok(Self { expected, entries, ..rest })
    }
}

/// A store of journals.
pub trait Journal: Send + Sync {
    /// Appends durably, all or nothing. An empty batch does nothing.
    fn append(&self, batch: &Batch) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// The whole journal of a run, oldest first.
    fn load(&self, run: RunId) -> impl Future<Output = Result<Vec<Entry>, JournalError>> + Send;

    /// Runs that are not over, oldest first.
    fn open_runs(&self) -> impl Future<Output = Result<Vec<RunId>, JournalError>> + Send;
}
