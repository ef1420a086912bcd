//! Inputs of a plan: declared with a type, given at the start of a run, used as whole values.
//!
//! `${{ inputs.NAME }}` is replaced in the tree before the steps are read. When a plan is checked and
//! an input has no default, its place is kept open: readers check that its type fits and go on without
//! its value. When the plan is compiled for a run every value is there, and everything is checked again.
//! `${{ steps.NAME.outputs.FIELD }}` takes the same way with the type of the output (see [`crate::outputs`]),
//! and stays open: its value comes into being while the run goes on.

use crate::codes;
use crate::diagnostic::Sink;
use crate::outputs::{Producers, Use};
use crate::text::{Fields, FromInput, Node, Scalar, Span, Value, values};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Most inputs of one plan.
pub const MAX_INPUTS: usize = 100;

/// What an input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputType {
    /// Any text; also the name of a noun.
    Text,
    /// A restore point: `latest`, `last-proven`, `before-deploy`, a snapshot id or a time.
    RestorePoint,
    /// A version of a service: `last-good`, or the name of one.
    Version,
    /// The name of a host.
    Host,
    /// A whole number.
    Number,
    /// A duration.
    Duration,
}

impl InputType {
    /// The words used in plans.
    pub const WORDS: [(&'static str, InputType); 6] = [
        ("text", InputType::Text),
        ("restore-point", InputType::RestorePoint),
        ("version", InputType::Version),
        ("host", InputType::Host),
        ("number", InputType::Number),
        ("duration", InputType::Duration),
    ];

    /// The word used in plans.
    pub fn as_str(self) -> &'static str {
        match self {
            InputType::Text => "text",
            InputType::RestorePoint => "restore-point",
            InputType::Version => "version",
            InputType::Host => "host",
            InputType::Number => "number",
            InputType::Duration => "duration",
        }
    }

    /// Whether a text is a value of this type. Hosts are looked up where they are used.
    pub(crate) fn admits(self, text: &str) -> bool {
        match self {
            InputType::Text => text.len() <= values::MAX_TEXT,
            InputType::RestorePoint => {
                crate::point::parse(text).is_some() || crate::point::word(text).is_some()
            }
            InputType::Version => crate::version::parse(text).is_some(),
            InputType::Host => model::HostName::new(text).is_ok(),
            InputType::Number => text.parse::<i64>().is_ok(),
            InputType::Duration => model::duration::parse(text).is_ok(),
        }
    }
}

/// One declared input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// Its type.
    pub kind: InputType,
    /// Its value when none is given.
    pub default: Option<String>,
    /// What it is for, in the plan's words.
    pub description: Option<String>,
}

/// Values to fill in: `None` for an input whose value is not known yet.
pub(crate) type Filled = BTreeMap<String, (InputType, Option<String>)>;

/// Reads the `inputs` of a plan.
pub(crate) fn read(node: &Node, owner: Span, sink: &mut Sink) -> BTreeMap<String, Input> {
    let mut out = BTreeMap::new();
    let Value::Map(entries) = &node.value else {
        Fields::of(node, "inputs", owner, sink);
        return out;
    };
    for entry in entries.iter().take(MAX_INPUTS) {
        if values::name_text(&entry.key, entry.key_span, sink).is_none() {
            continue;
        }
        let what = format!("input {:?}", entry.key);
        let Some(mut fields) = Fields::of(&entry.value, what, entry.key_span, sink) else { continue };
        let kind = fields.need("type", sink).and_then(|node| values::word(node, &InputType::WORDS, sink));
        let default =
            fields.get("default").and_then(|node| values::text(node, sink).map(|text| (text, node.span)));
        let description = fields.get("description").and_then(|node| values::text(node, sink));
        fields.finish(sink);
        let Some(kind) = kind else { continue };
        let default = default.and_then(|(text, span)| {
            let fits = kind.admits(&text);
            if !fits {
                sink.push(&codes::BAD_INPUT, span, format!("{text:?} is no {}", kind.as_str()));
            }
            fits.then_some(text)
        });
        out.insert(entry.key.clone(), Input { kind, default, description });
    }
    out
}

