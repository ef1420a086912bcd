//! A plan before it runs: its graph with the critical path, how long it takes, and the exact orders
//! of each step. Nothing is sent for it.

mod graph;
mod orders;
mod pages;

pub use orders::OrderLine;

use model::{Class, HostName, Mode, Name, StepPath};
use plan::TriggerHead;
use plan::checked::{CheckedPlan, EvidenceRule, FanOut, Gate, OnFailure, Precondition, Scenario, Step, Undo};
use plan::objectives::{Explanation, Prediction};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// All that can be said of a plan before it runs. As JSON it is what programs read; lengths are texts like
/// `1h30m`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// Name of the plan.
    pub plan: Name,
    /// Its title.
    pub title: String,
    /// The mode.
    pub mode: Mode,
    /// What it presumes.
    pub scenario: Scenario,
    /// When it begins by itself; nobody but people starts it when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<TriggerHead>,
    /// Values of its inputs.
    pub inputs: BTreeMap<String, String>,
    /// How long it takes.
    pub prediction: Prediction,
    /// Its steps, in an order that respects `after`.
    pub steps: Vec<ExplainedStep>,
}

/// A step before it runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedStep {
    /// Its path.
    pub step: StepPath,
    /// Its kind.
    pub kind: String,
    /// What it does, in one line.
    pub summary: String,
    /// Steps before it.
    pub after: Vec<StepPath>,
    /// Hosts that get orders.
    pub hosts: Vec<HostName>,
    /// Why it is skipped in this mode and with these inputs.
    pub skipped: Option<String>,
    /// A question that a person answers first.
    pub gate: Option<Gate>,
    /// Demands on the evidence that it brings.
    pub evidence: Option<EvidenceRule>,
    /// What must still be true when it begins.
    pub preconditions: Vec<Precondition>,
    /// Retry follows this alone.
    pub class: Class,
    /// Time-out of one try.
    #[serde(with = "model::duration")]
    pub timeout: Duration,
    /// Tries in all.
    pub tries: u32,
    /// First pause between tries.
    #[serde(with = "model::duration")]
    pub retry_pause: Duration,
    /// Whether it runs at the end, however the run ends.
    pub finally: bool,
    /// How it goes about many hosts.
    pub fan_out: Option<FanOut>,
    /// What happens when it has failed for good.
    pub on_failure: OnFailure,
    /// What the plan says that it takes.
    #[serde(with = "model::duration::option")]
    pub takes: Option<Duration>,
    /// Whether nothing before it is undone any more once it is sent.
    pub point_of_no_return: bool,
    /// The orders, as they would be sent.
    pub orders: Vec<OrderLine>,
    /// The orders that take it back.
    pub undo: Vec<OrderLine>,
}

/// Puts an explanation into the words and the order that are shown.
pub fn explain(explanation: &Explanation) -> Explained {
    let CheckedPlan { name, title, mode, scenario, inputs, steps, .. } = &explanation.plan;
    Explained {
        plan: name.clone(),
        title: title.clone(),
        mode: *mode,
        scenario: scenario.clone(),
        trigger: explanation.trigger.clone(),
        inputs: inputs.clone(),
        prediction: explanation.prediction.clone(),
        steps: steps.iter().map(step).collect(),
    }
}

fn step(step: &Step) -> ExplainedStep {
    let mut hosts: Vec<HostName> = step.tasks.iter().filter_map(|task| task.target.host.clone()).collect();
    hosts.sort();
    hosts.dedup();
    ExplainedStep {
        step: step.path.clone(),
        kind: step.kind.clone(),
        summary: step.summary.clone(),
        after: step.after.clone(),
        hosts,
        skipped: step.skipped.clone(),
        gate: step.gate.clone(),
        evidence: step.evidence.clone(),
        preconditions: step.preconditions.clone(),
        class: step.class,
        timeout: step.timeout,
        tries: step.tries,
        retry_pause: step.retry_pause,
        finally: step.finally,
        fan_out: step.fan_out,
        on_failure: step.on_failure,
        takes: step.takes,
        point_of_no_return: step.undo == Undo::Impossible,
        orders: orders::lines(&step.tasks),
        undo: match &step.undo {
            Undo::Tasks { tasks } => orders::lines(tasks),
            Undo::Nothing | Undo::Impossible => Vec::new(),
        },
    }
}

impl Explained {
    /// Plain text of at most 80 columns.
    pub fn text(&self) -> String {
        pages::document(self).text()
    }

    /// Markdown, for a pull request.
    pub fn markdown(&self) -> String {
        pages::document(self).markdown()
    }
}
