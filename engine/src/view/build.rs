//! Builds a view from a state.

use super::words::{length, need, since, success};
use super::{
    ApprovalView, AttemptView, DecisionView, Silent, StepView, Totals, View, VoiceView, commands, detail,
};
use crate::attempt::{Attempt, AttemptState, Cause, Failure, Resolution};
use crate::decide::fan_out::{Count, count};
use crate::event::{About, Actor, Notice};
use crate::lookup::{Place, is_answerable};
use crate::state::{Approval, RunState, Stage, StepState, Told, UndoStage, Voice};
use crate::status::RunStatus;
use model::{Direction, Evidence, Micros, Problem};
use plan::checked::{Action, Step};
use std::time::Duration;

/// What people see of a run now.
pub fn view(state: &RunState, now: Micros) -> View {
    view_with(state, now, &Silent::new())
}

/// The same, with what the controller's sessions know about silent hosts.
pub fn view_with(state: &RunState, now: Micros, silent: &Silent) -> View {
    let status = state.status();
    let steps: Vec<StepView> = state
        .both()
        .enumerate()
        .map(|(index, (step, at))| step_view(state, index, step, at, now, silent))
        .collect();
    let ended_at = state.ended_at();
    let (problem, incomplete) = match &status {
        RunStatus::Failed { problem, .. } | RunStatus::Stuck { problem, .. } => {
            (Some(problem.clone()), Vec::new())
        }
        RunStatus::Succeeded { incomplete, .. } => (None, incomplete.clone()),
        RunStatus::Pending { .. }
        | RunStatus::Running { .. }
        | RunStatus::Waiting { .. }
        | RunStatus::Paused { .. }
        | RunStatus::Unwinding { .. }
        | RunStatus::Cancelled { .. } => (None, Vec::new()),
    };
    View {
        run: state.run,
        plan: state.plan.name.clone(),
        title: state.plan.title.clone(),
        mode: state.plan.mode,
        digest: state.digest.clone(),
        inputs: state.plan.inputs.clone(),
        objectives: state.plan.objectives,
        status: status.as_str().to_string(),
        detail: detail(&status),
        next: commands::next(state),
        sequence: state.sequence,
        requested_by: state.requested_by.clone(),
        requested_at: state.requested_at,
        started_at: state.started_at,
        ended_at,
        took_ms: ms(ended_at.unwrap_or(now).since(state.requested_at)),
        totals: totals(state, &steps),
        approvals: approvals(state),
        observed: state.observed.clone(),
        steps,
        problem,
        incomplete,
    }
}

fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

fn totals(state: &RunState, steps: &[StepView]) -> Totals {
    let mut totals = Totals { steps: steps.len(), ..Totals::default() };
    for step in &state.steps {
        match step.stage {
            Stage::Pending => totals.pending += 1,
            Stage::Active { .. } => totals.active += 1,
            Stage::Succeeded { .. } => totals.succeeded += 1,
            Stage::Failed { .. } => totals.failed += 1,
            Stage::Cancelled { .. } => totals.cancelled += 1,
            Stage::Skipped { .. } => totals.skipped += 1,
        }
        if matches!(step.undo.stage, UndoStage::Done { .. }) {
            totals.undone += 1;
        }
    }
    totals
}

fn approvals(state: &RunState) -> Vec<ApprovalView> {
    let mut open = Vec::new();
    for (step, now) in state.both() {
        let active = matches!(now.stage, Stage::Active { .. }) && state.is_open();
        let stands = |slot: &&Approval| match slot {
            Approval::Asked(_) => true,
            Approval::Expired { .. } => active,
            Approval::NotAsked | Approval::Approved { .. } | Approval::Declined { .. } => false,
        };
        for slot in now.approvals().into_iter().filter(stands) {
            let Some(question) = slot.question() else { continue };
            open.push(ApprovalView {
                approval: question.id,
                step: step.path.clone(),
                about: about(question.about).to_string(),
                question: question.text.clone(),
                role: question.role.clone(),
                digest: question.digest.clone(),
                asked_at: question.asked_at,
                expires_at: question.expires_at,
                needed: question.needed,
                given: question.voices.iter().map(|voice| voice.by.clone()).collect(),
                expired: matches!(slot, Approval::Expired { .. }),
            });
        }
    }
    open
}

