//! `approve`: a person says yes before the run goes on.

use super::{Kind, Lowered, Part, no_rules};
use crate::checked::{Gate, Undo};
use crate::codes;
use crate::context::{Context, flat};
use crate::text::{Fields, Node, Span, values};
use model::{Class, Name};
use std::time::Duration;

/// How long a question stands when the plan does not say.
pub const DEFAULT_WITHIN: Duration = Duration::from_secs(30 * 60);

pub(crate) static KIND: Kind = Kind {
    name: "approve",
    doc: "Asks a person, and goes on only after a yes. `role` says who may answer (anyone who may run plans \
          when absent), never whoever asked for the run; `approvals` how many of its people must say yes (1); `within` \
          how long the question stands (30m), `question` what is asked. The answer is bound to what was shown.\n\n\
          ```yaml\ndeclare:\n  approve: { role: incident-commander, within: 10m, question: Is us-east really lost? }\n```",
    class: Class::Read,
    timeout: DEFAULT_WITHIN,
    lower,
    rules: no_rules,
    outputs: &[],
};

/// Most people who are asked for one step.
const MAX_APPROVALS: i64 = 10;

/// Who is asked, for how long, and how many of them must say yes.
pub(crate) struct Asked {
    /// Who may answer.
    pub role: Option<Name>,
    /// How long the question stands.
    pub within: Duration,
    /// How many must say yes.
    pub approvals: u32,
}

impl Default for Asked {
    fn default() -> Self {
        Self { role: None, within: DEFAULT_WITHIN, approvals: 1 }
    }
}

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let asked = who_and_how_many(cx, fields);
    let question = fields.get("question").map(|node| values::words(node, cx.sink));
    let (Asked { role, within, approvals }, question) = (asked?, flat(question)?);
    let question = question.unwrap_or_else(|| format!("Go on with {:?}?", cx.plan.title));
    let who = role.as_ref().map_or_else(|| "a person".to_string(), Name::to_string);
    let who = if approvals > 1 { format!("{approvals} of {who}") } else { who };
    Some(Lowered {
        summary: format!("approval by {who}"),
        parts: vec![Part { tasks: Vec::new(), undo: Undo::Nothing }],
        gate: Some(Gate { role, within, approvals, question }),
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

/// Reads `role`, `within` and `approvals`; tells where the role has too few people for them.
fn who_and_how_many(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Asked> {
    let asked = who_and_within(cx, fields);
    let approvals = fields.get("approvals").map(|node| values::number(node, 1, MAX_APPROVALS, cx.sink));
    let ((role, within), approvals) = (asked?, flat(approvals)?.unwrap_or(1));
    let approvals = u32::try_from(approvals).unwrap_or(1);
    let at = fields.span_of("approvals");
    let has = role.as_ref().and_then(|role| cx.estate.roles.get(role)).map(|role| role.people().len());
    match (&role, has) {
        (None, _) if approvals > 1 => {
            let message = format!("{approvals} approvals, and no role says whose");
            cx.sink.push(&codes::TOO_FEW_PEOPLE, at, message);
            return None;
        }
        (Some(role), Some(has)) if has < approvals as usize => {
            let people = if has == 1 { "1 person".to_string() } else { format!("{has} people") };
            let message = format!("{approvals} approvals, and the role {:?} has {people}", role.as_str());
            cx.sink.push(&codes::TOO_FEW_PEOPLE, at, message);
            return None;
        }
        _ => {}
    }
    Some(Asked { role, within, approvals })
}

/// Reads `approve: { role, within, approvals }` inside another step.
pub(crate) fn nested(cx: &mut Context<'_>, node: &Node, owner: Span) -> Option<Asked> {
    let mut fields = Fields::of(node, "approve", owner, cx.sink)?;
    let read = who_and_how_many(cx, &mut fields);
    fields.finish(cx.sink);
    read
}
