//! What people say about one step: skip it, try it again.

use super::{IllegalEvent, illegal_step};
use crate::event::{Actor, Event};
use crate::state::{Approval, Phase, RunState, Stage, StepState, TaskState, UndoStage, Waiving};
use crate::verdict::weakest;
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
            step.approvals_mut().into_iter().for_each(|slot| *slot = Approval::NotAsked);
            step.waiving = None;
        }
        (Event::Skipped { by, reason, .. }, Some(because)) => {
            step.undo.stage = UndoStage::Skipped { at, by: by.clone(), reason: reason.clone() };
            state.phase = Phase::Unwinding { since: at, because };
        }
        (Event::WaiverRequested { by, reason, .. }, None) => {
            if !may_be_waived(step, rule.as_ref(), passed_over) {
                return Err(illegal());
            }
            step.stage = Stage::Active { since: at };
            (step.risk, step.waiver) = (Approval::NotAsked, Approval::NotAsked);
            step.waiving = Some(Waiving { by: by.clone(), reason: reason.clone() });
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

/// A fence that is settled, or waits for nothing but silent hosts, and brought less than its plan demands. What
/// was passed over is not waived: what follows it may have begun.
pub(crate) fn may_be_waived(step: &StepState, rule: Option<&EvidenceRule>, passed_over: bool) -> bool {
    let Some(rule) = rule else { return false };
    let settled = |task: &TaskState| match task.current() {
        Some(attempt) => !attempt.state.is_open() || attempt.state.silence().is_some(),
        None => false,
    };
    let stands = match step.stage {
        Stage::Failed { .. } => !passed_over,
        Stage::Active { .. } => step.waiving.is_none(),
        Stage::Pending | Stage::Succeeded { .. } | Stage::Cancelled { .. } | Stage::Skipped { .. } => false,
    };
    stands && step.tasks.iter().all(settled) && weakest(rule, &step.tasks) < rule.required
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
    let expired = step.approvals().iter().any(|approval| matches!(approval, Approval::Expired { .. }));
    match step.stage {
        Stage::Failed { .. } => {
            step.stage = Stage::Active { since: at };
            again(&mut step.tasks, rule);
        }
        Stage::Active { .. } if expired => {}
        // Instead of going on without, the evidence is looked for again.
        Stage::Active { .. } if step.waiving.is_some() => again(&mut step.tasks, rule),
        Stage::Active { .. }
        | Stage::Pending
        | Stage::Succeeded { .. }
        | Stage::Cancelled { .. }
        | Stage::Skipped { .. } => return false,
    }
    // A waiver that nobody answered in time is asked again; otherwise the evidence is looked for again.
    if !matches!(step.waiver, Approval::Expired { .. }) {
        step.waiving = None;
        step.waiver = Approval::NotAsked;
    }
    for approval in step.approvals_mut() {
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
