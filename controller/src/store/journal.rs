//! The journal of each run: append-only, numbered and hash-chained under the run's own row.
//!
//! An append names the number that its writer saw last and the epoch under which it writes. Both are
//! compared inside the transaction, so of two writers one moves the run and the other hears
//! [`StoreError::Moved`]; one that lost its leadership hears [`StoreError::EpochOver`]. The run's row is
//! a cache of the same events and is written by the same function, so the two cannot disagree. A load
//! walks the chain from its first event to the head in the row: a missing tail, a gap or a changed byte
//! is [`StoreError::Damaged`], for that run alone.

use super::{Store, StoreError, held, leadership};
use engine::Recorded;
use futures::FutureExt;
use model::{Digest, Epoch, Head, Micros, RunId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// Events that one run may have. A plan of thousands of steps stays far below it.
pub const MAX_EVENTS: i64 = 200_000;

/// What the run's row says of its state: derived from it, for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// The state's word.
    pub status: String,
    /// What it waits for, or why it failed.
    pub detail: String,
    /// When it ended; its resources are freed then.
    pub ended_at: Option<Micros>,
}

/// Events to append.
#[derive(Debug, Clone)]
pub struct Append {
    /// The run.
    pub run: RunId,
    /// The number that the writer saw last; the first of `events` is the next one.
    pub expected: u64,
    /// At least one.
    pub events: Vec<Recorded>,
    /// The state after them.
    pub cache: Cache,
}

/// A run's journal.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Every event, from number 1.
    pub events: Vec<Recorded>,
    /// Its end.
    pub head: Head,
}

impl Store {
    /// Appends on condition that the run stands where the writer saw it and that `epoch` still leads.
    pub async fn append(&self, epoch: Epoch, append: Append) -> Result<Head, StoreError> {
        self.writer()
            .write("append to a journal", move |connection| {
                async move {
                    leadership::require(connection, epoch).await?;
                    write(connection, append).await
                }
                .boxed()
            })
            .await
    }

    /// The journal of a run, checked from its first event to its head.
    pub async fn load(&self, run: RunId) -> Result<Loaded, StoreError> {
        let head = sqlx::query("select sequence, head from runs where run = $1")
            .bind(run.to_string())
            .fetch_optional(self.readers())
            .await
            .map_err(StoreError::query("read a run"))?
            .ok_or(StoreError::NoRun { run })?;
        // A later append may come between the two reads; the head names what must be there at least.
        let (sequence, head): (i64, String) = (head.get(0), head.get(1));
        let rows = sqlx::query(
            "select sequence, at, epoch, event, hash, previous from journal \
             where run = $1 and sequence <= $2 order by sequence limit $3",
        )
        .bind(run.to_string())
        .bind(sequence)
        .bind(MAX_EVENTS)
        .fetch_all(self.readers())
        .await
        .map_err(StoreError::query("read a journal"))?;
        check(run, sequence as u64, &head, &rows)
    }

