//! Back one database up: pg_dump's output goes straight into the repository, never through a file.
//!
//! One read-only transaction of ours exports its snapshot to pg_dump and counts the rows in it, so rows
//! and dump show the same moment. It stays open until the dump has ended. The repository reads the pipe
//! to its end and then asks how pg_dump ended; only exit code 0 makes a snapshot. When either side
//! fails the other is stopped: a broken pipe ends pg_dump, and a failed repository cancels it, also when
//! it waits for a lock and writes nothing.

use super::connect::{check_name, connect, failed};
use super::{login, rows};
use crate::jobs::child::{self, Exit, Program};
use crate::jobs::{Context, End};
use crate::sources::manifest::{self, Manifest};
use crate::sources::vault::{self, Absent};
use model::jobs::{Backup, BackupOutput};
use model::nouns::PostgresSpec;
use model::{Micros, Problem};
use repository::BackupMeta;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};
use std::process::Stdio;
use std::sync::mpsc;

/// How long pg_dump waits for a table's lock, in milliseconds.
const LOCK_WAIT_MS: u32 = 60_000;

/// A moment of the database that stays visible while its transaction is open.
struct Frozen {
    id: String,
    at: Micros,
    version: String,
    lsn: u64,
    locale: (String, String, String),
}

/// Does it.
pub async fn backup(work: &Backup, spec: &PostgresSpec, context: &Context) -> Result<BackupOutput, End> {
    check_name(&spec.database)?;
    let pg_dump = child::find("pg_dump", spec.programs.as_deref())?;
    let repository = vault::open(&work.repository, Absent::Init, context).await?;
    let mut connection = context.unless_cancelled(connect(spec, &spec.database)).await??;
    let error = |error: sqlx::Error| failed(spec, "begin a transaction on", &error);
    let mut transaction =
        connection.begin_with("begin isolation level repeatable read read only").await.map_err(error)?;
    context.phase("count rows");
    let frozen = context.unless_cancelled(freeze(&mut transaction, spec)).await??;
    let counted = context.unless_cancelled(rows::count(&mut transaction, spec)).await??;
    let mut about = Manifest::new(&work.source, frozen.at, context);
    about.file = Some(format!("{}.dump", spec.database));
    about.server_version = Some(frozen.version.clone());
    about.lsn = Some(frozen.lsn);
    about.locale = Some(frozen.locale.clone());
    about.rows = counted.clone();
    let mut meta = BackupMeta::of_this_host(frozen.at.timestamp());
    meta.tags = manifest::tags(&work.source, &work.tags, context);
    meta.metadata = Some(serde_json::to_vec(&about).map_err(|error| {
        Problem::new("LB2318", "cannot write the manifest", "Report this.").caused_by(&error)
    })?);
    let program = Program {
        path: pg_dump,
        args: vec![
            "--format=custom".to_string(),
            "--compress=0".to_string(),
            "--no-password".to_string(),
            format!("--lock-wait-timeout={LOCK_WAIT_MS}"),
            format!("--snapshot={}", frozen.id),
        ],
        environment: login::environment(spec, &spec.database)?,
        stdin: Stdio::null(),
        stdout: None,
    };
    let file = about.file.clone().unwrap_or_default();
    let summary = dump(context, program, move |reader, finish, monitor| {
        repository.backup_stream(&meta, &file, reader, finish, monitor)
    })
    .await?;
    drop(transaction);
    Ok(BackupOutput {
        snapshot: vault::id(summary.snapshot)?,
        at: frozen.at,
        read_bytes: summary.bytes_read,
        stored_bytes: summary.bytes_stored,
        files: 1,
        rows: counted,
        warnings: Vec::new(),
        server_version: Some(frozen.version),
    })
}

