//! Prove a point: restore it into a scratch database, compare, ask the checks, drop it.

use super::connect::connect_server;
use super::{copy, mark, question};
use crate::jobs::{Context, End};
use model::jobs::{Prove, ProveOutput};
use model::nouns::{PostgresSpec, Question};
use model::{Digest, Problem};
use std::time::Instant;

/// Does it. The scratch database is dropped however it ends; one that a crash left is replaced next time.
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
    let made = copy::make(spec, &work.source, &origin, &scratch, context).await?;
    let asked = ask_all(work, spec, &scratch, context).await;
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    context.phase("drop copy");
    let mut server = connect_server(spec).await?;
    mark::drop_database(&mut server, spec, &scratch).await?;
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

/// One name for each order, so that two proofs at once do not meet.
fn scratch_name(spec: &PostgresSpec, context: &Context) -> String {
    let digest = Digest::of(&context.marker).map(|digest| digest.to_string()).unwrap_or_default();
    let kept: String = spec.database.chars().take(40).collect();
    format!("{kept}_prove_{}", &digest[..digest.len().min(8)])
}
