//! The one transition function. Live runs, crash replay, views and reports all fold the same way.
//!
//! It is total over (state, event): what cannot happen is an [`IllegalEvent`], never ignored. It decides
//! nothing: given the same journal it gives the same state, today and in ten years.

mod asking;
mod attempts;
pub(crate) mod people;
pub(crate) mod request;
pub(crate) mod runs;
mod steps;

use crate::event::{Event, Recorded};
use crate::state::{Observed, RunState};
use model::{ApprovalId, Micros, StepPath, Token};

/// An event that cannot have happened in that state: a damaged journal, or a fault of this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalEvent {
    /// A run's first event must say what it is.
    #[error(
        "LB1340: the journal of a run begins with {kind:?} instead of run-requested; restore the journal from a backup"
    )]
    NoBeginning {
        /// What came.
        kind: &'static str,
    },
    /// Numbers have no gaps.
    #[error(
        "LB1341: event {found} came where {expected} was due; the journal lost or repeated a row: restore it from a backup"
    )]
    Gap {
        /// What was due.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// An event of another run.
    #[error("LB1342: event {sequence} belongs to another run; restore the journal from a backup")]
    OtherRun {
        /// Its number.
        sequence: u64,
    },
    /// The pinned plan does not have the digest that was recorded, or cannot be run.
    #[error("LB1343: the pinned plan cannot be run: {why}")]
    BadPlan {
        /// What is wrong with it.
        why: String,
    },
    /// It cannot happen now.
    #[error("LB1344: {kind} cannot happen while the run is {status}")]
    Run {
        /// The event.
        kind: &'static str,
        /// How the run is.
        status: &'static str,
    },
    /// There is no such step, or it cannot happen to it now.
    #[error("LB1345: {kind} cannot happen to step {step} now")]
    Step {
        /// The event.
        kind: &'static str,
        /// The step.
        step: StepPath,
    },
    /// There is no such attempt, or it cannot happen to it now.
    #[error("LB1346: {kind} cannot happen to attempt {token} now")]
    Attempt {
        /// The event.
        kind: &'static str,
        /// The attempt.
        token: Box<Token>,
    },
    /// There is no such open question, or the answer does not fit it.
    #[error("LB1347: {kind} does not fit the open questions (approval {approval})")]
    Approval {
        /// The event.
        kind: &'static str,
        /// The question.
        approval: ApprovalId,
    },
}

/// The state after one more row of the journal.
pub fn apply(state: Option<RunState>, recorded: &Recorded) -> Result<RunState, IllegalEvent> {
    let Some(state) = state else {
        if recorded.sequence != 1 {
            return Err(IllegalEvent::Gap { expected: 1, found: recorded.sequence });
        }
        return request::begin(recorded);
    };
    if recorded.run != state.run {
        return Err(IllegalEvent::OtherRun { sequence: recorded.sequence });
    }
    if recorded.sequence != state.sequence + 1 {
        return Err(IllegalEvent::Gap { expected: state.sequence + 1, found: recorded.sequence });
    }
    let mut next = fold(state, &recorded.event, recorded.at)?;
    next.epoch = recorded.epoch;
    Ok(next)
}

/// The state after a whole journal, oldest first.
pub fn replay(journal: &[Recorded]) -> Result<RunState, IllegalEvent> {
    let mut state = None;
    for recorded in journal {
        state = Some(apply(state, recorded)?);
    }
    state.ok_or(IllegalEvent::NoBeginning { kind: "nothing" })
}

/// The state after one more event of a run that has begun.
pub(crate) fn fold(mut state: RunState, event: &Event, at: Micros) -> Result<RunState, IllegalEvent> {
    state.sequence += 1;
    state.last_at = at;
    match event {
        Event::RunRequested { .. } => Err(IllegalEvent::Run { kind: event.kind(), status: state.word() }),
        Event::Observed { members, heard } => {
            if state.observed.is_some() || !state.is_open() {
                return Err(illegal_run(&state, event));
            }
            state.observed = Some(Observed { at, members: members.clone(), heard: heard.clone() });
            Ok(state)
        }
        Event::RunStarted
        | Event::ClosingStarted { .. }
        | Event::Finished { .. }
        | Event::Stuck { .. }
        | Event::UnwindStarted { .. }
        | Event::PauseRequested { .. }
        | Event::ResumeRequested { .. }
        | Event::CancelRequested { .. }
        | Event::UnwindRequested { .. }
        | Event::EndRequested { .. } => runs::fold(state, event, at),
        Event::StepStarted { step }
        | Event::StepSucceeded { step, .. }
        | Event::StepFailed { step, .. }
        | Event::StepCancelled { step }
        | Event::StepUndone { step } => steps::fold(state, event, step, at),
        Event::Skipped { step, .. }
        | Event::RetryRequested { step, .. }
        | Event::WaiverRequested { step, .. } => people::fold(state, event, step, at),
        Event::AttemptScheduled { token, .. }
        | Event::AttemptStarted { token }
        | Event::Accepted { token }
        | Event::Ended { token, .. }
        | Event::TimedOut { token, .. }
        | Event::Unreachable { token, .. }
        | Event::LeaseExpired { token, .. }
        | Event::Revoked { token, .. }
        | Event::Probed { token, .. }
        | Event::LateResult { token, .. }
        | Event::Answered { token, .. } => attempts::fold(state, event, token, at),
        Event::ApprovalAsked { approval, .. }
        | Event::ApprovalExpired { approval }
        | Event::ApprovalVoided { approval, .. }
        | Event::PeopleTold { approval, .. }
        | Event::Approved { approval, .. }
        | Event::Declined { approval, .. } => asking::fold(state, event, *approval, at),
    }
}

pub(crate) fn illegal_run(state: &RunState, event: &Event) -> IllegalEvent {
    IllegalEvent::Run { kind: event.kind(), status: state.word() }
}

pub(crate) fn illegal_step(event: &Event, step: &StepPath) -> IllegalEvent {
    IllegalEvent::Step { kind: event.kind(), step: step.clone() }
}

pub(crate) fn illegal_attempt(event: &Event, token: &Token) -> IllegalEvent {
    IllegalEvent::Attempt { kind: event.kind(), token: Box::new(token.clone()) }
}
