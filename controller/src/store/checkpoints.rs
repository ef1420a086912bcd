//! Checkpoints: a chain over the heads of all journals.
//!
//! Each append adds one in its own transaction. The hash chain of a run finds what was changed inside it;
//! this one finds what the run itself cannot know: that it lost its tail, or that it is gone. What both
//! lost together only somebody else can tell: a checkpoint that was written down elsewhere, or the agents,
//! who remember the heads of the runs that they worked for.

use super::database::Connection;
use super::{Store, StoreError, journal};
use engine::{Entry, RunState, chain};
use futures::FutureExt;
use model::{Head, Micros, RunId};
use sha2::{Digest, Sha256};
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};

/// Checkpoints that are read at once.
const PAGE: i64 = 2_000;
/// Runs that are read at once.
const RUN_PAGE: i64 = 200;
/// Findings that are told; where there are more, the store is lost anyway.
pub const MAX_FINDINGS: usize = 200;

/// A checkpoint, as people write it down: its number and hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: String,
}

/// Something that is not as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The run; empty where it is about the checkpoints alone.
    pub run: String,
    /// The event that is missing or not as it was; of a checkpoint alone, its number.
    pub sequence: u64,
    /// What is wrong.
    pub what: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Runs whose journals were read.
    pub runs: u64,
    /// Events in them.
    pub events: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// The last checkpoint: to be written down elsewhere.
    pub last: Option<Mark>,
    /// What is wrong; at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
}

impl Audit {
    fn tell(&mut self, run: &str, sequence: u64, what: impl Into<String>) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { run: run.to_string(), sequence, what: what.into() });
        }
    }
}

fn hash(previous: &str, number: i64, at: i64, run: &str, sequence: i64, head: &str) -> String {
    let text = format!("lifeboat checkpoint 1\n{previous}\n{number}\n{at}\n{run}\n{sequence}\n{head}");
    hex::encode(Sha256::digest(text))
}