/// What `store` asks when the pipe has ended: did the dump end well?
type Finish = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// Runs the dump and the storing of its output side by side, until both have ended.
async fn dump<T: Send + 'static>(
    context: &Context,
    mut program: Program,
    store: impl FnOnce(&mut dyn std::io::Read, Finish, &repository::Monitor) -> Result<T, repository::Error>
    + Send
    + 'static,
) -> Result<T, End> {
    let (mut reader, writer) = std::io::pipe().map_err(|error| {
        Problem::new("LB2319", "cannot make a pipe", "See the host's limits on open files.").caused_by(&error)
    })?;
    program.stdout = Some(Stdio::from(writer));
    context.phase("dump");
    context.may_act()?;
    let limited = Context { cancel: context.cancel.child_token(), ..context.clone() };
    let running = child::start(&limited, program)?;
    let (tell, told) = mpsc::sync_channel::<Result<(), String>>(1);
    let storing = async {
        let finish: Finish = Box::new(move || {
            told.recv().unwrap_or_else(|_| Err("nobody knows how the dump ended".to_string()))
        });
        let stored = vault::work(context, None, move |monitor| store(&mut reader, finish, monitor)).await;
        if stored.is_err() {
            limited.cancel.cancel();
        }
        stored
    };
    let dumping = async {
        let ended = running.wait(&limited).await;
        let verdict = match &ended {
            Ok(Exit { code: Some(0), .. }) => Ok(()),
            Ok(exit) => Err(exit.words()),
            Err(_) => Err("it was stopped".to_string()),
        };
        // The storing side may have failed and gone already.
        let _ = tell.try_send(verdict);
        ended
    };
    let (stored, ended) = tokio::join!(storing, dumping);
    match (stored, ended) {
        (Ok(done), Ok(_)) => Ok(done),
        (_, Err(End::Unknown(problem))) => Err(End::Unknown(problem)),
        // The dump's own end explains the storing's, unless the storing failed first and ended the dump.
        (Err(End::Failed(problem)), Ok(exit)) if problem.code == SOURCE_FAILED => {
            Err(End::Failed(dump_failed(exit)))
        }
        (Err(end), _) => Err(end),
        (Ok(_), Err(end)) => Err(end),
    }
}

/// The repository's code for "the source did not end well".
const SOURCE_FAILED: &str = "LB3051";

fn dump_failed(exit: Exit) -> Problem {
    Problem::new(
        "LB2350",
        format!("pg_dump ended with {}, so no snapshot was written", exit.words()),
        "Read its last lines, mend the cause and run the backup again. Earlier snapshots are untouched.",
    )
    .transient()
    .with_log(exit.tail)
}

async fn freeze(connection: &mut PgConnection, spec: &PostgresSpec) -> Result<Frozen, Problem> {
    let error = |error: sqlx::Error| failed(spec, "freeze a moment of", &error);
    let in_recovery: bool =
        sqlx::query_scalar("select pg_is_in_recovery()").fetch_one(&mut *connection).await.map_err(error)?;
    if in_recovery {
        return Err(Problem::new(
            "LB2351",
            format!("the server at {}:{} is a standby: it cannot export a snapshot", spec.address, spec.port),
            "Back the source up on its primary.",
        ));
    }
    let row = sqlx::query(
        "select pg_export_snapshot() as id,
                (extract(epoch from clock_timestamp()) * 1000000)::bigint as at,
                current_setting('server_version') as version,
                (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint as lsn,
                pg_encoding_to_char(encoding)::text as encoding, datcollate::text as collation,
                datctype::text as ctype
         from pg_database where datname = current_database()",
    )
    .fetch_one(connection)
    .await
    .map_err(error)?;
    let text = |name: &str| row.try_get::<String, _>(name).map_err(error);
    Ok(Frozen {
        id: text("id")?,
        at: Micros(row.try_get("at").map_err(error)?),
        version: text("version")?,
        lsn: u64::try_from(row.try_get::<i64, _>("lsn").map_err(error)?).unwrap_or(0),
        locale: (text("encoding")?, text("collation")?, text("ctype")?),
    })
}
