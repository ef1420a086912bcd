//! `ask`: a person does something and says so.

use super::approve::who_and_within;
use super::{Kind, Lowered, Part, no_rules};
use crate::checked::{Gate, Undo};
use crate::codes;
use crate::context::Context;
use crate::inputs::InputType;
use crate::outputs::field;
use crate::text::{Fields, Node, Scalar, Span, Value, values};
use model::{Class, Name};

/// Most answers of one step.
const MAX_ANSWERS: usize = 20;

pub(crate) static KIND: Kind = Kind {
    name: "ask",
    doc: "Gives a person a `task` in plain words, and goes on once somebody of `role` has approved that it is done \
          (anyone who may run plans when absent), `within` 30m when the step does not say. No agent is asked. What a \
          person did, nobody else takes back: an unwind leaves it. `answers` are what the person is to say, each \
          with its `type` (text, number, duration, version, restore-point or host) and, for a text, the words \
          that it may be (`one-of`). Later steps use them as `${{ steps.NAME.outputs.ANSWER }}`. Taking down answers is \
          still to come; a task without them runs.\n\n\
          ```yaml\ncall-the-bank:\n  ask: { task: Tell the bank that payments pause., role: incident-commander, within: 15m }\n```",
    class: Class::Read,
    timeout: super::approve::DEFAULT_WITHIN,
    lower,
    rules: no_rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let task = fields.need("task", cx.sink).and_then(|node| values::words(node, cx.sink));
    let asked = who_and_within(cx, fields);
    let span = fields.span_of("answers");
    let answers = fields.get("answers").map_or(Some(0), |node| read(cx, node, span));
    let (task, (role, within), answers) = (task?, asked?, answers?);
    let who = role.as_ref().map_or_else(|| "a person".to_string(), Name::to_string);
    Some(Lowered {
        summary: format!("a task for {who}: {task}"),
        parts: vec![Part { tasks: Vec::new(), undo: Undo::Nothing }],
        gate: Some(Gate {
            role,
            within,
            approvals: 1,
            question: format!("{task}\nApprove once it is done."),
        }),
        timeout: Some(within),
        to_come: (answers > 0).then_some("taking down a person's answers"),
        ..Lowered::default()
    })
}

/// Checks the answers; gives how many there are.
fn read(cx: &mut Context<'_>, node: &Node, owner: Span) -> Option<usize> {
    let entries = values::entries(node, cx.sink)?;
    if entries.is_empty() || entries.len() > MAX_ANSWERS {
        let message = format!("{} answers; a task has 1 to {MAX_ANSWERS}", entries.len());
        cx.sink.push(&codes::OUT_OF_RANGE, owner, message);
        return None;
    }
    let mut good = true;
    for entry in entries {
        good &= values::name_text(&entry.key, entry.key_span, cx.sink).is_some();
        let what = format!("answer {:?}", entry.key);
        let Some(mut fields) = Fields::of(&entry.value, what, entry.key_span, cx.sink) else {
            good = false;
            continue;
        };
        let kind =
            fields.need("type", cx.sink).and_then(|node| values::word(node, &InputType::WORDS, cx.sink));
        let words = fields.get("one-of").map(|node| values::list(node, false, cx.sink, values::words));
        if words.is_some() && kind.is_some_and(|kind| kind != InputType::Text) {
            let message = "`one-of` belongs to an answer of type text".to_string();
            cx.sink.push(&codes::EITHER_OR, fields.span_of("one-of"), message);
            good = false;
        }
        good &= kind.is_some() && words.is_none_or(|words| words.is_some());
        fields.finish(cx.sink);
    }
    good.then_some(entries.len())
}

/// The answers of a step's text with their types, as far as they can be read.
pub(crate) fn answers(params: &Node) -> Vec<(String, InputType)> {
    let Some(Value::Map(entries)) = field(params, "answers").map(|node| &node.value) else {
        return Vec::new();
    };
    let kind = |node: &Node| match &field(node, "type")?.value {
        Value::Scalar(Scalar { text, .. }) => {
            InputType::WORDS.iter().find(|(word, _)| word == text).map(|(_, kind)| *kind)
        }
        Value::Null | Value::List(_) | Value::Map(_) => None,
    };
    entries.iter().filter_map(|entry| Some((entry.key.clone(), kind(&entry.value)?))).collect()
}
