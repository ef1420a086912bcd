//! Events of one attempt.

use super::{IllegalEvent, illegal_attempt};
use crate::attempt::{Attempt, AttemptState, Input, Silence};
use crate::event::{Actor, Event};
use crate::lookup::Place;
use crate::state::{RunState, Stage, StepState, TaskState, UndoStage};
use model::{Direction, Micros, Token};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn fold(
    mut state: RunState,
    event: &Event,
    token: &Token,
    at: Micros,
) -> Result<RunState, IllegalEvent> {
    let illegal = || illegal_attempt(event, token);
    let place = state.place(token).ok_or_else(illegal)?;
    let class = state.class(place);
    let sequence = state.sequence;
    let running = state.is_open();
    if let Event::LateResult { outcome, .. } = event {
        let attempt = attempt_mut(&mut state, place, token).ok_or_else(illegal)?;
        if (running && attempt.state.is_open()) || attempt.sent_sequence.is_none() || attempt.late.is_some() {
            return Err(illegal());
        }
        attempt.late = Some(outcome.clone());
        return Ok(state);
    }
    if !running {
        return Err(illegal());
    }
    if let Event::AttemptScheduled { .. } | Event::AttemptStarted { .. } = event {
        admit(&state, place, token, event).ok_or_else(illegal)?;
        begin_undo(&mut state, place, at);
        let task = task_mut(&mut state, place).ok_or_else(illegal)?;
        add(task, event, token, at, sequence).ok_or_else(illegal)?;
        return Ok(state);
    }
    let person;
    let input = match event {
        Event::Accepted { .. } => Input::Accepted,
        Event::Ended { outcome, by, took_us, .. } => Input::Ended(outcome, by, *took_us),
        Event::TimedOut { problem, .. } => Input::TimedOut(problem),
        Event::Unreachable { host, silent_ms, .. } | Event::LeaseExpired { host, silent_ms, .. } => {
            let since = Micros(at.0.saturating_sub(micros(*silent_ms)));
            let lease_expired = matches!(event, Event::LeaseExpired { .. });
            Input::Silent(Silence { host: host.clone(), since, silent_ms: *silent_ms, lease_expired })
        }
        Event::Revoked { answer, .. } => Input::Revoked(*answer),
        Event::Probed { answer, .. } => Input::Probed(answer),
        Event::Answered { done, by, reason, .. } => {
            person = Actor::Person { name: by.clone() };
            Input::Answered(*done, &person, reason)
        }
        _ => return Err(illegal()),
    };
    let attempt = attempt_mut(&mut state, place, token).ok_or_else(illegal)?;
    attempt.state = attempt.state.next(&input, class, at).ok_or_else(illegal)?;
    Ok(state)
}

fn micros(ms: u64) -> i64 {
    i64::try_from(Duration::from_millis(ms).as_micros()).unwrap_or(i64::MAX)
}

/// A try may begin only where its step is under way in that direction, and while the run goes that way.
fn admit(state: &RunState, place: Place, token: &Token, event: &Event) -> Option<()> {
    use crate::state::Phase;
    let step = &state.steps[place.step];
    let task = state.tasks(place.step, place.direction).get(place.task)?;
    let number = usize::try_from(token.attempt).ok()?;
    let fits = match task.current() {
        Some(current) => match &current.state {
            AttemptState::Scheduled { .. } => {
                matches!(event, Event::AttemptStarted { .. }) && number == task.attempts.len()
            }
            settled => !settled.is_open() && number == task.attempts.len() + 1,
        },
        None => number == 1,
    };
    let way = match (&state.phase, place.direction) {
        (Phase::Forward { .. } | Phase::Closing { .. }, Direction::Do) => {
            matches!(step.stage, Stage::Active { .. }) && state.is_in_turn(&state.plan.steps[place.step])
        }
        (Phase::Unwinding { .. }, Direction::Undo) => match step.undo.stage {
            UndoStage::NotBegun | UndoStage::Active { .. } => true,
            UndoStage::Done { .. } | UndoStage::Failed { .. } | UndoStage::Skipped { .. } => false,
        },
        (
            Phase::Pending
            | Phase::Forward { .. }
            | Phase::Paused { .. }
            | Phase::Stopping { .. }
            | Phase::Cancelling { .. }
            | Phase::Unwinding { .. }
            | Phase::Stuck { .. }
            | Phase::Ending { .. }
            | Phase::Closing { .. }
            | Phase::Finished { .. },
            _,
        ) => false,
    };
    (fits && way).then_some(())
}

fn begin_undo(state: &mut RunState, place: Place, at: Micros) {
    let undo = &mut Arc::make_mut(&mut state.steps[place.step]).undo;
    if place.direction == Direction::Undo && undo.stage == UndoStage::NotBegun {
        undo.stage = UndoStage::Active { since: at };
    }
}

fn add(task: &mut TaskState, event: &Event, token: &Token, at: Micros, sequence: u64) -> Option<()> {
    task.again = false;
    match event {
        Event::AttemptScheduled { not_before, .. } => task.attempts.push(Attempt {
            token: token.clone(),
            sent_sequence: None,
            state: AttemptState::Scheduled { not_before: *not_before },
            late: None,
        }),
        _ => {
            let scheduled = task.scheduled().is_some();
            match task.attempts.last_mut().filter(|_| scheduled) {
                Some(last) => {
                    last.sent_sequence = Some(sequence);
                    last.state = AttemptState::Sent { at, silence: None };
                }
                None => task.attempts.push(Attempt {
                    token: token.clone(),
                    sent_sequence: Some(sequence),
                    state: AttemptState::Sent { at, silence: None },
                    late: None,
                }),
            }
        }
    }
    Some(())
}

fn task_mut(state: &mut RunState, place: Place) -> Option<&mut TaskState> {
    let step: &mut StepState = Arc::make_mut(state.steps.get_mut(place.step)?);
    let tasks = match place.direction {
        Direction::Do => &mut step.tasks,
        Direction::Undo => &mut step.undo.tasks,
    };
    tasks.get_mut(place.task)
}

fn attempt_mut<'a>(state: &'a mut RunState, place: Place, token: &Token) -> Option<&'a mut Attempt> {
    let index = usize::try_from(token.attempt).ok()?.checked_sub(1)?;
    task_mut(state, place)?.attempts.get_mut(index)
}
