//! Cut-over: points a record at a region's addresses. See [`super`] for its order and [`super::saved`]
//! for what it goes on with when it is done again.

use super::error::Stop;
use super::saved::{self, Saved, Standing};
use super::{Actions, Preview, ProbeAnswer};
use crate::dns::record::{check_values, spell};
use crate::dns::{Applied, DnsError, Moved, RecordName, Undone, Value, Values, Zone};
use model::control::CutoverOutput;
use model::nouns::RecordSpec;
use model::{Mode, Name, Outcome, Token};
use std::convert::Infallible;
use std::future::ready;

/// Longest time to live, in seconds (RFC 2181, section 8).
const MAX_TTL_SECONDS: u32 = i32::MAX as u32;

/// What a record shall become.
struct Wanted {
    name: RecordName,
    values: Values,
    ttl_seconds: u32,
}

/// Does it.
pub(super) async fn perform(actions: &Actions, token: &Token, record: &RecordSpec, to: &Name) -> Outcome {
    if token.mode == Mode::Preview {
        return match preview(actions, token, record, to).await {
            Ok(preview) => Outcome::success(&preview),
            Err(stop) => stop.into(),
        };
    }
    match cut_over(actions, token, record, to).await {
        Ok(output) => Outcome::success(&output),
        Err(stop) => stop.or(&by_hand(record, to)).into(),
    }
}

/// What a person sets at the provider when it takes nothing from us: its own page may still work.
fn by_hand(record: &RecordSpec, to: &Name) -> String {
    let ttl = record.ttl.as_secs();
    let addresses = record.values.get(to).into_iter().flatten();
    let lines = addresses.map(|address| {
        let kind = if address.is_ipv4() { "A" } else { "AAAA" };
        format!("`{} {ttl} {kind} {address}`", record.fqdn)
    });
    format!(
        "Or set by hand, at the provider: {}. Then skip this step (`lifeboat skip`), or answer that it is done \
         (`lifeboat answer`), with that as the reason.",
        lines.collect::<Vec<_>>().join(", ")
    )
}

/// Says what became of it. "Not done" comes after the change was made too old to arrive.
pub(super) async fn probe(actions: &Actions, token: &Token, record: &RecordSpec, to: &Name) -> ProbeAnswer {
    match look(actions, token, record, to).await {
        Ok(answer) => answer,
        Err(stop) => ProbeAnswer::CannotTell { problem: stop.problem() },
    }
}

async fn cut_over(
    actions: &Actions,
    token: &Token,
    record: &RecordSpec,
    to: &Name,
) -> Result<CutoverOutput, Stop> {
    let wanted = wanted(record, to).map_err(Stop::before_a_write)?;
    let zone = actions.zone(&record.zone).await?;
    let saved = plan_once(actions, token, &zone, wanted).await?;
    runtime::crash::point_of("cutover-saved", &token.step);
    let already_saved = ready(Ok::<_, Infallible>(()));
    let moved = zone.cut_over(&saved.planned, already_saved).await.map_err(Stop::of_a_write)?;
    runtime::crash::point_of("cutover-done", &token.step);
    Ok(output(actions, &saved, &moved))
}

/// The plan of this step: the one that was saved, or a new one that is saved now.
async fn plan_once(actions: &Actions, token: &Token, zone: &Zone, wanted: Wanted) -> Result<Saved, Stop> {
    let store = &actions.store;
    let old = saved::load(store, token, &wanted.name).await?;
    if let Some(old) = &old {
        if old.attempt >= token.attempt {
            return Ok(old.clone());
        }
        let found = zone.read(&wanted.name).await.map_err(Stop::before_a_write)?;
        match old.standing(found) {
            Standing::Done | Standing::Before => return Ok(old.clone()),
            Standing::TakenBack | Standing::Other(DnsError::Conflict { .. }) => {
                tracing::info!(record = %wanted.name, "the change of an earlier attempt is void; planning afresh");
            }
            Standing::Other(error) => return Err(Stop::Failed(runtime::Explained::problem(&error))),
        }
    }
    let Wanted { name, values, ttl_seconds } = wanted;
    let planned =
        zone.plan_change(&name, values, ttl_seconds, token.run).await.map_err(Stop::before_a_write)?;
    runtime::crash::point_of("cutover-planned", &token.step);
    let new = Saved { attempt: token.attempt, at: actions.clock.now(), planned };
    saved::keep(store, token, old.as_ref(), new).await
}

