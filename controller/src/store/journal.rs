//! The journal of each run: append-only, numbered and hash-chained under the run's own row.
//!
//! An append names the number that its writer saw last and the epoch under which it writes. Both are
//! compared inside the transaction, so of two writers one moves the run and the other hears
//! [`StoreError::Moved`]; one that lost its leadership hears [`StoreError::EpochOver`]. The run's row is
//! a cache of the same events and is written by the same function, so the two cannot disagree. A load
//! walks the chain from its first event to the head in the row: a missing tail, a gap or a changed byte
//! is [`StoreError::Damaged`], for that run alone.

use super::database::{Connection, DbRow};
use super::points::{self, PointRow};
use super::{Store, StoreError, checkpoints, held, leadership};
use engine::{Batch, Entry, JournalError};
use futures::FutureExt;
use model::{Digest, Epoch, Head, Micros, RunId};
use sqlx::Row;

/// Events that one run may have. A plan of thousands of steps stays far below it.
pub const MAX_EVENTS: i64 = 200_000;

/// A run's journal.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Every event, from number 1.
    pub entries: Vec<Entry>,
    /// Its end.
    pub head: Head,
}

/// One event as it is shown: its text as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its number.
    pub sequence: u64,
    /// When it was recorded.
    pub at: Micros,
    /// JSON of the event.
    pub text: String,
}

impl Store {
    /// Appends on condition that the run stands where the writer saw it and that `epoch` still leads.
    /// Restore points that the events report are kept in the same transaction.
    pub async fn append(
        &self,
        epoch: Epoch,
        batch: Batch,
        reported: Vec<PointRow>,
    ) -> Result<(), StoreError> {
        self.writer()
            .write("append to a journal", move |connection| {
                async move {
                    leadership::require(connection, epoch).await?;
                    for point in reported {
                        points::keep(connection, point).await?;
                    }
                    write(connection, batch).await
                }
                .boxed()
            })
            .await
    }

    /// The journal of a run, checked from its first event to its head.
    pub async fn load(&self, run: RunId) -> Result<Loaded, StoreError> {
        let row = sqlx::query("select sequence, head from runs where run = $1")
            .bind(run.to_string())
            .fetch_optional(self.readers())
            .await
            .map_err(StoreError::query("read a run"))?
            .ok_or(StoreError::NoRun { run })?;
        // A later append may come between the two reads; the row names what must be there at least.
        let (sequence, head): (i64, String) = (row.get(0), row.get(1));
        let rows = sqlx::query(
            "select sequence, at, epoch, event, hash from journal \
             where run = $1 and sequence <= $2 order by sequence limit $3",
        )
        .bind(run.to_string())
        .bind(sequence)
        .bind(MAX_EVENTS)
        .fetch_all(self.readers())
        .await
        .map_err(StoreError::query("read a journal"))?;
        let entries = rows.iter().map(|row| entry(run, row)).collect::<Result<Vec<_>, _>>()?;
        let verified = engine::chain::verify(&entries).map_err(|error| match error {
            JournalError::Damaged { run, sequence } => {
                damaged(run, sequence, "it does not fit its hash, or follows no other")
            }
            other => damaged(run, 1, other.to_string()),
        })?;
        match verified {
            Some(found) if found.sequence == sequence as u64 && found.hash.as_str() == head => {
                Ok(Loaded { entries, head: found })
            }
            Some(found) if found.sequence == sequence as u64 => {
                Err(damaged(run, found.sequence, "the run's row has another head"))
            }
            Some(_) | None => {
                let why = format!("it is missing: the run's row counts {sequence}");
                Err(damaged(run, entries.len() as u64 + 1, why))
            }
        }
    }

