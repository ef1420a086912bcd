//! What people may command, judged against the state. A refusal says why and what to do instead.

use crate::apply::people::{may_be_skipped, may_be_waived};
use crate::apply::runs::may_be_cancelled;
use crate::approval::shown;
use crate::attempt::AttemptState;
use crate::event::Event;
use crate::lookup::is_answerable;
use crate::people::{self, Person, Way};
use crate::state::{Approval, Phase, Question, RunState, Stage, StepState};
use model::{ApprovalId, Digest, Micros, Problem, StepPath, Token};
use plan::checked::{OnFailure, Undo};

/// Longest reason that is kept, in bytes.
pub const MAX_REASON_BYTES: usize = 2_000;

/// Most tries of one task, automatic and by hand.
pub const MAX_ATTEMPTS: usize = 1_000;

/// A person's command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Yes to a question.
    Approve {
        /// The question.
        approval: ApprovalId,
        /// Digest of what was shown.
        digest: Digest,
        /// May be empty; required when the glass is broken.
        reason: String,
        /// As one of those who are asked, or alone.
        way: Way,
    },
    /// No to a question.
    Decline {
        /// The question.
        approval: ApprovalId,
        /// Digest of what was shown.
        digest: Digest,
        /// May be empty.
        reason: String,
    },
    /// Settle an unknown attempt.
    Answer {
        /// The attempt.
        token: Token,
        /// The effect happened.
        done: bool,
        /// How that is known; required.
        reason: String,
    },
    /// Try a failed step, an expired question or a failed undo again.
    Retry {
        /// The step.
        step: StepPath,
        /// May be empty.
        reason: String,
    },
    /// Let a step count as done (when undoing: as undone).
    Skip {
        /// The step.
        step: StepPath,
        /// Required.
        reason: String,
    },
    /// Ask whether the run may go on with less evidence than a fence demands.
    Waive {
        /// The step.
        step: StepPath,
        /// Required.
        reason: String,
    },
    /// Begin nothing new.
    Pause {
        /// May be empty.
        reason: String,
    },
    /// Go on.
    Resume {
        /// May be empty.
        reason: String,
    },
    /// Call the run off: stop what runs, undo nothing.
    Cancel {
        /// May be empty.
        reason: String,
    },
    /// Undo what was done, newest first.
    Unwind {
        /// May be empty.
        reason: String,
    },
    /// Close a run that waits or is stuck, as it is.
    End {
        /// Required.
        reason: String,
    },
}

/// A command that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Refused {
    /// Why, and what to do instead.
    pub problem: Box<Problem>,
}

pub(crate) fn refuse<T>(
    code: &str,
    message: impl Into<String>,
    advice: impl Into<String>,
) -> Result<T, Refused> {
    Err(Refused { problem: Box::new(Problem::new(code, message, advice)) })
}

/// Compare-and-set for people: refused when the run has moved on since what they saw. 0 is any.
pub fn expect_sequence(state: &RunState, expected: u64) -> Result<(), Refused> {
    if expected == 0 || expected == state.sequence {
        return Ok(());
    }
    refuse(
        "LB1301",
        format!("the run has moved on: its journal is at {}, the command was for {expected}", state.sequence),
        format!("Look again with `lifeboat watch {}`, then decide.", state.run),
    )
}

