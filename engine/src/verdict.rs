//! What the tries of a task amount to: the retry rules, and the evidence.
//!
//! Automatic retry follows the class alone. `read` and `idempotent` work may be repeated up to the
//! step's tries; `probed` work only after it was *proven* not done; `unsafe` work never. What an agent
//! refused is not retried, whatever its class: it would refuse again.

use crate::attempt::{Attempt, AttemptState, Failure, Resolution};
use crate::problems;
use crate::state::TaskState;
use model::jobs::FenceOutput;
use model::{Class, Evidence, Micros, Problem};
use plan::checked::EvidenceRule;

/// Most automatic tries, whatever a plan says.
pub const MAX_TRIES: u32 = 100;

/// What a task needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its next try may begin at once.
    Start,
    /// Its next try is scheduled.
    Scheduled {
        /// Not before.
        not_before: Micros,
    },
    /// Its try is under way, or being settled.
    Open,
    /// It failed and may be tried again after a pause.
    Retry,
    /// It failed, and may be tried again if a probe proves that it was not done.
    Probe,
    /// Done.
    Done,
    /// Failed for good.
    Failed(Problem),
}

/// Judges a task by its last try.
pub fn verdict(task: &TaskState, class: Class, tries: u32) -> Verdict {
    let Some(attempt) = task.current() else { return Verdict::Start };
    if task.again && !attempt.state.is_open() {
        return match attempt.state {
            AttemptState::Scheduled { not_before } => Verdict::Scheduled { not_before },
            AttemptState::Sent { .. }
            | AttemptState::Accepted { .. }
            | AttemptState::Succeeded { .. }
            | AttemptState::Failed { .. }
            | AttemptState::Unknown { .. }
            | AttemptState::Cancelled { .. } => Verdict::Start,
        };
    }
    let used = task.attempts.len().saturating_sub(task.counted_from);
    let left = u32::try_from(used).unwrap_or(u32::MAX) < tries.min(MAX_TRIES);
    match &attempt.state {
        AttemptState::Scheduled { not_before } => Verdict::Scheduled { not_before: *not_before },
        AttemptState::Sent { .. } | AttemptState::Accepted { .. } => Verdict::Open,
        AttemptState::Unknown { resolution, problem, .. } => match resolution {
            Resolution::Revoking { .. } | Resolution::Probing { .. } | Resolution::Asking { .. } => {
                Verdict::Open
            }
            Resolution::Moot if left => Verdict::Retry,
            Resolution::Moot => Verdict::Failed(problems::no_answer(problem)),
        },
        AttemptState::Succeeded { .. } => Verdict::Done,
        AttemptState::Cancelled { .. } => Verdict::Failed(problems::cancelled_elsewhere(&attempt.token)),
        AttemptState::Failed { failure, problem, .. } => after_failure(*failure, problem, class, left),
    }
}

fn after_failure(failure: Failure, problem: &Problem, class: Class, left: bool) -> Verdict {
    let for_good = Verdict::Failed(problem.clone());
    if !left {
        return for_good;
    }
    match (class, failure) {
        (_, Failure::Refused) | (Class::Unsafe, _) => for_good,
        (Class::Read | Class::Idempotent, Failure::Reported | Failure::NotDone | Failure::Doubtful) => {
            Verdict::Retry
        }
        (Class::Probed, Failure::NotDone) => Verdict::Retry,
        (Class::Probed, Failure::Reported) => Verdict::Probe,
        (Class::Probed, Failure::Doubtful) => for_good,
    }
}

/// The evidence that an attempt of a fence brought: what its agent says, `lease-expired` when its lease has run
/// out, `unreachable` when its host is silent, else none. A person's word brings none.
pub fn evidence(attempt: &Attempt) -> Evidence {
    match &attempt.state {
        AttemptState::Succeeded { output, .. } => serde_json::from_value::<FenceOutput>(output.clone())
            .map_or(Evidence::None, |output| output.evidence),
        AttemptState::Sent { .. } | AttemptState::Accepted { .. } | AttemptState::Unknown { .. } => {
            match attempt.state.silence() {
                Some(silence) if silence.lease_expired => Evidence::LeaseExpired,
                Some(_) => Evidence::Unreachable,
                None => Evidence::None,
            }
        }
        AttemptState::Scheduled { .. } | AttemptState::Failed { .. } | AttemptState::Cancelled { .. } => {
            Evidence::None
        }
    }
}

/// The evidence that a task of a fence brought. The word of a host that the plan does not believe is worth no more
/// than its silence.
pub fn believed(rule: &EvidenceRule, task: &TaskState) -> Evidence {
    let found = task.current().map_or(Evidence::None, evidence);
    if is_disbelieved(rule, task) { found.min(Evidence::Unreachable) } else { found }
}

/// The plan does not believe the host of that task.
pub fn is_disbelieved(rule: &EvidenceRule, task: &TaskState) -> bool {
    task.target.host.as_ref().is_some_and(|host| rule.disbelieved.contains(host))
}

/// The weakest evidence among the tasks of a fence: what the step as a whole may claim.
pub fn weakest(rule: &EvidenceRule, tasks: &[TaskState]) -> Evidence {
    tasks.iter().map(|task| believed(rule, task)).min().unwrap_or(Evidence::None)
}

/// A retry by hand tries this one again: it is settled, and not done or not proven enough.
pub(crate) fn lacks(task: &TaskState, rule: Option<&EvidenceRule>) -> bool {
    let Some(attempt) = task.current() else { return false };
    match &attempt.state {
        AttemptState::Succeeded { .. } => rule.is_some_and(|rule| believed(rule, task) < rule.required),
        AttemptState::Failed { .. } | AttemptState::Cancelled { .. } => true,
        AttemptState::Unknown { resolution, .. } => *resolution == Resolution::Moot,
        AttemptState::Scheduled { .. } | AttemptState::Sent { .. } | AttemptState::Accepted { .. } => false,
    }
}

/// No more than `unreachable`, and the rule asks for no more: a person must take the risk.
pub fn needs_risk_approval(rule: &EvidenceRule, found: Evidence) -> bool {
    found == Evidence::Unreachable && rule.required <= Evidence::Unreachable
}
