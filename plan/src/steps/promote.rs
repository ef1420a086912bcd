//! `promote`: make a standby the primary.

use super::{Facts, Kind, Lowered, Part, Rules};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, agent_task};
use crate::inputs::InputType;
use crate::order;
use crate::text::Fields;
use model::jobs::Promote;
use model::{Class, Work};
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "promote",
    doc: "Makes the standby of `source` in `region` the primary, and is done when it really takes writes. With \
          several members there, say which with `on`. It needs a `fence` of the same source in another \
          region before it. It is a point of no return: from when it is sent, nothing before it is undone.\n\n\
          ```yaml\npromote:\n  after: fence\n  promote: { source: tutor-db, region: eu-west }\n```",
    class: Class::Probed,
    timeout: Duration::from_secs(5 * 60),
    lower,
    rules,
    outputs: &[("timeline", InputType::Number)],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let source = fields.need("source", cx.sink).and_then(|node| cx.noun("source", node));
    if fields.get("on").is_none() {
        fields.need("region", cx.sink)?;
    }
    let live = cx.member(source.as_ref(), fields);
    let (source, live) = (source?, live?);
    let facts = Facts { hosts: vec![live.clone()], source: Some(source.value.clone()), ..Facts::default() };
    let Some((acting, spec)) = cx.source(&source.value, &live, source.span) else {
        return cx.unready(facts, Undo::Impossible);
    };
    cx.database(&source, &spec.kind, "promoted")?;
    let summary = format!("promote {} on {acting}{}", source.value, cx.place_words(&acting));
    let work = Work::Promote(Promote::of(spec));
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

/// A fence of the same source dominates it, and fences every other member that may take writes.
fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let (Some(source), Some(host)) = (&rules.facts.source, rules.facts.hosts.first()) else { return };
    let at = rules.step().params_span;
    let mut fenced = false;
    for fence in order::fences(rules, source) {
        let Some(facts) = fence.facts() else {
            fenced = true;
            continue;
        };
        // In a drill one host may stand in for both.
        let stands = |one: &model::HostName| cx.acts_for(one) == cx.acts_for(host);
        if facts.hosts.iter().any(stands) && !order::rejoined(rules, source, host) {
            let host = cx.acts_for(host).clone();
            let message = format!("step {:?} fences {host}, which is promoted here", fence.name.value);
            cx.sink.push(&codes::FENCED_ITSELF, at, message);
        }
        fenced = true;
    }
    if fenced {
        order::second_copy(rules, cx);
        return;
    }
    let why = if !rules.index.may_be_of_source("fence", source).is_empty() {
        "the plan fences it, but not always before this step: name the fence in `after`, let it run in the same modes, do not let it fail with `on-failure: continue`, and do not lift it"
    } else {
        "put a `fence` of the same source before it and name it in `after`"
    };
    let message = format!("{source} is promoted on {host} while its old primary may still accept writes");
    cx.sink.push_with(&codes::UNFENCED_PROMOTE, at, message, why.to_string());
}
