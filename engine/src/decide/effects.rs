//! Every effect that should be under way, and when to look again.

use super::housekeep::{deadline, questions};
use super::tasks::{judge, next_try};
use super::unwind::doubtful;
use crate::attempt::{Attempt, AttemptState, Failure, Resolution};
use crate::event::Notice;
use crate::lookup::Place;
use crate::perform::Perform;
use crate::state::{Approval, Phase, RunState, Stage, StepState};
use crate::verdict::Verdict;
use model::{Direction, HostName, Micros, Work};
use plan::checked::{Action, Step};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a host may be silent before people see that a revocation or probe waits for it.
pub const SETTLING_SILENCE: Duration = Duration::from_secs(10);

pub(super) fn effects(state: &RunState) -> (Vec<Perform>, Option<Micros>) {
    let mut perform = Vec::new();
    for (place, attempt) in state.open_attempts() {
        open(state, place, attempt, &mut perform);
    }
    if let Phase::Finished { .. } = state.phase {
        perform.extend(
            notices(state)
                .filter(|effect| matches!(effect, Perform::Tell { notice: Notice::BrokeGlass, .. })),
        );
        perform.push(Perform::CloseRun { run: state.run, hosts: hosts(state) });
        return (perform, None);
    }
    perform.extend(notices(state));
    for (index, (step, now)) in state.both().enumerate() {
        let failed = match (&state.phase, &now.stage) {
            (Phase::Forward { .. } | Phase::Paused { .. }, Stage::Active { .. }) => unproven(state, index),
            (Phase::Closing { .. }, Stage::Active { .. }) if step.finally => unproven(state, index),
            (Phase::Unwinding { .. }, _) if !now.tasks.iter().any(|task| task.open().is_some()) => {
                doubtful(step, now)
                    .into_iter()
                    .map(|attempt| (attempt, Direction::Do))
                    .chain(unproven_undo(state, index))
                    .collect()
            }
            _ => Vec::new(),
        };
        for (attempt, direction) in failed {
            let tasks = state.tasks(index, direction);
            let task = tasks.iter().position(|task| task.target == attempt.token.target);
            let Some(task) = task else { continue };
            probe(state, Place { step: index, direction, task }, attempt, &mut perform);
        }
    }
    (perform, wake_at(state))
}

fn notices(state: &RunState) -> impl Iterator<Item = Perform> + '_ {
    let each = move |(step, now)| {
        StepState::approvals(now).into_iter().filter_map(move |slot| notice(state, step, slot))
    };
    state.both().flat_map(each)
}

/// What people are still to be told of a question with a role. What nobody in particular is asked, who looks sees.
fn notice(state: &RunState, step: &Step, slot: &Approval) -> Option<Perform> {
    let (question, notice) = (slot.question()?, slot.due_notice()?);
    let (role, path, plan, mode) = (question.role.clone()?, &step.path, &state.plan.title, state.plan.mode);
    let (title, text) = match question.voices.iter().find(|voice| voice.break_glass) {
        Some(voice) => (
            format!("{plan} ({mode}): {} approved {path} alone (break-glass)", voice.by),
            format!("{}\n\n{}", voice.reason, question.text),
        ),
        None => (
            format!("{plan} ({mode}): {path} waits for {role}"),
            format!(
                "{}\n\nUntil {}. To answer: lifeboat approve {} {path}",
                question.text, question.expires_at, state.run
            ),
        ),
    };
    Some(Perform::Tell { approval: question.id, notice, title, text, role })
}

/// Failed attempts that may be repeated only after a probe says "not done".
fn unproven(state: &RunState, index: usize) -> Vec<(&Attempt, Direction)> {
    awaiting_probe(state, index, Direction::Do)
}

fn unproven_undo(state: &RunState, index: usize) -> Vec<(&Attempt, Direction)> {
    awaiting_probe(state, index, Direction::Undo)
}

fn awaiting_probe(state: &RunState, index: usize, direction: Direction) -> Vec<(&Attempt, Direction)> {
    let verdicts = judge(state, index, direction);
    let waiting = state.tasks(index, direction).iter().zip(verdicts);
    waiting
        .filter(|(_, verdict)| *verdict == Verdict::Probe)
        .filter_map(|(task, _)| task.current())
        .filter(|attempt| matches!(attempt.state, AttemptState::Failed { failure: Failure::Reported, .. }))
        .map(|attempt| (attempt, direction))
        .collect()
}

