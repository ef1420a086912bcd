//! Two stores in files become one: that of a rescue, and what only the old controller has.

use super::checkpoints::Mark;
use super::database::{Connection, Database};
use super::{StoreError, checkpoints};
use model::{Digest, Head, Micros, RunId};
use sqlx::{AssertSqlSafe, Row};
use std::path::Path;

/// Runs that only one of the two has, at most.
const MAX_RUNS: i64 = 1_000_000;

/// Tables whose rows are added where they are missing, and that nothing hangs on but runs.
const ADDED: [&str; 7] = ["agents", "logins", "user_tokens", "tokens", "points", "scheduled", "inverses"];

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Runs that only the old store had.
    pub added: usize,
    /// Runs that went on in both, and the first event that differs.
    pub forked: Vec<(RunId, u64)>,
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}

async fn run(connection: &mut Connection, statement: String) -> Result<u64, StoreError> {
    let done = sqlx::query(AssertSqlSafe(statement)).execute(connection).await;
    done.map(|done| done.rows_affected()).map_err(StoreError::query("merge two stores"))
}

async fn open(path: &Path) -> Result<(Database, Connection), StoreError> {
    let database = Database::Sqlite(path.to_path_buf());
    let mut connection = database.connect().await?;
    database.migrate(&mut connection).await?;
    Ok((database, connection))
}

/// A copy of a store's file that nobody has open, whole and in one file.
pub async fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let (database, mut connection) = open(from).await?;
    let copied = run(&mut connection, format!("vacuum into {}", quoted(to))).await;
    database.close(connection).await;
    copied.map(drop)
}

/// Brings a file's log into it, so that the file is all there is.
pub async fn fold_log(path: &Path) -> Result<(), StoreError> {
    let (database, connection) = open(path).await?;
    database.close(connection).await;
    for end in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(end);
        let left = std::fs::metadata(&beside).map_or(0, |about| about.len());
        if end == "-wal" && left > 0 {
            let what = format!("the log of {}", path.display());
            return Err(StoreError::Damaged { what, why: "it was not folded into its file".to_string() });
        }
        // It is empty; a new one is made when the file is opened.
        let _ = std::fs::remove_file(&beside);
    }
    Ok(())
}

/// Adds to the store of a rescue what only the old store has, and ends its being a rescue.
pub async fn merge(rescue: &Path, old: &Path) -> Result<Merged, StoreError> {
    let (database, connection) = open(old).await?;
    database.close(connection).await;
    let (database, mut connection) = open(rescue).await?;
    run(&mut connection, format!("attach database {} as old", quoted(old))).await?;
    run(&mut connection, "begin immediate".to_string()).await?;
    // An error leaves a half-made file behind that nobody uses.
    let merged = merged(&mut connection).await;
    run(&mut connection, if merged.is_ok() { "commit" } else { "rollback" }.to_string()).await?;
    run(&mut connection, "detach database old".to_string()).await?;
    database.close(connection).await;
    merged
}

async fn merged(connection: &mut Connection) -> Result<Merged, StoreError> {
    let forked = forked(connection).await?;
    let only = sqlx::query(
        "select run, sequence, head, requested_at from old.runs where run not in (select run from main.runs) \
         and sequence > 0 order by run limit $1",
    )
    .bind(MAX_RUNS)
    .fetch_all(&mut *connection)
    .await
    .map_err(StoreError::query("list the runs of the old store"))?;
    let mut last = last_checkpoint(connection).await?;
    for row in &only {
        let (run, at) = (id(row.get(0))?, Micros(row.get(3)));
        add_run(connection, run).await?;
        let hash = Digest::new(row.get::<String, _>(2));
        let hash = hash.map_err(|error| damaged(run, error.to_string()))?;
        let head = Head { run, sequence: row.get::<i64, _>(1) as u64, hash };
        last = Some(checkpoints::add(connection, last, &head, at).await?);
    }
    for table in ADDED {
        run(connection, format!("insert or ignore into main.{table} select * from old.{table}")).await?;
    }
    for statement in [
        "delete from main.admins",
        "insert into main.admins select * from old.admins",
        "delete from main.rescues",
        "update main.leadership set ends_at = 0, epoch = max(epoch, (select epoch from old.leadership))",
    ] {
        run(connection, statement.to_string()).await?;
    }
    Ok(Merged { added: only.len(), forked })
}

async fn last_checkpoint(connection: &mut Connection) -> Result<Option<Mark>, StoreError> {
    let row = sqlx::query("select number, hash from main.checkpoints order by number desc limit 1")
        .fetch_optional(connection)
        .await
        .map_err(StoreError::query("read the last checkpoint"))?;
    Ok(row.map(|row| Mark { number: row.get::<i64, _>(0) as u64, hash: row.get(1) }))
}

async fn forked(connection: &mut Connection) -> Result<Vec<(RunId, u64)>, StoreError> {
    let rows = sqlx::query(
        "select o.run, min(o.sequence) from old.journal o join main.runs r on r.run = o.run where not exists \
         (select 1 from main.journal n where n.run = o.run and n.sequence = o.sequence and n.hash = o.hash) \
         group by o.run order by o.run limit $1",
    )
    .bind(MAX_RUNS)
    .fetch_all(connection)
    .await
    .map_err(StoreError::query("compare two stores"))?;
    rows.iter().map(|row| Ok((id(row.get(0))?, row.get::<i64, _>(1) as u64))).collect()
}

async fn add_run(connection: &mut Connection, run: RunId) -> Result<(), StoreError> {
    for (table, columns) in [
        (
            "runs",
            "run, request, plan, title, mode, digest, requested_by, requested_at, status, detail, open, \
             ended_at, sequence, head",
        ),
        ("journal", "run, sequence, at, epoch, event, hash, previous"),
        ("held", "resource, run, since, requested_by"),
    ] {
        let statement = format!(
            "insert or ignore into main.{table} ({columns}) select {columns} from old.{table} where run = $1"
        );
        sqlx::query(AssertSqlSafe(statement))
            .bind(run.to_string())
            .execute(&mut *connection)
            .await
            .map_err(StoreError::query("add a run of the old store"))?;
    }
    Ok(())
}

fn id(text: String) -> Result<RunId, StoreError> {
    text.parse().map_err(|error: uuid::Error| StoreError::Damaged {
        what: "the id of a run".to_string(),
        why: error.to_string(),
    })
}

fn damaged(run: RunId, why: String) -> StoreError {
    StoreError::Damaged { what: format!("the head of run {run}"), why }
}
