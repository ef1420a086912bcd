//! What must hold in every journal, whatever agents, networks and people do.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use super::*;
use engine::attempt::{AttemptState, Failure};
use engine::simulator::Simulation;
use engine::state::{Approval, Phase, Stage, StepState, TaskState};
use engine::{Event, RunState, apply};
use model::Direction;
use std::collections::BTreeSet;

/// Folds the journal and judges every row against the state before it.
pub fn assert_invariants(simulation: &Simulation) {
    assert_at_most_once(simulation);
    assert_replays(simulation);
    let mut before: Option<RunState> = None;
    let mut asked_again: BTreeSet<(StepPath, Target)> = BTreeSet::new();
    for entry in &simulation.journal {
        let event = &entry.recorded.event;
        if let Some(state) = &before {
            terminal_states_are_terminal(state, event);
            if let Event::RetryRequested { step, .. } = event {
                let index = state.index(step).unwrap();
                let targets = state.plan.steps[index].tasks.iter().map(|task| task.target.clone());
                asked_again.extend(targets.map(|target| (step.clone(), target)));
            }
            if let Event::AttemptStarted { token } = event {
                match token.direction {
                    Direction::Do => may_begin(state, token, &asked_again),
                    Direction::Undo => may_undo(state, token),
                }
                asked_again.remove(&(token.step.clone(), token.target.clone()));
            }
        }
        before = Some(apply(before, &entry.recorded).expect("the journal is legal"));
    }
    what_is_said_to_be_undone_is_undone(simulation);
}

fn terminal_states_are_terminal(state: &RunState, event: &Event) {
    if !state.is_open() {
        assert!(matches!(event, Event::LateResult { .. }), "{} after the end", event.kind());
    }
}

fn may_begin(state: &RunState, token: &Token, asked_again: &BTreeSet<(StepPath, Target)>) {
    let index = state.index(&token.step).unwrap();
    let (declared, step) = (&state.plan.steps[index], &state.steps[index]);
    for before in &declared.after {
        assert!(state.is_done(state.index(before).unwrap()), "{} began before {before} was done", token.step);
    }
    let closing = matches!(state.phase, Phase::Closing { .. });
    assert_eq!(declared.finally, closing, "{} is not in its turn", token.step);
    assert!(declared.skipped.is_none(), "{} began although its `when` says no", token.step);
    if state.is_preview() {
        return;
    }
    if declared.gate.is_some() {
        assert!(matches!(step.gate, Approval::Approved { .. }), "{} began without its approval", token.step);
    }
    for precondition in &declared.preconditions {
        let Precondition::Fenced { step: fence, evidence } = precondition else { continue };
        let fence = state.step(fence).unwrap();
        let Stage::Succeeded { evidence: Some(found), .. } = fence.stage else {
            panic!("{} began without a fence", token.step)
        };
        assert!(found >= *evidence);
        let taken = matches!(fence.risk, Approval::Approved { .. });
        assert!(found > Evidence::Unreachable || taken, "{} began without the risk taken", token.step);
    }
    among_its_hosts(declared, step, token);
    let task = step.tasks.iter().find(|task| task.target == token.target).unwrap();
    let settled = task.attempts.iter().rfind(|attempt| attempt.token != *token);
    let Some(previous) = settled else { return };
    assert!(!previous.state.is_open(), "{token} began while its predecessor was open");
    if asked_again.contains(&(token.step.clone(), token.target.clone())) {
        return;
    }
    match declared.class {
        Class::Read | Class::Idempotent => {}
        Class::Unsafe => panic!("{token}: unsafe work was repeated without a person"),
        Class::Probed => assert!(
            matches!(previous.state, AttemptState::Failed { failure: Failure::NotDone, .. }),
            "{token}: probed work was repeated without a proof"
        ),
    }
}

