//! Journals in memory, with the crash semantics of a real store: an append is durable when it has
//! returned; one that failed may or may not be; what a process knew is lost, what was durable stays.

use super::{Batch, Entry, Journal, JournalError};
use model::RunId;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

/// How the next append fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written.
    BeforeWrite,
    /// Everything is written, and the answer is lost.
    AfterWrite,
}

#[derive(Debug, Default)]
struct Kept {
    runs: BTreeMap<RunId, Run>,
    epoch: u64,
    fault: Option<Fault>,
}

#[derive(Debug, Default)]
struct Run {
    entries: Vec<Entry>,
    open: bool,
}

/// Journals in memory. Share it to let several drivers see the same store.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    kept: Mutex<Kept>,
}

#[derive(Debug, thiserror::Error)]
#[error("the store was told to fail")]
struct Told;

impl MemoryJournal {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the next append fail.
    pub fn fail_next(&self, fault: Fault) {
        self.lock().fault = Some(fault);
    }

    /// A new leader: appends of lower epochs are refused from now on.
    pub fn raise_epoch(&self, epoch: u64) {
        let mut kept = self.lock();
        kept.epoch = kept.epoch.max(epoch);
    }

    /// Changes a stored row: what a flipped bit or a careless hand does.
    pub fn damage(&self, run: RunId, sequence: u64, change: impl FnOnce(&mut Entry)) {
        let mut kept = self.lock();
        let found = kept
            .runs
            .get_mut(&run)
            .and_then(|run| run.entries.iter_mut().find(|entry| entry.recorded.sequence == sequence));
        if let Some(entry) = found {
            change(entry);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, batch: &Batch) -> Result<(), JournalError> {
        if batch.entries.is_empty() {
            return Ok(());
        }
        let mut kept = self.lock();
        if batch.epoch < kept.epoch {
            return Err(JournalError::Superseded { offered: batch.epoch, current: kept.epoch });
        }
        let found = kept.runs.get(&batch.run).map_or(0, |run| run.entries.len() as u64);
        if found != batch.expected {
            return Err(JournalError::Conflict { run: batch.run, expected: batch.expected, found });
        }
        let fault = kept.fault.take();
        if fault != Some(Fault::BeforeWrite) {
            let run = kept.runs.entry(batch.run).or_default();
            run.entries.extend(batch.entries.iter().cloned());
            run.open = batch.state.is_open();
        }
        match fault {
            None => Ok(()),
            Some(Fault::BeforeWrite | Fault::AfterWrite) => {
                Err(JournalError::Storage { operation: "append".to_string(), source: Box::new(Told) })
            }
        }
    }

    fn read(&self, run: RunId) -> Result<Vec<Entry>, JournalError> {
        let kept = self.lock();
        let found = kept.runs.get(&run).ok_or(JournalError::NoRun { run })?;
        // Through the text, as from a disk: what does not survive being written is found here.
        found
            .entries
            .iter()
            .map(|entry| {
                let row = &entry.recorded;
                Entry::read(row.run, row.sequence, row.at, row.epoch, entry.text.clone(), entry.hash.clone())
            })
            .collect()
    }
}

impl Journal for MemoryJournal {
    fn append(&self, batch: &Batch) -> impl Future<Output = Result<(), JournalError>> + Send {
        std::future::ready(self.write(batch))
    }

    fn load(&self, run: RunId) -> impl Future<Output = Result<Vec<Entry>, JournalError>> + Send {
        std::future::ready(self.read(run))
    }

    fn open_runs(&self) -> impl Future<Output = Result<Vec<RunId>, JournalError>> + Send {
        let kept = self.lock();
        let open = kept.runs.iter().filter(|(_, run)| run.open).map(|(id, _)| *id).collect();
        std::future::ready(Ok(open))
    }
}
