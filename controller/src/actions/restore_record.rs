//! Undo of a cut-over: puts back what the record was, from the inverse that the step saved.
//!
//! A step that saved nothing sent nothing, so there is nothing to put back. One whose change never
//! arrived is made too old to arrive. A record that somebody changed since is left alone.

use super::cutover::done;
use super::error::Stop;
use super::saved::{self, Saved, Standing};
use super::{Actions, Preview, ProbeAnswer};
use crate::dns::{RecordName, ServerAnswer, Undone, Values, Zone};
use model::control::CutoverOutput;
use model::nouns::RecordSpec;
use model::{Mode, Outcome, Token};
use std::time::Instant;

/// Does it.
pub(super) async fn perform(actions: &Actions, token: &Token, record: &RecordSpec) -> Outcome {
    if token.mode == Mode::Preview {
        return Outcome::success(&Preview {
            would: vec![format!("put back {} if it was moved", record.fqdn)],
        });
    }
    match restore(actions, token, record).await {
        Ok(Some(output)) => Outcome::success(&output),
        Ok(None) => Outcome::Succeeded { output: serde_json::Value::Null },
        Err(stop) => stop.into(),
    }
}

/// Says what became of it.
pub(super) async fn probe(actions: &Actions, token: &Token, record: &RecordSpec) -> ProbeAnswer {
    match look(actions, token, record).await {
        Ok(answer) => answer,
        Err(stop) => ProbeAnswer::CannotTell { problem: stop.problem() },
    }
}

async fn restore(
    actions: &Actions,
    token: &Token,
    record: &RecordSpec,
) -> Result<Option<CutoverOutput>, Stop> {
    let Some(saved) = load(actions, token, record).await? else {
        tracing::info!(record = %record.fqdn, "the cut-over had sent nothing; nothing to put back");
        return Ok(None);
    };
    let zone = actions.zone(&record.zone).await?;
    let started = Instant::now();
    let undone = zone.undo(&saved.planned.inverse).await.map_err(Stop::of_a_write)?;
    runtime::crash::point("record-restored");
    let moved_from = match undone {
        Undone::Restored => &saved.planned.change.values,
        Undone::Revoked => &saved.planned.inverse.before.values,
    };
    verified(&zone, &saved, moved_from, started).await.map(Some)
}

/// An undo is repeated as the very same conditional write, so "not done" needs no more certainty here: a
/// sending that is still on its way does what the next try does.
async fn look(actions: &Actions, token: &Token, record: &RecordSpec) -> Result<ProbeAnswer, Stop> {
    let Some(saved) = load(actions, token, record).await? else {
        return Ok(ProbeAnswer::Done { output: serde_json::Value::Null });
    };
    let zone = actions.zone(&record.zone).await?;
    let found = zone.read(&saved.planned.change.name).await.map_err(Stop::before_a_write)?;
    match saved.standing(found) {
        Standing::TakenBack => {
            let moved_from = &saved.planned.change.values;
            let output = verified(&zone, &saved, moved_from, Instant::now()).await?;
            Ok(done(&output))
        }
        Standing::Done | Standing::Before => Ok(ProbeAnswer::NotDone),
        Standing::Other(error) => Err(Stop::before_a_write(error)),
    }
}

async fn load(actions: &Actions, token: &Token, record: &RecordSpec) -> Result<Option<Saved>, Stop> {
    let name = RecordName::new(&record.fqdn).map_err(Stop::before_a_write)?;
    saved::load(&actions.store, token, &name).await
}

/// Waits until every server answers what was before; the step's output then.
async fn verified(
    zone: &Zone,
    saved: &Saved,
    moved_from: &Values,
    started: Instant,
) -> Result<CutoverOutput, Stop> {
    let inverse = &saved.planned.inverse;
    let generation = inverse.restoring().map_err(Stop::before_a_write)?.generation;
    let values = &inverse.before.values;
    let verified = zone.verify(&inverse.name, values, generation).await;
    let answers: Vec<ServerAnswer> = verified.map_err(Stop::of_a_write)?;
    let texts = |values: &Values| values.iter().map(ToString::to_string).collect();
    let took = started.elapsed().as_millis();
    Ok(CutoverOutput {
        before: texts(moved_from),
        after: texts(values),
        generation: generation.number,
        verified_after_ms: u64::try_from(took).unwrap_or(u64::MAX),
        servers: answers.iter().map(|answer| answer.server.to_string()).collect(),
        ttl_seconds: saved.planned.change.ttl_seconds.into(),
    })
}