fn step_view(
    state: &RunState,
    index: usize,
    step: &Step,
    at: &StepState,
    now: Micros,
    silent: &Silent,
) -> StepView {
    let mut attempts = Vec::new();
    for direction in [Direction::Do, Direction::Undo] {
        for (task, tries) in state.tasks(index, direction).iter().enumerate() {
            let action = state.action(Place { step: index, direction, task });
            attempts.extend(tries.attempts.iter().map(|attempt| attempt_view(attempt, action, now, silent)));
        }
    }
    let (started_at, ended_at) = times(&at.stage);
    let took = started_at.map(|start| ms(ended_at.unwrap_or(now).since(start)));
    StepView {
        path: step.path.clone(),
        kind: step.kind.clone(),
        summary: step.summary.clone(),
        after: step.after.clone(),
        class: step.class,
        state: word(state, at).to_string(),
        started_at,
        ended_at,
        took_ms: took,
        outcome: outcome(state, index, at, &attempts),
        evidence: evidence(at),
        approved: at.approvals().into_iter().filter_map(approved).collect(),
        decisions: at.approvals().into_iter().filter_map(decision).collect(),
        problem: problem(at),
        attempts,
    }
}

fn times(stage: &Stage) -> (Option<Micros>, Option<Micros>) {
    match stage {
        Stage::Pending => (None, None),
        Stage::Active { since } => (Some(*since), None),
        Stage::Succeeded { since, at, .. }
        | Stage::Failed { since, at, .. }
        | Stage::Cancelled { since, at, .. } => (Some(*since), Some(*at)),
        Stage::Skipped { at, .. } => (None, Some(*at)),
    }
}

fn word(state: &RunState, at: &StepState) -> &'static str {
    match &at.undo.stage {
        UndoStage::Active { .. } => return "undoing",
        UndoStage::Done { .. } => return "undone",
        UndoStage::Failed { .. } => return "stuck",
        UndoStage::NotBegun | UndoStage::Skipped { .. } => {}
    }
    match &at.stage {
        Stage::Pending => "pending",
        Stage::Succeeded { .. } => "succeeded",
        Stage::Failed { .. } => "failed",
        Stage::Cancelled { .. } => "cancelled",
        Stage::Skipped { .. } => "skipped",
        Stage::Active { .. } => {
            let unknown = at.tasks.iter().filter_map(|task| task.open()).any(|attempt| match attempt.state {
                AttemptState::Unknown { .. } => true,
                AttemptState::Scheduled { .. }
                | AttemptState::Sent { .. }
                | AttemptState::Accepted { .. }
                | AttemptState::Succeeded { .. }
                | AttemptState::Failed { .. }
                | AttemptState::Cancelled { .. } => false,
            });
            let asked = at
                .approvals()
                .iter()
                .any(|approval| matches!(approval, Approval::Asked(_) | Approval::Expired { .. }));
            if unknown && state.is_open() {
                "unknown"
            } else if asked {
                "waiting"
            } else {
                "running"
            }
        }
    }
}

fn outcome(state: &RunState, index: usize, at: &StepState, attempts: &[AttemptView]) -> String {
    match &at.stage {
        Stage::Failed { problem, .. } => return problem.message.clone(),
        Stage::Skipped { by, reason, .. } => {
            return match by {
                Actor::Engine => reason.clone(),
                Actor::Person { .. } | Actor::Agent { .. } | Actor::Controller => {
                    format!("skipped by {by}: {reason}")
                }
            };
        }
        Stage::Pending | Stage::Active { .. } | Stage::Succeeded { .. } | Stage::Cancelled { .. } => {}
    }
    if matches!(at.stage, Stage::Active { .. }) {
        let path = &state.plan.steps[index].path;
        let waits = state
            .needs()
            .iter()
            .find(|open| match open {
                crate::status::Need::Approval { step, .. }
                | crate::status::Need::Asking { step, .. }
                | crate::status::Need::Decision { step, .. } => step == path,
                crate::status::Need::Answer { token, .. } | crate::status::Need::Host { token, .. } => {
                    token.step == *path
                }
            })
            .map(need);
        if let Some(waits) = waits {
            return waits;
        }
    }
    let hosts = count(&state.plan.steps[index], &at.tasks);
    let mut said: Vec<String> = hosts.as_ref().map(fleet).into_iter().collect();
    for attempt in attempts.iter().filter(|attempt| attempt.direction == Direction::Do) {
        let last = attempts
            .iter()
            .rev()
            .find(|other| other.direction == Direction::Do && other.target == attempt.target);
        // Of many hosts only those are worth a word that are not done.
        let word = hosts.is_none() || attempt.problem.is_some();
        if last == Some(attempt) && word && !attempt.outcome.is_empty() {
            said.push(attempt.outcome.clone());
        }
    }
    said.join("; ")
}

