//! Make a standby the primary, and wait until it really takes writes.
//!
//! Positions are noted on disk *before* `pg_promote` is called: after a crash in between, the probe
//! still knows what was received and replayed. From the call on, the effect may have happened, so a
//! cancel or a lost connection ends in "unknown". "Takes writes" means that a transaction of ours with a
//! transaction id and a commit record came back; it commits with `synchronous_commit = local`, so that a
//! missing synchronous standby of the *new* primary cannot block the answer.

use super::connect::{connect_server, failed};
use super::{facts, loss};
use crate::jobs::{Context, End, Preview, Probe, note};
use model::jobs::{Promote, PromoteOutput};
use model::nouns::PostgresSpec;
use model::{Micros, Outcome, Problem};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};
use std::time::{Duration, Instant};

/// Longest wait for the end of recovery: a standby first replays all it has received.
const PROMOTE_LIMIT: Duration = Duration::from_secs(3600);
/// How often a waiting promotion looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Where the standby stood before its promotion.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stood {
    received_lsn: u64,
    replayed_lsn: u64,
    last_commit_at: Option<Micros>,
}

/// Does it.
pub async fn promote(work: &Promote, spec: &PostgresSpec, context: &Context) -> Result<PromoteOutput, End> {
    let begun = Instant::now();
    let mut connection = context.unless_cancelled(connect_server(spec)).await??;
    let standing = context.unless_cancelled(facts::standing(&mut connection, spec)).await??;
    if !standing.in_recovery {
        context.may_act()?;
        let timeline = context.unless_cancelled(accepted_write(&mut connection, spec)).await??;
        let stood = Stood { received_lsn: standing.lsn, replayed_lsn: standing.lsn, last_commit_at: None };
        return Ok(output(&stood, timeline, begun, true));
    }
    let stood = context.unless_cancelled(stood(&mut connection, spec)).await??;
    loss::judge(work, stood.received_lsn, stood.last_commit_at).map_err(End::Refused)?;
    note::write(context, &stood)?;
    context.phase("promote");
    context.may_act()?;
    let promoting = async {
        sqlx::query("select pg_promote(false)").execute(&mut connection).await.map_err(|error| {
            let problem = failed(spec, "promote", &error);
            // A refusal by the server means that it did nothing; anything else may have come through.
            if error.as_database_error().is_some() { End::Failed(problem) } else { End::Unknown(problem) }
        })?;
        wait_for_primary(&mut connection, spec).await
    };
    let timeline = match context.unless_cancelled(promoting).await {
        Ok(done) => done?,
        Err(_) => return Err(End::Unknown(cut_short(spec))),
    };
    let _ = connection.close().await;
    if !standing.standby_names.is_empty() {
        context.say(format!(
            "synchronous_standby_names is {:?} on the new primary: commits wait for those standbys",
            standing.standby_names
        ));
    }
    Ok(output(&stood, timeline, begun, false))
}

/// Was it done?
pub async fn probe(spec: &PostgresSpec, context: &Context) -> Probe {
    let begun = Instant::now();
    let looked = async {
        let mut connection = connect_server(spec).await?;
        let standing = facts::standing(&mut connection, spec).await?;
        if standing.in_recovery {
            // The promotion is asked for by a file; a server that saw it leaves recovery by itself.
            return Ok(None);
        }
        let timeline = accepted_write(&mut connection, spec).await?;
        let noted: Option<Stood> = note::read(context);
        let already = noted.is_none();
        let stood = noted.unwrap_or(Stood {
            received_lsn: standing.lsn,
            replayed_lsn: standing.lsn,
            last_commit_at: None,
        });
        Ok::<_, Problem>(Some(output(&stood, timeline, begun, already)))
    };
    match looked.await {
        Ok(Some(output)) => Probe::Done(Outcome::success(&output)),
        // Begun and still in recovery: it may be on its way.
        Ok(None) if note::read::<Stood>(context).is_some() => Probe::CannotTell(cut_short(spec)),
        Ok(None) => Probe::NotDone,
        Err(problem) => Probe::CannotTell(problem),
    }
}

