//! Make a copy: a marked database, loaded from a snapshot and compared with what was recorded.

use super::connect::{connect, connect_server, execute, failed, literal, quoted};
use super::mark::{self, Mark, Role};
use super::{login, rows};
use crate::jobs::child::{self, Program};
use crate::jobs::{Context, End};
use crate::sources::manifest::{self, Manifest};
use crate::sources::vault::{self, Absent};
use model::jobs::RowComparison;
use model::nouns::{Point, PostgresSpec, RepositorySpec, SourceSpec};
use model::{Problem, SnapshotId};
use repository::{Repository, SnapshotInfo};
use sqlx::postgres::PgConnection;
use std::process::Stdio;
use std::sync::Arc;

/// Tables that are named when rows differ.
const SHOWN_TABLES: usize = 5;

/// Where a copy comes from.
pub struct Origin {
    repository: Arc<Repository>,
    info: SnapshotInfo,
    about: Manifest,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The moment that it shows.
    pub at: model::Micros,
}

/// A copy that was loaded and compared.
pub struct Made {
    /// Bytes of the dump.
    pub bytes: u64,
    /// Rows of every table.
    pub tables: Vec<RowComparison>,
}

/// Finds the snapshot that a point means, and reads what it says about itself.
pub async fn origin(
    source: &SourceSpec,
    repository: &RepositorySpec,
    point: &Point,
    context: &Context,
) -> Result<Origin, End> {
    let filter = manifest::at_point(source, point)?;
    let repository = vault::open(repository, Absent::Fail, context).await?;
    context.phase("find the point");
    let inside = repository.clone();
    let (info, about) = vault::work(context, None, move |monitor| {
        let info = inside.find(&filter)?;
        let about = vault::manifest(&inside, &info, monitor)?;
        Ok((info, about))
    })
    .await?;
    Ok(Origin { snapshot: vault::id(info.id)?, at: about.at, repository, info, about })
}

/// The mark of a copy in a given role.
pub fn mark_of(origin: &Origin, source: &SourceSpec, role: Role, context: &Context) -> Mark {
    Mark {
        role,
        source: source.name.to_string(),
        snapshot: origin.snapshot.to_string(),
        at: origin.at,
        work: context.marker.clone(),
        comment: None,
        output: None,
    }
}

/// Makes the database `name`, loads it and compares it. What an earlier try left under this name is replaced
/// when it is ours; when this try fails its database is dropped again.
pub async fn make(
    spec: &PostgresSpec,
    source: &SourceSpec,
    origin: &Origin,
    name: &str,
    context: &Context,
) -> Result<Made, End> {
    let pg_restore = child::find("pg_restore", spec.programs.as_deref())?;
    let mut server = context.unless_cancelled(connect_server(spec)).await??;
    context.unless_cancelled(may_replace(&mut server, spec, name)).await??;
    context.phase("create copy");
    context.may_act()?;
    mark::drop_database(&mut server, spec, name).await?;
    execute(&mut server, spec, &format!("create database {name} on"), create_statement(name, &origin.about))
        .await?;
    let mark = mark_of(origin, source, Role::Unfinished, context);
    mark::set(&mut server, spec, name, &mark).await?;
    let made = load_and_compare(spec, origin, name, pg_restore, context).await;
    if made.is_err() {
        // Frees the space. A copy that cannot be dropped now is known as ours by its mark.
        if let Ok(mut server) = connect_server(spec).await {
            let _ = mark::drop_database(&mut server, spec, name).await;
        }
    }
    made
}

/// Is there nothing, or something of ours that is not whole, or an empty database of a crash between its
/// creation and its mark?
async fn may_replace(server: &mut PgConnection, spec: &PostgresSpec, name: &str) -> Result<(), Problem> {
    let Some(found) = mark::look(server, spec, name).await? else { return Ok(()) };
    let ours = match (&found.mark, &found.comment) {
        (Some(mark), _) => mark.role == Role::Unfinished,
        (None, Some(_)) => false,
        (None, None) => is_empty(spec, name).await?,
    };
    if ours {
        return Ok(());
    }
    Err(Problem::new(
        "LB2352",
        format!("database {name} exists and is no unfinished copy of ours, so it is not replaced"),
        "Restore under another name, or look at that database and drop it yourself.",
    ))
}

