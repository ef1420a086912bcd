//! Points a record at a region's addresses.
//!
//! The change is planned once for a step and saved with its inverse before the first write; every later
//! attempt goes on with what was saved. So a crash between save and write, or between write and result,
//! ends in the same single change, and the undo always knows what was there before.

use super::zone::{self, Failed};
use crate::dns::record::{Planned, Value, Values};
use crate::dns::{Applied, Moved, Settled, Zone};
use crate::store::Store;
use engine::ProbeAnswer;
use model::control::CutoverOutput;
use model::nouns::RecordSpec;
use model::{Micros, Name, Outcome, Token};

/// Cuts over and verifies at every authoritative server.
pub(super) async fn perform(
    store: &Store,
    token: &Token,
    record: &RecordSpec,
    to: &Name,
    now: Micros,
) -> Outcome {
    match cut_over(store, token, record, to, now).await {
        Ok(output) => Outcome::success(&output),
        Err(failed) => failed.outcome(),
    }
}

async fn cut_over(
    store: &Store,
    token: &Token,
    record: &RecordSpec,
    to: &Name,
    now: Micros,
) -> Result<CutoverOutput, Failed> {
    let zone = zone::open(record).await?;
    let planned = match zone::planned(store, token).await? {
        Some(planned) => planned,
        None => plan(&zone, record, to, token).await?,
    };
    let saving = store.save_inverse(token.run, &token.step, &planned, now);
    let moved = zone.cut_over(&planned, saving).await?;
    Ok(zone::output(&planned.inverse.before, planned.change.generation.number, &moved))
}

async fn plan(zone: &Zone, record: &RecordSpec, to: &Name, token: &Token) -> Result<Planned, Failed> {
    let missing = || Failed::NoValues { record: record.name.to_string(), region: to.to_string() };
    let values: Values =
        record.values.get(to).ok_or_else(missing)?.iter().copied().map(Value::from).collect();
    let ttl = u32::try_from(record.ttl.as_secs()).unwrap_or(u32::MAX);
    Ok(zone.plan_change(&zone::name(record)?, values, ttl, token.run).await?)
}

/// What a cut-over would change. Writes nothing.
pub(super) async fn look(record: &RecordSpec, to: &Name, token: &Token) -> Outcome {
    let looked = async {
        let zone = zone::open(record).await?;
        plan(&zone, record, to, token).await
    };
    match looked.await {
        Ok(planned) => Outcome::success(&planned.change),
        Err(failed) => Outcome::Failed { problem: failed.problem() },
    }
}

/// Whether the zone holds the change that this step planned.
pub(super) async fn probe(store: &Store, token: &Token, record: &RecordSpec) -> ProbeAnswer {
    match settle(store, token, record).await {
        Ok(answer) => answer,
        Err(failed) => failed.cannot_tell(),
    }
}

async fn settle(store: &Store, token: &Token, record: &RecordSpec) -> Result<ProbeAnswer, Failed> {
    let Some(planned) = zone::planned(store, token).await? else { return Ok(ProbeAnswer::NotDone) };
    let zone = zone::open(record).await?;
    match zone.settle(&planned.change).await? {
        Settled::Done => {
            let change = &planned.change;
            let answers = zone.verify(&change.name, &change.values, change.generation).await?;
            let moved = Moved { applied: Applied::AlreadyDone, answers, verified_after_ms: 0 };
            let output = zone::output(&planned.inverse.before, change.generation.number, &moved);
            Ok(ProbeAnswer::Done { output: serde_json::to_value(&output).unwrap_or_default() })
        }
        Settled::NotDone => Ok(ProbeAnswer::NotDone),
        Settled::Superseded(error) => Ok(Failed::Dns(error).cannot_tell()),
    }
}
