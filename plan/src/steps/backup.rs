//! `backup`: one snapshot of one source.

use super::{Facts, Kind, Lowered, Part, no_rules};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, Use, agent_task, flat};
use crate::inputs::InputType;
use crate::text::{Fields, Value, values};
use model::jobs::Backup;
use model::{Class, Work};
use std::time::Duration;

/// Most extra tags of a snapshot.
const MAX_TAGS: usize = 32;

pub(crate) static KIND: Kind = Kind {
    name: "backup",
    doc: "Takes one snapshot of `source` into the repository `to`, encrypted by the agent of the member `on` \
          (the first member that is not lost when absent). `tags` are added to it.\n\n\
          ```yaml\nlast-look:\n  backup: { source: tutor-db, to: s3-eu, on: db-2, tags: [before-failover] }\n```",
    class: Class::Idempotent,
    timeout: Duration::from_secs(6 * 3600),
    lower,
    rules: no_rules,
    outputs: &[("snapshot", InputType::RestorePoint), ("at", InputType::RestorePoint)],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let source = fields.need("source", cx.sink).and_then(|node| cx.noun("source", node));
    let repository = fields.need("to", cx.sink).and_then(|node| cx.repository(node, Use::Write));
    let tags = fields.get("tags").map(|node| match &node.value {
        Value::List(items) if items.is_empty() => Some(Vec::new()),
        _ => values::list(node, true, cx.sink, |node, sink| {
            values::name(node, sink).map(|tag| tag.value.into())
        }),
    });
    let live = cx.member(source.as_ref(), fields);
    let (source, tags, live) = (source?, flat(tags)?.unwrap_or_default(), live?);
    if tags.len() > MAX_TAGS {
        cx.sink.push(&codes::OUT_OF_RANGE, fields.span_of("tags"), format!("more than {MAX_TAGS} tags"));
        return None;
    }
    let facts = Facts { hosts: vec![live.clone()], source: Some(source.value.clone()), ..Facts::default() };
    let spec = cx.source(&source.value, &live, source.span);
    let (Some(repository), Some((acting, spec))) = (repository, spec) else {
        return cx.unready(facts, Undo::Nothing);
    };
    let summary =
        format!("back up {} on {acting}{} to {}", source.value, cx.place_words(&acting), repository.name);
    let work = Work::Backup(Backup { source: spec, repository, tags });
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
