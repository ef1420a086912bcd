//! Events of the run as a whole.

use super::{IllegalEvent, illegal_run};
use crate::attempt::Attempt;
use crate::event::{Ending, Event};
use crate::lookup::Place;
use crate::state::{Because, Phase, RunState, UndoStage};
use model::{Direction, Micros};
use std::sync::Arc;

pub(super) fn fold(mut state: RunState, event: &Event, at: Micros) -> Result<RunState, IllegalEvent> {
    let next = match event {
        Event::RunStarted => matches!(state.phase, Phase::Pending).then_some(Phase::Forward { since: at }),
        Event::PauseRequested { by, reason } => matches!(state.phase, Phase::Pending | Phase::Forward { .. })
            .then(|| Phase::Paused { since: at, by: by.clone(), reason: reason.clone() }),
        Event::ResumeRequested { .. } => {
            matches!(state.phase, Phase::Paused { .. }).then_some(Phase::Forward { since: at })
        }
        Event::CancelRequested { by, reason } => may_be_cancelled(&state.phase).then(|| Phase::Cancelling {
            since: at,
            by: by.clone(),
            reason: reason.clone(),
        }),
        Event::UnwindRequested { by, reason } => {
            let because = Because::Request { by: by.clone(), reason: reason.clone() };
            unwinding(&state, because, at)
        }
        Event::UnwindStarted { step, problem } => {
            let because = Because::Failure { step: step.clone(), problem: problem.clone() };
            unwinding(&state, because, at)
        }
        Event::Stuck { step, problem } => {
            let next = stuck(&state, step, problem, at);
            if let (Some(_), Some(index)) = (&next, state.index(step)) {
                Arc::make_mut(&mut state.steps[index]).undo.stage =
                    UndoStage::Failed { at, problem: problem.clone() };
            }
            next
        }
        Event::EndRequested { by, reason } => ending(&state, by, reason, at),
        Event::ClosingStarted { ending } => {
            let fits = state.has_closing() && may_end(&state, ending);
            fits.then(|| Phase::Closing { since: at, ending: ending.clone() })
        }
        Event::Finished { ending } => {
            may_end(&state, ending).then(|| Phase::Finished { at, ending: ending.clone() })
        }
        _ => None,
    };
    let Some(next) = next else { return Err(illegal_run(&state, event)) };
    if state.started_at.is_none() && !matches!(next, Phase::Finished { .. } | Phase::Cancelling { .. }) {
        state.started_at = Some(at);
    }
    state.phase = next;
    Ok(state)
}

pub(crate) fn may_be_cancelled(phase: &Phase) -> bool {
    match phase {
        Phase::Pending | Phase::Forward { .. } | Phase::Paused { .. } | Phase::Stopping { .. } => true,
        Phase::Cancelling { .. }
        | Phase::Unwinding { .. }
        | Phase::Stuck { .. }
        | Phase::Ending { .. }
        | Phase::Closing { .. }
        | Phase::Finished { .. } => false,
    }
}

fn unwinding(state: &RunState, because: Because, at: Micros) -> Option<Phase> {
    match &state.phase {
        Phase::Forward { .. } | Phase::Paused { .. } | Phase::Stopping { .. } => {
            Some(Phase::Unwinding { since: at, because })
        }
        Phase::Pending
        | Phase::Cancelling { .. }
        | Phase::Unwinding { .. }
        | Phase::Stuck { .. }
        | Phase::Ending { .. }
        | Phase::Closing { .. }
        | Phase::Finished { .. } => None,
    }
}

fn stuck(state: &RunState, step: &model::StepPath, problem: &model::Problem, at: Micros) -> Option<Phase> {
    match &state.phase {
        Phase::Unwinding { because, .. } => {
            state.index(step)?;
            let (step, problem) = (step.clone(), problem.clone());
            Some(Phase::Stuck { since: at, because: because.clone(), step, problem })
        }
        Phase::Pending
        | Phase::Forward { .. }
        | Phase::Paused { .. }
        | Phase::Stopping { .. }
        | Phase::Cancelling { .. }
        | Phase::Stuck { .. }
        | Phase::Ending { .. }
        | Phase::Closing { .. }
        | Phase::Finished { .. } => None,
    }
}

fn ending(state: &RunState, by: &model::UserName, reason: &str, at: Micros) -> Option<Phase> {
    let cancelled = match &state.phase {
        Phase::Cancelling { .. } => true,
        Phase::Forward { .. }
        | Phase::Paused { .. }
        | Phase::Stopping { .. }
        | Phase::Unwinding { .. }
        | Phase::Closing { .. }
        | Phase::Stuck { .. } => false,
        Phase::Pending | Phase::Ending { .. } | Phase::Finished { .. } => return None,
    };
    let decided = match &state.phase {
        Phase::Closing { ending, .. } => Some(ending.clone()),
        _ => None,
    };
    Some(Phase::Ending { since: at, by: by.clone(), reason: reason.to_string(), cancelled, decided })
}

/// A run ends only in a way that its phase allows, and never as succeeded while something is open.
fn may_end(state: &RunState, ending: &Ending) -> bool {
    match (&state.phase, ending) {
        (Phase::Forward { .. }, Ending::Succeeded { .. }) => state.is_all_done(false) && settled(state),
        // A preview never counts what was refused as a success.
        (Phase::Forward { .. }, Ending::Failed { .. }) => state.is_preview() && settled(state),
        (Phase::Stopping { .. }, Ending::Failed { .. }) => settled(state),
        (Phase::Cancelling { .. }, Ending::Cancelled { .. }) => state.open_attempts().next().is_none(),
        (Phase::Unwinding { .. }, Ending::Failed { .. } | Ending::Cancelled { .. }) => {
            state.open_attempts().next().is_none()
        }
        (Phase::Ending { decided: Some(decided), .. }, ending) => decided == ending,
        (Phase::Ending { .. }, Ending::Failed { .. } | Ending::Cancelled { .. }) => true,
        // What was decided stays; only what failed of the last steps is added.
        (Phase::Closing { ending: decided, .. }, ending) => {
            let same = std::mem::discriminant(decided) == std::mem::discriminant(ending);
            // A step that a person skipped because its host is silent is not waited for.
            let waited_for = |(place, attempt): (Place, &Attempt)| {
                state.plan.steps[place.step].finally && !state.is_left_silent(place, attempt)
            };
            let nothing_open = !state.open_attempts().any(waited_for);
            (same || state.is_preview()) && state.is_all_done(true) && nothing_open
        }
        (
            Phase::Pending
            | Phase::Forward { .. }
            | Phase::Paused { .. }
            | Phase::Stopping { .. }
            | Phase::Cancelling { .. }
            | Phase::Unwinding { .. }
            | Phase::Stuck { .. }
            | Phase::Ending { .. }
            | Phase::Finished { .. },
            _,
        ) => false,
    }
}

/// Nothing is open but fences whose risk was taken.
fn settled(state: &RunState) -> bool {
    let waited_for = |(place, attempt): (Place, &Attempt)| {
        place.direction == Direction::Undo || !state.is_left_silent(place, attempt)
    };
    !state.open_attempts().any(waited_for)
}