/// How far many hosts are.
fn fleet(hosts: &Count) -> String {
    let failed = if hosts.failed == 0 { String::new() } else { format!(", {} failed", hosts.failed) };
    format!("{} of {} hosts done{failed}", hosts.done, hosts.hosts)
}

fn evidence(at: &StepState) -> Option<Evidence> {
    match &at.stage {
        Stage::Succeeded { evidence, .. } => *evidence,
        Stage::Pending
        | Stage::Active { .. }
        | Stage::Failed { .. }
        | Stage::Cancelled { .. }
        | Stage::Skipped { .. } => None,
    }
}

fn problem(at: &StepState) -> Option<Problem> {
    if let UndoStage::Failed { problem, .. } = &at.undo.stage {
        return Some(problem.clone());
    }
    match &at.stage {
        Stage::Failed { problem, .. } => Some(problem.clone()),
        Stage::Pending
        | Stage::Active { .. }
        | Stage::Succeeded { .. }
        | Stage::Cancelled { .. }
        | Stage::Skipped { .. } => None,
    }
}

fn approved(approval: &Approval) -> Option<String> {
    match approval {
        Approval::Approved { question, by, at } => {
            let what = match question.about {
                About::Gate => "approved",
                About::Risk => "risk approved",
                About::Waiver => "evidence waived",
                About::Loss => "loss allowed",
            };
            let alone = question.voices.iter().any(|voice| voice.break_glass);
            let names: Vec<&str> = question.voices.iter().map(|voice| voice.by.as_str()).collect();
            match alone {
                true => Some(format!("{what} by {by} ALONE at {at}")),
                false => Some(format!("{what} by {} at {at}", names.join(" and "))),
            }
        }
        Approval::Declined { by, at, .. } => Some(format!("declined by {by} at {at}")),
        Approval::NotAsked | Approval::Asked(_) | Approval::Expired { .. } => None,
    }
}

fn decision(approval: &Approval) -> Option<DecisionView> {
    let (question, answer, by, reason, at) = match approval {
        Approval::Approved { question, by, at } => {
            let said: Vec<&str> = question.voices.iter().map(|voice| voice.reason.as_str()).collect();
            let said: Vec<&str> = said.into_iter().filter(|reason| !reason.is_empty()).collect();
            (question, "approved", Some(by.clone()), said.join("; "), *at)
        }
        Approval::Declined { question, by, reason, at } => {
            (question, "declined", Some(by.clone()), reason.clone(), *at)
        }
        Approval::Expired { question, at } => (question, "expired", None, String::new(), *at),
        Approval::NotAsked | Approval::Asked(_) => return None,
    };
    Some(DecisionView {
        about: about(question.about).to_string(),
        text: question.text.clone(),
        role: question.role.clone(),
        answer: answer.to_string(),
        by,
        reason,
        at,
        voices: question.voices.iter().map(voice).collect(),
        told: question.told.iter().map(told).collect(),
    })
}

fn about(about: About) -> &'static str {
    match about {
        About::Gate => "gate",
        About::Risk => "risk",
        About::Waiver => "waiver",
        About::Loss => "loss",
    }
}

fn voice(voice: &Voice) -> VoiceView {
    let Voice { by, at, reason, break_glass } = voice.clone();
    VoiceView { by, at, reason, break_glass }
}

