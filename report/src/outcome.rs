//! What came of a step, in one line, and what a run is called: where the tree and the report say the same.

use engine::view::{AttemptView, StepView, View};
use model::Direction;

/// The newest try of each target in one direction, in the order of the plan.
pub fn newest(step: &StepView, direction: Direction) -> Vec<&AttemptView> {
    let mut newest: Vec<&AttemptView> = Vec::new();
    for attempt in step.attempts.iter().filter(|attempt| attempt.direction == direction) {
        match newest.iter_mut().find(|known| known.target == attempt.target) {
            Some(known) => *known = attempt,
            None => newest.push(attempt),
        }
    }
    newest
}

/// Where an attempt acted: its host, or its target.
pub fn place(attempt: &AttemptView) -> String {
    attempt.host.as_ref().map_or_else(|| attempt.target.clone(), ToString::to_string)
}

/// The shortest names that tell these attempts apart: hosts, else names of targets, else whole targets.
pub fn places(attempts: &[&AttemptView]) -> Vec<String> {
    let distinct = |names: &[String]| {
        let mut sorted = names.to_vec();
        sorted.sort();
        sorted.dedup();
        sorted.len() == names.len()
    };
    let hosts: Vec<String> = attempts.iter().map(|attempt| place(attempt)).collect();
    let names: Vec<String> = attempts.iter().map(|attempt| attempt.token.target.name.to_string()).collect();
    match (distinct(&hosts), distinct(&names)) {
        (true, _) => hosts,
        (false, true) => names,
        (false, false) => attempts.iter().map(|attempt| attempt.target.clone()).collect(),
    }
}

/// What came of a step; empty when there is nothing to say yet. A fence that succeeded without an answer
/// says what it has and who took the risk, not how its open attempt is.
pub fn outcome(step: &StepView) -> String {
    let (Some(evidence), true) = (step.evidence, step.state == "succeeded") else {
        return step.outcome.clone();
    };
    let silent: Vec<String> = newest(step, Direction::Do)
        .into_iter()
        .filter(|attempt| attempt.state != "succeeded")
        .map(place)
        .collect();
    if silent.is_empty() {
        return step.outcome.clone();
    }
    let taken =
        step.decisions.iter().find(|decision| decision.about == "risk" && decision.answer == "approved");
    let by = taken.and_then(|decision| decision.by.as_ref());
    let risk = by.map_or(String::new(), |by| format!("; {by} took the risk"));
    format!("{evidence}: no answer from {}{risk}", silent.join(", "))
}

/// What a run is called: a plain verb's title says less than its one step.
pub fn title(view: &View) -> String {
    match view.steps.as_slice() {
        [step] if view.title == view.plan.as_str() => step.summary.clone(),
        _ => view.title.clone(),
    }
}
