//! `restore`: a copy beside the live data.

use super::prove::point;
use super::{Facts, Kind, Lowered, Part, Rules};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, Use, agent_task, flat};
use crate::inputs::InputType;
use crate::order;
use crate::text::{Fields, Span, values};
use model::jobs::Restore;
use model::nouns::{Point, SourceKind};
use model::{Class, Name, Work};
use std::path::{Component, Path};
use std::time::Duration;

/// Longest name of a database, in bytes (PostgreSQL's own bound).
const MAX_DATABASE: usize = 63;
/// Ends the name of a copy when the plan gives none.
const COPY_ENDING: &str = "_restored";

pub(crate) static KIND: Kind = Kind {
    name: "restore",
    doc: "Restores `point` (latest when absent) of `source` from the repository `from` beside the live data, on the \
          member `on` (or in `region`), and compares it with what was recorded at backup time. `into` names \
          the copy: a database (the live name and `_restored` when absent), or an absolute folder. The live \
          data is not touched; `swap` puts the copy in its place.\n\n\
          ```yaml\nrestore:\n  restore: { source: tutor-db, from: s3-eu, point: latest, on: db-2, into: tutor_copy }\n```",
    class: Class::Probed,
    timeout: Duration::from_secs(6 * 3600),
    lower,
    rules,
    outputs: &[
        ("snapshot", InputType::RestorePoint),
        ("at", InputType::RestorePoint),
        ("into", InputType::Text),
    ],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let source = fields.need("source", cx.sink).and_then(|node| cx.noun("source", node));
    let repository = fields.need("from", cx.sink).and_then(|node| cx.repository(node, Use::Read));
    let point = fields.get("point").map(|node| point(cx, node));
    let into = fields.get("into").map(|node| values::words(node, cx.sink));
    let live = cx.member(source.as_ref(), fields);
    let (source, live) = (source?, live?);
    let point = flat(point)?.unwrap_or(Some(Point::Latest));
    let into = flat(into)?;
    let over = into.as_deref().is_some_and(|into| over_live(cx, &source.value, into, fields.span_of("into")));
    let facts = Facts {
        hosts: vec![live.clone()],
        source: Some(source.value.clone()),
        copy: into.clone(),
        point: point.clone(),
        destroys: over,
        ..Facts::default()
    };
    if over {
        // It never runs; what it would do to the data is looked at all the same.
        return Some(Lowered { facts, ..Lowered::default() });
    }
    let spec = cx.source(&source.value, &live, source.span);
    let (Some(repository), Some((acting, spec))) = (repository, spec) else { return cx.unready(facts) };
    let into = match into {
        Some(into) => into,
        None => usual_copy(cx, &spec.kind, COPY_ENDING, fields)?,
    };
    beside(cx, &spec.kind, &into, fields.span_of("into"))?;
    let summary = format!(
        "restore {} from {} into {into} on {acting}{}",
        source.value,
        repository.name,
        cx.place_words(&acting)
    );
    let work = Work::Restore(Restore {
        source: spec,
        repository,
        point: point.clone().unwrap_or_default(),
        into: into.clone(),
    });
    Some(Lowered {
        summary,
        parts: vec![Part {
            tasks: vec![agent_task("source", &source.value, acting, work)?],
            undo: Undo::Nothing,
        }],
        facts: Facts { copy: Some(into), ..facts },
        ..Lowered::default()
    })
}

/// The name of a copy when the plan gives none: that of the live database, with an ending.
pub(super) fn usual_copy(
    cx: &mut Context<'_>,
    kind: &SourceKind,
    ending: &str,
    fields: &Fields<'_>,
) -> Option<String> {
    match kind {
        SourceKind::Postgres(spec) => {
            let most = MAX_DATABASE - ending.len();
            let stem: String = spec
                .database
                .chars()
                .scan(0, |bytes, c| {
                    *bytes += c.len_utf8();
                    (*bytes <= most).then_some(c)
                })
                .collect();
            Some(format!("{stem}{ending}"))
        }
        SourceKind::Files(_) => {
            let message = format!("{} needs `into`, the folder that takes the copy", fields.what());
            cx.sink.push(&codes::MISSING, fields.owner(), message);
            None
        }
    }
}

/// Whether a restore would go over what is live, by the names that the source gives: a database, or a folder that
/// overlaps a live one.
fn over_live(cx: &mut Context<'_>, source: &Name, into: &str, at: Span) -> bool {
    let live = cx.estate.sources.get(source).map(|source| source.live.as_slice()).unwrap_or_default();
    let path = Path::new(into);
    let overlaps = |live: &&String| {
        let live = Path::new(live.as_str());
        into.starts_with('/') && live.is_absolute() && (path.starts_with(live) || live.starts_with(path))
    };
    let message = if live.iter().any(|live| live == into && !into.starts_with('/')) {
        format!("the database {into:?} is live")
    } else if let Some(live) = live.iter().find(overlaps) {
        format!("{into} overlaps the live {live}")
    } else {
        return false;
    };
    cx.sink.push(&codes::OVER_LIVE, at, message);
    true
}

/// Over live data it is a rollback in all but its name.
fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    if rules.facts.destroys {
        order::writers_held(rules, cx);
        order::second_copy(rules, cx);
        order::newest(rules, &rules.facts.point, cx);
    }
}

/// The name of the copy is one that can be made, and belongs to nobody.
fn beside(cx: &mut Context<'_>, kind: &SourceKind, into: &str, at: Span) -> Option<()> {
    match kind {
        SourceKind::Postgres(_) => {
            if matches!(into, "postgres" | "template0" | "template1") {
                cx.sink.push(&codes::OVER_LIVE, at, format!("the database {into:?} is live"));
                return None;
            }
            if into.len() > MAX_DATABASE || into.contains(['\0', '/']) {
                let message = format!("the name of a database has at most {MAX_DATABASE} bytes and no '/'");
                cx.sink.push(&codes::NOT_A_NAME, at, message);
                return None;
            }
        }
        SourceKind::Files(_) => {
            let into = Path::new(into);
            if !into.is_absolute() || into.components().any(|part| part == Component::ParentDir) {
                cx.sink.push(
                    &codes::NOT_ABSOLUTE,
                    at,
                    format!("{} is not an absolute path without '..'", into.display()),
                );
                return None;
            }
        }
    }
    Some(())
}