    /// Events after a number, at most `limit`, oldest first. Not checked against the chain.
    pub async fn events_after(
        &self,
        run: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, StoreError> {
        let rows = sqlx::query(
            "select sequence, at, epoch, event from journal \
             where run = $1 and sequence > $2 order by sequence limit $3",
        )
        .bind(run.to_string())
        .bind(after as i64)
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await
        .map_err(StoreError::query("read a journal"))?;
        rows.iter().map(|row| recorded(run, row)).collect()
    }
}

/// Inside a transaction: the events and the row's cache.
pub(crate) async fn write(connection: &mut SqliteConnection, append: Append) -> Result<Head, StoreError> {
    let Append { run, expected, events, cache } = append;
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
    let mut previous = match expected {
        0 => None,
        _ => Some(digest(run, found, row.get(1))?),
    };
    let mut sequence = expected;
    for event in &events {
        sequence += 1;
        if event.sequence != sequence || event.run != run {
            let why = format!("the next event is {sequence}, not {}", event.sequence);
            return Err(StoreError::Damaged { what: format!("an append to run {run}"), why });
        }
        let hash = engine::chain(previous.as_ref(), event);
        insert(connection, event, previous.as_ref(), &hash).await?;
        previous = Some(hash);
    }
    let Some(hash) = previous else {
        return Err(StoreError::Damaged { what: format!("run {run}"), why: "it has no event".to_string() });
    };
    let head = Head { run, sequence, hash };
    let ended = cache.ended_at;
    update(connection, &head, cache).await?;
    if ended.is_some() {
        held::free(connection, run).await?;
    }
    Ok(head)
}

async fn insert(
    connection: &mut SqliteConnection,
    event: &Recorded,
    previous: Option<&Digest>,
    hash: &Digest,
) -> Result<(), StoreError> {
    let text = serde_json::to_string(&event.event)
        .map_err(|error| StoreError::Unwritable { what: "an event", error })?;
    sqlx::query(
        "insert into journal (run, sequence, at, epoch, event, hash, previous) \
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(event.run.to_string())
    .bind(event.sequence as i64)
    .bind(event.at.0)
    .bind(event.epoch as i64)
    .bind(text)
    .bind(hash.as_str())
    .bind(previous.map(Digest::as_str))
    .execute(connection)
    .await
    .map_err(StoreError::query("append an event"))?;
    Ok(())
}

async fn update(connection: &mut SqliteConnection, head: &Head, cache: Cache) -> Result<(), StoreError> {
    sqlx::query(
        "update runs set status = $1, detail = $2, open = $3, ended_at = $4, sequence = $5, head = $6 \
         where run = $7",
    )
    .bind(cache.status)
    .bind(cache.detail)
    .bind(i64::from(cache.ended_at.is_none()))
    .bind(cache.ended_at.unwrap_or_default().0)
    .bind(head.sequence as i64)
    .bind(head.hash.as_str())
    .bind(head.run.to_string())
    .execute(connection)
    .await
    .map_err(StoreError::query("write a run's row"))?;
    Ok(())
}

fn digest(run: RunId, sequence: u64, text: String) -> Result<Digest, StoreError> {
    Digest::new(text).map_err(|error| damaged(run, sequence, error.to_string()))
}

fn damaged(run: RunId, sequence: u64, why: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: format!("event {sequence} of run {run}"), why: why.into() }
}

fn recorded(run: RunId, row: &SqliteRow) -> Result<Recorded, StoreError> {
    let sequence = row.get::<i64, _>(0) as u64;
    let event = serde_json::from_str(row.get::<&str, _>(3))
        .map_err(|error| damaged(run, sequence, format!("it cannot be read: {error}")))?;
    Ok(Recorded { run, sequence, at: Micros(row.get(1)), epoch: row.get::<i64, _>(2) as u64, event })
}

fn check(run: RunId, sequence: u64, head: &str, rows: &[SqliteRow]) -> Result<Loaded, StoreError> {
    let mut events = Vec::with_capacity(rows.len());
    let mut previous: Option<Digest> = None;
    for (place, row) in rows.iter().enumerate() {
        let expected = place as u64 + 1;
        let event = recorded(run, row)?;
        if event.sequence != expected {
            return Err(damaged(run, expected, "it is missing"));
        }
        let hash = engine::chain(previous.as_ref(), &event);
        if row.get::<&str, _>(4) != hash.as_str() {
            return Err(damaged(run, expected, "its content does not fit its hash"));
        }
        if row.get::<Option<&str>, _>(5) != previous.as_ref().map(Digest::as_str) {
            return Err(damaged(run, expected, "it does not follow the one before"));
        }
        previous = Some(hash);
        events.push(event);
    }
    let last = events.len() as u64;
    match previous {
        Some(hash) if last == sequence && hash.as_str() == head => {
            Ok(Loaded { events, head: Head { run, sequence, hash } })
        }
        Some(_) if last == sequence => Err(damaged(run, last, "the run's head is another")),
        Some(_) | None => Err(damaged(run, last + 1, format!("it is missing: the run has {sequence}"))),
    }
}
