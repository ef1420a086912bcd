//! The exact commands that a person can type now.

use crate::state::{Phase, RunState};
use crate::status::Need;
use model::{StepPath, Token};
use plan::checked::Undo;

pub(super) fn next(state: &RunState) -> Vec<String> {
    let run = state.run;
    let mut next = Vec::new();
    match &state.phase {
        Phase::Finished { .. } | Phase::Ending { .. } => return next,
        Phase::Stuck { step, .. } => {
            let undo = state.index(step).and_then(|index| state.plan.steps.get(index)).map(|step| &step.undo);
            if undo.is_some_and(|undo| *undo != Undo::Impossible) {
                next.push(format!("lifeboat retry {run} {step}"));
                next.push(format!("lifeboat skip {run} {step} --reason \"undone by hand: …\""));
            }
            next.push(format!("lifeboat end {run} --reason \"…\""));
            return next;
        }
        Phase::Paused { .. } => next.push(format!("lifeboat resume {run}")),
        Phase::Pending
        | Phase::Forward { .. }
        | Phase::Stopping { .. }
        | Phase::Cancelling { .. }
        | Phase::Closing { .. }
        | Phase::Unwinding { .. } => {}
    }
    let needs = state.needs();
    for need in &needs {
        match need {
            Need::Approval { step, .. } => {
                next.push(format!("lifeboat approve {run} {step}"));
                next.push(format!("lifeboat approve {run} {step} --decline --reason \"…\""));
            }
            Need::Asking { step, .. } => next.push(format!("lifeboat retry {run} {step}")),
            Need::Decision { step, .. } => {
                next.push(format!("lifeboat retry {run} {step}"));
                next.push(format!("lifeboat skip {run} {step} --reason \"…\""));
            }
            Need::Answer { token, .. } | Need::Host { token, .. } => next.push(answer(state, token)),
        }
    }
    let forward = matches!(state.phase, Phase::Forward { .. } | Phase::Paused { .. });
    let decides = needs.iter().any(|need| matches!(need, Need::Decision { .. } | Need::Asking { .. }));
    if forward && decides {
        next.push(format!("lifeboat unwind {run}"));
    }
    if !needs.is_empty() && (decides || !forward) {
        next.push(format!("lifeboat end {run} --reason \"…\""));
    }
    next.dedup();
    next
}

/// Names the target only where the step alone does not say which attempt is meant.
fn answer(state: &RunState, token: &Token) -> String {
    let several = several(state, &token.step);
    let target = if several { format!(" --target {}", token.target) } else { String::new() };
    format!("lifeboat answer {} {}{target} --done|--not-done --reason \"…\"", state.run, token.step)
}

fn several(state: &RunState, step: &StepPath) -> bool {
    state.index(step).is_some_and(|index| state.answerable(index).len() > 1)
}