/// Could it be done?
pub async fn would_you(spec: &PostgresSpec, context: &Context) -> Result<Preview, End> {
    let mut connection = context.unless_cancelled(connect_server(spec)).await??;
    let standing = context.unless_cancelled(facts::standing(&mut connection, spec)).await??;
    let may: bool =
        sqlx::query_scalar("select has_function_privilege('pg_promote(boolean, integer)', 'execute')")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| failed(spec, "ask the rights at", &error))?;
    if !may {
        return Err(End::Failed(Problem::new(
            "LB2320",
            format!("role {} may not call pg_promote", spec.user),
            format!("Run: grant execute on function pg_promote to {}", spec.user),
        )));
    }
    let role = if standing.in_recovery { "standby" } else { "primary already" };
    Ok(Preview {
        would: vec![format!("promote {}:{}, a {role} at {}", spec.address, spec.port, standing.lsn)],
    })
}

async fn stood(connection: &mut PgConnection, spec: &PostgresSpec) -> Result<Stood, Problem> {
    let error = |error: sqlx::Error| failed(spec, "ask the positions of", &error);
    let row = sqlx::query(
        "select coalesce(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn, 0)::bigint
                    as received,
                coalesce(pg_last_wal_replay_lsn() - '0/0'::pg_lsn, 0)::bigint as replayed,
                (extract(epoch from pg_last_xact_replay_timestamp()) * 1000000)::bigint as committed",
    )
    .fetch_one(connection)
    .await
    .map_err(error)?;
    let lsn =
        |name: &str| row.try_get::<i64, _>(name).map(|lsn| u64::try_from(lsn).unwrap_or(0)).map_err(error);
    Ok(Stood {
        received_lsn: lsn("received")?,
        replayed_lsn: lsn("replayed")?,
        last_commit_at: row.try_get::<Option<i64>, _>("committed").map_err(error)?.map(Micros),
    })
}

async fn wait_for_primary(connection: &mut PgConnection, spec: &PostgresSpec) -> Result<u32, End> {
    let end = Instant::now() + PROMOTE_LIMIT;
    while Instant::now() < end {
        let standing = facts::standing(connection, spec).await.map_err(End::Unknown)?;
        if !standing.in_recovery {
            return accepted_write(connection, spec).await.map_err(End::Unknown);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(End::Unknown(cut_short(spec)))
}

/// Commits a write and gives the timeline. An error means that the server takes no writes.
pub async fn accepted_write(connection: &mut PgConnection, spec: &PostgresSpec) -> Result<u32, Problem> {
    let error = |error: sqlx::Error| failed(spec, "write to", &error);
    let mut transaction = connection.begin().await.map_err(error)?;
    sqlx::query("set local synchronous_commit = local").execute(&mut *transaction).await.map_err(error)?;
    let row = sqlx::query(
        "select current_setting('transaction_read_only') as read_only,
                pg_current_xact_id()::text as id,
                pg_logical_emit_message(true, 'lifeboat', 'write test')::text as position",
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(error)?;
    let read_only: String = row.try_get("read_only").map_err(error)?;
    transaction.commit().await.map_err(error)?;
    if read_only != "off" {
        return Err(Problem::new(
            "LB2321",
            format!("the server at {}:{} left recovery and is read-only", spec.address, spec.port),
            "Set default_transaction_read_only = off and reload it.",
        ));
    }
    let segment: String = sqlx::query_scalar("select pg_walfile_name(pg_current_wal_lsn())")
        .fetch_one(connection)
        .await
        .map_err(error)?;
    Ok(segment.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0))
}

fn output(stood: &Stood, timeline: u32, begun: Instant, already_primary: bool) -> PromoteOutput {
    PromoteOutput {
        timeline,
        received_lsn: stood.received_lsn,
        replayed_lsn: stood.replayed_lsn,
        last_commit_at: stood.last_commit_at,
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        already_primary,
    }
}

fn cut_short(spec: &PostgresSpec) -> Problem {
    Problem::new(
        "LB2322",
        format!("the promotion of {}:{} was asked for and did not end", spec.address, spec.port),
        "Ask the server: select pg_is_in_recovery(). Do not start another primary before it has answered.",
    )
}