fn told(told: &Told) -> String {
    let what = match told.notice {
        Notice::Asked => "that it was asked",
        Notice::BrokeGlass => "that one person decided alone",
    };
    let channels: Vec<&str> = told.channels.iter().map(model::Name::as_str).collect();
    let heard = if channels.is_empty() { "nobody".to_string() } else { channels.join(", ") };
    let failed =
        if told.failed.is_empty() { String::new() } else { format!(" ({})", told.failed.join("; ")) };
    format!("{heard} was told {what}{failed}")
}

fn attempt_view(attempt: &Attempt, action: Option<&Action>, now: Micros, silent: &Silent) -> AttemptView {
    let host = match action {
        Some(Action::Agent { host, .. }) => Some(host.clone()),
        Some(Action::Controller { .. } | Action::Timer { .. }) | None => None,
    };
    let open = attempt.state.is_open();
    let known = attempt.state.silence().map(|silence| silence.since);
    let silent_since =
        known.or_else(|| host.as_ref().filter(|_| open).and_then(|host| silent.get(host).copied()));
    let started_at = attempt.state.sent_at();
    let (ended_at, took_us, output, problem) = end(&attempt.state);
    let between = || Some(u64::try_from(ended_at?.since(started_at?).as_micros()).unwrap_or(u64::MAX));
    AttemptView {
        token: attempt.token.clone(),
        target: attempt.token.target.to_string(),
        direction: attempt.token.direction,
        number: attempt.token.attempt,
        state: attempt.state.as_str().to_string(),
        started_at,
        ended_at,
        took_us: took_us.or_else(between),
        outcome: attempt_outcome(attempt, action, now, silent_since),
        output,
        problem,
        answerable: is_answerable(&attempt.state),
        silent_since,
        late: attempt.late.as_ref().map(|outcome| outcome.as_str().to_string()),
        host,
    }
}

type End = (Option<Micros>, Option<u64>, Option<serde_json::Value>, Option<Problem>);

fn end(state: &AttemptState) -> End {
    match state {
        AttemptState::Scheduled { .. } | AttemptState::Sent { .. } | AttemptState::Accepted { .. } => {
            (None, None, None, None)
        }
        AttemptState::Succeeded { at, output, took_us, .. } => {
            (Some(*at), *took_us, Some(output.clone()).filter(|output| !output.is_null()), None)
        }
        AttemptState::Failed { at, problem, .. } => (Some(*at), None, None, Some(problem.clone())),
        AttemptState::Unknown { problem, .. } => (None, None, None, Some(problem.clone())),
        AttemptState::Cancelled { at, .. } => (Some(*at), None, None, None),
    }
}

fn attempt_outcome(
    attempt: &Attempt,
    action: Option<&Action>,
    now: Micros,
    silent_since: Option<Micros>,
) -> String {
    let quiet =
        silent_since.map_or(String::new(), |then| format!(", its host is silent since {}", since(then, now)));
    match &attempt.state {
        AttemptState::Scheduled { not_before } => {
            format!("tried again in {}", length(not_before.since(now)))
        }
        AttemptState::Sent { .. } => format!("sent{quiet}"),
        AttemptState::Accepted { at, .. } => format!("running for {}{quiet}", length(now.since(*at))),
        AttemptState::Succeeded { output, by, .. } => match by {
            Actor::Person { name } => format!("done, says {name}"),
            Actor::Engine | Actor::Agent { .. } | Actor::Controller => {
                action.map_or(String::new(), |action| success(action, output))
            }
        },
        AttemptState::Failed { failure, problem, .. } => match failure {
            Failure::Refused => format!("refused: {}", problem.message),
            Failure::Reported | Failure::NotDone | Failure::Doubtful => problem.message.clone(),
        },
        AttemptState::Unknown { cause, problem, resolution, .. } => {
            let known = match cause {
                Cause::TimedOut | Cause::Reported => problem.message.as_str(),
                Cause::Stopped => "stopped in the middle",
            };
            match resolution {
                Resolution::Revoking { .. } => {
                    format!("unknown ({known}): waits for its host to revoke it{quiet}")
                }
                Resolution::Probing { .. } => format!("unknown ({known}): its effect is being probed{quiet}"),
                Resolution::Asking { seen } => format!("unknown ({known}): {}", seen.message),
                Resolution::Moot => format!("no answer ({known})"),
            }
        }
        AttemptState::Cancelled { .. } => "cancelled, nothing was done".to_string(),
    }
}
