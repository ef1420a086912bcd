//! How a run comes to its end.

use super::fan_out::count;
use super::tasks::judge;
use crate::attempt::Attempt;
use crate::event::{Ending, Event, Notice};
use crate::lookup::Place;
use crate::problems;
use crate::state::{Because, Phase, RunState, Stage, StepState};
use crate::verdict::{Verdict, needs_risk_approval, weakest};
use model::{Direction, Problem, StepPath};
use plan::checked::Step;

/// Everything is done.
pub(super) fn forward(state: &RunState) -> Vec<Event> {
    if !state.is_all_done(false) || telling(state) {
        return Vec::new();
    }
    let ending = match failures(state).next() {
        Some((step, problem)) if state.is_preview() => {
            Ending::Failed { problem: problems::stopped_at(step, problem) }
        }
        Some(_) | None => Ending::Succeeded { incomplete: incomplete(state) },
    };
    vec![end(state, ending)]
}

/// One person decided something alone, and people are being told. No step waits for that; the end does, so that a
/// crash takes nothing from it and the report says who could have heard. A channel gives up after its tries.
fn telling(state: &RunState) -> bool {
    let mut all = state.steps.iter().flat_map(|step| step.approvals());
    all.any(|slot| slot.due_notice() == Some(Notice::BrokeGlass))
}

/// How it ends is decided: the `finally` part first, where there is one.
fn end(state: &RunState, ending: Ending) -> Event {
    if state.has_closing() { Event::ClosingStarted { ending } } else { Event::Finished { ending } }
}

/// The `finally` part is over.
pub(super) fn closing(state: &RunState) -> Vec<Event> {
    let Phase::Closing { ending, .. } = &state.phase else { return Vec::new() };
    if !state.is_all_done(true) || telling(state) {
        return Vec::new();
    }
    let refused = failures(state).next().filter(|_| state.is_preview());
    let ending = match (ending, refused) {
        (Ending::Succeeded { .. }, Some((step, problem))) => {
            Ending::Failed { problem: problems::stopped_at(step, problem) }
        }
        (Ending::Succeeded { .. }, None) => Ending::Succeeded { incomplete: incomplete(state) },
        (decided, _) => decided.clone(),
    };
    vec![Event::Finished { ending }]
}

/// A step failed whose plan says stop: what runs is let finish, then the run has failed.
pub(super) fn stopping(state: &RunState) -> Vec<Event> {
    let Phase::Stopping { step, problem, .. } = &state.phase else { return Vec::new() };
    // A host that does not answer its fence is not waited for.
    let waited_for = |(place, attempt): &(Place, &Attempt)| {
        attempt.state.silence().is_none() && !state.is_left_silent(*place, attempt)
    };
    let events = wind_down(state, &|open| waited_for(open));
    if !events.is_empty() || state.open_attempts().any(|open| waited_for(&open)) {
        return events;
    }
    vec![end(state, Ending::Failed { problem: problems::stopped_at(step, problem) })]
}

/// The run was called off: once everything is settled it is cancelled.
pub(super) fn cancelling(state: &RunState) -> Vec<Event> {
    let Phase::Cancelling { by, reason, .. } = &state.phase else { return Vec::new() };
    let events = wind_down(state, &|_| true);
    if !events.is_empty() || state.open_attempts().next().is_some() {
        return events;
    }
    vec![end(state, Ending::Cancelled { by: by.clone(), reason: reason.clone() })]
}

/// A person wants it closed as it is.
pub(super) fn ending(state: &RunState) -> Vec<Event> {
    let Phase::Ending { by, reason, cancelled, decided, .. } = &state.phase else { return Vec::new() };
    let ending = if let Some(decided) = decided {
        decided.clone()
    } else if *cancelled {
        Ending::Cancelled { by: by.clone(), reason: reason.clone() }
    } else {
        Ending::Failed { problem: problems::ended_by(by.as_str(), reason) }
    };
    vec![end(state, ending)]
}

/// Everything that could be undone is.
pub(super) fn unwound(state: &RunState, because: &Because) -> Event {
    let failed = failures(state).next();
    let ending = match (because, failed) {
        (Because::Failure { step, problem }, _) => undone_after(step, problem),
        (Because::Request { .. }, Some((step, problem))) => undone_after(step, problem),
        (Because::Request { by, reason }, None) => {
            Ending::Cancelled { by: by.clone(), reason: reason.clone() }
        }
    };
    end(state, ending)
}

fn undone_after(step: &StepPath, because: &Problem) -> Ending {
    let mut problem = problems::stopped_at(step, because);
    problem.message.push_str("; what was done before it is undone");
    Ending::Failed { problem }
}

/// Ends the steps that have begun and of which nothing is under way any more.
pub(super) fn wind_down(state: &RunState, waited_for: &dyn Fn(&(Place, &Attempt)) -> bool) -> Vec<Event> {
    let open: Vec<usize> =
        state.open_attempts().filter(|open| waited_for(open)).map(|(place, _)| place.step).collect();
    let ended = state.both().enumerate().filter_map(|(index, (step, now))| match now.stage {
        Stage::Active { .. } if !open.contains(&index) => Some((index, step)),
        Stage::Active { .. }
        | Stage::Pending
        | Stage::Succeeded { .. }
        | Stage::Failed { .. }
        | Stage::Cancelled { .. }
        | Stage::Skipped { .. } => None,
    });
    ended
        .map(|(index, step)| {
            let path = step.path.clone();
            let tasks = &state.steps[index].tasks;
            let verdicts = judge(state, index, Direction::Do);
            let done = !tasks.is_empty()
                && tasks.iter().all(|task| task.open().is_none())
                && verdicts.iter().all(|verdict| *verdict == Verdict::Done);
            let found = step.evidence.as_ref().map(|rule| (rule, weakest(rule, tasks)));
            match found {
                None if done => Event::StepSucceeded { step: path, evidence: None },
                Some((rule, found))
                    if done && found >= rule.required && !needs_risk_approval(rule, found) =>
                {
                    Event::StepSucceeded { step: path, evidence: Some(found) }
                }
                None | Some(_) => Event::StepCancelled { step: path },
            }
        })
        .collect()
}

/// Steps that failed and were passed over, and those of which some hosts failed that could be done without.
fn incomplete(state: &RunState) -> Vec<StepPath> {
    let some = |step: &Step, now: &StepState| match &now.stage {
        Stage::Failed { .. } => true,
        Stage::Succeeded { .. } => count(step, &now.tasks).is_some_and(|hosts| hosts.failed > 0),
        Stage::Pending | Stage::Active { .. } | Stage::Cancelled { .. } | Stage::Skipped { .. } => false,
    };
    state.both().filter(|(step, now)| some(step, now)).map(|(step, _)| step.path.clone()).collect()
}

fn failures(state: &RunState) -> impl Iterator<Item = (&StepPath, &Problem)> {
    state.both().filter_map(|(step, now)| match &now.stage {
        Stage::Failed { problem, .. } => Some((&step.path, problem)),
        Stage::Pending
        | Stage::Active { .. }
        | Stage::Succeeded { .. }
        | Stage::Cancelled { .. }
        | Stage::Skipped { .. } => None,
    })
}
