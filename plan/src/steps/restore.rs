//! `restore`: a copy beside the live data.

use super::prove::point;
use super::{Facts, Kind, Lowered, Part, no_rules};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, Use, agent_task, flat};
use crate::inputs::InputType;
use crate::text::{Fields, Span, values};
use model::jobs::Restore;
use model::nouns::{Point, SourceKind};
use model::{Class, Work};
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
    rules: no_rules,
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
    let facts = Facts {
        hosts: vec![live.clone()],
        source: Some(source.value.clone()),
        copy: into.clone(),
        point: point.clone(),
        ..Facts::default()
    };
    let spec = cx.source(&source.value, &live, source.span);
    let (Some(repository), Some((acting, spec))) = (repository, spec.clone()) else {
        if let (Some((_, spec)), Some(into)) = (&spec, &into) {
            beside(cx, &spec.kind, into, fields.span_of("into"))?;
        }
        let database = cx.estate.sources.get(&source.value).and_then(|one| one.databases.get(&live));
        let into = into.or_else(|| database.map(|database| copy_of(database, COPY_ENDING)));
        if let (Some(database), Some(into)) = (database, &into) {
            beside_database(cx, database, into, fields.span_of("into"))?;
        }
        return cx.unready(Facts { copy: into, ..facts }, Undo::Nothing);
    };
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
        SourceKind::Postgres(spec) => Some(copy_of(&spec.database, ending)),
        SourceKind::Files(_) => {
            let message = format!("{} needs `into`, the folder that takes the copy", fields.what());
            cx.sink.push(&codes::MISSING, fields.owner(), message);
            None
        }
    }
}

/// The live name with an ending, as long as a name may be.
fn copy_of(database: &str, ending: &str) -> String {
    let most = MAX_DATABASE - ending.len();
    let mut bytes = 0;
    let stem = database.chars().take_while(|c| {
        bytes += c.len_utf8();
        bytes <= most
    });
    stem.chain(ending.chars()).collect()
}

fn beside_database(cx: &mut Context<'_>, live: &str, into: &str, at: Span) -> Option<()> {
    if into == live || matches!(into, "postgres" | "template0" | "template1") {
        cx.sink.push(&codes::OVER_LIVE, at, format!("the database {into:?} is live"));
        return None;
    }
    if into.len() > MAX_DATABASE || into.contains(['\0', '/']) {
        let message = format!("the name of a database has at most {MAX_DATABASE} bytes and no '/'");
        cx.sink.push(&codes::NOT_A_NAME, at, message);
        return None;
    }
    Some(())
}

/// The copy stands beside the live data: another database, or a folder apart from every live path.
fn beside(cx: &mut Context<'_>, kind: &SourceKind, into: &str, at: Span) -> Option<()> {
    match kind {
        SourceKind::Postgres(spec) => beside_database(cx, &spec.database, into, at)?,
        SourceKind::Files(spec) => {
            let into = Path::new(into);
            if !into.is_absolute() || into.components().any(|part| part == Component::ParentDir) {
                cx.sink.push(
                    &codes::NOT_ABSOLUTE,
                    at,
                    format!("{} is not an absolute path without '..'", into.display()),
                );
                return None;
            }
            if let Some(live) =
                spec.paths.iter().find(|path| into.starts_with(path) || path.starts_with(into))
            {
                let message = format!("{} overlaps the live {}", into.display(), live.display());
                cx.sink.push(&codes::OVER_LIVE, at, message);
                return None;
            }
        }
    }
    Some(())
}