    /// Events after a number, at most `limit`, oldest first, as they were written.
    pub async fn events_after(
        &self,
        run: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let rows = sqlx::query(
            "select sequence, at, event from journal \
             where run = $1 and sequence > $2 order by sequence limit $3",
        )
        .bind(run.to_string())
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await
        .map_err(StoreError::query("read a journal"))?;
        let event = |row: &DbRow| EventRow {
            sequence: row.get::<i64, _>(0) as u64,
            at: Micros(row.get(1)),
            text: row.get(2),
        };
        Ok(rows.iter().map(event).collect())
    }

    /// The hash of one event, if there is such an event.
    pub async fn hash_at(&self, run: RunId, sequence: u64) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("select hash from journal where run = $1 and sequence = $2")
            .bind(run.to_string())
            .bind(i64::try_from(sequence).unwrap_or(i64::MAX))
            .fetch_optional(self.readers())
            .await
            .map_err(StoreError::query("read a hash"))
    }
}

/// Inside a transaction: the events, the row's cache, and, when the run is over, what it held.
pub(crate) async fn write(connection: &mut Connection, batch: Batch) -> Result<(), StoreError> {
    let Batch { run, expected, entries, state, head, summary, epoch: _ } = batch;
    let row = sqlx::query("select sequence, head from runs where run = $1")
        .bind(run.to_string())
        .fetch_optional(&mut *connection)
        .await
        .map_err(StoreError::query("read a run"))?
        .ok_or(StoreError::NoRun { run })?;
    let found = row.get::<i64, _>(0) as u64;
    if found != expected {
        return Err(StoreError::Moved { run, expected, found });
    }
    let mut previous: Option<String> = (found > 0).then(|| row.get(1));
    for entry in &entries {
        insert(connection, entry, previous.as_deref()).await?;
        // In the middle of a transaction: nothing of it may be seen again.
        runtime::crash::point_of("event-written", format_args!("{}", entry.recorded.event.kind()));
        previous = Some(entry.hash.to_string());
    }
    let (open, ended) = (state.is_open(), summary.ended_at.unwrap_or_default());
    sqlx::query(
        "update runs set status = $1, detail = $2, open = $3, ended_at = $4, sequence = $5, head = $6 \
         where run = $7",
    )
    .bind(summary.status)
    .bind(summary.detail)
    .bind(i64::from(open))
    .bind(ended.0)
    .bind(head.sequence as i64)
    .bind(head.hash.as_str())
    .bind(run.to_string())
    .execute(&mut *connection)
    .await
    .map_err(StoreError::query("write a run's row"))?;
    if let Some(last) = entries.last() {
        checkpoints::add(connection, &head, last.recorded.at).await?;
    }
    if !open {
        held::free(connection, run).await?;
    }
    Ok(())
}

async fn insert(
    connection: &mut Connection,
    entry: &Entry,
    previous: Option<&str>,
) -> Result<(), StoreError> {
    let recorded = &entry.recorded;
    sqlx::query(
        "insert into journal (run, sequence, at, epoch, event, hash, previous) \
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(recorded.run.to_string())
    .bind(recorded.sequence as i64)
    .bind(recorded.at.0)
    .bind(recorded.epoch as i64)
    .bind(&entry.text)
    .bind(entry.hash.as_str())
    .bind(previous)
    .execute(connection)
    .await
    .map_err(StoreError::query("append an event"))?;
    Ok(())
}

fn damaged(run: RunId, sequence: u64, why: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: format!("event {sequence} of run {run}"), why: why.into() }
}

/// An event from its row: sequence, time, epoch, event, hash.
pub(super) fn entry(run: RunId, row: &DbRow) -> Result<Entry, StoreError> {
    let sequence = row.get::<i64, _>(0) as u64;
    let hash =
        Digest::new(row.get::<String, _>(4)).map_err(|error| damaged(run, sequence, error.to_string()))?;
    Entry::read(run, sequence, Micros(row.get(1)), row.get::<i64, _>(2) as u64, row.get(3), hash)
        .map_err(|_| damaged(run, sequence, "it cannot be read"))
}
