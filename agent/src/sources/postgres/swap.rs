//! Put a copy in the live database's place; what was live stays beside.
//!
//! Writers are held first: the live database takes no new connections, those that are there are ended,
//! and only then the copy takes over owner, rights and settings and both renames and both marks happen,
//! in one transaction. So there are three states that
//! a crash can leave, and a probe tells them apart by the marks: untouched (no mark of ours, connections
//! allowed), held (connections refused, names as before; the hold is taken back), and done (the live
//! name carries our mark). There is no moment with half of the renames. The old database stays closed to
//! connections, so no forgotten writer can go on in it.

use super::connect::{check_name, connect_server, execute, failed, quoted};
use super::mark::{self, Database, Mark, Role};
use super::rights;
use crate::jobs::{Context, End, Preview, Probe, note};
use model::jobs::{Swap, SwapOutput};
use model::nouns::PostgresSpec;
use model::{Micros, Outcome, Problem};
use serde::{Deserialize, Serialize};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use std::time::Duration;

/// From the hold until the end is unknown. A cancel in between ends the wait for sessions and takes the hold
/// back; the renames themselves are never cut off, so their end is always known.
const SWAP_LIMIT: Duration = Duration::from_secs(120);
/// How long ended sessions may take to leave.
const LEAVE_LIMIT: Duration = Duration::from_secs(30);
/// How often a wait looks again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is decided before the first change.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Decided {
    old: String,
    keep_until: Micros,
}

/// Does it.
pub async fn swap(work: &Swap, spec: &PostgresSpec, context: &Context) -> Result<SwapOutput, End> {
    let mut connection = context.unless_cancelled(connect_server(spec)).await??;
    let (live, copy) = context.unless_cancelled(both(&mut connection, spec, work)).await??;
    let now = (context.now)();
    let decided = Decided { old: old_name(&spec.database, now), keep_until: now.after(work.keep_old) };
    note::write(context, &decided)?;
    context.phase("hold writers");
    context.may_act()?;
    let swapping = async {
        let swapped = hold_and_rename(&mut connection, work, spec, context, (&live, &copy), &decided).await;
        let Err(problem) = swapped else { return Ok(()) };
        // The renames were rolled back or never begun; let the writers in again.
        match hold(&mut connection, spec, &spec.database, false).await {
            Ok(()) if context.cancel.is_cancelled() => Err(End::Cancelled),
            Ok(()) => Err(End::Failed(problem)),
            Err(worse) => Err(End::Unknown(still_held(spec, &worse))),
        }
    };
    match tokio::time::timeout(SWAP_LIMIT, swapping).await {
        Ok(done) => done?,
        Err(late) => {
            let why = Problem::new("LB2343", "the server did not answer in time", "See the server.")
                .caused_by(&late);
            return Err(End::Unknown(still_held(spec, &why)));
        }
    }
    Ok(SwapOutput { old: decided.old, keep_until: decided.keep_until })
}

/// Was it done? A hold that was left behind is taken back.
pub async fn probe(work: &Swap, spec: &PostgresSpec, context: &Context) -> Probe {
    let looked = async {
        let mut connection = connect_server(spec).await?;
        let live = mark::look(&mut connection, spec, &spec.database).await?;
        let done = live
            .as_ref()
            .and_then(|live| live.mark.as_ref())
            .is_some_and(|mark| mark.role == Role::Live && mark.work == context.marker);
        if let (true, Some(decided)) = (done, note::read::<Decided>(context)) {
            return Ok(Some(SwapOutput { old: decided.old, keep_until: decided.keep_until }));
        }
        if live.is_none() {
            return Err(missing(&spec.database));
        }
        hold(&mut connection, spec, &spec.database, false).await?;
        Ok(None)
    };
    let _ = work;
    match looked.await {
        Ok(Some(output)) => Probe::Done(Outcome::success(&output)),
        Ok(None) => Probe::NotDone,
        Err(problem) => Probe::CannotTell(problem),
    }
}

/// Could it be done?
pub async fn would_you(work: &Swap, spec: &PostgresSpec, context: &Context) -> Result<Preview, End> {
    let mut connection = context.unless_cancelled(connect_server(spec)).await??;
    context.unless_cancelled(both(&mut connection, spec, work)).await??;
    Ok(Preview {
        would: vec![format!("put {} in the place of {}, which stays beside", work.copy, spec.database)],
    })
}