/// The values of all inputs for a run. Everything that is missing, unknown or ill-fitting is told at
/// `span`, where the plan declares its name. Without `complete`, missing ones stay open.
pub(crate) fn fill(
    declared: &BTreeMap<String, Input>,
    given: &BTreeMap<String, String>,
    complete: bool,
    span: Span,
    sink: &mut Sink,
) -> Filled {
    for name in given.keys().filter(|name| !declared.contains_key(*name)) {
        let near = sink.near(name, declared.keys().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None => "look at the plan's `inputs`".to_string(),
        };
        sink.push_with(&codes::BAD_INPUT, span, format!("the plan has no input {name:?}"), help);
    }
    let mut out = Filled::new();
    for (name, input) in declared {
        let mut value = given.get(name).or(input.default.as_ref());
        if let Some(text) = value.filter(|text| !input.kind.admits(text)) {
            let message = format!("input {name:?}: {text:?} is no {}", input.kind.as_str());
            sink.push(&codes::BAD_INPUT, span, message);
            value = None;
        } else if value.is_none() && complete {
            let message = format!("input {name:?} ({}) has no value", input.kind.as_str());
            sink.push(&codes::BAD_INPUT, span, message);
        }
        out.insert(name.clone(), (input.kind, value.cloned()));
    }
    out
}

/// What references in a step may name, and the outputs that were asked for.
pub(crate) struct Known<'a> {
    /// Inputs of the plan.
    pub inputs: &'a Filled,
    /// Steps of the plan with what they give.
    pub producers: Producers<'a>,
    /// Outputs that were asked for.
    pub uses: Vec<Use>,
}

/// The same tree with every `${{ … }}` replaced; itself where it has none.
pub(crate) fn substitute<'n>(node: &'n Node, known: &mut Known<'_>, sink: &mut Sink) -> Cow<'n, Node> {
    if refers(node) { Cow::Owned(replaced(node, known, sink)) } else { Cow::Borrowed(node) }
}

/// Whether any `${{ … }}` stands in a tree.
fn refers(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Scalar(scalar) => scalar.text.contains("${{"),
        Value::List(items) => items.iter().any(refers),
        Value::Map(entries) => entries.iter().any(|entry| refers(&entry.value)),
    }
}

fn replaced(node: &Node, known: &mut Known<'_>, sink: &mut Sink) -> Node {
    let value = match &node.value {
        Value::Null => Value::Null,
        Value::Scalar(scalar) => Value::Scalar(replace(scalar, node.span, known, sink)),
        Value::List(items) => Value::List(items.iter().map(|item| replaced(item, known, sink)).collect()),
        Value::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|entry| crate::text::Entry {
                    key: entry.key.clone(),
                    key_span: entry.key_span,
                    value: replaced(&entry.value, known, sink),
                })
                .collect(),
        ),
    };
    Node { span: node.span, value }
}

/// A value that is not known yet: its reference stands for it where people read it, and nowhere else.
fn open(kind: InputType, reference: &str) -> Scalar {
    Scalar { text: reference.to_string(), input: Some(FromInput { kind, known: false }) }
}

fn replace(scalar: &Scalar, span: Span, known: &mut Known<'_>, sink: &mut Sink) -> Scalar {
    let text = scalar.text.trim();
    if !text.contains("${{") {
        return scalar.clone();
    }
    let inner = text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
    let unusable = |sink: &mut Sink, message: String| {
        sink.push(&codes::BAD_INPUT_USE, span, message);
        // Open and of a type that fits everywhere a text does, so that one finding stays one.
        open(InputType::Text, text)
    };
    let Some(inner) = inner.filter(|inner| !inner.contains("${{")) else {
        return unusable(sink, "a reference must be the whole value".to_string());
    };
    if let Some(rest) = inner.strip_prefix("steps.") {
        return match rest.rsplit_once(".outputs.") {
            Some((step, output)) => {
                open(known.output(step, output, span, sink).unwrap_or(InputType::Text), text)
            }
            None => unusable(sink, format!("{inner:?} is no output: write steps.NAME.outputs.FIELD")),
        };
    }
    let Some(name) = inner.strip_prefix("inputs.") else {
        return unusable(sink, format!("{inner:?} is no reference that this version knows"));
    };
    match known.inputs.get(name) {
        Some((kind, Some(value))) => {
            Scalar { text: value.clone(), input: Some(FromInput { kind: *kind, known: true }) }
        }
        Some((kind, None)) => open(*kind, text),
        None => {
            let near = sink.near(name, known.inputs.keys().map(String::as_str));
            let help = near.map_or_else(
                || "declare it under `inputs:`".into(),
                |near| format!("did you mean {near:?}?"),
            );
            sink.push_with(&codes::BAD_INPUT, span, format!("the plan has no input {name:?}"), help);
            open(InputType::Text, text)
        }
    }
}
