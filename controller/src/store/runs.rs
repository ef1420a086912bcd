//! The list of runs: one row each, a cache of its journal.

use super::journal::{self, Append, Cache};
use super::{Store, StoreError, held, leadership};
use engine::Recorded;
use futures::FutureExt;
use model::{Epoch, Head, Micros, RunId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

/// A run that is to start.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id.
    pub run: RunId,
    /// The request that asked for it: the same one sent again starts nothing new.
    pub request: Option<Uuid>,
    /// The plan's name.
    pub plan: String,
    /// The plan's title.
    pub title: String,
    /// The mode's word.
    pub mode: String,
    /// The checked plan's digest.
    pub digest: String,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Micros,
    /// What it holds until it ends.
    pub resources: Vec<String>,
    /// Its first events.
    pub events: Vec<Recorded>,
    /// The state after them.
    pub cache: Cache,
}

/// What became of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// A new run, durable.
    New(Head),
    /// The request had started this one before.
    Already(RunId),
}

/// A run in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub run: RunId,
    /// The plan's name.
    pub plan: String,
    /// The plan's title.
    pub title: String,
    /// The mode's word.
    pub mode: String,
    /// The checked plan's digest.
    pub digest: String,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub requested_at: Micros,
    /// The state's word.
    pub status: String,
    /// What it waits for, or why it failed.
    pub detail: String,
    /// Whether it has not ended.
    pub open: bool,
    /// When it ended; 0 while it is open.
    pub ended_at: Micros,
    /// Number of its last event.
    pub sequence: u64,
    /// Hash of its last event.
    pub head: String,
}

const COLUMNS: &str = "select run, plan, title, mode, digest, requested_by, requested_at, status, detail, \
     open, ended_at, sequence, head from runs";

impl Store {
    /// Starts a run: its row, what it holds and its first events, in one transaction.
    pub async fn start(&self, epoch: Epoch, new: NewRun) -> Result<Started, StoreError> {
        self.writer()
            .write("start a run", move |connection| {
                async move {
                    leadership::require(connection, epoch).await?;
                    if let Some(run) = requested(connection, new.request).await? {
                        return Ok(Started::Already(run));
                    }
                    insert(connection, &new).await?;
                    held::take(connection, new.run, &new.resources, &new.by, new.at).await?;
                    let NewRun { run, events, cache, .. } = new;
                    let append = Append { run, expected: 0, events, cache };
                    journal::write(connection, append).await.map(Started::New)
                }
                .boxed()
            })
            .await
    }

    /// One run's row.
    pub async fn run(&self, run: RunId) -> Result<Option<RunRow>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} where run = $1")))
            .bind(run.to_string())
            .fetch_optional(self.readers())
            .await
            .map_err(StoreError::query("read a run"))?;
        row.as_ref().map(run_of).transpose()
    }

    /// Runs, newest first.
    pub async fn runs(&self, open_only: bool, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} where open >= $1 order by run desc limit $2")))
                .bind(i64::from(open_only))
                .bind(i64::from(limit))
                .fetch_all(self.readers())
                .await
                .map_err(StoreError::query("list the runs"))?;
        rows.iter().map(run_of).collect()
    }
}

async fn requested(
    connection: &mut SqliteConnection,
    request: Option<Uuid>,
) -> Result<Option<RunId>, StoreError> {
    let Some(request) = request else { return Ok(None) };
    let run: Option<String> = sqlx::query_scalar("select run from runs where request = $1")
        .bind(request.to_string())
        .fetch_optional(connection)
        .await
        .map_err(StoreError::query("read a request"))?;
    run.map(|run| id(&run)).transpose()
}

async fn insert(connection: &mut SqliteConnection, new: &NewRun) -> Result<(), StoreError> {
    sqlx::query(
        "insert into runs (run, request, plan, title, mode, digest, requested_by, requested_at, status, \
         detail, open, ended_at, sequence, head) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, '', '', 1, 0, 0, '')",
    )
    .bind(new.run.to_string())
    .bind(new.request.map(|request| request.to_string()))
    .bind(&new.plan)
    .bind(&new.title)
    .bind(&new.mode)
    .bind(&new.digest)
    .bind(&new.by)
    .bind(new.at.0)
    .execute(connection)
    .await
    .map_err(StoreError::query("write a run's row"))?;
    Ok(())
}

fn id(text: &str) -> Result<RunId, StoreError> {
    text.parse().map_err(|error: uuid::Error| StoreError::Damaged {
        what: "the id of a run".to_string(),
        why: error.to_string(),
    })
}

fn run_of(row: &SqliteRow) -> Result<RunRow, StoreError> {
    Ok(RunRow {
        run: id(row.get(0))?,
        plan: row.get(1),
        title: row.get(2),
        mode: row.get(3),
        digest: row.get(4),
        requested_by: row.get(5),
        requested_at: Micros(row.get(6)),
        status: row.get(7),
        detail: row.get(8),
        open: row.get::<i64, _>(9) != 0,
        ended_at: Micros(row.get(10)),
        sequence: row.get::<i64, _>(11) as u64,
        head: row.get(12),
    })
}