/// The live database and the whole copy.
async fn both(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    work: &Swap,
) -> Result<(Database, Database), Problem> {
    check_name(&work.copy)?;
    check_name(&old_name(&spec.database, Micros(0)))?;
    let live = mark::look(connection, spec, &spec.database).await?.ok_or_else(|| missing(&spec.database))?;
    let copy = mark::look(connection, spec, &work.copy).await?.ok_or_else(|| missing(&work.copy))?;
    match &copy.mark {
        Some(mark) if mark.role == Role::Copy && mark.source == work.source.name.as_str() => Ok((live, copy)),
        _ => Err(Problem::new(
            "LB2340",
            format!("database {} is not a whole copy of {} that a restore made", work.copy, work.source.name),
            "Restore into a new name, check the copy, then swap that one.",
        )),
    }
}

async fn hold_and_rename(
    connection: &mut PgConnection,
    work: &Swap,
    spec: &PostgresSpec,
    context: &Context,
    (live, copy): (&Database, &Database),
    decided: &Decided,
) -> Result<(), Problem> {
    hold(connection, spec, &spec.database, true).await?;
    empty(connection, spec, context, &[&spec.database, &work.copy]).await?;
    context.phase("swap");
    let error = |error: sqlx::Error| failed(spec, "swap databases of", &error);
    let mut transaction = connection.begin().await.map_err(error)?;
    rights::take_over(&mut transaction, spec, &spec.database, &work.copy).await?;
    rename(&mut transaction, spec, &spec.database, &decided.old).await?;
    rename(&mut transaction, spec, &work.copy, &spec.database).await?;
    let copied = copy.mark.clone().unwrap_or_else(|| blank(work, context));
    let now_live = Mark { role: Role::Live, work: context.marker.clone(), output: None, ..copied };
    mark::set(&mut transaction, spec, &spec.database, &now_live).await?;
    let now_old =
        Mark { role: Role::Old, at: (context.now)(), comment: live.comment.clone(), ..blank(work, context) };
    mark::set(&mut transaction, spec, &decided.old, &now_old).await?;
    transaction.commit().await.map_err(error)
}

fn blank(work: &Swap, context: &Context) -> Mark {
    Mark {
        role: Role::Old,
        source: work.source.name.to_string(),
        snapshot: String::new(),
        at: (context.now)(),
        work: context.marker.clone(),
        comment: None,
        output: None,
    }
}

async fn rename(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    from: &str,
    to: &str,
) -> Result<(), Problem> {
    let statement = format!("alter database {} rename to {}", quoted(from), quoted(to));
    execute(connection, spec, &format!("rename {from} to {to} on"), statement).await
}

async fn hold(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    name: &str,
    held: bool,
) -> Result<(), Problem> {
    let statement = format!("alter database {} with allow_connections {}", quoted(name), !held);
    let what = if held { "hold the writers of" } else { "let the writers in again at" };
    execute(connection, spec, what, statement).await
}

/// Ends every session of these databases and waits until they have left.
async fn empty(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    context: &Context,
    names: &[&String],
) -> Result<(), Problem> {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let error = |error: sqlx::Error| failed(spec, "end the sessions of", &error);
    let end = tokio::time::Instant::now() + LEAVE_LIMIT;
    loop {
        let left: i64 = sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = any($1) and pid <> pg_backend_pid()",
        )
        .bind(&names)
        .fetch_one(&mut *connection)
        .await
        .map_err(error)?;
        if left == 0 {
            return Ok(());
        }
        if tokio::time::Instant::now() >= end || context.cancel.is_cancelled() {
            return Err(Problem::new(
                "LB2341",
                format!("{left} sessions of {} do not leave", names.join(" and ")),
                "See pg_stat_activity, end them, then retry. Nothing was renamed.",
            )
            .transient());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// `DATABASE_old_20261120210405`, the live name cut where there is no room.
fn old_name(database: &str, now: Micros) -> String {
    let moment = now.timestamp().strftime("%Y%m%d%H%M%S").to_string();
    let room = 63 - "_old_".len() - moment.len();
    let kept: String = database.chars().take(room).collect();
    format!("{kept}_old_{moment}")
}

fn missing(name: &str) -> Problem {
    Problem::new(
        "LB2342",
        format!("there is no database {name}"),
        "See the names; list the databases with `psql -l`.",
    )
}

fn still_held(spec: &PostgresSpec, why: &Problem) -> Problem {
    Problem::new(
        "LB2344",
        format!("database {} may still refuse connections after a swap that did not happen", spec.database),
        format!(
            "Run on the server, when {0} is the right data: alter database {0} with allow_connections true",
            quoted(&spec.database)
        ),
    )
    .caused_by(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_name_fits_whatever_the_live_name_is() {
        assert_eq!(old_name("tutor", Micros(0)), "tutor_old_19700101000000");
        assert_eq!(old_name(&"x".repeat(63), Micros(0)).len(), 63);
    }
}