async fn is_empty(spec: &PostgresSpec, name: &str) -> Result<bool, Problem> {
    let mut connection = connect(spec, name).await?;
    let relations: i64 = sqlx::query_scalar(
        "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(|error| failed(spec, "look into a database of", &error))?;
    Ok(relations == 0)
}

fn create_statement(name: &str, about: &Manifest) -> String {
    let mut statement = format!("create database {} template template0", quoted(name));
    if let Some((encoding, collation, ctype)) = &about.locale {
        let (encoding, collation, ctype) = (literal(encoding), literal(collation), literal(ctype));
        statement.push_str(&format!(" encoding {encoding} lc_collate {collation} lc_ctype {ctype}"));
    }
    statement
}

async fn load_and_compare(
    spec: &PostgresSpec,
    origin: &Origin,
    name: &str,
    pg_restore: std::path::PathBuf,
    context: &Context,
) -> Result<Made, End> {
    let bytes = load(spec, origin, name, pg_restore, context).await?;
    context.phase("compare rows");
    let mut copy = context.unless_cancelled(connect(spec, name)).await??;
    let found = context.unless_cancelled(rows::count(&mut copy, spec)).await??;
    let tables = rows::compare(&origin.about.rows, &found);
    if rows::same(&origin.about.rows, &found) {
        return Ok(Made { bytes, tables });
    }
    let differing: Vec<String> = tables
        .iter()
        .filter(|table| table.expected != table.found)
        .take(SHOWN_TABLES)
        .map(|table| format!("{} has {} rows, recorded were {}", table.table, table.found, table.expected))
        .collect();
    Err(End::Failed(Problem::new(
        "LB2353",
        format!(
            "the copy of snapshot {} is not what was backed up: {}",
            origin.snapshot,
            differing.join("; ")
        ),
        "Do not use it. Take another point, and check the repository.",
    )))
}

/// Streams the dump from the repository into pg_restore. Gives the dump's size.
async fn load(
    spec: &PostgresSpec,
    origin: &Origin,
    name: &str,
    pg_restore: std::path::PathBuf,
    context: &Context,
) -> Result<u64, End> {
    let (reader, mut writer) = std::io::pipe().map_err(|error| {
        Problem::new("LB2319", "cannot make a pipe", "See the host's limits on open files.").caused_by(&error)
    })?;
    let program = Program {
        path: pg_restore,
        args: vec![
            "--format=custom".to_string(),
            "--exit-on-error".to_string(),
            "--no-password".to_string(),
            format!("--dbname={name}"),
        ],
        environment: login::environment(spec, name)?,
        stdin: Stdio::from(reader),
        stdout: None,
    };
    context.phase("load");
    let limited = Context { cancel: context.cancel.child_token(), ..context.clone() };
    let running = child::start(&limited, program)?;
    let (repository, info) = (origin.repository.clone(), origin.info.clone());
    let file = origin.about.file.clone().unwrap_or_default();
    let reading = async {
        // The writer is dropped at the thread's end: pg_restore sees the end of its input.
        let read =
            vault::work(context, None, move |monitor| repository.dump(&info, &file, &mut writer, monitor))
                .await;
        if matches!(&read, Err(End::Failed(problem)) if problem.code != SINK_FAILED) {
            // A short input must not look like an end.
            limited.cancel.cancel();
        }
        read
    };
    let (read, ended) = tokio::join!(reading, running.wait(&limited));
    match (read, ended) {
        (_, Err(End::Unknown(problem))) => Err(End::Unknown(problem)),
        (Ok(bytes), Ok(exit)) if exit.code == Some(0) => Ok(bytes),
        (Err(End::Failed(problem)), _) if problem.code != SINK_FAILED => Err(End::Failed(problem)),
        (_, Ok(exit)) => Err(End::Failed(
            Problem::new(
                "LB2354",
                format!("pg_restore ended with {}", exit.words()),
                "Read its last lines: roles or extensions of the dump may be missing on this server.",
            )
            .with_log(exit.tail),
        )),
        (Err(end), _) | (_, Err(end)) => Err(end),
    }
}

/// The repository's code for "the writer failed": pg_restore went away first and explains why.
const SINK_FAILED: &str = "LB3062";
