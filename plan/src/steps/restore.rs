//! `restore`: a copy beside the live data.

use super::prove::point;
use super::{Facts, Kind, Lowered, Part, Rules};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, Use, agent_task, flat};
use crate::inputs::InputType;
use crate::order;
use crate::text::{Fields, Node, Scalar, Span, Value, values};
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
    let from = fields.need("from", cx.sink);
    let repository = from.and_then(|node| cx.repository(node, Use::Read));
    let point = fields.get("point").map(|node| point(cx, node));
    let into = fields.get("into").map(|node| values::words(node, cx.sink));
    let live = cx.member(source.as_ref(), fields);
    let (source, live) = (source?, live?);
    let point = flat(point)?.unwrap_or(Some(Point::Latest));
    let into = flat(into)?;
    let facts = Facts {
        hosts: vec![live.clone()],
        source: Some(source.value.clone()),
        copy: into.clone(),
        point: point.clone(),
        from: from.and_then(repository_named),
        ..Facts::default()
    };
    let spec = cx.source(&source.value, &live, source.span);
    let place = fields.span_of("into");
    let (Some(repository), Some((acting, spec))) = (repository, spec) else {
        if let Some(into) = into.as_ref().filter(|into| by_name(cx, &source.value, into)) {
            return over_live(cx, place, format!("{into:?} is live"), facts);
        }
        return cx.unready(facts);
    };
    let into = match into {
        Some(into) => into,
        None => usual_copy(cx, &spec.kind, COPY_ENDING, fields)?,
    };
    let facts = Facts { copy: Some(into.clone()), ..facts };
    if let Some(message) = live_there(&spec.kind, &into) {
        return over_live(cx, place, message, facts);
    }
    fits(cx, &spec.kind, &into, place)?;
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
        facts,
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

/// Whether a copy of that name would take the place of live data; says which.
fn live_there(kind: &SourceKind, into: &str) -> Option<String> {
    match kind {
        SourceKind::Postgres(spec) => {
            let live = into == spec.database || matches!(into, "postgres" | "template0" | "template1");
            live.then(|| format!("the database {into:?} is live"))
        }
        SourceKind::Files(spec) => {
            let into = Path::new(into);
            let mut paths = spec.paths.iter();
            let live = paths.find(|path| into.starts_with(path) || path.starts_with(into))?;
            Some(format!("{} overlaps the live {}", into.display(), live.display()))
        }
    }
}

/// The same for a kind whose job is still to come: by the names that its source gives.
fn by_name(cx: &Context<'_>, source: &Name, into: &str) -> bool {
    let names = cx.estate.sources.get(source).map(|source| source.live.as_slice()).unwrap_or_default();
    let below = |name: &String| {
        let (into, name) = (Path::new(into), Path::new(name));
        name.is_absolute() && (into.starts_with(name) || name.starts_with(into))
    };
    names.iter().any(|name| name == into || below(name))
}

/// Tells it; the step never runs, and rules still look at what it would have done.
fn over_live(cx: &mut Context<'_>, at: Span, message: String, facts: Facts) -> Option<Lowered> {
    cx.sink.push(&codes::OVER_LIVE, at, message);
    Some(Lowered { facts: Facts { destroys: true, ..facts }, unready: true, ..Lowered::default() })
}

/// The name of the copy is one: a database, or a folder.
fn fits(cx: &mut Context<'_>, kind: &SourceKind, into: &str, at: Span) -> Option<()> {
    match kind {
        SourceKind::Postgres(_) => {
            if into.len() > MAX_DATABASE || into.contains(['\0', '/']) {
                let message = format!("the name of a database has at most {MAX_DATABASE} bytes and no '/'");
                cx.sink.push(&codes::NOT_A_NAME, at, message);
                return None;
            }
        }
        SourceKind::Files(_) => {
            let into = Path::new(into);
            if !into.is_absolute() || into.components().any(|part| part == Component::ParentDir) {
                let message = format!("{} is not an absolute path without '..'", into.display());
                cx.sink.push(&codes::NOT_ABSOLUTE, at, message);
                return None;
            }
        }
    }
    Some(())
}

/// The repository of a step's text, where that is a plain name.
pub(super) fn repository_named(node: &Node) -> Option<Name> {
    match &node.value {
        Value::Scalar(Scalar { text, input: None }) => Name::new(text.as_str()).ok(),
        Value::Scalar(_) | Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// What takes the place of live data does so while nobody writes.
fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    if rules.facts.destroys {
        order::writers_held(rules, cx);
    }
}
