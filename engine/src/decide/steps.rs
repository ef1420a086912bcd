//! Which steps begin, go on and end.

use super::Mind;
use super::tasks::{self, Progress};
use crate::approval::shown;
use crate::event::{About, Actor, Event};
use crate::problems;
use crate::state::{Approval, RunState, Stage};
use crate::verdict::{needs_risk_approval, weakest};
use model::{ApprovalId, Problem, StepPath};
use plan::checked::{OnFailure, Step};

/// Going forward.
pub(super) fn forward(state: &RunState, mind: &mut Mind<'_>) -> Vec<Event> {
    if let Some(event) = unwind_where_the_plan_says_so(state) {
        return vec![event];
    }
    let events = active(state, mind, true);
    if !events.is_empty() {
        return events;
    }
    // A failure that waits for a person holds everything that has not begun.
    let held = (0..state.steps.len()).any(|step| state.is_asking(step));
    // One at a time, and what begins goes on before the next: so a journal cut anywhere continues in the
    // same order.
    match ready(state) {
        Some(event) if !held => vec![event],
        Some(_) => Vec::new(),
        None => super::finish::forward(state),
    }
}

/// The `finally` part: what it says is done, whatever becomes of it, then the run is over.
pub(super) fn closing(state: &RunState, mind: &mut Mind<'_>) -> Vec<Event> {
    let events = active(state, mind, true);
    if !events.is_empty() {
        return events;
    }
    match ready(state) {
        Some(event) => vec![event],
        None => super::finish::closing(state),
    }
}

/// Paused: what runs is let finish, nothing new begins, nobody is asked.
pub(super) fn paused(state: &RunState, mind: &mut Mind<'_>) -> Vec<Event> {
    active(state, mind, false)
}

fn unwind_where_the_plan_says_so(state: &RunState) -> Option<Event> {
    state.both().find_map(|(step, now)| match &now.stage {
        Stage::Failed { problem, .. } if state.on_failure(step) == OnFailure::Unwind => {
            Some(Event::UnwindStarted { step: step.path.clone(), problem: problem.clone() })
        }
        Stage::Failed { .. }
        | Stage::Pending
        | Stage::Active { .. }
        | Stage::Succeeded { .. }
        | Stage::Cancelled { .. }
        | Stage::Skipped { .. } => None,
    })
}

/// The first step that has not begun and before which everything is done.
fn ready(state: &RunState) -> Option<Event> {
    for (index, (step, now)) in state.both().enumerate() {
        if !matches!(now.stage, Stage::Pending) || !state.is_in_turn(step) || !state.may_follow(index) {
            continue;
        }
        return Some(match &step.skipped {
            Some(reason) => {
                Event::Skipped { step: step.path.clone(), by: Actor::Engine, reason: reason.clone() }
            }
            None => Event::StepStarted { step: step.path.clone() },
        });
    }
    None
}

fn active(state: &RunState, mind: &mut Mind<'_>, may_start: bool) -> Vec<Event> {
    for (index, (step, now)) in state.both().enumerate() {
        if matches!(now.stage, Stage::Active { .. }) && state.is_in_turn(step) {
            let events = go_on(state, index, step, mind, may_start);
            if !events.is_empty() {
                return events;
            }
        }
    }
    Vec::new()
}

/// One step that has begun: its gate, its tasks, its evidence.
fn go_on(state: &RunState, index: usize, step: &Step, mind: &mut Mind<'_>, may_start: bool) -> Vec<Event> {
    if step.gate.is_some() && !state.is_preview() {
        match &state.steps[index].gate {
            Approval::Approved { .. } => {}
            Approval::NotAsked if may_start => return ask(state, index, About::Gate, mind),
            Approval::NotAsked | Approval::Asked(_) | Approval::Expired { .. } => return Vec::new(),
            Approval::Declined { by, reason, .. } => {
                return failed(step, problems::declined(by.as_str(), reason));
            }
        }
    }
    if state.steps[index].waiving.is_some() {
        return waived(state, index, step, mind, may_start);
    }
    if let Some(events) = loss(state, index, step, mind, may_start) {
        return events;
    }
    match tasks::forward(state, index, mind) {
        Progress::Begin(events) if may_start => match unmet(state, step) {
            None => events,
            Some(problem) if tasks::open(state, index) => {
                let _ = problem; // Judged again when what still runs has ended.
                Vec::new()
            }
            Some(problem) => failed(step, problem),
        },
        Progress::Begin(_) | Progress::Wait => Vec::new(),
        Progress::Failed(problem) => failed(step, problem),
        Progress::Done => done(state, index, step, mind, may_start),
    }
}

/// A promotion that would lose something: exactly that is asked, and with a yes it is tried again.
fn loss(
    state: &RunState,
    index: usize,
    step: &Step,
    mind: &mut Mind<'_>,
    may_start: bool,
) -> Option<Vec<Event>> {
    let (task, _) = crate::loss::short(state, index)?;
    Some(match &state.steps[index].loss {
        Approval::Declined { by, reason, .. } => failed(step, problems::declined(by.as_str(), reason)),
        _ if !may_start => Vec::new(),
        Approval::Approved { .. } if crate::loss::is_allowed(state, index) => match unmet(state, step) {
            Some(problem) => failed(step, problem),
            None => vec![tasks::once_more(state, index, task)],
        },
        Approval::Approved { .. } | Approval::NotAsked => ask(state, index, About::Loss, mind),
        Approval::Asked(_) | Approval::Expired { .. } => Vec::new(),
    })
}

