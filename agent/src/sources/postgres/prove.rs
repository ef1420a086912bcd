//! Prove a point: restore it into a scratch database, compare, ask the checks, drop it.

use super::connect::{connect_server, failed};
use super::mark::{self, Role};
use super::{copy, question};
use crate::jobs::{Context, End};
use model::jobs::{Prove, ProveOutput};
use model::nouns::{PostgresSpec, Question, SourceSpec};
use model::{Digest, Problem};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use std::time::Instant;

/// Does it. The scratch database is dropped however it ends; those that a crash left are dropped first.
pub async fn prove(work: &Prove, spec: &PostgresSpec, context: &Context) -> Result<ProveOutput, End> {
    let begun = Instant::now();
    if let Some(other) = work.checks.iter().find(|check| !matches!(check.question, Question::Sql { .. })) {
        return Err(End::Failed(Problem::new(
            "LB2356",
            format!(
                "check {} is a {} check: it cannot be asked of a copy",
                other.name,
                other.question.as_str()
            ),
            "Name sql checks only.",
        )));
    }
    let origin = copy::origin(&work.source, &work.repository, &work.point, context).await?;
    let scratch = scratch_name(spec, context);
    context.may_act()?;
    if let Err(problem) = context.unless_cancelled(sweep(&work.source, spec)).await? {
        // What is left takes room, and hinders no proof.
        context.say(problem.to_string());
    }
    let mut holder = context.unless_cancelled(connect_server(spec)).await??;
    if !context.unless_cancelled(hold(&mut holder, spec, &scratch)).await?? {
        return Err(End::Failed(at_work(&scratch)));
    }
    let made = copy::make(spec, &work.source, &origin, &scratch, context).await?;
    let asked = ask_all(work, spec, &scratch, context).await;
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    context.phase("drop copy");
    let mut server = connect_server(spec).await?;
    mark::drop_database(&mut server, spec, &scratch).await?;
    // Held until here, over everything that worked in the copy.
    let _ = holder.close().await;
    let checks = asked?;
    Ok(ProveOutput {
        snapshot: origin.snapshot,
        at: origin.at,
        tables: made.tables,
        files: 0,
        checks,
        took_ms,
    })
}

async fn ask_all(
    work: &Prove,
    spec: &PostgresSpec,
    scratch: &str,
    context: &Context,
) -> Result<Vec<String>, End> {
    let mut passed = Vec::new();
    context.phase("ask checks");
    for check in &work.checks {
        if let Question::Sql { statement, expect, .. } = &check.question {
            let asking = question::ask_database(spec, scratch, statement, expect, check.within);
            let asked = context.unless_cancelled(asking).await?;
            asked.map_err(|problem| {
                End::Failed(Problem {
                    message: format!("check {} on the copy: {}", check.name, problem.message),
                    ..problem
                })
            })?;
            passed.push(check.name.to_string());
        }
    }
    Ok(passed)
}

/// Drops the scratch databases of this source whose proof is over. A proof holds a lock on its copy's name
/// for as long as its session lives, on whatever host it runs, so a lock that is free says that nobody
/// works there. Restores are never meant: their names do not end like this.
pub async fn sweep(source: &SourceSpec, spec: &PostgresSpec) -> Result<(), Problem> {
    let mut server = connect_server(spec).await?;
    let names: Vec<String> = sqlx::query_scalar(
        "select datname::text from pg_database
         where left(datname, length($1)) = $1 and substr(datname, length($1) + 1) ~ '^[0-9a-f]{8}$'
         order by 1 limit 100",
    )
    .bind(prefix(spec))
    .fetch_all(&mut server)
    .await
    .map_err(|error| failed(spec, "list the databases of", &error))?;
    for name in names {
        let found = mark::look(&mut server, spec, &name).await?.and_then(|found| found.mark);
        let ours =
            found.is_some_and(|mark| mark.role == Role::Unfinished && mark.source == source.name.as_str());
        if ours && hold(&mut server, spec, &name).await? {
            mark::drop_database(&mut server, spec, &name).await?;
        }
    }
    // Gives the locks back.
    let _ = server.close().await;
    Ok(())
}

/// Takes the lock on a copy's name until this session ends. `false` when another session has it.
async fn hold(session: &mut PgConnection, spec: &PostgresSpec, name: &str) -> Result<bool, Problem> {
    sqlx::query_scalar("select pg_try_advisory_lock(hashtext('lifeboat copy ' || $1)::bigint)")
        .bind(name)
        .fetch_one(session)
        .await
        .map_err(|error| failed(spec, "lock a copy's name on", &error))
}

fn at_work(scratch: &str) -> Problem {
    Problem::new(
        "LB2357",
        format!("another session still works with the copy {scratch} of this very order"),
        "Wait until it has ended, then retry; see pg_stat_activity.",
    )
    .transient()
}

/// One name for each order, so that two proofs at once do not meet.
fn scratch_name(spec: &PostgresSpec, context: &Context) -> String {
    let digest = Digest::of(&context.marker).map(|digest| digest.to_string()).unwrap_or_default();
    format!("{}{}", prefix(spec), &digest[..digest.len().min(8)])
}

/// What the names of scratch databases begin with.
fn prefix(spec: &PostgresSpec) -> String {
    let kept: String = spec.database.chars().take(40).collect();
    format!("{kept}_prove_")
}