/// One task a host, as in the plans here: so many at once, canaries first, none after too many have failed.
fn among_its_hosts(declared: &Step, step: &StepState, token: &Token) {
    let Some(fan_out) = declared.fan_out else { return };
    let own = step.tasks.iter().position(|task| task.target == token.target).unwrap();
    let others = || step.tasks.iter().enumerate().filter(|(at, _)| *at != own).map(|(_, task)| task);
    let state = |task: &TaskState| task.current().map(|attempt| attempt.state.clone());
    let busy = |task: &&TaskState| {
        let waits = matches!(state(task), Some(AttemptState::Scheduled { .. }));
        task.open().is_some() || waits && !task.again
    };
    assert!(others().filter(busy).count() < fan_out.at_once as usize, "{token}: too many at once");
    let good = |task: &TaskState| matches!(state(task), Some(AttemptState::Succeeded { .. }));
    if own >= fan_out.canary as usize {
        let first = step.tasks.iter().take(fan_out.canary as usize);
        assert!(first.clone().all(good), "{token} began before those that go first had succeeded");
    }
    let bad = |task: &&TaskState| {
        let ended = matches!(state(task), Some(AttemptState::Failed { .. } | AttemptState::Cancelled { .. }));
        ended && !task.again && declared.tries == 1
    };
    let failed = others().filter(bad).count();
    assert!(failed <= fan_out.failures as usize, "{token} began after {failed} hosts had failed");
}

fn may_undo(state: &RunState, token: &Token) {
    let forward = state.open_attempts().any(|(place, _)| place.direction == Direction::Do);
    assert!(!forward, "{token}: undoing began while something forward was not settled");
    if let Some(host) = &token.target.host {
        let tasks = &state.step(&token.step).unwrap().tasks;
        let here: Vec<&TaskState> =
            tasks.iter().filter(|task| task.target.host.as_ref() == Some(host)).collect();
        let begun = here.iter().any(|task| !task.attempts.is_empty());
        assert!(begun || here.is_empty(), "{token} is undone where it was never begun");
    }
    let ended = match state.step(&token.step).unwrap().stage {
        Stage::Succeeded { sequence, .. }
        | Stage::Failed { sequence, .. }
        | Stage::Cancelled { sequence, .. }
        | Stage::Skipped { sequence, .. } => sequence,
        Stage::Pending | Stage::Active { .. } => panic!("{token}: a step is undone that has not ended"),
    };
    for (declared, step) in state.both() {
        if declared.undo != Undo::Impossible || declared.class == Class::Read {
            continue;
        }
        let attempts = step.tasks.iter().flat_map(|task| &task.attempts);
        let sent =
            attempts.filter(|attempt| attempt.state.may_have_effect()).filter_map(|a| a.sent_sequence).min();
        if let Some(sent) = sent {
            assert!(ended > sent, "{token} was undone behind {}, which cannot be taken back", declared.path);
        }
    }
}

/// The engine never claims that something did not happen which did.
fn what_is_said_to_be_undone_is_undone(simulation: &Simulation) {
    let there: BTreeSet<&Token> = simulation.world.effects().collect();
    for step in &simulation.state.steps {
        for attempt in step.tasks.iter().chain(&step.undo.tasks).flat_map(|task| &task.attempts) {
            let denied = match &attempt.state {
                AttemptState::Cancelled { .. } => true,
                AttemptState::Failed { failure, .. } => *failure == Failure::NotDone,
                AttemptState::Scheduled { .. }
                | AttemptState::Sent { .. }
                | AttemptState::Accepted { .. }
                | AttemptState::Succeeded { .. }
                | AttemptState::Unknown { .. } => false,
            };
            // A read leaves nothing behind.
            let class = simulation.state.place(&attempt.token).map(|place| simulation.state.class(place));
            if denied && class != Some(Class::Read) {
                assert!(!there.contains(&attempt.token), "{} was done, and is said not to be", attempt.token);
            }
        }
    }
}
