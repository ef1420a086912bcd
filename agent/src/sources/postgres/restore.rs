//! Restore a point beside the live database, under a name that did not exist.

use super::connect::{check_name, connect_server, execute, failed, quoted};
use super::copy;
use super::mark::{self, MAX_COPY_NAME_BYTES, Role};
use crate::jobs::{Context, End, Probe};
use model::jobs::{Restore, RestoreOutput};
use model::nouns::PostgresSpec;
use model::{Outcome, Problem};
use sqlx::Connection as _;
use std::time::Instant;

/// Does it.
pub async fn restore(work: &Restore, spec: &PostgresSpec, context: &Context) -> Result<RestoreOutput, End> {
    let begun = Instant::now();
    check_target(work, spec)?;
    if let Some(done) = context.unless_cancelled(made(work, spec, context)).await?? {
        return Ok(done);
    }
    let origin = copy::origin(&work.source, &work.repository, &work.point, context).await?;
    let scratch = mark::unfinished(&work.into);
    let made = copy::make(spec, &work.source, &origin, &scratch, context).await?;
    let output = RestoreOutput {
        snapshot: origin.snapshot.clone(),
        at: origin.at,
        into: work.into.clone(),
        bytes: made.bytes,
        tables: made.tables,
        files: 0,
        matches: true,
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let mut finished = copy::mark_of(&origin, &work.source, Role::Copy, context);
    finished.output = serde_json::to_value(&output).ok();
    context.phase("finish");
    let mut server = connect_server(spec).await?;
    let error = |error: sqlx::Error| failed(spec, "finish the copy on", &error);
    let mut transaction = server.begin().await.map_err(error)?;
    mark::set(&mut transaction, spec, &scratch, &finished).await?;
    let statement = format!("alter database {} rename to {}", quoted(&scratch), quoted(&work.into));
    execute(&mut transaction, spec, &format!("name the copy {} on", work.into), statement).await?;
    transaction.commit().await.map_err(|cause| End::Unknown(error(cause)))?;
    Ok(output)
}

/// Was it done? A whole copy under that name carries the order that made it.
pub async fn probe(work: &Restore, spec: &PostgresSpec, context: &Context) -> Probe {
    match made(work, spec, context).await {
        Ok(Some(output)) => Probe::Done(Outcome::success(&output)),
        // Somebody else's database has the name: ours was not made.
        Ok(None) => Probe::NotDone,
        Err(problem) if problem.code == "LB2352" => Probe::NotDone,
        Err(problem) => Probe::CannotTell(problem),
    }
}

/// The output of this very order, when its copy is there. Another database of that name is an error.
async fn made(
    work: &Restore,
    spec: &PostgresSpec,
    context: &Context,
) -> Result<Option<RestoreOutput>, Problem> {
    let mut server = connect_server(spec).await?;
    let Some(found) = mark::look(&mut server, spec, &work.into).await? else { return Ok(None) };
    let ours = found.mark.filter(|mark| mark.role == Role::Copy && mark.work == context.marker);
    if let Some(output) = ours.and_then(|mark| serde_json::from_value(mark.output?).ok()) {
        return Ok(Some(output));
    }
    Err(Problem::new(
        "LB2352",
        format!("database {} exists, so nothing is restored into it", work.into),
        "Restore under another name, or look at that database and drop it yourself.",
    ))
}

fn check_target(work: &Restore, spec: &PostgresSpec) -> Result<(), Problem> {
    check_name(&work.into)?;
    if work.into == spec.database || work.into.len() > MAX_COPY_NAME_BYTES {
        return Err(Problem::new(
            "LB2355",
            format!("{} cannot be the name of a copy of {}", work.into, spec.database),
            format!(
                "Choose another name of at most {MAX_COPY_NAME_BYTES} characters; the live database is never touched."
            ),
        ));
    }
    Ok(())
}
