//! `scale`: how many of a service run.

use super::{Facts, Kind, Lowered, Rules, start, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, list};
use crate::text::{Fields, Scalar, Value, values};
use model::Class;
use std::time::Duration;

/// Most instances that a step may ask for.
const MAX_INSTANCES: i64 = 10_000;

pub(crate) static KIND: Kind = Kind {
    name: "scale",
    doc: "Lets `to` instances of each of `services` run in `region` (or on `hosts`): a number, or `declared` for what the \
          estate says. `to: 0` holds a writer just as `stop` does. It is undone by the number that ran before. \
          Its job is still to come.\n\n\
          ```yaml\nhold-web:\n  scale: { services: [web], to: 0, region: eu-west }\n```",
    class: Class::Idempotent,
    timeout: Duration::from_secs(10 * 60),
    lower,
    rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let chosen = start::chosen(cx, fields);
    let to = fields.need("to", cx.sink)?;
    let declared = matches!(&to.value, Value::Scalar(Scalar { text, input: None }) if text == "declared");
    let open = values::is_open(to);
    let number = if declared { None } else { values::number(to, 0, MAX_INSTANCES, cx.sink) };
    let chosen = chosen?;
    if number.is_none() && !declared && !open {
        return None;
    }
    if chosen.names.is_empty() {
        cx.sink.push(&codes::EMPTY, fields.owner(), "no service is named".to_string());
        return None;
    }
    cx.open |= open;
    let acting = cx.all_acting(&chosen.hosts, fields.owner())?;
    let words = number.map_or_else(|| "what is declared".to_string(), |number| number.to_string());
    Some(to_come(
        format!("scale {} on {} to {words}", list(&chosen.names), list(&acting)),
        "scaling a service",
        Undo::Nothing,
        Facts { holds: number == Some(0), starts: number != Some(0), ..chosen.facts() },
    ))
}

fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    if rules.facts.starts {
        start::rules(rules, cx);
    }
}
