//! `swap`: put a restored copy in the live one's place.

use super::{Facts, Kind, Lowered, Part, Rules};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, agent_task, flat};
use crate::inputs::InputType;
use crate::order;
use crate::text::{Fields, values};
use model::jobs::Swap;
use model::{Class, Work};
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "swap",
    doc: "Puts `copy`, which a `restore` of the same plan made on the same host, in the place of the live `source`. \
          The old data stays for `keep-old` (72h). Its writers must be stopped before. It is a point of no \
          return.\n\n\
          ```yaml\nswap:\n  after: [restore, hold-writers]\n  swap: { source: tutor-db, copy: tutor_copy, on: db-2, keep-old: 72h }\n```",
    class: Class::Probed,
    timeout: Duration::from_secs(10 * 60),
    lower,
    rules,
    outputs: &[("old", InputType::Text)],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let source = fields.need("source", cx.sink).and_then(|node| cx.noun("source", node));
    let copy = fields.need("copy", cx.sink).and_then(|node| values::words(node, cx.sink));
    let keep = fields.get("keep-old").map(|node| values::duration(node, cx.sink));
    let live = cx.member(source.as_ref(), fields);
    let (source, copy, keep, live) = (source?, copy?, flat(keep)?, live?);
    let facts = Facts {
        hosts: vec![live.clone()],
        source: Some(source.value.clone()),
        copy: Some(copy.clone()),
        destroys: true,
        ..Facts::default()
    };
    let Some((acting, spec)) = cx.source(&source.value, &live, source.span) else {
        return cx.unready(facts, Undo::Impossible);
    };
    cx.database(&source, &spec.kind, "swapped")?;
    let summary =
        format!("put {copy} in the place of {} on {acting}{}", source.value, cx.place_words(&acting));
    let keep_old = keep.unwrap_or_else(Swap::default_keep_old);
    let work = Work::Swap(Swap { source: spec, copy: copy.clone(), keep_old });
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

/// The copy was restored, and so verified, by this plan; the writers stand still; no other member takes writes.
fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let (facts, at) = (rules.facts, rules.step().params_span);
    let Some(source) = &facts.source else { return };
    let restores = rules.done_before(&rules.index.may_be_of_source("restore", source));
    let restored = rules.each(&restores).map(|(_, step)| step).find(|step| {
        // Of a kind whose job is still to come nobody knows the usual name of a copy.
        let same = |restore: &Facts| restore.copy.is_none() || restore.copy == facts.copy;
        step.facts().is_none_or(|restore| restore.hosts == facts.hosts && same(restore))
    });
    if let Some(restore) = restored {
        order::newest(rules, &restore.facts().and_then(|facts| facts.point.clone()), cx);
    } else {
        let message = format!(
            "no restore before this step makes {:?} on that host",
            facts.copy.as_deref().unwrap_or_default()
        );
        cx.sink.push(&codes::UNRESTORED_SWAP, at, message);
    }
    order::writers_held(rules, cx);
    order::second_copy(rules, cx);
}
