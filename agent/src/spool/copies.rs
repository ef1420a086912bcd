//! Copies of the journals of open runs: what a rescue goes on from when controllers and their database are gone.
//!
//! Rows lie in the one log, in the order in which they came. So the copy that came before an order is on the
//! disk when that order is, without a sync of its own. The rows are kept as they were written, with their
//! hashes; whoever rebuilds a journal from them checks the chain.

use super::Record;
use model::{CopiedRow, Digest, Head, Problem, RunId};
use std::collections::BTreeMap;

/// Bytes of copies that are kept at most.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of one record of the log.
const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// Why rows were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCopied {
    /// Rows before them are missing here.
    #[error("LB2480: the copy ends at event {have}, and the rows begin after {after}")]
    Gap {
        /// What is here.
        have: u64,
        /// What they follow.
        after: u64,
    },
    /// A row is another one than the one that is kept.
    #[error("LB2481: event {sequence} is not the one that this host has kept a copy of")]
    Differs {
        /// Which.
        sequence: u64,
    },
    /// Too much.
    #[error("LB2482: copies of journals take more than {MAX_BYTES} bytes")]
    Full,
    /// The run is over.
    #[error("LB2483: the run is closed here")]
    Closed,
}

impl NotCopied {
    /// For people and wire.
    pub fn problem(self) -> Problem {
        let advice = match self {
            NotCopied::Gap { .. } => "Nothing to do: the controller sends what is missing.",
            NotCopied::Differs { .. } => {
                "The controller's journal is not the one that this host knows. Stop that controller, and see `lifeboat audit verify`."
            }
            NotCopied::Full => "End runs that wait: `lifeboat status` lists them.",
            NotCopied::Closed => "Nothing to do.",
        };
        let text = self.to_string();
        let (code, message) = text.split_once(": ").unwrap_or(("LB2480", &text));
        Problem::new(code, message, advice)
    }
}

/// The copies, by run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Copies {
    runs: BTreeMap<RunId, Vec<CopiedRow>>,
    bytes: usize,
}

impl Copies {
    /// Number of the last row of a run; 0 when there is none.
    pub fn last(&self, run: RunId) -> u64 {
        self.runs.get(&run).and_then(|rows| rows.last()).map_or(0, |row| row.sequence)
    }

    /// The end of each copy.
    pub fn heads(&self) -> Vec<Head> {
        let head = |(run, rows): (&RunId, &Vec<CopiedRow>)| {
            let last = rows.last()?;
            Some(Head { run: *run, sequence: last.sequence, hash: last.hash.clone() })
        };
        self.runs.iter().filter_map(head).collect()
    }

    /// Rows of a run after a number.
    pub fn after(&self, run: RunId, after: u64) -> &[CopiedRow] {
        let rows = self.runs.get(&run).map(Vec::as_slice).unwrap_or_default();
        rows.get(usize::try_from(after).unwrap_or(usize::MAX)..).unwrap_or_default()
    }

    /// The rows that are not here yet, if they follow.
    pub fn new_of(&self, run: RunId, rows: Vec<CopiedRow>) -> Result<Vec<CopiedRow>, NotCopied> {
        let have = self.last(run);
        let mut next = have + 1;
        let mut new = Vec::new();
        for row in rows {
            if row.sequence < next && new.is_empty() {
                if self.hash(run, row.sequence) != Some(&row.hash) {
                    return Err(NotCopied::Differs { sequence: row.sequence });
                }
                continue;
            }
            if row.sequence != next {
                return Err(NotCopied::Gap { have, after: row.sequence.saturating_sub(1) });
            }
            next += 1;
            new.push(row);
        }
        let more: usize = new.iter().map(CopiedRow::size).sum();
        if self.bytes + more > MAX_BYTES || more > MAX_RECORD_BYTES {
            return Err(NotCopied::Full);
        }
        Ok(new)
    }

    fn hash(&self, run: RunId, sequence: u64) -> Option<&Digest> {
        self.after(run, sequence.saturating_sub(1)).first().map(|row| &row.hash)
    }

