//! A step of the text to steps of the checked plan: one for each part of it, with what the plan does not say
//! filled in.

use crate::checked::{Precondition, Step, Undo, hosts};
use crate::lower::Draft;
use crate::steps::Part;
use model::{Class, StepPath};
use std::time::Duration;

/// Automatic tries of a step, where its class allows more than one and the plan does not say.
pub const DEFAULT_TRIES: u32 = 3;
/// Tries of a check: it asks again by itself (`retries`), so this is only for agents that restart.
pub const CHECK_TRIES: u32 = 2;
/// First pause between two tries when the plan does not say.
pub const DEFAULT_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Kinds that nobody takes back, for steps that have no tasks yet.
const NO_RETURN: [&str; 5] = ["fence", "promote", "rejoin", "rollback", "swap"];

/// A draft to its steps: its parts one after another, the last one under the step's own name, so that
/// what waits for the step waits for all of it.
pub(crate) fn finish(
    draft: Draft,
    names: &[StepPath],
    preconditions: Vec<Precondition>,
    out: &mut Vec<Step>,
) {
    let class = draft.class();
    let Some(name) = draft.path() else { return };
    let after: Vec<StepPath> = draft.after.iter().filter_map(|at| names.get(*at).cloned()).collect();
    let usual_tries = match (draft.kind.name, class) {
        (_, Class::Unsafe) => 1,
        ("check", _) => CHECK_TRIES,
        (_, Class::Read | Class::Idempotent | Class::Probed) => DEFAULT_TRIES,
    };
    let mut lowered = draft.lowered.unwrap_or_default();
    if lowered.parts.is_empty() {
        // A step whose inputs are not known yet has its place and its length all the same.
        let undo = if NO_RETURN.contains(&draft.kind.name) { Undo::Impossible } else { Undo::Nothing };
        lowered.parts.push(Part { tasks: Vec::new(), undo });
    }
    let blank = Step {
        path: name.clone(),
        kind: draft.kind.name.to_string(),
        summary: lowered.summary,
        after,
        class,
        gate: None,
        tasks: Vec::new(),
        evidence: None,
        preconditions: Vec::new(),
        timeout: draft.common.timeout.or(lowered.timeout).unwrap_or(draft.kind.timeout),
        tries: draft.common.tries.map_or(usual_tries, |tries| tries.value),
        retry_pause: draft.common.pause.unwrap_or(DEFAULT_RETRY_PAUSE),
        takes: draft.common.takes.as_ref().map(|takes| takes.value),
        fan_out: None,
        on_failure: draft.common.on_failure,
        undo: Undo::Nothing,
        finally: false,
        skipped: draft.skipped.clone(),
    };
    if draft.skipped.is_some() {
        let summary =
            if blank.summary.is_empty() { draft.kind.name.to_string() } else { blank.summary.clone() };
        out.push(Step { summary, ..blank });
        return;
    }
    let parts = lowered.parts.len();
    let mut before: Option<StepPath> = None;
    for (number, part) in lowered.parts.into_iter().enumerate() {
        let last = number + 1 == parts;
        let path =
            if last { Some(name.clone()) } else { StepPath::new(format!("{name}/{}", number + 1)).ok() };
        let Some(path) = path else { continue };
        let undo = if draft.common.undo_none.is_some() { Undo::Nothing } else { part.undo };
        let fan_out = draft.common.fan_out.as_ref().map(|asked| asked.value.of(hosts(&part.tasks).len()));
        out.push(Step {
            path: path.clone(),
            fan_out,
            after: before.take().map_or_else(|| blank.after.clone(), |before| vec![before]),
            gate: if number == 0 { lowered.gate.clone() } else { None },
            tasks: part.tasks,
            evidence: lowered.evidence.clone(),
            preconditions: if number == 0 { preconditions.clone() } else { Vec::new() },
            undo,
            takes: blank.takes.map(|takes| share(takes, parts, last)),
            ..blank.clone()
        });
        before = Some(path);
    }
}

/// A part's share of what a step takes; all shares together are the whole.
fn share(takes: Duration, parts: usize, last: bool) -> Duration {
    let parts = u32::try_from(parts).unwrap_or(u32::MAX).max(1);
    let one = takes / parts;
    if last { takes - one * (parts - 1) } else { one }
}
