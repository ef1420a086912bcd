//! `rejoin`: a fenced old primary becomes a standby of the new one.

use super::{Facts, Kind, Lowered, Part, Rules, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, agent_task, flat, list};
use crate::inputs::InputType;
use crate::text::{At, Fields, values};
use model::jobs::{Rejoin, Swap};
use model::nouns::{Manager, PostgresSpec, SourceKind, SourceSpec};
use model::{Class, Name, Work};
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "rejoin",
    doc: "Rebuilds the fenced member `on` of `source` as a standby of the member that is the primary now, lifts its \
          fence, starts it and waits until it streams. Its data is wound back with pg_rewind where that is possible \
          (data checksums or `wal_log_hints`), else it gets a new copy. What it had accepted and never passed on is \
          lost to the source, so take a `backup` or `collect` from it before; what is replaced stays beside for \
          `keep-old` (72h). It is a point of no return.\n\n\
          ```yaml\nback:\n  after: promote\n  rejoin: { source: tutor-db, on: db-1 }\n```",
    class: Class::Probed,
    timeout: Duration::from_secs(6 * 3600),
    lower,
    rules,
    outputs: &[("way", InputType::Text), ("follows", InputType::Text), ("timeline", InputType::Number)],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let source = fields.need("source", cx.sink).and_then(|node| cx.noun("source", node));
    fields.need("on", cx.sink)?;
    let keep = fields.get("keep-old").map(|node| values::duration(node, cx.sink));
    let live = cx.member(source.as_ref(), fields);
    let (source, keep, live) = (source?, flat(keep)?, live?);
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
    let in_container = matches!(&spec.kind, SourceKind::Postgres(PostgresSpec { server: Some(server), .. })
        if matches!(server.manager, Manager::Container { .. }));
    if in_container {
        let summary = format!("rebuild {} on {acting} as a standby", source.value);
        return Some(to_come(summary, "rejoining a server in a container", Undo::Impossible, facts));
    }
    let name = named(cx, &source, &spec)?.unwrap_or_else(|| acting.to_string());
    let others = cx.peers(&source.value, &live);
    if others.is_empty() {
        let message = format!("{} has no other member that {acting} could follow", source.value);
        cx.sink.push(&codes::NOBODY_TO_FOLLOW, source.span, message);
        return None;
    }
    let summary = format!(
        "rebuild {} on {acting}{} as a standby of whichever of {} is the primary",
        source.value,
        cx.place_words(&acting),
        list(&others.iter().map(|peer| peer.host.clone()).collect::<Vec<_>>())
    );
    let keep_old = keep.unwrap_or_else(Swap::default_keep_old);
    let work = Work::Rejoin(Rejoin { source: spec, others, name, keep_old });
    Some(Lowered {
        summary,
        parts: vec![Part {
            tasks: vec![agent_task("source", &source.value, acting, work)?],
            undo: Undo::Impossible,
        }],
        facts,
        ..Lowered::default()
    })
}

/// The member's name among the standbys, where the estate says one. A server that nobody can start is told.
fn named(cx: &mut Context<'_>, source: &At<Name>, spec: &SourceSpec) -> Option<Option<String>> {
    let SourceKind::Postgres(postgres) = &spec.kind else { return None };
    if postgres.server.is_some() {
        return Some(postgres.follow.name.clone());
    }
    let message = format!("source {:?} has no `server` that could be started again", source.value.as_str());
    let help = "name the service that runs it: `server: NAME` in the source".to_string();
    cx.sink.push_with(&codes::ILL_FITTING, source.span, message, help);
    None
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