/// Inside a transaction: the next checkpoint after `last`.
pub(super) async fn add(
    connection: &mut Connection,
    last: Option<Mark>,
    head: &Head,
    at: Micros,
) -> Result<Mark, StoreError> {
    let (number, previous) = last.map_or((1, String::new()), |last| (last.number as i64 + 1, last.hash));
    let (run, sequence) = (head.run.to_string(), head.sequence as i64);
    let hash = hash(&previous, number, at.0, &run, sequence, head.hash.as_str());
    sqlx::query(
        "insert into checkpoints (number, at, run, sequence, head, hash) values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(number)
    .bind(at.0)
    .bind(run)
    .bind(sequence)
    .bind(head.hash.as_str())
    .bind(&hash)
    .execute(connection)
    .await
    .map_err(StoreError::query("add a checkpoint"))?;
    Ok(Mark { number: number as u64, hash })
}

impl Store {
    /// Runs from before there were checkpoints get one each, once.
    pub async fn first_checkpoints(&self, now: Micros) -> Result<(), StoreError> {
        self.writer()
            .write("add the first checkpoints", move |connection| {
                async move {
                    let rows = sqlx::query(
                        "select run, sequence, head from runs where sequence > 0 and not exists \
                         (select 1 from checkpoints) order by run",
                    )
                    .fetch_all(&mut *connection)
                    .await
                    .map_err(StoreError::query("read the heads"))?;
                    let mut last = None;
                    for row in rows {
                        let head = head_of(row.get(0), row.get(1), row.get(2))?;
                        last = Some(add(connection, last, &head, now).await?);
                    }
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// Reads everything and compares: the checkpoints with each other, each journal with its own chain, with
    /// the run's row and with the checkpoints. `known` is a checkpoint that was written down before.
    ///
    /// Checkpoints are read first and journals only grow, so what is appended meanwhile disturbs nothing.
    pub async fn audit(&self, known: Option<Mark>) -> Result<Audit, StoreError> {
        let mut audit = Audit::default();
        let heads = self.audit_checkpoints(known, &mut audit).await?;
        let mut seen = BTreeSet::new();
        let mut after = String::new();
        loop {
            let rows = sqlx::query("select run from runs where run > $1 order by run limit $2")
                .bind(&after)
                .bind(RUN_PAGE)
                .fetch_all(self.readers())
                .await
                .map_err(StoreError::query("list the runs"))?;
            let Some(last) = rows.last() else { break };
            after = last.get(0);
            for row in &rows {
                let run: String = row.get(0);
                self.audit_run(&run, heads.get(&run), &mut audit).await?;
                seen.insert(run);
            }
        }
        for (run, (sequence, _)) in heads.iter().filter(|(run, _)| !seen.contains(*run)) {
            audit.tell(run, *sequence, "the run is gone: a checkpoint has it, and the list of runs does not");
        }
        let orphans = sqlx::query(
            "select run, max(sequence) from journal where run not in (select run from runs) group by run",
        )
        .fetch_all(self.readers())
        .await
        .map_err(StoreError::query("look for events without a run"))?;
        for row in orphans {
            let (run, sequence): (String, i64) = (row.get(0), row.get(1));
            audit.tell(&run, sequence as u64, "events without a run: its row is gone");
        }
        Ok(audit)
    }

    /// The chain of the checkpoints; gives the newest head of each run.
    async fn audit_checkpoints(
        &self,
        known: Option<Mark>,
        audit: &mut Audit,
    ) -> Result<BTreeMap<String, (u64, String)>, StoreError> {
        let mut heads: BTreeMap<String, (u64, String)> = BTreeMap::new();
        let (mut expected, mut previous) = (1, String::new());
        let mut met = known.is_none();
        loop {
            let rows = sqlx::query(
                "select number, at, run, sequence, head, hash from checkpoints where number >= $1 \
                 order by number limit $2",
            )
            .bind(expected)
            .bind(PAGE)
            .fetch_all(self.readers())
            .await
            .map_err(StoreError::query("read the checkpoints"))?;
            for row in &rows {
                let (number, at, sequence): (i64, i64, i64) = (row.get(0), row.get(1), row.get(3));
                let (run, head, found): (String, String, String) = (row.get(2), row.get(4), row.get(5));
                if number != expected {
                    let gone = format!("checkpoints {expected} to {} are gone", number - 1);
                    audit.tell(&run, sequence as u64, gone);
                } else if hash(&previous, number, at, &run, sequence, &head) != found {
                    let what =
                        format!("checkpoint {number} was changed, or does not follow the one before it");
                    audit.tell(&run, sequence as u64, what);
                }
                if heads.get(&run).is_some_and(|(older, _)| *older >= sequence as u64) {
                    audit.tell(&run, sequence as u64, format!("checkpoint {number} goes back"));
                }
                let mark = Mark { number: number as u64, hash: found.clone() };
                met |= known.as_ref() == Some(&mark);
                audit.checkpoints += 1;
                audit.last = Some(mark);
                heads.insert(run, (sequence as u64, head));
                (expected, previous) = (number + 1, found);
            }
            if rows.len() < PAGE as usize {
                break;
            }
        }
        if let (false, Some(known)) = (met, known) {
            let what =
                format!("checkpoint {} that you wrote down is not there, or is another one", known.number);
            audit.tell("", known.number, what);
        }
        Ok(heads)
    }

    async fn audit_run(
        &self,
        run: &str,
        noted: Option<&(u64, String)>,
        audit: &mut Audit,
    ) -> Result<(), StoreError> {
        audit.runs += 1;
        let Ok(id) = run.parse::<RunId>() else {
            audit.tell(run, 0, "it is no run: its id cannot be read");
            return Ok(());
        };
        let row = match self.run(id).await {
            Ok(Some(row)) => row,
            Ok(None) => {
                audit.tell(run, 0, "its row is gone");
                return Ok(());
            }
            Err(error) => {
                audit.tell(run, 0, format!("its row cannot be read: {}", error.problem().message));
                return Ok(());
            }
        };
        let entries = match self.every_event(id).await? {
            Ok(entries) => entries,
            Err((sequence, what)) => {
                audit.tell(run, sequence, what);
                return Ok(());
            }
        };
        audit.events += entries.len() as u64;
        for (index, entry) in entries.iter().enumerate() {
            let (expected, found) = (index as u64 + 1, entry.recorded.sequence);
            if found != expected {
                audit.tell(run, expected, "the event is gone");
                return Ok(());
            }
        }
        if let Err(engine::JournalError::Damaged { sequence, .. }) = chain::verify(&entries) {
            audit.tell(run, sequence, "the event was changed, or does not follow the one before it");
            return Ok(());
        }
        let (count, newest) = match entries.last() {
            Some(last) => (last.recorded.sequence, last.hash.to_string()),
            None => (0, String::new()),
        };
        if row.sequence > count {
            audit.tell(run, count + 1, format!("the event is gone: the run's row counts {}", row.sequence));
        } else if row.sequence < count {
            audit.tell(run, row.sequence + 1, "the run's row does not know of the event");
        } else if row.head != newest {
            audit.tell(run, count, "the run's row has another head");
        }
        match noted {
            None => audit.tell(run, count, "no checkpoint has the run"),
            Some((sequence, _)) if *sequence > count => {
                audit.tell(run, count + 1, format!("the event is gone: a checkpoint has {sequence}"));
            }
            Some((sequence, head)) => {
                let there = entries.get(*sequence as usize - 1).map(|entry| entry.hash.as_str());
                if there != Some(head) {
                    audit.tell(run, *sequence, "a checkpoint has the event with another hash");
                }
                // What came after the checkpoints were read has one of its own.
                if *sequence < count && !self.is_noted(run, count, &newest).await? {
                    audit.tell(run, sequence + 1, "no checkpoint has the event");
                }
            }
        }
        if let Some(what) = says_otherwise(&row, &entries) {
            audit.tell(run, count, what);
        }
        Ok(())
    }

    /// Every event of a run as it is stored, or the first that cannot be read.
    async fn every_event(&self, run: RunId) -> Result<Result<Vec<Entry>, (u64, String)>, StoreError> {
        let rows = sqlx::query(
            "select sequence, at, epoch, event, hash from journal where run = $1 order by sequence limit $2",
        )
        .bind(run.to_string())
        .bind(journal::MAX_EVENTS)
        .fetch_all(self.readers())
        .await
        .map_err(StoreError::query("read a journal"))?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            match journal::entry(run, &row) {
                Ok(entry) => entries.push(entry),
                Err(_) => {
                    let sequence = row.get::<i64, _>(0) as u64;
                    return Ok(Err((sequence, "the event was changed: it cannot be read".to_string())));
                }
            }
        }
        Ok(Ok(entries))
    }

    /// A checkpoint has that event as it is.
    async fn is_noted(&self, run: &str, sequence: u64, hash: &str) -> Result<bool, StoreError> {
        let head: Option<String> =
            sqlx::query_scalar("select head from checkpoints where run = $1 and sequence = $2")
                .bind(run)
                .bind(sequence as i64)
                .fetch_optional(self.readers())
                .await
                .map_err(StoreError::query("read a checkpoint"))?;
        Ok(head.as_deref() == Some(hash))
    }
}

/// What the run's row says differently from the journal that it is a cache of.
fn says_otherwise(row: &super::runs::RunRow, entries: &[Entry]) -> Option<String> {
    let mut state: Option<RunState> = None;
    for entry in entries {
        match engine::apply(state, &entry.recorded) {
            Ok(next) => state = Some(next),
            Err(error) => return Some(format!("the journal cannot have happened: {error}")),
        }
    }
    let summary = state?.summary();
    let pairs = [
        ("plan", row.plan.as_str(), summary.plan.as_str()),
        ("title", row.title.as_str(), summary.title.as_str()),
        ("requested by", row.requested_by.as_str(), summary.requested_by.as_str()),
        ("status", row.status.as_str(), summary.status),
    ];
    let differs = pairs.into_iter().find(|(_, row, journal)| row != journal && row.len() + journal.len() > 0);
    differs.map(|(what, row, journal)| format!("the run's row says {what} {row:?}, its journal {journal:?}"))
}

/// The head in a run's row.
fn head_of(run: String, sequence: i64, hash: String) -> Result<Head, StoreError> {
    let damaged = |why: String| StoreError::Damaged { what: format!("the head of run {run}"), why };
    let id = run.parse().map_err(|error: uuid::Error| damaged(error.to_string()))?;
    let hash = model::Digest::new(hash).map_err(|error| damaged(error.to_string()))?;
    Ok(Head { run: id, sequence: sequence as u64, hash })
}
