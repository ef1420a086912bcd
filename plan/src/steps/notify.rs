//! `notify`: tell people.

use super::{Facts, Kind, Lowered, Part, no_rules};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, control_task, flat};
use crate::text::{Fields, values};
use model::{Class, ControlAction, Mode};
use std::time::Duration;

/// States of an incident, with what is said when the plan gives no text.
const STATES: [(&str, (&str, &str)); 4] = [
    ("investigating", ("investigating", "We are looking into a disruption.")),
    ("identified", ("identified", "The cause is known and the recovery is under way.")),
    ("monitoring", ("monitoring", "The recovery is done; we are watching it.")),
    ("resolved", ("resolved", "The disruption is over.")),
];

pub(crate) static KIND: Kind = Kind {
    name: "notify",
    doc: "Sends a message to `channel`: `state` is investigating, identified, monitoring or resolved, `title` one \
          line (the plan's title when absent), `text` the message, or `template` one with values of the run in it; \
          `repeat` says it again until the run ends (these two are still to come). In a drill it goes to the \
          channel's stand-in, marked as a drill.\n\n\
          ```yaml\ntell:\n  notify: { channel: ops, state: investigating, text: us-east does not answer. }\n```",
    class: Class::Idempotent,
    timeout: Duration::from_secs(30),
    lower,
    rules: no_rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let channel = fields.need("channel", cx.sink).and_then(|node| cx.channel(node));
    let state = fields.need("state", cx.sink).and_then(|node| values::word(node, &STATES, cx.sink));
    let title = fields.get("title").map(|node| values::words(node, cx.sink));
    let text = fields.get("text").map(|node| values::words(node, cx.sink));
    let template = fields.get("template").map(|node| values::words(node, cx.sink));
    let repeat = fields.get("repeat").map(|node| values::duration(node, cx.sink));
    if text.is_some() && template.is_some() {
        let message = format!("{} has either a `text` or a `template`", fields.what());
        cx.sink.push(&codes::EITHER_OR, fields.span_of("template"), message);
        return None;
    }
    let to_come = match (&template, &repeat) {
        (Some(_), _) => Some("filling in a template"),
        (None, Some(_)) => Some("saying it again until the run ends"),
        (None, None) => None,
    };
    let ((state, usual), title, text) = (state?, flat(title)?, flat(text)?.or(flat(template)?));
    flat(repeat)?;
    let Some(channel) = channel else { return cx.unready(Facts::default(), Undo::Nothing) };
    let title = title.unwrap_or_else(|| cx.plan.title.clone());
    let title = if cx.mode == Mode::Drill { format!("DRILL: {title}") } else { title };
    let name = channel.name.clone();
    let control = ControlAction::Notify {
        channel,
        state: state.to_string(),
        title,
        text: text.unwrap_or_else(|| usual.to_string()),
    };
    Some(Lowered {
        summary: format!("tell {name}: {state}"),
        parts: vec![Part { tasks: vec![control_task("channel", &name, control)?], undo: Undo::Nothing }],
        to_come,
        ..Lowered::default()
    })
}
