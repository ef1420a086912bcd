//! `prove`: restore a point aside, compare, drop the copy.

use super::{Facts, Kind, Lowered, Part, no_rules};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, Use, agent_task, flat, still_to_come};
use crate::estate::checks::Ask;
use crate::estate::ready::Ready;
use crate::inputs::InputType;
use crate::text::{At, Fields, Node, values};
use model::jobs::Prove;
use model::nouns::{CheckSpec, Point};
use model::{Class, HostName, Name, Work};
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "prove",
    doc: "Restores `point` (latest when absent) of `source` from the repository `from` into a scratch copy on the \
          member `on` (or in `region`), compares it with what was recorded at backup time, asks the SQL \
          `checks` of the copy, and drops it. For a database, that member must be one that takes writes.\n\n\
          ```yaml\nprove:\n  prove: { source: tutor-db, from: s3-eu, on: db-2, checks: [users-present] }\n```",
    class: Class::Idempotent,
    timeout: Duration::from_secs(6 * 3600),
    lower,
    rules: no_rules,
    outputs: &[("snapshot", InputType::RestorePoint), ("at", InputType::RestorePoint)],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let source = fields.need("source", cx.sink).and_then(|node| cx.noun("source", node));
    let from = fields.need("from", cx.sink);
    let repository = from.and_then(|node| cx.repository(node, Use::Read));
    let point = fields.get("point").map(|node| point(cx, node));
    let names = fields.get("checks").map(|node| values::names(node, cx.sink));
    let live = cx.member(source.as_ref(), fields);
    let (source, live) = (source?, live?);
    let point = flat(point)?.unwrap_or(Some(Point::Latest));
    let names = flat(names)?.unwrap_or_default();
    let facts = Facts {
        hosts: vec![live.clone()],
        source: Some(source.value.clone()),
        point: point.clone(),
        from: from.and_then(super::restore::repository_named),
        ..Facts::default()
    };
    let mut checks = Vec::with_capacity(names.len());
    for name in &names {
        checks.push(asked_of_copy(cx, &source.value, name, &live));
    }
    let checks: Option<Vec<CheckSpec>> = checks.into_iter().collect();
    let spec = cx.source(&source.value, &live, source.span);
    let (Some(repository), Some((acting, spec)), Some(checks)) = (repository, spec, checks) else {
        return cx.unready(facts);
    };
    let summary = format!(
        "prove a point of {} from {} on {acting}{}",
        source.value,
        repository.name,
        cx.place_words(&acting)
    );
    let work = Work::Prove(Prove { source: spec, repository, point: point.unwrap_or_default(), checks });
    Some(Lowered {
        summary,
        parts: vec![Part {
            tasks: vec![agent_task("source", &source.value, acting, work)?],
            undo: Undo::Nothing,
        }],
        facts,
        ..Lowered::default()
    })
}

/// An SQL check of the same source.
fn asked_of_copy(cx: &mut Context<'_>, source: &Name, name: &At<Name>, live: &HostName) -> Option<CheckSpec> {
    if !cx.estate.declared("check", name, cx.sink) {
        return None;
    }
    let check = cx.estate.checks.get(&name.value)?;
    if check.of.value != *source || !matches!(check.ask, Ready::Now(Ask::Sql { .. })) {
        let message = format!(
            "check {:?} does not ask SQL of {source}, so a copy cannot answer it",
            name.value.as_str()
        );
        cx.sink.push(&codes::ILL_FITTING, name.span, message);
        return None;
    }
    cx.check(&name.value, live, name.span).map(|(_, spec)| spec)
}

/// Reads a restore point; `Some(None)` for one that is not known yet.
pub(crate) fn point(cx: &mut Context<'_>, node: &Node) -> Option<Option<Point>> {
    if let Some(text) = values::restore_point(node, cx.sink) {
        if crate::point::word(&text).is_some() {
            still_to_come(cx, node.span, &format!("finding the point `{text}`"));
            cx.open = true;
            return Some(None);
        }
        let point = crate::point::parse(&text);
        if point.is_none() {
            let message = format!(
                "{text:?} is no restore point: write latest, last-proven, before-deploy, a snapshot id or a time like 2026-11-20T21:04:05Z"
            );
            cx.sink.push(&codes::UNKNOWN_WORD, node.span, message);
        }
        return point.map(Some);
    }
    let open = values::is_open(node);
    cx.open |= open;
    open.then_some(None)
}

/// A point in words.
pub(super) fn words(point: &Option<Point>) -> String {
    match point {
        None => "a point".to_string(),
        Some(Point::Latest) => "the newest snapshot".to_string(),
        Some(Point::Snapshot(id)) => format!("snapshot {id}"),
        Some(Point::NotAfter(time)) => format!("the newest snapshot that is not later than {time}"),
    }
}
