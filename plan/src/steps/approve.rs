//! `approve`: a person says yes before the run goes on.

use super::{Kind, Lowered, Part, no_rules};
use crate::checked::{Gate, Undo};
use crate::context::{Context, flat};
use crate::text::{Fields, Node, Span, values};
use model::{Class, Name};
use std::time::Duration;

/// How long a question stands when the plan does not say.
pub const DEFAULT_WITHIN: Duration = Duration::from_secs(30 * 60);

pub(crate) static KIND: Kind = Kind {
    name: "approve",
    doc: "Asks a person, and goes on only after a yes. `role` says who may answer (anyone who may run plans \
          when absent), `within` how long the question stands (30m), `question` what is asked. The answer \
          is bound to what was shown.\n\n\
          ```yaml\ndeclare:\n  approve: { role: incident-commander, within: 10m, question: Is us-east really lost? }\n```",
    class: Class::Read,
    timeout: DEFAULT_WITHIN,
    lower,
    rules: no_rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let asked = who_and_within(cx, fields);
    let question = fields.get("question").map(|node| values::words(node, cx.sink));
    let ((role, within), question) = (asked?, flat(question)?);
    let question = question.unwrap_or_else(|| format!("Go on with {:?}?", cx.plan.title));
    let who = role.as_ref().map_or_else(|| "a person".to_string(), Name::to_string);
    Some(Lowered {
        summary: format!("approval by {who}"),
        parts: vec![Part { tasks: Vec::new(), undo: Undo::Nothing }],
        gate: Some(Gate { role, within, question }),
        timeout: Some(within),
        ..Lowered::default()
    })
}

/// Reads `role` and `within`.
pub(super) fn who_and_within(
    cx: &mut Context<'_>,
    fields: &mut Fields<'_>,
) -> Option<(Option<Name>, Duration)> {
    let role = fields.get("role").map(|node| cx.noun("role", node).map(|role| role.value));
    let within = fields.get("within").map(|node| values::duration(node, cx.sink));
    Some((flat(role)?, flat(within)?.unwrap_or(DEFAULT_WITHIN)))
}

/// Reads `approve: { role, within }` inside another step.
pub(crate) fn nested(cx: &mut Context<'_>, node: &Node, owner: Span) -> Option<(Option<Name>, Duration)> {
    let mut fields = Fields::of(node, "approve", owner, cx.sink)?;
    let read = who_and_within(cx, &mut fields);
    fields.finish(cx.sink);
    read
}
