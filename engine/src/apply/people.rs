//! What people say about one step: skip it, try it again.

use super::{IllegalEvent, illegal_step};
use crate::event::{Actor, Event};
use crate::state::{Approval, Phase, RunState, Stage, StepState, TaskState, UndoStage};
use model::{Micros, StepPath};
use plan::checked::{EvidenceRule, OnFailure, Undo};
use std::sync::Arc;

pub(super) fn fold(
    mut state: RunState,
    event: &Event,
    path: &StepPath,
    at: Micros,
) -> Result<RunState, IllegalEvent> {
    let illegal = || illegal_step(event, path);
    let index = state.index(path).ok_or_else(illegal)?;
    let stuck_here = match &state.phase {
        // A point of no return is neither undone nor passed over.
        Phase::Stuck { step, because, .. }
            if step == path && state.plan.steps[index].undo != Undo::Impossible =>
        {
            Some(because.clone())
        }
        Phase::Stuck { .. } | Phase::Cancelling { .. } | Phase::Unwinding { .. } | Phase::Stopping { .. } => {
            return Err(illegal());
        }
        Phase::Closing { .. } if !state.is_in_turn(&state.plan.steps[index]) => return Err(illegal()),
        Phase::Ending { .. } | Phase::Finished { .. } => return Err(illegal()),
        Phase::Pending | Phase::Forward { .. } | Phase::Paused { .. } | Phase::Closing { .. } => None,
    };
    let sequence = state.sequence;
    let passed_over = state.on_failure(&state.plan.steps[index]) == OnFailure::Continue;
    let rule = state.plan.steps[index].evidence.clone();
    let step = Arc::make_mut(&mut state.steps[index]);
    match (event, stuck_here) {
        (Event::Skipped { by, reason, .. }, None) => {
            if !may_be_skipped(step, *by == Actor::Engine) {
                return Err(illegal());
            }
            step.stage = Stage::Skipped { at, by: by.clone(), reason: reason.clone(), sequence };
            (step.gate, step.risk) = (Approval::NotAsked, Approval::NotAsked);
        }
        (Event::Skipped { by, reason, .. }, Some(because)) => {
            step.undo.stage = UndoStage::Skipped { at, by: by.clone(), reason: reason.clone() };
            state.phase = Phase::Unwinding { since: at, because };
        }
        (Event::RetryRequested { .. }, None) => {
            // What follows a step that was passed over may have begun.
            if passed_over && matches!(step.stage, Stage::Failed { .. }) || !retry(step, rule.as_ref(), at) {
                return Err(illegal());
            }
        }
        (Event::RetryRequested { .. }, Some(because)) => {
            step.undo.stage = UndoStage::Active { since: at };
            again(&mut step.undo.tasks, None);
            state.phase = Phase::Unwinding { since: at, because };
        }
        _ => return Err(illegal()),
    }
    Ok(state)
}

/// Not begun, or begun with nothing under way.
pub(crate) fn may_be_skipped(step: &StepState, by_plan: bool) -> bool {
    let open =
        step.tasks.iter().any(|task| task.open().is_some_and(|attempt| attempt.state.silence().is_none()));
    match step.stage {
        Stage::Pending => true,
        Stage::Active { .. } => !by_plan && !open && step.tasks.iter().all(|task| task.scheduled().is_none()),
        Stage::Failed { .. } => !by_plan && !open,
        Stage::Succeeded { .. } | Stage::Cancelled { .. } | Stage::Skipped { .. } => false,
    }
}

/// A failed step begins again, with what is missing; an expired question is asked again.
fn retry(step: &mut StepState, rule: Option<&EvidenceRule>, at: Micros) -> bool {
    let expired =
        [&step.gate, &step.risk].iter().any(|approval| matches!(approval, Approval::Expired { .. }));
    match step.stage {
        Stage::Failed { .. } => {
            step.stage = Stage::Active { since: at };
            again(&mut step.tasks, rule);
        }
        Stage::Active { .. } if expired => {}
        Stage::Active { .. }
        | Stage::Pending
        | Stage::Succeeded { .. }
        | Stage::Cancelled { .. }
        | Stage::Skipped { .. } => return false,
    }
    for approval in [&mut step.gate, &mut step.risk] {
        match approval {
            Approval::Expired { .. } | Approval::Declined { .. } => *approval = Approval::NotAsked,
            Approval::NotAsked | Approval::Asked(_) | Approval::Approved { .. } => {}
        }
    }
    true
}

/// Marks the tasks that lack something. What is done stays done; what is still open stays open.
fn again(tasks: &mut [TaskState], rule: Option<&EvidenceRule>) {
    for task in tasks {
        task.counted_from = task.attempts.len();
        task.again = crate::verdict::lacks(task, rule);
    }
}