/// Every task is done, or its host's silence counts.
fn done(state: &RunState, index: usize, step: &Step, mind: &mut Mind<'_>, may_start: bool) -> Vec<Event> {
    let succeeded = |evidence| vec![Event::StepSucceeded { step: step.path.clone(), evidence }];
    let Some(rule) = step.evidence.as_ref().filter(|_| !state.is_preview()) else { return succeeded(None) };
    let now = &state.steps[index];
    let found = weakest(rule, &now.tasks);
    if found < rule.required {
        return failed(step, problems::too_little_evidence(&step.path, rule.required, found));
    }
    if !needs_risk_approval(rule, found) {
        return succeeded(Some(found));
    }
    match &now.risk {
        Approval::Approved { question, .. } => {
            let digest = shown(state, index, About::Risk).and_then(|shown| shown.digest());
            if digest.as_ref() == Some(&question.digest) {
                succeeded(Some(found))
            } else if may_start {
                ask(state, index, About::Risk, mind)
            } else {
                Vec::new()
            }
        }
        Approval::NotAsked if may_start => ask(state, index, About::Risk, mind),
        Approval::NotAsked | Approval::Asked(_) | Approval::Expired { .. } => Vec::new(),
        Approval::Declined { by, reason, .. } => failed(step, problems::declined(by.as_str(), reason)),
    }
}

/// Somebody wants to go on with less evidence than the plan demands. A host that is fenced meanwhile settles it.
fn waived(state: &RunState, index: usize, step: &Step, mind: &mut Mind<'_>, may_start: bool) -> Vec<Event> {
    let now = &state.steps[index];
    let Some(rule) = &step.evidence else { return Vec::new() };
    let found = weakest(rule, &now.tasks);
    if found >= rule.required {
        return done(state, index, step, mind, may_start);
    }
    match &now.waiver {
        Approval::Approved { question, .. } => {
            let digest = shown(state, index, About::Waiver).and_then(|shown| shown.digest());
            if digest.as_ref() == Some(&question.digest) {
                return vec![Event::StepSucceeded { step: step.path.clone(), evidence: Some(found) }];
            }
            if may_start { ask(state, index, About::Waiver, mind) } else { Vec::new() }
        }
        Approval::NotAsked if may_start => ask(state, index, About::Waiver, mind),
        Approval::NotAsked | Approval::Asked(_) | Approval::Expired { .. } => Vec::new(),
        Approval::Declined { by, reason, .. } => failed(step, problems::declined(by.as_str(), reason)),
    }
}

fn ask(state: &RunState, index: usize, about: About, mind: &mut Mind<'_>) -> Vec<Event> {
    let Some(shown) = shown(state, index, about) else { return Vec::new() };
    let Some(digest) = shown.digest() else { return Vec::new() };
    vec![Event::ApprovalAsked {
        approval: ApprovalId((mind.ids)()),
        step: shown.step.clone(),
        about,
        role: shown.role.cloned(),
        digest,
        expires_at: mind.now.after(shown.within),
        approvals: shown.approvals,
        question: shown.question,
    }]
}

fn failed(step: &Step, problem: Problem) -> Vec<Event> {
    vec![Event::StepFailed { step: step.path.clone(), problem }]
}

/// The first precondition that does not hold. A step that was skipped by hand satisfies none.
fn unmet(state: &RunState, step: &Step) -> Option<Problem> {
    use model::Evidence;
    use plan::checked::Precondition;
    if state.is_preview() {
        return None;
    }
    let stage = |path: &StepPath| state.step(path).map(|step| &step.stage);
    step.preconditions.iter().find_map(|precondition| match precondition {
        Precondition::Fenced { step: fence, evidence: required } => {
            let found = match stage(fence) {
                Some(Stage::Succeeded { evidence, .. }) => evidence.unwrap_or(Evidence::None),
                Some(
                    Stage::Pending
                    | Stage::Active { .. }
                    | Stage::Failed { .. }
                    | Stage::Cancelled { .. }
                    | Stage::Skipped { .. },
                )
                | None => Evidence::None,
            };
            let approved = |slot: &Approval| matches!(slot, Approval::Approved { .. });
            let taken = state.step(fence).is_some_and(|step| approved(&step.risk));
            let waived =
                state.step(fence).is_some_and(|step| step.waiving.is_some() && approved(&step.waiver));
            let enough = waived || found >= *required && (found > Evidence::Unreachable || taken);
            (!enough).then(|| problems::not_fenced(&step.path, fence, *required, found))
        }
        Precondition::Succeeded { step: needed } => {
            let succeeded = matches!(stage(needed), Some(Stage::Succeeded { .. }));
            (!succeeded).then(|| problems::not_succeeded(&step.path, needed))
        }
    })
}