/// The events that a command is, or why it is refused.
pub fn request(
    state: &RunState,
    command: &Command,
    person: &Person,
    now: Micros,
) -> Result<Vec<Event>, Refused> {
    person.may_command()?;
    if !state.is_open() {
        return refuse(
            "LB1302",
            format!("run {} is over: it {}", state.run, state.word()),
            "Start a new run when it is needed.",
        );
    }
    let by = person.name.clone();
    let event = match command {
        Command::Approve { approval, digest, reason, way } => {
            let question = question(state, *approval, digest, *way, now)?;
            people::may_approve(state, question, person, *way, now)?;
            let (break_glass, reason) = match way {
                Way::Plain => (false, bounded(reason)),
                Way::BreakGlass => (true, required(reason, "approve --break-glass")?),
            };
            Event::Approved { approval: *approval, digest: digest.clone(), by, reason, break_glass }
        }
        Command::Decline { approval, digest, reason } => {
            let question = question(state, *approval, digest, Way::Plain, now)?;
            people::may_decline(question, person)?;
            Event::Declined { approval: *approval, digest: digest.clone(), by, reason: bounded(reason) }
        }
        Command::Answer { token, done, reason } => {
            let reason = required(reason, "answer")?;
            answerable(state, token)?;
            Event::Answered { token: token.clone(), done: *done, by, reason }
        }
        Command::Retry { step, reason } => {
            retryable(state, step)?;
            Event::RetryRequested { step: step.clone(), by, reason: bounded(reason) }
        }
        Command::Skip { step, reason } => {
            let reason = required(reason, "skip")?;
            skippable(state, step)?;
            let by = crate::event::Actor::Person { name: by };
            Event::Skipped { step: step.clone(), by, reason }
        }
        Command::Waive { step, reason } => {
            let reason = required(reason, "waive")?;
            waivable(state, step)?;
            Event::WaiverRequested { step: step.clone(), by, reason }
        }
        Command::Pause { reason } => {
            pausable(state)?;
            Event::PauseRequested { by, reason: bounded(reason) }
        }
        Command::Resume { reason } => {
            if !matches!(state.phase, Phase::Paused { .. }) {
                return refuse(
                    "LB1311",
                    format!("the run is not paused: it is {}", state.word()),
                    "Nothing to do.",
                );
            }
            Event::ResumeRequested { by, reason: bounded(reason) }
        }
        Command::Cancel { reason } => {
            cancellable(state)?;
            Event::CancelRequested { by, reason: bounded(reason) }
        }
        Command::Unwind { reason } => {
            unwindable(state)?;
            Event::UnwindRequested { by, reason: bounded(reason) }
        }
        Command::End { reason } => {
            let reason = required(reason, "end")?;
            endable(state)?;
            Event::EndRequested { by, reason }
        }
    };
    Ok(vec![event])
}

fn bounded(reason: &str) -> String {
    let mut end = reason.len().min(MAX_REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_string()
}

fn required(reason: &str, verb: &str) -> Result<String, Refused> {
    if reason.trim().is_empty() {
        return refuse(
            "LB1310",
            format!("`{verb}` needs a reason"),
            "Give it with --reason \"…\": it stands in the report.",
        );
    }
    Ok(bounded(reason))
}

fn question<'a>(
    state: &'a RunState,
    approval: ApprovalId,
    digest: &Digest,
    way: Way,
    now: Micros,
) -> Result<&'a Question, Refused> {
    // What has expired is open to whoever decides alone, while its step still waits for it.
    let stands = |step: &StepState, slot: &Approval| match slot {
        Approval::Asked(_) => true,
        Approval::Expired { .. } => way == Way::BreakGlass && matches!(step.stage, Stage::Active { .. }),
        Approval::NotAsked | Approval::Approved { .. } | Approval::Declined { .. } => false,
    };
    let found = state.steps.iter().enumerate().find_map(|(index, step)| {
        let open = step.approvals().into_iter().filter(|slot| stands(step, slot));
        let mut open = open.filter_map(Approval::question);
        open.find(|question| question.id == approval).map(|question| (index, question))
    });
    let Some((index, question)) = found else {
        return refuse(
            "LB1304",
            "that question does not stand open: it was answered, has expired, or is void",
            format!("See what is asked now with `lifeboat watch {}`.", state.run),
        );
    };
    if now >= question.expires_at && way == Way::Plain {
        let step = &state.plan.steps[index].path;
        return refuse(
            "LB1306",
            format!("the question expired at {}", question.expires_at),
            format!("Ask again with `lifeboat retry {} {step}`.", state.run),
        );
    }
    let now_shown = shown(state, index, question.about).and_then(|shown| shown.digest());
    if *digest != question.digest || now_shown.as_ref() != Some(&question.digest) {
        return refuse(
            "LB1305",
            "what was shown has changed since",
            format!("Read it again with `lifeboat watch {}`, then answer.", state.run),
        );
    }
    Ok(question)
}

