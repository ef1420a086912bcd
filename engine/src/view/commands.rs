//! The exact commands that a person can type now.

use crate::apply::people::may_be_waived;
use crate::event::About;
use crate::state::{Approval, Phase, RunState, StepState};
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
            Need::Approval { step, question } => {
                if question.about == About::Waiver {
                    next.push(format!("lifeboat retry {run} {step}"));
                }
                next.push(format!("lifeboat approve {run} {step}"));
                next.push(format!("lifeboat approve {run} {step} --decline --reason \"…\""));
            }
            Need::Asking { step, .. } => {
                next.push(format!("lifeboat retry {run} {step}"));
                if expired_with_role(state, step) {
                    next.push(format!("lifeboat approve {run} {step} --break-glass --reason \"…\""));
                }
            }
            Need::Decision { step, .. } => {
                next.push(format!("lifeboat retry {run} {step}"));
                next.push(format!("lifeboat skip {run} {step} --reason \"…\""));
                if lacks_evidence(state, step) {
                    next.push(format!("lifeboat waive {run} {step} --reason \"…\""));
                }
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

/// Nobody of a role answered in time.
fn expired_with_role(state: &RunState, step: &StepPath) -> bool {
    let slots = state.step(step).map(StepState::approvals);
    let late = |slot: &Approval| match slot {
        Approval::Expired { question, .. } => question.role.is_some(),
        Approval::NotAsked | Approval::Asked(_) | Approval::Approved { .. } | Approval::Declined { .. } => {
            false
        }
    };
    slots.is_some_and(|slots| slots.into_iter().any(late))
}

/// A fence that failed for want of evidence, and whose plan names whom to ask.
fn lacks_evidence(state: &RunState, step: &StepPath) -> bool {
    let Some(index) = state.index(step) else { return false };
    let rule = state.plan.steps[index].evidence.as_ref();
    rule.is_some_and(|rule| rule.role.is_some()) && may_be_waived(&state.steps[index], rule, false)
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
