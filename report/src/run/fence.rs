//! Fences: what was obtained, what was seen, and who took which risk, word for word.

use super::outputs::Outputs;
use crate::outcome::{newest, place};
use crate::units::{clock, length};
use engine::view::{AttemptView, DecisionView, StepView, View};
use model::{Direction, Evidence, Micros, Name, StepPath, UserName};
use serde::Serialize;

/// A fence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FenceLine {
    /// The step.
    pub step: StepPath,
    /// The source.
    pub source: Name,
    /// What was obtained; absent when the step did not succeed.
    pub evidence: Option<Evidence>,
    /// What was seen, host by host.
    pub seen: Vec<String>,
    /// Last position of the stopped server, where it could be read.
    pub final_lsn: Option<u64>,
    /// When it was sure.
    pub ended_at: Option<Micros>,
    /// The risk and who took it.
    pub decisions: Vec<DecisionLine>,
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecisionLine {
    /// The step.
    pub step: StepPath,
    /// `gate`, `risk` or `waiver`.
    pub about: String,
    /// The sentence that was shown.
    pub text: String,
    /// `approved`, `declined` or `expired`.
    pub answer: String,
    /// By whom: the last of them.
    pub by: Option<UserName>,
    /// Everybody who said yes, in this order.
    pub voices: Vec<UserName>,
    /// One person decided alone, because nobody else was there.
    pub break_glass: bool,
    /// Who was told of it over channels, in words.
    pub told: Vec<String>,
    /// Why, where somebody said so.
    pub reason: String,
    /// When.
    pub at: Micros,
}

/// The fences of a run.
pub fn lines(view: &View, outputs: &Outputs<'_>) -> Vec<FenceLine> {
    let fences = view.steps.iter().filter(|step| step.kind == "fence" && step.started_at.is_some());
    fences.filter_map(|step| line(step, outputs)).collect()
}

fn line(step: &StepView, outputs: &Outputs<'_>) -> Option<FenceLine> {
    let tries = newest(step, Direction::Do);
    let source = tries.first()?.token.target.name.clone();
    let given = || outputs.fences.iter().filter(|given| given.step.path == step.path);
    // With several members, one position that could not be read leaves the last one unknown.
    let positions: Option<Vec<u64>> = given().map(|given| given.output.final_lsn).collect();
    let complete = given().count() == tries.len();
    Some(FenceLine {
        step: step.path.clone(),
        source,
        evidence: step.evidence,
        seen: tries.iter().map(|attempt| seen(step, attempt, outputs)).collect(),
        final_lsn: positions.filter(|_| complete).and_then(|all| all.into_iter().max()),
        ended_at: step.ended_at,
        decisions: step.decisions.iter().map(|decision| decided(step, decision)).collect(),
    })
}

fn seen(step: &StepView, attempt: &AttemptView, outputs: &Outputs<'_>) -> String {
    let host = place(attempt);
    let given = outputs.fences.iter().find(|given| given.attempt.token == attempt.token);
    if let Some(given) = given {
        return format!("{host}: {} ({})", given.output.evidence, given.output.detail);
    }
    if step.evidence == Some(Evidence::LeaseExpired) {
        return format!("{host}: its lease ran out, and a watchdog ended its server");
    }
    match (attempt.silent_since, step.ended_at) {
        (Some(since), Some(ended)) => {
            format!("{host}: no answer for {} (since {})", length(ended.since(since)), clock(since))
        }
        (Some(since), None) => format!("{host}: no answer since {}", clock(since)),
        (None, _) if attempt.outcome.is_empty() => format!("{host}: {}", attempt.state),
        (None, _) => format!("{host}: {}", attempt.outcome),
    }
}

fn decided(step: &StepView, decision: &DecisionView) -> DecisionLine {
    DecisionLine {
        step: step.path.clone(),
        about: decision.about.clone(),
        text: decision.text.clone(),
        answer: decision.answer.clone(),
        by: decision.by.clone(),
        voices: decision.voices.iter().map(|voice| voice.by.clone()).collect(),
        break_glass: decision.voices.iter().any(|voice| voice.break_glass),
        told: decision.told.clone(),
        reason: decision.reason.clone(),
        at: decision.at,
    }
}

/// What one person decided alone, of all steps.
pub fn alone(view: &View) -> Vec<DecisionLine> {
    let all = view.steps.iter();
    let lines = all.flat_map(|step| step.decisions.iter().map(move |decision| decided(step, decision)));
    lines.filter(|line| line.break_glass).collect()
}

/// Questions of steps that are no fences.
pub fn approvals(view: &View) -> Vec<DecisionLine> {
    let others = view.steps.iter().filter(|step| step.kind != "fence");
    others.flat_map(|step| step.decisions.iter().map(move |decision| decided(step, decision))).collect()
}
