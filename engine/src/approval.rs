//! What a person is shown when they are asked, and the digest that their answer binds.
//!
//! The digest covers the plan, its inputs, the step, the question's words and, for a risk, the evidence
//! of each target. It is computed again before an answer counts: when anything shown has changed, the
//! question is void.

use crate::event::About;
use crate::lookup::Place;
use crate::state::{RunState, TaskState, Waiving};
use crate::verdict::{believed, evidence, is_disbelieved, needs_risk_approval, weakest};
use model::{Digest, Direction, Evidence, Name, RunId, StepPath, Target};
use plan::checked::{EvidenceRule, Step};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown<'a> {
    /// The run.
    pub run: RunId,
    /// Digest of the plan.
    pub plan: &'a Digest,
    /// Values of its inputs.
    pub inputs: &'a BTreeMap<String, String>,
    /// The step.
    pub step: &'a StepPath,
    /// What it does.
    pub summary: &'a str,
    /// What the question is about.
    pub about: About,
    /// The question, in plain words.
    pub question: String,
    /// Who may answer.
    pub role: Option<&'a Name>,
    /// What each target brought (a risk).
    pub evidence: Vec<(&'a Target, Evidence)>,
    /// How long the question stands.
    #[serde(with = "model::duration")]
    pub within: Duration,
    /// How many people must say yes.
    #[serde(skip_serializing_if = "crate::event::is_one")]
    pub approvals: u32,
}

/// How long the question about a loss stands where the plan says nothing.
const LOSS_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Less evidence than a plan demands is waived by two different people at least.
pub const WAIVED_BY: u32 = 2;

impl Shown<'_> {
    /// What an answer binds; `None` when it cannot be written as JSON, which no checked plan causes.
    pub fn digest(&self) -> Option<Digest> {
        Digest::of(self).ok()
    }
}

/// What the step's question shows now; `None` when there is no such question to ask.
pub fn shown(state: &RunState, index: usize, about: About) -> Option<Shown<'_>> {
    let (step, tasks) = (state.plan.steps.get(index)?, &state.steps.get(index)?.tasks);
    if state.is_preview() {
        return None;
    }
    let obtained = |rule| tasks.iter().map(|task| (&task.target, believed(rule, task))).collect();
    let (question, role, evidence, within, approvals) = match about {
        About::Gate => {
            let gate = step.gate.as_ref()?;
            (gate.question.clone(), gate.role.as_ref(), Vec::new(), gate.within, gate.approvals)
        }
        About::Risk => {
            let rule = step.evidence.as_ref()?;
            if !needs_risk_approval(rule, weakest(rule, tasks)) {
                return None;
            }
            (risk_text(rule, tasks), rule.role.as_ref(), obtained(rule), rule.within, rule.approvals)
        }
        About::Loss => {
            let (_, problem) = crate::loss::short(state, index)?;
            let rule = crate::loss::decides(state, step);
            let (within, approvals) = rule.map_or((LOSS_WITHIN, 1), |rule| (rule.within, rule.approvals));
            (problem.message.clone(), rule.and_then(|rule| rule.role.as_ref()), Vec::new(), within, approvals)
        }
        About::Waiver => {
            let rule = step.evidence.as_ref()?;
            let (waiving, found) = (state.steps[index].waiving.as_ref()?, weakest(rule, tasks));
            if found >= rule.required {
                return None;
            }
            let text = waiver_text(rule, tasks, waiving, found);
            (text, rule.role.as_ref(), obtained(rule), rule.within, rule.approvals.max(WAIVED_BY))
        }
    };
    Some(Shown {
        run: state.run,
        plan: &state.digest,
        inputs: &state.plan.inputs,
        step: &step.path,
        summary: &step.summary,
        about,
        question,
        role,
        evidence,
        within,
        approvals,
    })
}

/// What the plan demands, what there is, who wants to go on and why, and what was seen.
fn waiver_text(rule: &EvidenceRule, tasks: &[TaskState], waiving: &Waiving, found: Evidence) -> String {
    let (by, reason) = (&waiving.by, &waiving.reason);
    let mut text = format!(
        "The plan demands evidence `{}` that the old primary accepts no writes, and there is no more than `{found}`. If it is alive, two primaries take writes and one of them is lost. {by} wants to go on all the same: {reason}",
        rule.required
    );
    text.push_str(&seen(rule, tasks));
    text
}

/// The plan's own words, then what was seen.
fn risk_text(rule: &EvidenceRule, tasks: &[TaskState]) -> String {
    format!("{}{}", rule.risk.trim(), seen(rule, tasks))
}

/// A line for each target.
fn seen(rule: &EvidenceRule, tasks: &[TaskState]) -> String {
    let mut text = String::new();
    for task in tasks {
        let seen = match task.current().and_then(|attempt| attempt.state.silence()) {
            Some(silence) if silence.lease_expired => {
                format!(
                    "the lease of {} has run out, so {} accepts no writes there.",
                    silence.host, task.target
                )
            }
            Some(silence) => format!(
                "{} has been silent for {}.{} s and did not answer the order to fence {}.",
                silence.host,
                silence.silent_ms / 1000,
                silence.silent_ms % 1000 / 100,
                task.target
            ),
            None if is_disbelieved(rule, task) => format!(
                "{}: its host says {}, and the plan does not believe it.",
                task.target,
                task.current().map_or(Evidence::None, evidence)
            ),
            None => format!("{}: {}.", task.target, believed(rule, task)),
        };
        text.push_str("\nSeen: ");
        text.push_str(&seen);
    }
    text
}

/// The silence of a fence's host, or the end of its lease, is evidence enough: the plan asks for no more.
pub fn silence_counts(state: &RunState, place: Place) -> bool {
    let rule = state.plan.steps.get(place.step).and_then(|step: &Step| step.evidence.as_ref());
    let (Direction::Do, Some(rule)) = (place.direction, rule) else { return false };
    let task = state.tasks(place.step, place.direction).get(place.task);
    // With no more than silence a person takes the risk; without even that there is nothing to count.
    task.is_some_and(|task| {
        let silent = task.current().is_some_and(|attempt| attempt.state.silence().is_some());
        silent && rule.required <= believed(rule, task)
    })
}
