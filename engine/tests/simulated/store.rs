//! The store that all controllers share: what is in it is durable.

use engine::{Batch, Entry, RunState, replay};
use model::{Epoch, Head, RunId};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Why an append was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAppended {
    /// The disk is full: later.
    Full,
    /// Somebody else moved the run.
    Moved,
    /// Somebody else leads.
    EpochOver,
}

/// Journals, and who leads.
pub struct Store {
    pub runs: BTreeMap<RunId, Vec<Entry>>,
    pub leader: Epoch,
    pub full: bool,
}

impl Store {
    pub fn new() -> Self {
        Self { runs: BTreeMap::new(), leader: Epoch { number: 0, holder: Uuid::nil() }, full: false }
    }

    /// The next epoch, for a process that takes over.
    pub fn lead(&mut self, holder: Uuid) -> Epoch {
        self.leader = Epoch { number: self.leader.number + 1, holder };
        self.leader
    }

    /// All or nothing, for whoever leads and saw the run as it is.
    pub fn append(&mut self, epoch: Epoch, batch: &Batch) -> Result<(), NotAppended> {
        if epoch != self.leader {
            return Err(NotAppended::EpochOver);
        }
        if self.full {
            return Err(NotAppended::Full);
        }
        let journal = self.runs.entry(batch.run).or_default();
        if journal.len() as u64 != batch.expected {
            return Err(NotAppended::Moved);
        }
        journal.extend(batch.entries.iter().cloned());
        Ok(())
    }

    /// A run as its journal has it.
    pub fn load(&self, run: RunId) -> (RunState, Head) {
        let journal = &self.runs[&run];
        let rows: Vec<_> = journal.iter().map(|entry| entry.recorded.clone()).collect();
        let last = journal.last().unwrap();
        let head = Head { run, sequence: last.recorded.sequence, hash: last.hash.clone() };
        (replay(&rows).unwrap(), head)
    }
}