    /// Takes rows in that were judged before.
    pub(super) fn add(&mut self, run: RunId, rows: Vec<CopiedRow>) {
        self.bytes += rows.iter().map(CopiedRow::size).sum::<usize>();
        if !rows.is_empty() {
            self.runs.entry(run).or_default().extend(rows);
        }
    }

    /// A run is over: its journal is needed no more.
    pub(super) fn drop(&mut self, run: RunId) {
        let gone = self.runs.remove(&run).unwrap_or_default();
        self.bytes = self.bytes.saturating_sub(gone.iter().map(CopiedRow::size).sum());
    }

    /// Records that give these copies again.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (run, rows) in &self.runs {
            let (mut part, mut bytes) = (Vec::new(), 0);
            for row in rows {
                if bytes + row.size() > MAX_RECORD_BYTES && !part.is_empty() {
                    records.push(Record::Copied { run: *run, rows: std::mem::take(&mut part) });
                    bytes = 0;
                }
                bytes += row.size();
                part.push(row.clone());
            }
            records.push(Record::Copied { run: *run, rows: part });
        }
        records
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spool::{Spool, SpoolError};
    use model::Micros;
    use uuid::Uuid;

    const RUN: RunId = RunId(Uuid::from_u128(7));

    fn rows(of: std::ops::RangeInclusive<u64>) -> Vec<CopiedRow> {
        let row = |sequence| CopiedRow {
            sequence,
            at: Micros(1),
            epoch: 1,
            text: format!("{{\"event\":\"{sequence}\"}}"),
            hash: Digest::new(format!("a{sequence}")).unwrap(),
        };
        of.map(row).collect()
    }

    #[test]
    fn rows_are_there_again_after_a_restart_and_gone_when_the_run_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path()).unwrap();
        assert_eq!(spool.copy(RUN, rows(1..=3), false).unwrap(), Ok(3));
        assert_eq!(spool.copy(RUN, rows(2..=5), true).unwrap(), Ok(5), "what is there is passed over");
        drop(spool);
        let mut spool = Spool::open(folder.path()).unwrap();
        let copies = &spool.memory().copies;
        assert_eq!((copies.after(RUN, 0), copies.after(RUN, 3)), (&*rows(1..=5), &*rows(4..=5)));
        assert_eq!(copies.heads()[0].sequence, 5);
        let again = copies.records().into_iter().fold(Copies::default(), |mut copies, record| {
            if let Record::Copied { run, rows } = record {
                copies.add(run, rows);
            }
            copies
        });
        assert_eq!(again, *copies);
        spool.close(RUN, Micros(9)).unwrap();
        assert_eq!(spool.memory().copies, Copies::default());
        assert_eq!(spool.copy(RUN, rows(1..=1), true).unwrap(), Err(NotCopied::Closed));
        drop(spool);
        assert_eq!(Spool::open(folder.path()).unwrap().memory().copies, Copies::default());
    }

    #[test]
    fn a_gap_and_a_row_that_differs_are_refused_and_nothing_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path()).unwrap();
        spool.copy(RUN, rows(1..=2), true).unwrap().unwrap();
        assert_eq!(spool.copy(RUN, rows(4..=4), true).unwrap(), Err(NotCopied::Gap { have: 2, after: 3 }));
        let mut other = rows(2..=3);
        other[0].hash = Digest::new("bb").unwrap();
        assert_eq!(spool.copy(RUN, other, true).unwrap(), Err(NotCopied::Differs { sequence: 2 }));
        assert_eq!(spool.memory().copies.last(RUN), 2);
    }

    #[test]
    fn too_much_is_refused_and_the_spool_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path()).unwrap();
        let mut large = rows(1..=1);
        large[0].text = "x".repeat(MAX_RECORD_BYTES + 1);
        assert_eq!(spool.copy(RUN, large, true).unwrap(), Err(NotCopied::Full));
        let gone: Result<_, SpoolError> = spool.copy(RUN, rows(1..=1), true);
        assert_eq!(gone.unwrap(), Ok(1));
    }
}
