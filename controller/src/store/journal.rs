//! The journal of each run: append-only, numbered and hash-chained under the run's own row.
//!
//! An append names the number that its writer saw last and the epoch under which it writes. Both are
//! compared inside the transaction, so of two writers one moves the run and the other hears
//! [`StoreError::Moved`]; one that lost its leadership hears [`StoreError::EpochOver`]. The run's row is
//! a cache of the same events and is written by the same function, so the two cannot disagree. A load
//! walks the chain from its first event to the head in the row: a missing tail, a gap or a changed byte
//! is [`StoreError::Damaged`], for that run alone.

use super::checkpoints::Mark;
use super::database::{Connection, DbRow, share};
use super::points::{self, PointRow};
use super::{Store, StoreError, checkpoints, held, leadership};
use engine::{Batch, Entry, JournalError, Summary};
use futures::FutureExt;
use model::{Digest, Epoch, Head, Micros, RunId};
use sqlx::{AssertSqlSafe, Row};

/// Events that one run may have. A plan of thousands of steps stays far below it.
pub const MAX_EVENTS: i64 = 200_000;
/// Events that one statement writes at most.
const ROWS: usize = 64;
/// Columns of an event's row.
const COLUMNS: usize = 7;

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
                    write(connection, epoch, batch).await?;
                    for point in reported {
                        points::keep(connection, point).await?;
                    }
                    Ok(())
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
        let rows = self.journal_after("sequence, at, event", run, after, limit).await?;
        let event = |row: &DbRow| EventRow {
            sequence: row.get::<i64, _>(0) as u64,
            at: Micros(row.get(1)),
            text: row.get(2),
        };
        Ok(rows.iter().map(event).collect())
    }

    /// Columns of a run's rows after a number, at most `limit`, oldest first.
    pub(super) async fn journal_after(
        &self,
        columns: &'static str,
        run: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<DbRow>, StoreError> {
        let text = format!(
            "select {columns} from journal where run = $1 and sequence > $2 order by sequence limit $3"
        );
        sqlx::query(AssertSqlSafe(text))
            .bind(run.to_string())
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(self.readers())
            .await
            .map_err(StoreError::query("read a journal"))
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

/// Inside a transaction, on condition that `epoch` leads: the events, the row's cache, the next checkpoint, and,
/// when the run is over, what it held is free.
pub(crate) async fn write(connection: &mut Connection, epoch: Epoch, batch: Batch) -> Result<(), StoreError> {
    let Batch { run, expected, entries, state, head, summary, epoch: _ } = batch;
    let Standing { found, previous, checkpoint } = standing(connection, epoch, run).await?;
    if found != expected {
        return Err(StoreError::Moved { run, expected, found });
    }
    let mut previous = (found > 0).then_some(previous);
    for rows in entries.chunks(ROWS) {
        insert(connection, rows, previous.as_deref()).await?;
        previous = rows.last().map(|entry| entry.hash.to_string());
    }
    // In the middle of a transaction: nothing of it may be seen again.
    for entry in &entries {
        runtime::crash::point_of("event-written", format_args!("{}", entry.recorded.event.kind()));
    }
    update(connection, run, state.is_open(), &summary, &head).await?;
    if let Some(last) = entries.last() {
        checkpoints::add(connection, checkpoint, &head, last.recorded.at).await?;
    }
    if !state.is_open() {
        held::free(connection, run).await?;
    }
    Ok(())
}

/// The run's row. Whether it is open is written when that changes alone: it stands in an index, too.
async fn update(
    connection: &mut Connection,
    run: RunId,
    open: bool,
    summary: &Summary,
    head: &Head,
) -> Result<(), StoreError> {
    let query = match open {
        true => {
            sqlx::query("update runs set status = $1, detail = $2, sequence = $3, head = $4 where run = $5")
        }
        false => sqlx::query(
            "update runs set status = $1, detail = $2, sequence = $3, head = $4, open = 0, ended_at = $6 \
             where run = $5",
        ),
    };
    let query = query
        .bind(summary.status)
        .bind(&summary.detail)
        .bind(head.sequence as i64)
        .bind(head.hash.as_str())
        .bind(run.to_string());
    let query = if open { query } else { query.bind(summary.ended_at.unwrap_or_default().0) };
    query.execute(connection).await.map(drop).map_err(StoreError::query("write a run's row"))
}

/// Where a run and the checkpoints stand, as this transaction finds them.
struct Standing {
    found: u64,
    previous: String,
    checkpoint: Option<Mark>,
}

/// Reads it together with who leads, in one statement: each is a way to the database and back, and a step
/// waits for all of them.
async fn standing(connection: &mut Connection, epoch: Epoch, run: RunId) -> Result<Standing, StoreError> {
    let text = format!(
        "select l.epoch, l.holder, r.sequence, r.head, c.number, c.hash from leadership l \
         left join runs r on r.run = $1 \
         left join checkpoints c on c.number = (select max(number) from checkpoints) \
         where l.one = 1{}",
        share(connection, "l")
    );
    let row = sqlx::query(AssertSqlSafe(text))
        .bind(run.to_string())
        .fetch_one(connection)
        .await
        .map_err(StoreError::query("read where a run stands"))?;
    leadership::compare(epoch, row.get::<i64, _>(0) as u64, row.get(1))?;
    let found = row.get::<Option<i64>, _>(2).ok_or(StoreError::NoRun { run })? as u64;
    let number: Option<i64> = row.get(4);
    let checkpoint = number.map(|number| Mark { number: number as u64, hash: row.get(5) });
    Ok(Standing { found, previous: row.get(3), checkpoint })
}

/// Events in one statement, each chained to the one before it.
async fn insert(
    connection: &mut Connection,
    entries: &[Entry],
    previous: Option<&str>,
) -> Result<(), StoreError> {
    let columns = "insert into journal (run, sequence, at, epoch, event, hash, previous) values ";
    let row = |number: usize| {
        let value = |column: usize| format!("${}", number * COLUMNS + column);
        format!("({})", (1..=COLUMNS).map(value).collect::<Vec<_>>().join(", "))
    };
    let rows: Vec<String> = (0..entries.len()).map(row).collect();
    let mut query = sqlx::query(AssertSqlSafe(format!("{columns}{}", rows.join(", "))));
    let mut previous = previous.map(ToString::to_string);
    for entry in entries {
        let recorded = &entry.recorded;
        query = query
            .bind(recorded.run.to_string())
            .bind(recorded.sequence as i64)
            .bind(recorded.at.0)
            .bind(recorded.epoch as i64)
            .bind(entry.text.clone())
            .bind(entry.hash.to_string())
            .bind(previous.replace(entry.hash.to_string()));
    }
    query.execute(connection).await.map(drop).map_err(StoreError::query("append events"))
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
