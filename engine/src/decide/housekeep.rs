//! What time alone brings, in every open phase: timers that run out, attempts whose time has passed,
//! questions that expire or are void, tries that will not be needed any more.

use crate::approval::{shown, silence_counts};
use crate::attempt::{Attempt, AttemptState, Resolution};
use crate::event::{About, Actor, Event};
use crate::lookup::Place;
use crate::problems;
use crate::state::{Phase, Question, RunState, StepState, TaskState};
use model::{Direction, Micros, Outcome};
use plan::checked::Action;
use std::time::Duration;

/// What an agent's own report of a passed time-out may take to arrive.
pub const REPORT_GRACE: Duration = Duration::from_secs(2);

pub(super) fn housekeep(state: &RunState, now: Micros) -> Vec<Event> {
    match state.phase {
        Phase::Pending | Phase::Ending { .. } | Phase::Finished { .. } => return Vec::new(),
        Phase::Forward { .. }
        | Phase::Paused { .. }
        | Phase::Stopping { .. }
        | Phase::Cancelling { .. }
        | Phase::Unwinding { .. }
        | Phase::Closing { .. }
        | Phase::Stuck { .. } => {}
    }
    let mut events: Vec<Event> =
        state.open_attempts().filter_map(|(place, attempt)| chore(state, place, attempt, now)).collect();
    let stopping = matches!(state.phase, Phase::Stopping { .. });
    for (index, step) in state.steps.iter().enumerate() {
        let dropping = stopping || state.is_revoking(index);
        if dropping {
            events.extend(step.tasks.iter().filter_map(dropped));
        }
        events.extend(questions(step).filter_map(|question| judged(state, index, question, dropping, now)));
    }
    events
}

/// When the time of an open attempt has passed; `None` when it has no limit (any more).
pub(super) fn deadline(state: &RunState, place: Place, attempt: &Attempt) -> Option<Micros> {
    let step = state.plan.steps.get(place.step)?;
    let timer = match state.action(place)? {
        Action::Timer { length } if state.is_preview() => Some(length.min(&Duration::ZERO)),
        Action::Timer { length } => Some(length),
        Action::Agent { .. } | Action::Controller { .. } => None,
    };
    if let (Some(length), Some(sent_at)) = (timer, attempt.state.sent_at()) {
        return Some(sent_at.after(*length));
    }
    // The order of a fence stays with its host: whenever it comes back, being fenced is right.
    let waits = attempt.state.silence().is_some() && silence_counts(state, place);
    if !state.is_revoking(place.step) && (waits || state.is_left_silent(place, attempt)) {
        return None;
    }
    match &attempt.state {
        AttemptState::Sent { at, .. } => Some(at.after(step.timeout)),
        AttemptState::Accepted { at, .. } => Some(at.after(step.timeout).after(REPORT_GRACE)),
        AttemptState::Unknown { resolution, .. } => match resolution {
            Resolution::Revoking { .. }
            | Resolution::Probing { .. }
            | Resolution::Asking { .. }
            | Resolution::Moot => None,
        },
        AttemptState::Scheduled { .. }
        | AttemptState::Succeeded { .. }
        | AttemptState::Failed { .. }
        | AttemptState::Cancelled { .. } => None,
    }
}

fn chore(state: &RunState, place: Place, attempt: &Attempt, now: Micros) -> Option<Event> {
    let token = attempt.token.clone();
    let ended = |outcome| Event::Ended { token: token.clone(), outcome, by: Actor::Engine, took_us: None };
    let is_timer = matches!(state.action(place), Some(Action::Timer { .. }));
    if is_timer && place.direction == Direction::Do && state.is_revoking(place.step) {
        return Some(ended(Outcome::Cancelled));
    }
    if deadline(state, place, attempt).is_none_or(|deadline| now < deadline) {
        return None;
    }
    if is_timer {
        return Some(ended(Outcome::Succeeded { output: serde_json::Value::Null }));
    }
    let timeout = state.plan.steps.get(place.step)?.timeout;
    let problem = problems::timed_out(&token, timeout);
    Some(Event::TimedOut { token, problem })
}

/// A try that waited for its moment and is not needed any more.
fn dropped(task: &TaskState) -> Option<Event> {
    let (token, _) = task.scheduled()?;
    Some(Event::Ended { token: token.clone(), outcome: Outcome::Cancelled, by: Actor::Engine, took_us: None })
}

/// The open questions of a step.
pub(super) fn questions(step: &StepState) -> impl Iterator<Item = &Question> {
    step.approvals().into_iter().filter_map(|approval| approval.asked())
}

fn judged(state: &RunState, index: usize, question: &Question, dropping: bool, now: Micros) -> Option<Event> {
    let void =
        |reason: &str| Some(Event::ApprovalVoided { approval: question.id, reason: reason.to_string() });
    if dropping {
        return void("the run is being called off");
    }
    match shown(state, index, question.about) {
        None => return void("it is no longer needed: more was obtained, or the host answers again"),
        Some(shown) if shown.digest().as_ref() != Some(&question.digest) => {
            return void("what was shown has changed");
        }
        Some(_) => {}
    }
    // A risk is a question about a fence as a whole: one that has yet to end cannot be judged.
    if question.about == About::Risk && super::tasks::pending(state, index) {
        return void("another host of the step has yet to answer");
    }
    (now >= question.expires_at).then_some(Event::ApprovalExpired { approval: question.id })
}
