//! `wait`: let time pass.

use super::{Kind, Lowered, Part, no_rules};
use crate::checked::{Action, Task, Undo};
use crate::codes;
use crate::context::Context;
use crate::text::{Fields, values};
use model::{Class, Name, Target};
use std::time::Duration;

/// Longest wait.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);
/// Added to the wait until the step counts as overdue.
const SLACK: Duration = Duration::from_secs(10);

pub(crate) static KIND: Kind = Kind {
    name: "wait",
    doc: "Lets time pass: `for` says how long, at most a day.\n\n```yaml\nsettle:\n  wait: { for: 30s }\n```",
    class: Class::Read,
    timeout: SLACK,
    lower,
    rules: no_rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let node = fields.need("for", cx.sink)?;
    let length = values::duration(node, cx.sink)?;
    if length > MAX_WAIT {
        cx.sink.push(&codes::OUT_OF_RANGE, node.span, "a wait of more than 24h".to_string());
        return None;
    }
    let target = Target { noun: Name::new("run").ok()?, name: cx.plan.name.value.clone(), host: None };
    let task = Task { target, action: Action::Timer { length } };
    Some(Lowered {
        summary: format!("wait {}", model::duration::format(length)),
        parts: vec![Part { tasks: vec![task], undo: Undo::Nothing }],
        timeout: Some(length + SLACK),
        ..Lowered::default()
    })
}