fn wanted(record: &RecordSpec, to: &Name) -> Result<Wanted, DnsError> {
    let name = RecordName::new(&record.fqdn)?;
    let addresses = record.values.get(to).into_iter().flatten();
    let values: Values = addresses.map(|address| Value::from(*address)).collect();
    check_values(&name, &values)?;
    let ttl_seconds = u32::try_from(record.ttl.as_secs()).unwrap_or(MAX_TTL_SECONDS).min(MAX_TTL_SECONDS);
    Ok(Wanted { name, values, ttl_seconds })
}

/// A change that an earlier sending wrote was visible everywhere at the latest now: the time since it was
/// saved is then the honest figure.
fn output(actions: &Actions, saved: &Saved, moved: &Moved) -> CutoverOutput {
    let mut output = moved.output(&saved.planned);
    if moved.applied == Applied::AlreadyDone {
        let since_saved = actions.clock.now().since(saved.at).as_millis();
        let since_saved = u64::try_from(since_saved).unwrap_or(u64::MAX);
        output.verified_after_ms = output.verified_after_ms.max(since_saved);
    }
    output
}

async fn look(actions: &Actions, token: &Token, record: &RecordSpec, to: &Name) -> Result<ProbeAnswer, Stop> {
    let wanted = wanted(record, to).map_err(Stop::before_a_write)?;
    let Some(saved) = saved::load(&actions.store, token, &wanted.name).await? else {
        return Ok(ProbeAnswer::NotDone);
    };
    let zone = actions.zone(&record.zone).await?;
    let found = zone.read(&wanted.name).await.map_err(Stop::before_a_write)?;
    match saved.standing(found) {
        Standing::Done => {
            let change = &saved.planned.change;
            let verified = zone.verify(&change.name, &change.values, change.generation).await;
            let answers = verified.map_err(Stop::of_a_write)?;
            let moved = Moved { applied: Applied::AlreadyDone, answers, verified_after_ms: 0 };
            let output = output(actions, &saved, &moved);
            Ok(done(&output))
        }
        Standing::TakenBack => Ok(ProbeAnswer::NotDone),
        Standing::Before => {
            let undone = zone.undo(&saved.planned.inverse).await.map_err(Stop::of_a_write)?;
            tracing::info!(
                record = %wanted.name,
                late = undone == Undone::Restored,
                "the change was not done and is now too old to arrive"
            );
            Ok(ProbeAnswer::NotDone)
        }
        Standing::Other(error) => Err(Stop::before_a_write(error)),
    }
}

/// A probe's good news.
pub(super) fn done(output: &CutoverOutput) -> ProbeAnswer {
    match Outcome::success(output) {
        Outcome::Succeeded { output } => ProbeAnswer::Done { output },
        Outcome::Failed { problem } | Outcome::Refused { problem } | Outcome::Unknown { problem } => {
            ProbeAnswer::CannotTell { problem }
        }
        Outcome::Cancelled => ProbeAnswer::NotDone,
    }
}

async fn preview(actions: &Actions, token: &Token, record: &RecordSpec, to: &Name) -> Result<Preview, Stop> {
    let Wanted { name, values, ttl_seconds } = wanted(record, to).map_err(Stop::before_a_write)?;
    let zone = actions.zone(&record.zone).await?;
    let planned =
        zone.plan_change(&name, values, ttl_seconds, token.run).await.map_err(Stop::before_a_write)?;
    let (now, then) = (&planned.inverse.before.values, &planned.change.values);
    Ok(Preview { would: vec![format!("change {name} from {} to {}", spell(now), spell(then))] })
}
