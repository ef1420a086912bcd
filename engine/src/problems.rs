//! The problems that the engine itself finds, with their codes. LB1301 to LB1319 refuse a command,
//! LB1320 to LB1339 stand in the journal, LB1340 to LB1349 are about journals.

use crate::event::Actor;
use model::{Evidence, Problem, StepPath, Token};
use std::time::Duration;

/// The time of an attempt has passed.
pub fn timed_out(token: &Token, timeout: Duration) -> Problem {
    Problem::new(
        "LB1320",
        format!("no result of {} within {}", token.target, model::duration::format(timeout)),
        "Nothing to do yet: the order is being revoked, then its effect is probed. Only when that cannot tell, a person is asked.",
    )
    .transient()
}

/// A fence that is needed is not there.
pub fn not_fenced(step: &StepPath, fence: &StepPath, required: Evidence, found: Evidence) -> Problem {
    Problem::new(
        "LB1321",
        format!(
            "{step} needs step {fence} to have brought evidence `{required}` or stronger, and it brought `{found}`"
        ),
        format!(
            "Two writable primaries would be possible. Make the fence succeed (`retry` of {fence}), then retry {step}; a skipped fence does not count."
        ),
    )
}

/// A step that must have succeeded has not.
pub fn not_succeeded(step: &StepPath, needed: &StepPath) -> Problem {
    Problem::new(
        "LB1322",
        format!("{step} needs step {needed} to have succeeded, and it has not"),
        format!("Retry {needed} until it succeeds, then retry {step}; skipping it by hand does not count."),
    )
}

/// A fence brought less than its plan demands.
pub fn too_little_evidence(step: &StepPath, required: Evidence, found: Evidence) -> Problem {
    Problem::new(
        "LB1323",
        format!("{step} needs evidence `{required}` or stronger, and brought `{found}`"),
        "The old primary may still accept writes. Fence it another way (power, network), then retry the step.",
    )
}

/// A person said no.
pub fn declined(by: &str, reason: &str) -> Problem {
    let said = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    Problem::new(
        "LB1324",
        format!("{by} declined{said}"),
        "Retry the step to ask again, or unwind or end the run.",
    )
}

/// Undoing has come to a step that cannot be taken back.
pub fn no_return(step: &StepPath) -> Problem {
    Problem::new(
        "LB1325",
        format!("{step} was sent and cannot be taken back, so nothing before it is undone"),
        "What came after it is undone already. Look at the servers, then close the run with `lifeboat end`.",
    )
}

/// An undo failed for good.
pub fn undo_failed(step: &StepPath, because: &Problem) -> Problem {
    let mut problem = Problem::new(
        "LB1326",
        format!("{step} could not be undone: {}", because.message),
        "Mend the cause and `retry` the step, or undo it by hand and `skip` it, or `end` the run as it is.",
    );
    problem.causes.clone_from(&because.causes);
    problem.log.clone_from(&because.log);
    problem
}

/// A person ended the run.
pub fn ended_by(by: &str, reason: &str) -> Problem {
    Problem::new("LB1327", format!("{by} ended the run: {reason}"), "Start a new run when it is needed.")
}

/// An attempt was stopped at its agent although nobody had called the run off.
pub fn cancelled_elsewhere(token: &Token) -> Problem {
    Problem::new(
        "LB1328",
        format!("{} was cancelled before it was done", token.target),
        "Find out who stopped it, then retry the step.",
    )
}

/// A question was read too late or not at all: a read without an answer.
pub fn no_answer(because: &Problem) -> Problem {
    let mut problem = because.clone();
    problem.code = "LB1329".to_string();
    problem.advice = "See whether the agent is up (`lifeboat status`), then retry the step.".to_string();
    problem
}

/// A probe proved that the effect did not happen.
pub fn proven_not_done(because: &Problem) -> Problem {
    Problem::new(
        "LB1330",
        format!("it was not done ({})", because.message),
        "Retry the step; nothing happened.",
    )
    .transient()
}

/// A person says that the effect did not happen.
pub fn answered_not_done(by: &Actor, reason: &str) -> Problem {
    Problem::new("LB1331", format!("{by} says that it was not done: {reason}"), "Retry or skip the step.")
}

/// It was stopped on request before it ended.
pub fn stopped_in_the_middle() -> Problem {
    Problem::new("LB1332", "it was stopped in the middle", "Nothing to do yet: its effect is being probed.")
}

/// More hosts have failed than the step's `fan-out` allows.
pub fn too_many_failed(
    first: &Problem,
    failed: Vec<String>,
    of: usize,
    not_begun: Vec<String>,
    allowed: u32,
) -> Problem {
    let rest =
        if not_begun.is_empty() { String::new() } else { format!("; not begun: {}", not_begun.join(", ")) };
    let mut problem = Problem::new(
        "LB1333",
        format!("{} of {of} hosts failed ({}){rest}", failed.len(), failed.join(", ")),
        format!(
            "{allowed} may fail, and none of those that go first. Mend the cause, then retry the step: only the failed hosts and those that had not begun are taken up."
        ),
    );
    problem.causes = std::iter::once(first.message.clone()).chain(first.causes.iter().cloned()).collect();
    problem.log.clone_from(&first.log);
    problem
}

/// A run stops at a failed step whose plan says so.
pub fn stopped_at(step: &StepPath, because: &Problem) -> Problem {
    let mut problem = because.clone();
    problem.message = format!("{step} failed: {}", because.message);
    problem
}