fn open(state: &RunState, place: Place, attempt: &Attempt, perform: &mut Vec<Perform>) {
    watch_lease(state, place, attempt, perform);
    let revoking = match place.direction {
        Direction::Do => state.is_revoking(place.step),
        Direction::Undo => {
            matches!(state.phase, Phase::Ending { .. } | Phase::Closing { .. } | Phase::Finished { .. })
        }
    };
    match &attempt.state {
        AttemptState::Sent { .. } | AttemptState::Accepted { .. } if revoking => {
            revoke(state, place, attempt, perform);
        }
        AttemptState::Sent { .. } | AttemptState::Accepted { .. } => send(state, place, attempt, perform),
        AttemptState::Unknown { resolution, .. } => match resolution {
            Resolution::Revoking { .. } => revoke(state, place, attempt, perform),
            Resolution::Probing { .. } => {
                probe(state, place, attempt, perform);
                watch(state, place, attempt, SETTLING_SILENCE, perform);
            }
            Resolution::Asking { .. } | Resolution::Moot => {}
        },
        AttemptState::Scheduled { .. }
        | AttemptState::Succeeded { .. }
        | AttemptState::Failed { .. }
        | AttemptState::Cancelled { .. } => {}
    }
}

fn send(state: &RunState, place: Place, attempt: &Attempt, perform: &mut Vec<Perform>) {
    let (Some(action), Some(step)) = (state.action(place), state.plan.steps.get(place.step)) else { return };
    let (token, timeout) = (attempt.token.clone(), step.timeout);
    match action {
        Action::Agent { host, work } => {
            let work = match work {
                Work::Promote(promote) if place.direction == Direction::Do => {
                    Work::Promote(crate::loss::ordered(state, place, host, promote))
                }
                work => work.clone(),
            };
            perform.push(Perform::Send { token, host: host.clone(), work, timeout });
        }
        Action::Controller { control } => {
            perform.push(Perform::Control { token, action: control.clone(), timeout });
        }
        Action::Timer { .. } => {}
    }
    if let (Some(rule), Direction::Do) = (&step.evidence, place.direction) {
        watch(state, place, attempt, rule.silence, perform);
    }
}

fn revoke(state: &RunState, place: Place, attempt: &Attempt, perform: &mut Vec<Perform>) {
    let host = match state.action(place) {
        Some(Action::Agent { host, .. }) => Some(host.clone()),
        Some(Action::Controller { .. }) => None,
        Some(Action::Timer { .. }) | None => return,
    };
    perform.push(Perform::Revoke { token: attempt.token.clone(), host });
    watch(state, place, attempt, SETTLING_SILENCE, perform);
}

fn probe(state: &RunState, place: Place, attempt: &Attempt, perform: &mut Vec<Perform>) {
    let token = attempt.token.clone();
    match state.action(place) {
        Some(Action::Agent { host, work }) => {
            perform.push(Perform::Probe { token, host: host.clone(), work: work.clone() });
        }
        Some(Action::Controller { control }) => {
            perform.push(Perform::ProbeControl { token, action: control.clone() });
        }
        Some(Action::Timer { .. }) | None => {}
    }
}

fn watch(state: &RunState, place: Place, attempt: &Attempt, after: Duration, perform: &mut Vec<Perform>) {
    if attempt.state.silence().is_some() || !state.is_open() {
        return;
    }
    if let Some(Action::Agent { host, .. }) = state.action(place) {
        perform.push(Perform::WatchSilence { token: attempt.token.clone(), host: host.clone(), after });
    }
}

/// A fence of a source that may be leased: the end of the lease is evidence, whatever becomes of the order.
fn watch_lease(state: &RunState, place: Place, attempt: &Attempt, perform: &mut Vec<Perform>) {
    let known = attempt.state.silence().is_some_and(|silence| silence.lease_expired);
    let fence = state.plan.steps.get(place.step).is_some_and(|step| step.evidence.is_some());
    if known || !fence || !state.is_open() || place.direction != Direction::Do {
        return;
    }
    if let Some(Action::Agent { host, work: Work::Fence(fence) }) = state.action(place) {
        let (token, source) = (attempt.token.clone(), fence.source.name.clone());
        perform.push(Perform::WatchLease { token, host: host.clone(), source });
    }
}

/// Hosts that may hold tokens of the run.
fn hosts(state: &RunState) -> Vec<HostName> {
    let mut hosts = BTreeSet::new();
    for step in 0..state.steps.len() {
        for direction in [Direction::Do, Direction::Undo] {
            for (task, now) in state.tasks(step, direction).iter().enumerate() {
                let sent = now.attempts.iter().any(|attempt| attempt.sent_sequence.is_some());
                if let (true, Some(Action::Agent { host, .. })) =
                    (sent, state.action(Place { step, direction, task }))
                {
                    hosts.insert(host.clone());
                }
            }
        }
    }
    hosts.into_iter().collect()
}

fn wake_at(state: &RunState) -> Option<Micros> {
    let deadlines = state.open_attempts().filter_map(|(place, attempt)| deadline(state, place, attempt));
    let tries =
        state.steps.iter().flat_map(|step| [next_try(&step.tasks), next_try(&step.undo.tasks)]).flatten();
    let expiries = state.steps.iter().flat_map(|step| questions(step)).map(|question| question.expires_at);
    // A paused run begins nothing: its scheduled tries need no waking.
    let tries = tries.filter(|_| !matches!(state.phase, Phase::Paused { .. }));
    deadlines.chain(tries).chain(expiries).min()
}
