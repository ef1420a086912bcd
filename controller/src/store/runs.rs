//! The list of runs: one row each, a cache of its journal.

use super::database::{Connection, DbRow};
use super::{Store, StoreError, held, journal, leadership};
use engine::Batch;
use futures::FutureExt;
use model::{Epoch, Micros, RunId};
use sqlx::Row;
use uuid::Uuid;

/// A run that is to start.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// What it holds until it ends.
    pub resources: Vec<String>,
    /// Its first events, and the state that they give.
    pub first: Batch,
}

/// What became of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// A new run, durable.
    New,
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
                    let NewRun { resources, first } = new;
                    leadership::require(connection, epoch).await?;
                    if let Some(run) = requested(connection, first.state.request).await? {
                        return Ok(Started::Already(run));
                    }
                    insert(connection, &first).await?;
                    let (run, by) = (first.run, first.summary.requested_by.clone());
                    let at = first.summary.requested_at;
                    held::take(connection, run, &resources, by.as_str(), at).await?;
                    journal::write(connection, epoch, first).await?;
                    Ok(Started::New)
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

    /// When somebody last started a plan, in whatever mode.
    pub async fn last_of(&self, plan: &str, by: &str) -> Result<Option<Micros>, StoreError> {
        let last: Option<i64> =
            sqlx::query_scalar("select max(requested_at) from runs where plan = $1 and requested_by = $2")
                .bind(plan)
                .bind(by)
                .fetch_one(self.readers())
                .await
                .map_err(StoreError::query("read when a plan began"))?;
        Ok(last.map(Micros))
    }

    /// Runs, newest first.
    pub async fn runs(&self, open_only: bool, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} where open >= $1 order by run desc limit $2"
        )))
        .bind(i64::from(open_only))
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await
        .map_err(StoreError::query("list the runs"))?;
        rows.iter().map(run_of).collect()
    }
}

async fn requested(connection: &mut Connection, request: Option<Uuid>) -> Result<Option<RunId>, StoreError> {
    let Some(request) = request else { return Ok(None) };
    let run: Option<String> = sqlx::query_scalar("select run from runs where request = $1")
        .bind(request.to_string())
        .fetch_optional(connection)
        .await
        .map_err(StoreError::query("read a request"))?;
    run.map(|run| id(&run)).transpose()
}

async fn insert(connection: &mut Connection, first: &Batch) -> Result<(), StoreError> {
    let Batch { run, state, summary, .. } = first;
    sqlx::query(
        "insert into runs (run, request, plan, title, mode, digest, requested_by, requested_at, status, \
         detail, open, ended_at, sequence, head) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, '', '', 1, 0, 0, '')",
    )
    .bind(run.to_string())
    .bind(state.request.map(|request| request.to_string()))
    .bind(summary.plan.as_str())
    .bind(&summary.title)
    .bind(summary.mode.as_str())
    .bind(state.digest.as_str())
    .bind(summary.requested_by.as_str())
    .bind(summary.requested_at.0)
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

fn run_of(row: &DbRow) -> Result<RunRow, StoreError> {
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
