//! Plain words for what happened and what is waited for.

use crate::event::About;
use crate::state::Because;
use crate::status::{Doing, Need, RunStatus};
use model::control::{CutoverOutput, NotifyOutput};
use model::jobs::{
    BackupOutput, CheckOutput, CommandOutput, FenceOutput, PromoteOutput, ProveOutput, RejoinOutput,
    RestoreOutput, RetainOutput, ServiceOutput, ServiceState, SwapOutput, UnfenceOutput, Way,
};
use model::{ControlAction, Micros, Work};
use plan::checked::Action;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// What a status says beyond its word.
pub(crate) fn detail(status: &RunStatus) -> String {
    match status {
        RunStatus::Pending { .. } | RunStatus::Running { doing: Doing::Steps } => String::new(),
        RunStatus::Running { doing: Doing::Stopping } => {
            "a step failed and the plan says stop: what runs is let finish".to_string()
        }
        RunStatus::Running { doing: Doing::Cancelling } => {
            "cancelling: what runs is being stopped".to_string()
        }
        RunStatus::Running { doing: Doing::Ending } => "ending".to_string(),
        RunStatus::Running { doing: Doing::Closing } => {
            "how it ends is decided; the plan's last steps are done".to_string()
        }
        RunStatus::Waiting { needs } => needs.iter().map(need).collect::<Vec<_>>().join("; "),
        RunStatus::Paused { by, reason, .. } => format!("paused by {by}{}", because(reason)),
        RunStatus::Unwinding { because: Because::Failure { step, problem }, .. } => {
            format!("{step} failed: {}", problem.message)
        }
        RunStatus::Unwinding { because: Because::Request { by, reason }, .. } => {
            format!("asked by {by}{}", because(reason))
        }
        RunStatus::Succeeded { incomplete, .. } if incomplete.is_empty() => String::new(),
        RunStatus::Succeeded { incomplete, .. } => {
            let steps: Vec<&str> = incomplete.iter().map(model::StepPath::as_str).collect();
            format!("but these steps failed: {}", steps.join(", "))
        }
        RunStatus::Failed { problem, .. } => problem.message.clone(),
        RunStatus::Cancelled { by, reason, .. } => format!("cancelled by {by}{}", because(reason)),
        RunStatus::Stuck { problem, .. } => problem.message.clone(),
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

pub(super) fn need(need: &Need) -> String {
    match need {
        Need::Approval { step, question } => {
            let what = match question.about {
                About::Gate => "for approval",
                About::Risk => "until the risk is approved",
                About::Waiver => "until its evidence is waived",
                About::Loss => "until its loss is approved",
            };
            let given: Vec<&str> = question.voices.iter().map(|voice| voice.by.as_str()).collect();
            let count = match (question.needed, given.is_empty()) {
                (1, _) => String::new(),
                (needed, true) => format!(", {needed} people"),
                (needed, false) => format!(", {} of {needed} given ({})", given.len(), given.join(", ")),
            };
            let who = question.role.as_ref().map_or(String::new(), |role| format!(" by {role}"));
            format!("{step} waits {what}{who}{count}")
        }
        Need::Asking { step, expired_at } => {
            format!("the question of {step} expired at {expired_at}; retry asks again")
        }
        Need::Decision { step, problem } => format!("{step} failed: {}", problem.message),
        Need::Answer { token, problem } => {
            format!(
                "nobody can tell whether {} was done on {}: {}",
                token.step, token.target, problem.message
            )
        }
        Need::Host { token, silence } => {
            format!("{} waits for host {}, silent since {}", token.step, silence.host, silence.since)
        }
    }
}

/// A length for people: `412 ms`, `3.2 s`, `4 min 10 s`.
pub(super) fn length(length: Duration) -> String {
    let ms = length.as_millis();
    if ms < 1_000 {
        format!("{ms} ms")
    } else if ms < 60_000 {
        format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
    } else {
        format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000)
    }
}

pub(super) fn since(then: Micros, now: Micros) -> String {
    format!("{then} ({})", length(now.since(then)))
}

fn read<T: DeserializeOwned>(output: &Value) -> Option<T> {
    serde_json::from_value(output.clone()).ok()
}

/// What a success gave, in plain words; empty when the output says nothing more than "done".
pub(super) fn success(action: &Action, output: &Value) -> String {
    let words = match action {
        Action::Agent { work, .. } => work_output(work, output),
        Action::Controller { control } => control_output(control, output),
        Action::Timer { length: waited } => Some(format!("waited {}", length(*waited))),
    };
    words.unwrap_or_default()
}

fn control_output(control: &ControlAction, output: &Value) -> Option<String> {
    match control {
        ControlAction::Cutover { .. } | ControlAction::RestoreRecord { .. } => {
            let done: CutoverOutput = read(output)?;
            Some(format!(
                "{} → {}, verified at {} server{} after {} ms; resolvers may hold the old value for {} s",
                done.before.join(" "),
                done.after.join(" "),
                done.servers.len(),
                if done.servers.len() == 1 { "" } else { "s" },
                done.verified_after_ms,
                done.ttl_seconds
            ))
        }
        ControlAction::Notify { .. } => {
            let done: NotifyOutput = read(output)?;
            Some(format!("told {}", done.channel))
        }
    }
}

fn work_output(work: &Work, output: &Value) -> Option<String> {
    Some(match work {
        Work::Backup(_) => {
            let done: BackupOutput = read(output)?;
            let warnings = match done.warnings.len() {
                0 => String::new(),
                count => format!(", {count} warnings"),
            };
            format!(
                "snapshot {}, {} read, {} stored{warnings}",
                short(done.snapshot.as_str()),
                bytes(done.read_bytes),
                bytes(done.stored_bytes)
            )
        }
        Work::Restore(_) => {
            let done: RestoreOutput = read(output)?;
            let matches = if done.matches { "all as recorded" } else { "NOT as recorded" };
            format!("{} restored into {}, {matches}", short(done.snapshot.as_str()), done.into)
        }
        Work::Prove(_) => {
            let done: ProveOutput = read(output)?;
            let took = length(Duration::from_millis(done.took_ms));
            let what = if done.tables.is_empty() {
                format!("{} files", done.files)
            } else {
                format!("{} table{}", done.tables.len(), if done.tables.len() == 1 { "" } else { "s" })
            };
            format!("{} proven: {what} compared in {took}", short(done.snapshot.as_str()))
        }
        Work::Retain(_) => {
            let done: RetainOutput = read(output)?;
            let left = done.left.map_or(String::new(), |why| format!("; the rest waits: {why}"));
            format!("{} forgotten, {} removed{left}", done.forgotten, bytes(done.removed_bytes))
        }
        Work::Swap(_) => {
            let done: SwapOutput = read(output)?;
            format!("in place; the old data stays as {} until {}", done.old, done.keep_until)
        }
        Work::Check(_) => read::<CheckOutput>(output)?.answer,
        Work::Service(_) => {
            let done: ServiceOutput = read(output)?;
            let pid = done.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
            format!("{}{pid}, was {}", state(done.after), state(done.before))
        }
        Work::Promote(_) => {
            let done: PromoteOutput = read(output)?;
            let took = length(Duration::from_millis(done.took_ms));
            if done.already_primary {
                format!("was primary already, timeline {}", done.timeline)
            } else {
                format!("takes writes after {took}, timeline {}", done.timeline)
            }
        }
        Work::Fence(_) => {
            let done: FenceOutput = read(output)?;
            format!("{}: {}", done.evidence, done.detail)
        }
        Work::Rejoin(_) => rejoined(&read::<RejoinOutput>(output)?),
        Work::Unfence(_) => {
            let done: UnfenceOutput = read(output)?;
            let what = if done.was_fenced { "may be started again" } else { "was not fenced" };
            format!("{what}: {}", done.detail)
        }
        Work::Command(_) => {
            let done: CommandOutput = read(output)?;
            let last = done.printed.trim().lines().last().unwrap_or_default().to_string();
            if last.is_empty() { format!("exit {}", done.exit_code) } else { last }
        }
    })
}

/// How it came back, and what it gave up.
fn rejoined(done: &RejoinOutput) -> String {
    let (follows, took) = (&done.follows, length(Duration::from_millis(done.took_ms)));
    let how = match done.way {
        Way::Already => return format!("followed {follows} already, timeline {}", done.timeline),
        Way::Rewound => "wound back",
        Way::Copied => "copied anew",
    };
    let given_up = match done.diverged_bytes {
        Some(0) => "nothing of its own was given up".to_string(),
        Some(count) => format!("{} of its own log were given up", bytes(count)),
        None => "how much of its own log was given up is not known".to_string(),
    };
    let kept = match (&done.kept, done.keep_until) {
        (Some(kept), Some(until)) => format!("; kept in {} until {until}", kept.display()),
        (_, _) => String::new(),
    };
    format!("{how}, follows {follows} on timeline {} after {took}; {given_up}{kept}", done.timeline)
}

fn state(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Running => "running",
        ServiceState::Stopped => "stopped",
        ServiceState::Failed => "failed",
        ServiceState::Masked => "masked",
        ServiceState::Absent => "absent",
    }
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, size)| count >= *size) {
        Some((unit, size)) => format!("{}.{} {unit}", count / size, count % size * 10 / size),
        None => format!("{count} B"),
    }
}
