//! `rejoin`: a fenced old primary becomes a standby of the new one.

use super::{Facts, Kind, Lowered, Rules, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::Context;
use crate::text::Fields;
use model::Class;
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "rejoin",
    doc: "Rebuilds the fenced member `on` of `source` as a standby of the member that is the primary now, lifts its \
          fence and starts it. What it had accepted and never passed on is lost, so take a `backup` or \
          `collect` from it before. It is a point of no return. Its job is still to come.\n\n\
          ```yaml\nback:\n  after: promote\n  rejoin: { source: tutor-db, on: db-1 }\n```",
    class: Class::Probed,
    timeout: Duration::from_secs(6 * 3600),
    lower,
    rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let source = fields.need("source", cx.sink).and_then(|node| cx.noun("source", node));
    fields.need("on", cx.sink)?;
    let live = cx.member(source.as_ref(), fields);
    let (source, live) = (source?, live?);
    let facts = Facts {
        hosts: vec![live.clone()],
        source: Some(source.value.clone()),
        destroys: true,
        ..Facts::default()
    };
    let Some((acting, spec)) = cx.source(&source.value, &live, source.span) else {
        return cx.unready(facts, Undo::Impossible);
    };
    cx.database(&source, &spec.kind, "rejoined")?;
    Some(to_come(
        format!("rebuild {acting} as a standby of {}", source.value),
        "rejoining an old primary",
        Undo::Impossible,
        facts,
    ))
}

/// Only a member that this plan does not make the primary, and after that one is.
fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let at = rules.step().params_span;
    let Some(source) = &rules.facts.source else { return };
    for (promote, step) in rules.each(rules.index.of_source("promote", source)) {
        let Some(facts) = step.facts() else { continue };
        if facts.hosts.iter().any(|host| rules.facts.hosts.contains(host)) {
            // On the way back it is promoted again, once it is a standby.
            if rules.later().has(promote) {
                continue;
            }
            let message = format!("step {:?} makes this very member the primary", step.name.value);
            cx.sink.push(&codes::FENCED_ITSELF, at, message);
        } else if !rules.graph.before(promote, rules.at) {
            let message = format!(
                "step {:?} makes the new primary, and is not always done before this one",
                step.name.value
            );
            let help = format!("add `after: {}`", step.name.value);
            cx.sink.push_with(&codes::EARLY_START, at, message, help);
        }
    }
}
