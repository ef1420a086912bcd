//! Outputs of steps: which there are, of which type, and that they exist when they are used.
//!
//! `${{ steps.NAME.outputs.FIELD }}` is typed by the kind of the step (and, where the step itself says what
//! it gives, by its own words), so a plan is proven before any of its steps has run. Filling a value into
//! the work of a later step while the run goes on is still to come; until then it keeps a plan from running.

use crate::codes;
use crate::context::{Context, still_to_come};
use crate::diagnostic::Sink;
use crate::estate::Estate;
use crate::graph::Graph;
use crate::inputs::{InputType, Known};
use crate::lower::Draft;
use crate::steps::{self, KINDS};
use crate::text::{Entry, Node, Span, Value, values};
use std::collections::HashMap;

/// One use of an output.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    /// Index of the step that gives it.
    pub producer: usize,
    /// Its name there.
    pub output: String,
    /// Where it is used.
    pub span: Span,
}

/// The steps that may give something.
#[derive(Clone, Copy)]
pub(crate) struct Producers<'a> {
    /// The steps of the plan.
    pub steps: &'a [Entry],
    /// The index of the first of them among all steps that are lowered together.
    pub base: usize,
    /// Their places by name.
    pub index: &'a HashMap<&'a str, usize>,
    /// The estate.
    pub estate: &'a Estate,
}

impl Known<'_> {
    /// The type of an output, with its use noted; tells when there is no such step or output.
    pub fn output(&mut self, step: &str, output: &str, span: Span, sink: &mut Sink) -> Option<InputType> {
        let Some(producer) = self.producers.index.get(step) else {
            let message = format!("the plan has no step {step:?}");
            let help = match sink.near(step, self.producers.index.keys().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "use the name of a step of this plan".to_string(),
            };
            sink.push_with(&codes::UNKNOWN_STEP, span, message, help);
            return None;
        };
        let entry = self.producers.steps.get(producer - self.producers.base)?;
        let given = of(entry, self.producers.estate);
        let Some((_, kind)) = given.iter().find(|(name, _)| name == output) else {
            let message = format!("step {step:?} gives no output {output:?}");
            let names: Vec<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
            let help = match sink.near(output, names.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None if names.is_empty() => "a step of its kind gives none".to_string(),
                None => format!("it gives: {}", names.join(", ")),
            };
            sink.push_with(&codes::UNKNOWN_OUTPUT, span, message, help);
            return None;
        };
        self.uses.push(Use { producer: *producer, output: output.to_string(), span });
        Some(*kind)
    }
}

/// Reads `STEP.OUTPUT: VALUE` of a `when`.
pub(crate) fn condition(cx: &mut Context<'_>, entry: &Entry, known: &mut Known<'_>) {
    let Some((step, output)) = entry.key.rsplit_once('.') else {
        let message = format!("{:?} is no output: write STEP.OUTPUT", entry.key);
        cx.sink.push(&codes::UNKNOWN_OUTPUT, entry.key_span, message);
        return;
    };
    let kind = known.output(step, output, entry.key_span, cx.sink);
    let (Some(kind), Some(wanted)) = (kind, values::text(&entry.value, cx.sink)) else { return };
    if !kind.admits(&wanted) {
        let message = format!("{wanted:?} is no {}, so {:?} is never it", kind.as_str(), entry.key);
        cx.sink.push(&codes::BAD_INPUT_USE, entry.value.span, message);
    }
}

/// What a step gives, by its text.
pub(crate) fn of(entry: &Entry, estate: &Estate) -> Vec<(String, InputType)> {
    let Value::Map(fields) = &entry.value.value else { return Vec::new() };
    let verb = |field: &Entry| KINDS.iter().find(|kind| kind.name == field.key);
    let Some((field, kind)) = fields.iter().find_map(|field| Some((field, verb(field)?))) else {
        return Vec::new();
    };
    let own: Vec<(String, InputType)> = match kind.name {
        "ask" => steps::ask::answers(&field.value),
        "provision" => steps::provision::gives(&field.value, estate),
        _ => Vec::new(),
    };
    own.into_iter().chain(kind.outputs.iter().map(|(name, kind)| (name.to_string(), *kind))).collect()
}

/// The value of a field of a step's text.
pub(crate) fn field<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

/// Every output that is used was given before: its step is always done then, once, on one target.
pub(crate) fn rules(drafts: &[Draft], graph: &Graph, cx: &mut Context<'_>) {
    for (at, draft) in drafts.iter().enumerate().filter(|(_, draft)| draft.skipped.is_none()) {
        cx.about(draft, |cx| given_before(at, draft, drafts, graph, cx));
    }
}

fn given_before(at: usize, draft: &Draft, drafts: &[Draft], graph: &Graph, cx: &mut Context<'_>) {
    for one in &draft.uses {
        let Some(producer) = drafts.get(one.producer) else { continue };
        let name = &producer.name.value;
        if !graph.before(one.producer, at) || !producer.must_succeed() {
            let message =
                format!("the output {:?} of step {name:?} is not always there before this step", one.output);
            let help = format!(
                "add `after: {name}`, and let it neither be skipped nor fail with `on-failure: continue`"
            );
            cx.sink.push_with(&codes::LATE_OUTPUT, one.span, message, help);
        }
        let targets: usize =
            producer.lowered.iter().flat_map(|lowered| &lowered.parts).map(|part| part.tasks.len()).sum();
        let parts = producer.lowered.iter().map(|lowered| lowered.parts.len()).sum::<usize>();
        if targets > parts {
            let message =
                format!("step {name:?} acts on several targets; which of them gives {:?}?", one.output);
            cx.sink.push(&codes::UNKNOWN_OUTPUT, one.span, message);
        }
        still_to_come(cx, one.span, "filling in outputs while a run goes on");
    }
}
