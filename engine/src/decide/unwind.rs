//! Undoing, newest first.
//!
//! First everything forward is settled: what is under way is revoked, and what cannot be told is asked.
//! Then one step after another is taken back, in the reverse order of their completion. A step that
//! cannot be taken back stands at the moment when it was *sent*, not when it completed: from then on its
//! effect may exist, and undoing what came before it (the fence behind a promotion) could make two
//! primaries. Only a proof that it did not happen lets undoing pass it; else the run is stuck.

use super::Mind;
use super::finish::{unwound, wind_down};
use super::tasks::{self, Progress};
use crate::attempt::{Attempt, AttemptState, Failure};
use crate::event::Event;
use crate::problems;
use crate::state::{Phase, RunState, Stage, StepState, UndoStage};
use model::{Class, Direction};
use plan::checked::{Step, Undo};

pub(super) fn unwinding(state: &RunState, mind: &mut Mind<'_>) -> Vec<Event> {
    let Phase::Unwinding { because, .. } = &state.phase else { return Vec::new() };
    let events = wind_down(state, &|_| true);
    let forward_open = state.open_attempts().any(|(place, _)| place.direction == Direction::Do);
    if !events.is_empty() || forward_open {
        return events;
    }
    for index in newest_first(state) {
        let (step, now) = (&state.plan.steps[index], &state.steps[index]);
        match now.undo.stage {
            UndoStage::Done { .. } | UndoStage::Skipped { .. } => continue,
            UndoStage::NotBegun | UndoStage::Active { .. } | UndoStage::Failed { .. } => {}
        }
        match &step.undo {
            Undo::Nothing => continue,
            Undo::Impossible if !doubtful(step, now).is_empty() => return Vec::new(),
            Undo::Impossible => {
                let (step, problem) = (step.path.clone(), problems::no_return(&step.path));
                return vec![Event::Stuck { step, problem }];
            }
            Undo::Tasks { .. } => return take_back(state, index, step, mind),
        }
    }
    vec![unwound(state, because)]
}

fn take_back(state: &RunState, index: usize, step: &Step, mind: &mut Mind<'_>) -> Vec<Event> {
    let path = step.path.clone();
    match tasks::backward(state, index, mind) {
        Progress::Begin(events) => events,
        Progress::Wait => Vec::new(),
        Progress::Done => vec![Event::StepUndone { step: path }],
        Progress::Failed(problem) => {
            let problem = problems::undo_failed(&path, &problem);
            vec![Event::Stuck { step: path, problem }]
        }
    }
}

/// Steps that may have changed something, the last to take effect first.
pub(super) fn newest_first(state: &RunState) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> = state
        .both()
        .enumerate()
        .filter_map(|(index, (step, now))| position(step, now).map(|position| (position, index)))
        .collect();
    order.sort_unstable_by(|left, right| right.cmp(left));
    order.into_iter().map(|(_, index)| index).collect()
}

fn position(step: &Step, now: &StepState) -> Option<u64> {
    if step.class == Class::Read {
        return None;
    }
    let sent = effects(now).filter_map(|attempt| attempt.sent_sequence).min()?;
    let ended = match now.stage {
        Stage::Succeeded { sequence, .. }
        | Stage::Failed { sequence, .. }
        | Stage::Cancelled { sequence, .. }
        | Stage::Skipped { sequence, .. } => sequence,
        Stage::Pending | Stage::Active { .. } => u64::MAX,
    };
    match step.undo {
        Undo::Impossible => Some(sent),
        Undo::Nothing | Undo::Tasks { .. } => Some(ended),
    }
}

fn effects(now: &StepState) -> impl Iterator<Item = &Attempt> {
    now.tasks.iter().flat_map(|task| task.attempts.iter()).filter(|attempt| attempt.state.may_have_effect())
}

/// Attempts of a step without undo of which the agent says that they failed, when that is all that speaks
/// for an effect: a probe of each can prove that there is none. Empty when there is nothing to hope for.
pub(super) fn doubtful<'a>(step: &Step, now: &'a StepState) -> Vec<&'a Attempt> {
    let hopeful = |attempt: &&Attempt| match attempt.state {
        AttemptState::Failed { failure, .. } => match failure {
            Failure::Reported => true,
            Failure::Doubtful | Failure::NotDone | Failure::Refused => false,
        },
        AttemptState::Scheduled { .. }
        | AttemptState::Sent { .. }
        | AttemptState::Accepted { .. }
        | AttemptState::Succeeded { .. }
        | AttemptState::Unknown { .. }
        | AttemptState::Cancelled { .. } => false,
    };
    if step.undo != Undo::Impossible || !effects(now).all(|attempt| hopeful(&attempt)) {
        return Vec::new();
    }
    effects(now).collect()
}