fn waivable(state: &RunState, path: &StepPath) -> Result<(), Refused> {
    let index = index(state, path)?;
    let declared = &state.plan.steps[index];
    let passed_over = state.on_failure(declared) == OnFailure::Continue;
    let goes_on = matches!(state.phase, Phase::Forward { .. } | Phase::Paused { .. });
    let fits = goes_on && may_be_waived(&state.steps[index], declared.evidence.as_ref(), passed_over);
    match (fits, declared.evidence.as_ref().and_then(|rule| rule.role.as_ref())) {
        (true, Some(_)) => Ok(()),
        (true, None) => refuse(
            "LB1390",
            format!("{path} names no role whose people could waive its evidence"),
            "Give the fence `approve: { role: … }` and start a new run; or obtain the evidence, then retry the step.",
        ),
        (false, _) => refuse(
            "LB1389",
            format!("{path} is no fence that brought less than its plan demands"),
            "A waiver is for a fence that has failed for want of evidence, or whose host is silent.",
        ),
    }
}

fn answerable(state: &RunState, token: &Token) -> Result<(), Refused> {
    match state.attempt(token) {
        Some(attempt) if is_answerable(&attempt.state) => Ok(()),
        Some(attempt) => refuse(
            "LB1309",
            format!("the attempt is not unknown: it is {}", attempt.state.as_str()),
            "Only what nobody can tell is answered by a person. `cancel` stops what runs; `retry` and `skip` are for failed steps.",
        ),
        None => refuse("LB1309", format!("the run has no attempt {token}"), "See `lifeboat watch`."),
    }
}

fn index(state: &RunState, step: &StepPath) -> Result<usize, Refused> {
    let names = || state.plan.steps.iter().map(|step| step.path.as_str()).collect::<Vec<_>>().join(", ");
    match state.index(step) {
        Some(index) => Ok(index),
        None => refuse("LB1303", format!("the plan has no step {step}"), format!("Its steps: {}.", names())),
    }
}

fn retryable(state: &RunState, path: &StepPath) -> Result<(), Refused> {
    let index = index(state, path)?;
    let now = &state.steps[index];
    let full = now.tasks.iter().chain(&now.undo.tasks).any(|task| task.attempts.len() >= MAX_ATTEMPTS);
    let expired = now.approvals().iter().any(|approval| matches!(approval, Approval::Expired { .. }));
    let fits = match &state.phase {
        Phase::Stuck { step, .. } => step == path && state.plan.steps[index].undo != Undo::Impossible,
        Phase::Closing { .. } if !state.plan.steps[index].finally => false,
        Phase::Pending | Phase::Forward { .. } | Phase::Paused { .. } | Phase::Closing { .. } => match now
            .stage
        {
            // What follows a step that was passed over may have begun.
            Stage::Failed { .. } => state.on_failure(&state.plan.steps[index]) != OnFailure::Continue,
            Stage::Active { .. } => expired || now.waiving.is_some(),
            Stage::Pending | Stage::Succeeded { .. } | Stage::Cancelled { .. } | Stage::Skipped { .. } => {
                false
            }
        },
        Phase::Stopping { .. }
        | Phase::Cancelling { .. }
        | Phase::Unwinding { .. }
        | Phase::Ending { .. }
        | Phase::Finished { .. } => false,
    };
    if full {
        return refuse("LB1307", format!("{path} was tried {MAX_ATTEMPTS} times"), "Start a new run.");
    }
    if !fits {
        return refuse(
            "LB1307",
            format!("{path} has nothing to try again: the run is {}", state.word()),
            "Retry is for a step that failed, a question that expired, and an undo at which the run is stuck. An unknown attempt is settled with `answer` first.",
        );
    }
    Ok(())
}

