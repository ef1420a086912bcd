//! The pages of an explanation.

use super::{Explained, ExplainedStep, graph, orders};
use crate::document::{Block, Document, Section};
use crate::layout::COLUMNS;
use crate::units::count;
use model::{Class, Evidence, StepPath};
use plan::TriggerHead;
use plan::checked::{OnFailure, Precondition};
use plan::objectives::{Prediction, StepPrediction, Total, sum, words};
use std::time::Duration;

/// What a document sets before each line of a block.
const INDENT: usize = 2;
/// Most `after`s that are named as ones that no rule asks for.
const MAX_FREE: usize = 10;

pub fn document(explained: &Explained) -> Document {
    let steps = explained.steps.iter().zip(&explained.prediction.steps);
    let sections = [lengths(explained), order(explained)];
    Document {
        title: explained.title.clone(),
        lead: [head(explained), verdict(&explained.prediction)]
            .into_iter()
            .chain(explained.trigger.as_ref().map(begins))
            .collect(),
        sections: sections
            .into_iter()
            .chain(steps.map(|(step, predicted)| one_step(step, predicted)))
            .collect(),
    }
}

fn head(explained: &Explained) -> String {
    let inputs: Vec<String> =
        explained.inputs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let inputs = if inputs.is_empty() { String::new() } else { format!(", {}", inputs.join(", ")) };
    format!(
        "Plan {} in mode {}{inputs}: {}. Nothing was sent.",
        explained.plan,
        explained.mode,
        count(explained.steps.len() as u64, "step", "steps")
    )
}

fn begins(trigger: &TriggerHead) -> String {
    format!(
        "It begins by itself when {} of {} say for {} without a break that {} fails, and not again within {}.",
        trigger.failing,
        count(trigger.vantages.len() as u64, "host that asks", "hosts that ask"),
        words(trigger.lasting),
        trigger.check,
        words(trigger.cool_down)
    )
}

fn verdict(prediction: &Prediction) -> String {
    let estimated = words(prediction.estimated.length);
    let worst = words(prediction.worst.length);
    match prediction.objective {
        None => format!("It recovers after {estimated} by estimate, {worst} at worst; it has no objective."),
        Some(rto) if prediction.estimated.length > rto => format!(
            "It recovers after {estimated} by estimate: more than its objective of {}. At worst {worst}.",
            words(rto)
        ),
        Some(rto) if prediction.worst.length > rto => format!(
            "It recovers after {estimated} by estimate, within its objective of {}; at worst after {worst}, which is more.",
            words(rto)
        ),
        Some(rto) => format!(
            "It recovers after {estimated} by estimate and {worst} at worst, within its objective of {}.",
            words(rto)
        ),
    }
}

fn lengths(explained: &Explained) -> Section {
    let prediction = &explained.prediction;
    let mut section = Section::new("How long");
    let measured = prediction.measured.map_or(String::new(), |measured| {
        format!(
            "half of the runs within {} (p50), nine of ten within {} (p90); past times of {} of {}",
            words(measured.p50),
            words(measured.p90),
            measured.steps,
            count(explained.steps.len() as u64, "step", "steps")
        )
    });
    let until = match prediction.until.as_slice() {
        [one] => format!("{one} is done"),
        [first, second] => format!("{first} and {second} are done"),
        _ => "everything is done".to_string(),
    };
    section.facts(vec![
        ("objective", prediction.objective.map(words).unwrap_or_default()),
        ("until", until),
        ("estimate", added(prediction, &prediction.estimated, |step| step.lengths.estimate)),
        ("measured", measured),
        ("worst", added(prediction, &prediction.worst, |step| step.lengths.worst)),
        ("waits", waits(prediction)),
        (
            "whole run",
            if prediction.whole > prediction.estimated.length {
                words(prediction.whole)
            } else {
                String::new()
            },
        ),
        ("other order", other_order(prediction)),
    ]);
    section
}

fn added(prediction: &Prediction, total: &Total, which: fn(&StepPrediction) -> Duration) -> String {
    let length = |path: &StepPath| {
        prediction.steps.iter().find(|step| step.step == *path).map(which).unwrap_or_default()
    };
    let parts: Vec<(String, Duration)> =
        total.path.iter().map(|path| (path.to_string(), length(path))).collect();
    if parts.is_empty() { words(total.length) } else { sum(&parts) }
}

fn waits(prediction: &Prediction) -> String {
    if prediction.waits.length.is_zero() {
        return String::new();
    }
    format!(
        "{} at most, for people and clocks",
        added(prediction, &prediction.waits, |step| step.lengths.waits)
    )
}

