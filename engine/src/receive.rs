//! What agents and actions say, turned into the event that it is.
//!
//! A message may come twice, late, or of an attempt that was replaced. What is new and fits the attempt
//! is its event; a result that no longer counts is a `LateResult`; what is known already is nothing.
//! Either way the sender is told that it was received, once the event (if any) is durable.

use crate::attempt::{Attempt, AttemptState, Input, Silence};
use crate::event::{Actor, Event, Notice, ProbeAnswer, Revocation};
use crate::lookup::Place;
use crate::state::{Approval, RunState};
use model::{ApprovalId, Direction, HostName, Micros, Name, Outcome, Token};
use plan::checked::Action;

/// What somebody says about an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The agent has the order, or runs it already.
    Accepted {
        /// The attempt.
        token: Token,
    },
    /// It ended.
    Ended {
        /// The attempt.
        token: Token,
        /// How.
        outcome: Outcome,
        /// Who says so.
        by: Actor,
        /// Microseconds that it took.
        took_us: Option<u64>,
    },
    /// The token is revoked durably.
    Revoked {
        /// The attempt.
        token: Token,
        /// What became of it.
        answer: Revocation,
    },
    /// The probe answered.
    Probed {
        /// The attempt.
        token: Token,
        /// What it found.
        answer: ProbeAnswer,
    },
    /// The host's agent is silent and has not answered to this token.
    Silent {
        /// The attempt.
        token: Token,
        /// The host.
        host: HostName,
        /// For how long, in milliseconds.
        silent_ms: u64,
    },
    /// People were told of a question. Never said by an agent.
    Told {
        /// The question.
        approval: ApprovalId,
        /// What they were told.
        notice: Notice,
        /// Channels that took the message.
        channels: Vec<Name>,
        /// Those that did not, and why.
        failed: Vec<String>,
    },
    /// The lease of the host that is fenced has run out, and it gets no other.
    LeaseExpired {
        /// The attempt.
        token: Token,
        /// The host.
        host: HostName,
        /// How long it has been silent, in milliseconds.
        silent_ms: u64,
    },
}

impl Report {
    /// The attempt that it is about, if it is about one.
    pub fn token(&self) -> Option<&Token> {
        match self {
            Report::Told { .. } => None,
            Report::Accepted { token }
            | Report::Ended { token, .. }
            | Report::Revoked { token, .. }
            | Report::Probed { token, .. }
            | Report::Silent { token, .. }
            | Report::LeaseExpired { token, .. } => Some(token),
        }
    }
}

/// The event that a report is; `None` when it says nothing new, or is about no attempt of this run.
pub fn receive(state: &RunState, report: Report) -> Option<Event> {
    let report = match report {
        Report::Told { approval, notice, channels, failed } => {
            return told(state, approval, notice).then_some(Event::PeopleTold {
                approval,
                notice,
                channels,
                failed,
            });
        }
        about_an_attempt => about_an_attempt,
    };
    let place = state.place(report.token()?)?;
    let attempt = state.attempt(report.token()?)?;
    attempt.sent_sequence?;
    match report {
        Report::Told { .. } => None,
        Report::Accepted { token } => {
            fits(state, place, attempt, &Input::Accepted).then_some(Event::Accepted { token })
        }
        Report::Ended { token, outcome, by, took_us } => {
            if fits(state, place, attempt, &Input::Ended(&outcome, &by, took_us)) {
                return Some(Event::Ended { token, outcome, by, took_us });
            }
            is_late(state, attempt, &outcome).then_some(Event::LateResult { token, outcome, by })
        }
        Report::Revoked { token, answer } => {
            let answer = believed(state.action(place), answer);
            fits(state, place, attempt, &Input::Revoked(answer)).then_some(Event::Revoked { token, answer })
        }
        Report::Probed { token, answer } => {
            fits(state, place, attempt, &Input::Probed(&answer)).then_some(Event::Probed { token, answer })
        }
        Report::Silent { token, host, silent_ms } => {
            let silence = silence(&host, silent_ms, false);
            let new = attempt.state.silence().is_none();
            (new && fits(state, place, attempt, &Input::Silent(silence))).then_some(Event::Unreachable {
                token,
                host,
                silent_ms,
            })
        }
        Report::LeaseExpired { token, host, silent_ms } => {
            let new = !attempt.state.silence().is_some_and(|known| known.lease_expired);
            let silence = silence(&host, silent_ms, true);
            (new && is_fence(state, place) && fits(state, place, attempt, &Input::Silent(silence)))
                .then_some(Event::LeaseExpired { token, host, silent_ms })
        }
    }
}

/// The question is still there, and nobody was told that of it before.
fn told(state: &RunState, approval: ApprovalId, notice: Notice) -> bool {
    let mut questions = state.steps.iter().flat_map(|step| step.approvals()).filter_map(Approval::question);
    let question = questions.find(|question| question.id == approval);
    state.is_open() && question.is_some_and(|question| question.told.iter().all(|told| told.notice != notice))
}

fn silence(host: &HostName, silent_ms: u64, lease_expired: bool) -> Silence {
    Silence { host: host.clone(), since: Micros(0), silent_ms, lease_expired }
}

/// Only a fence asks for evidence, and only while it is done.
fn is_fence(state: &RunState, place: Place) -> bool {
    place.direction == Direction::Do
        && state.plan.steps.get(place.step).is_some_and(|step| step.evidence.is_some())
}

/// A controller knows only what this process of it began; one before it may have begun the same action.
/// So of its own actions it can say that they no longer run, never that they had not begun.
fn believed(action: Option<&Action>, answer: Revocation) -> Revocation {
    match (action, answer) {
        (Some(Action::Controller { .. }), Revocation::NeverBegun | Revocation::Stopped) => {
            Revocation::Stopped
        }
        (Some(Action::Controller { .. }), Revocation::Ended) => Revocation::Ended,
        (Some(Action::Agent { .. } | Action::Timer { .. }) | None, answer) => answer,
    }
}

fn fits(state: &RunState, place: Place, attempt: &Attempt, input: &Input<'_>) -> bool {
    state.is_open() && attempt.state.next(input, state.class(place), state.last_at).is_some()
}

/// A result of an attempt that was settled without it, and not a repeat of what settled it.
fn is_late(state: &RunState, attempt: &Attempt, outcome: &Outcome) -> bool {
    if attempt.late.is_some() || (state.is_open() && attempt.state.is_open()) {
        return false;
    }
    let repeat = match (&attempt.state, outcome) {
        (AttemptState::Succeeded { output: known, .. }, Outcome::Succeeded { output }) => known == output,
        (
            AttemptState::Failed { problem: known, .. },
            Outcome::Failed { problem } | Outcome::Refused { problem },
        ) => known == problem,
        (AttemptState::Unknown { problem: known, .. }, Outcome::Unknown { problem }) => known == problem,
        (AttemptState::Cancelled { .. }, Outcome::Cancelled) => true,
        (
            AttemptState::Scheduled { .. }
            | AttemptState::Sent { .. }
            | AttemptState::Accepted { .. }
            | AttemptState::Succeeded { .. }
            | AttemptState::Failed { .. }
            | AttemptState::Unknown { .. }
            | AttemptState::Cancelled { .. },
            _,
        ) => false,
    };
    !repeat
}
