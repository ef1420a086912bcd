//! Events of one step as a whole.

use super::{IllegalEvent, illegal_step};
use crate::event::Event;
use crate::state::{Phase, RunState, Stage, UndoStage};
use model::{Micros, StepPath};
use plan::checked::OnFailure;
use std::sync::Arc;

pub(super) fn fold(
    mut state: RunState,
    event: &Event,
    path: &StepPath,
    at: Micros,
) -> Result<RunState, IllegalEvent> {
    let illegal = || illegal_step(event, path);
    let index = state.index(path).ok_or_else(illegal)?;
    if !state.is_open() {
        return Err(illegal());
    }
    if let Event::StepUndone { .. } = event {
        let undo = &mut Arc::make_mut(&mut state.steps[index]).undo;
        undo.stage = match undo.stage {
            UndoStage::Active { .. } | UndoStage::NotBegun => UndoStage::Done { at },
            UndoStage::Done { .. } | UndoStage::Failed { .. } | UndoStage::Skipped { .. } => {
                return Err(illegal());
            }
        };
        return Ok(state);
    }
    let next = stage(&state, index, event, at).ok_or_else(illegal)?;
    let failed = matches!(next, Stage::Failed { .. });
    Arc::make_mut(&mut state.steps[index]).stage = next;
    if failed {
        stop_where_the_plan_says_so(&mut state, index, at);
    }
    Ok(state)
}

fn stage(state: &RunState, index: usize, event: &Event, at: Micros) -> Option<Stage> {
    let sequence = state.sequence;
    match &state.steps[index].stage {
        Stage::Pending => match event {
            Event::StepStarted { .. } => {
                let after = &state.plan.steps[index].after;
                let in_turn = state.is_in_turn(&state.plan.steps[index]);
                let ready = in_turn
                    && after.iter().filter_map(|path| state.index(path)).all(|step| state.is_done(step));
                ready.then_some(Stage::Active { since: at })
            }
            _ => None,
        },
        Stage::Active { since } => match event {
            Event::StepSucceeded { evidence, .. } => {
                Some(Stage::Succeeded { since: *since, at, sequence, evidence: *evidence })
            }
            Event::StepFailed { problem, .. } => {
                Some(Stage::Failed { since: *since, at, sequence, problem: problem.clone() })
            }
            Event::StepCancelled { .. } => Some(Stage::Cancelled { since: *since, at, sequence }),
            _ => None,
        },
        Stage::Succeeded { .. } | Stage::Failed { .. } | Stage::Cancelled { .. } | Stage::Skipped { .. } => {
            None
        }
    }
}

/// `on-failure: stop` is a fact of the failure itself, so that no crash can come between the two.
fn stop_where_the_plan_says_so(state: &mut RunState, index: usize, at: Micros) {
    let step = &state.plan.steps[index];
    let stops = state.on_failure(step) == OnFailure::Stop;
    let Stage::Failed { problem, .. } = &state.steps[index].stage else { return };
    match state.phase {
        Phase::Forward { .. } | Phase::Paused { .. } if stops => {
            state.phase = Phase::Stopping { since: at, step: step.path.clone(), problem: problem.clone() };
        }
        Phase::Forward { .. }
        | Phase::Paused { .. }
        | Phase::Pending
        | Phase::Stopping { .. }
        | Phase::Cancelling { .. }
        | Phase::Unwinding { .. }
        | Phase::Stuck { .. }
        | Phase::Ending { .. }
        | Phase::Closing { .. }
        | Phase::Finished { .. } => {}
    }
}