fn other_order(prediction: &Prediction) -> String {
    let Some(forced) = &prediction.forced else { return String::new() };
    if forced.at_least >= prediction.estimated.length {
        return "no order of these steps that keeps the rules is faster".to_string();
    }
    let free: Vec<String> =
        forced.free.iter().take(MAX_FREE).map(|(then, first)| format!("{then} after {first}")).collect();
    let free = match free.is_empty() {
        true => String::new(),
        false => format!(". No rule asks for: {}; you may have a reason that no rule knows", free.join(", ")),
    };
    format!(
        "at most {} could be saved: none that keeps the rules is faster than {}{free}",
        words(prediction.estimated.length - forced.at_least),
        words(forced.at_least)
    )
}

fn order(explained: &Explained) -> Section {
    let mut section = Section::new("Order (▶ is on the critical path)");
    section.blocks.push(Block::Lines(graph::lines(explained, COLUMNS - INDENT)));
    section
}

fn one_step(step: &ExplainedStep, predicted: &StepPrediction) -> Section {
    let mark = if predicted.critical { "▶ " } else { "" };
    let mut section = Section::new(format!("{mark}{}: {}", step.step, step.summary));
    if let Some(why) = &step.skipped {
        section.facts(vec![("skipped", why.clone())]);
        return section;
    }
    let last = if step.finally { "at the end, however the run ends" } else { "" };
    section.facts(vec![
        ("runs", last.to_string()),
        ("asks", asks(step)),
        ("requires", requires(step)),
        ("hosts", fan_out(step)),
        ("takes", takes(step, predicted)),
        ("on failure", on_failure(step)),
        ("undo", undo(step)),
    ]);
    let columns = COLUMNS - INDENT;
    let lines = step.orders.iter().flat_map(|order| orders::text(order, columns));
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        section.blocks.push(Block::Lines(lines));
    }
    section
}

fn asks(step: &ExplainedStep) -> String {
    let who = |role: &Option<model::Name>| role.as_ref().map_or("a person".to_string(), ToString::to_string);
    if let Some(gate) = &step.gate {
        return format!("{}, within {}: {}", who(&gate.role), words(gate.within), gate.question);
    }
    match &step.evidence {
        Some(rule) if rule.required == Evidence::Unreachable => format!(
            "{}, within {}, where nothing better than {} comes: {}",
            who(&rule.role),
            words(rule.within),
            rule.required.as_str(),
            rule.risk
        ),
        Some(rule) => format!("nobody; it brings the evidence {}, or fails", rule.required.as_str()),
        None => String::new(),
    }
}

fn requires(step: &ExplainedStep) -> String {
    let all = step.preconditions.iter().map(|one| match one {
        Precondition::Fenced { step, evidence } => format!("{step} brought {} or better", evidence.as_str()),
        Precondition::Succeeded { step } => format!("{step} succeeded"),
    });
    all.collect::<Vec<_>>().join("; ")
}

fn takes(step: &ExplainedStep, predicted: &StepPrediction) -> String {
    let source = if step.takes.is_some() { "(says the plan)" } else { "(usual for its kind)" };
    let estimate = words(predicted.lengths.estimate);
    if step.orders.is_empty() || step.kind == "wait" {
        return format!("{estimate} {source}, {} at worst", words(predicted.lengths.worst));
    }
    format!(
        "{estimate} {source}; time-out {}, {}; {} at worst",
        words(step.timeout),
        count(u64::from(step.tries), "try", "tries"),
        words(predicted.lengths.worst)
    )
}

/// Empty for a step that does everything at once.
fn fan_out(step: &ExplainedStep) -> String {
    let Some(fan_out) = &step.fan_out else { return String::new() };
    let first = match fan_out.canary {
        0 => String::new(),
        canary => {
            format!("{} first, and all of these must succeed; ", count(u64::from(canary), "host", "hosts"))
        }
    };
    format!("{first}{} of {} at once, {} may fail", fan_out.at_once, step.hosts.len(), fan_out.failures)
}

fn on_failure(step: &ExplainedStep) -> String {
    let retry = match step.class {
        Class::Unsafe => ", never tried again by itself",
        Class::Read | Class::Idempotent | Class::Probed => "",
    };
    let then = match step.on_failure {
        OnFailure::Ask => "a person is asked",
        OnFailure::Stop => "the run ends",
        OnFailure::Continue => "the run goes on",
        OnFailure::Unwind => "what was done is undone",
    };
    format!("{then}{retry}")
}

fn undo(step: &ExplainedStep) -> String {
    if step.point_of_no_return {
        return "none: a point of no return, nothing before it is undone once it is sent".to_string();
    }
    let all = step.undo.iter().map(|order| match &order.host {
        Some(host) => format!("{} of {} on {host}", undo_words(order), order.target.name),
        None => format!("{} of {}", undo_words(order), order.target.name),
    });
    let all: Vec<String> = all.collect();
    if all.is_empty() { "nothing to take back".to_string() } else { all.join("; ") }
}

/// `stop` says more than `service`.
fn undo_words(order: &super::OrderLine) -> String {
    let action = order.parameters.get("action").and_then(serde_json::Value::as_str);
    action.unwrap_or(&order.job).to_string()
}
