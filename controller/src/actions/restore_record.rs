//! Puts a record back to what it was before this step's cut-over of it.

use super::zone::{self, Failed};
use crate::dns::{Applied, Moved, Undone};
use crate::store::Store;
use engine::ProbeAnswer;
use model::control::CutoverOutput;
use model::nouns::RecordSpec;
use model::{Outcome, Token};
use std::time::Instant;

/// Restores and verifies at every authoritative server. A step that never planned a change has
/// nothing to put back.
pub(super) async fn perform(store: &Store, token: &Token, record: &RecordSpec) -> Outcome {
    match restore(store, token, record).await {
        Ok(Some(output)) => Outcome::success(&output),
        Ok(None) => Outcome::Succeeded { output: "nothing was changed".into() },
        Err(failed) => failed.outcome(),
    }
}

async fn restore(store: &Store, token: &Token, record: &RecordSpec) -> Result<Option<CutoverOutput>, Failed> {
    let Some(planned) = zone::planned(store, token).await? else { return Ok(None) };
    let inverse = &planned.inverse;
    let zone = zone::open(record).await?;
    let started = Instant::now();
    let change = match zone.undo(inverse).await? {
        Undone::Restored => inverse.restoring()?,
        Undone::Revoked => inverse.revoking()?,
    };
    let answers = zone.verify(&change.name, &change.values, change.generation).await?;
    let verified_after_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let moved = Moved { applied: Applied::Written, answers, verified_after_ms };
    let mut output = zone::output(&inverse.before, change.generation.number, &moved);
    output.before = zone::spelled(&inverse.after);
    Ok(Some(output))
}

/// Whether the zone holds what was there before, under the restoring generation.
pub(super) async fn probe(store: &Store, token: &Token, record: &RecordSpec) -> ProbeAnswer {
    match holds_before(store, token, record).await {
        Ok(true) => ProbeAnswer::Done { output: serde_json::Value::Null },
        Ok(false) => ProbeAnswer::NotDone,
        Err(failed) => failed.cannot_tell(),
    }
}

async fn holds_before(store: &Store, token: &Token, record: &RecordSpec) -> Result<bool, Failed> {
    let Some(planned) = zone::planned(store, token).await? else { return Ok(true) };
    let found = zone::open(record).await?.read(&zone::name(record)?).await?;
    let restored = planned.inverse.restoring()?.is_done(&found);
    Ok(restored || planned.inverse.revoking()?.is_done(&found))
}