fn skippable(state: &RunState, path: &StepPath) -> Result<(), Refused> {
    let index = index(state, path)?;
    let fits = match &state.phase {
        Phase::Stuck { step, .. } => step == path && state.plan.steps[index].undo != Undo::Impossible,
        Phase::Closing { .. } if !state.plan.steps[index].finally => false,
        Phase::Pending | Phase::Forward { .. } | Phase::Paused { .. } | Phase::Closing { .. } => {
            may_be_skipped(&state.steps[index], false)
        }
        Phase::Stopping { .. }
        | Phase::Cancelling { .. }
        | Phase::Unwinding { .. }
        | Phase::Ending { .. }
        | Phase::Finished { .. } => false,
    };
    if !fits {
        return refuse(
            "LB1308",
            format!("{path} cannot be skipped now"),
            "A step can be skipped before it begins, while it waits for an approval, and after it failed; not while it is under way or unknown, and never as the point of no return at which a run is stuck.",
        );
    }
    Ok(())
}

fn pausable(state: &RunState) -> Result<(), Refused> {
    if matches!(state.phase, Phase::Pending | Phase::Forward { .. }) {
        return Ok(());
    }
    refuse(
        "LB1311",
        format!("the run cannot be paused: it is {}", state.word()),
        "Only a run that goes forward can be paused.",
    )
}

fn cancellable(state: &RunState) -> Result<(), Refused> {
    if may_be_cancelled(&state.phase) {
        return Ok(());
    }
    refuse(
        "LB1312",
        format!("the run cannot be cancelled: it is {}", state.word()),
        "It is being called off or unwound already. When it waits or is stuck, close it with `end`.",
    )
}

fn unwindable(state: &RunState) -> Result<(), Refused> {
    if matches!(state.phase, Phase::Forward { .. } | Phase::Paused { .. } | Phase::Stopping { .. }) {
        return Ok(());
    }
    refuse(
        "LB1313",
        format!("the run cannot be unwound: it is {}", state.word()),
        "Only a run that goes forward, waits or is paused can be unwound.",
    )
}

fn endable(state: &RunState) -> Result<(), Refused> {
    let waits = match state.phase {
        Phase::Forward { .. } | Phase::Closing { .. } => !state.needs().is_empty(),
        Phase::Paused { .. }
        | Phase::Stopping { .. }
        | Phase::Cancelling { .. }
        | Phase::Unwinding { .. }
        | Phase::Stuck { .. } => true,
        Phase::Pending | Phase::Ending { .. } | Phase::Finished { .. } => false,
    };
    let busy = state.open_attempts().find(|(_, attempt)| match &attempt.state {
        AttemptState::Sent { silence, .. } | AttemptState::Accepted { silence, .. } => silence.is_none(),
        AttemptState::Unknown { .. }
        | AttemptState::Scheduled { .. }
        | AttemptState::Succeeded { .. }
        | AttemptState::Failed { .. }
        | AttemptState::Cancelled { .. } => false,
    });
    match (waits, busy) {
        (true, None) => Ok(()),
        (_, Some((_, attempt))) => refuse(
            "LB1314",
            format!(
                "the run cannot be ended: {} is under way on {}",
                attempt.token.step, attempt.token.target
            ),
            "Call it off with `cancel` first; `end` closes a run that waits or is stuck.",
        ),
        (false, None) => refuse(
            "LB1314",
            format!("the run cannot be ended: it is {}", state.word()),
            "`end` closes a run that waits or is stuck; `cancel` calls off one that runs.",
        ),
    }
}
