//! `unfence`: a fenced server may run again.

use super::{Facts, Kind, Lowered, Part, Rules};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, Selection, agent_task, list};
use crate::order;
use crate::text::Fields;
use model::jobs::{Fence, Unfence};
use model::nouns::SourceKind;
use model::{Class, Work};
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "unfence",
    doc: "Lifts the fence from the members of `source` in `region`, so that their server may be started again: for a \
          failover that was called off before anything was promoted. Its agent first asks every other member: one \
          that takes writes, was promoted since, has more data or does not answer is a reason to refuse. After a \
          promotion the old primary comes back with `rejoin`, never with this. It is undone by fencing again.\n\n\
          ```yaml\nnever-mind:\n  unfence: { source: tutor-db, region: us-east }\n```",
    class: Class::Idempotent,
    timeout: Duration::from_secs(2 * 60),
    lower,
    rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let source = fields.need("source", cx.sink).and_then(|node| cx.noun("source", node));
    let region = fields.need("region", cx.sink).and_then(|node| cx.region(node));
    let (source, region) = (source?, region?);
    let all = cx.estate.member_hosts(&source.value);
    let selection = Selection { region: Some(region.clone()), hosts: None };
    let what = format!("source {:?}", source.value.as_str());
    let hosts = cx.choose(&what, region.span, &all, &selection)?;
    let facts = Facts {
        hosts: hosts.clone(),
        source: Some(source.value.clone()),
        region: Some(region.value),
        ..Facts::default()
    };
    let (mut tasks, mut undo) = (Vec::new(), Vec::new());
    for live in &hosts {
        let Some((acting, spec)) = cx.source(&source.value, live, source.span) else {
            return cx.unready(facts, Undo::Nothing);
        };
        if !matches!(&spec.kind, SourceKind::Postgres(postgres) if postgres.server.is_some()) {
            let message = format!("{what} has no `server` whose fence could be lifted");
            let help = "name the service that runs it: `server: NAME` in the source".to_string();
            cx.sink.push_with(&codes::ILL_FITTING, source.span, message, help);
            return None;
        }
        let lift = Unfence { source: spec.clone(), others: cx.peers(&source.value, live) };
        let again = Work::Fence(Fence { source: spec });
        tasks.push(agent_task("source", &source.value, acting.clone(), Work::Unfence(lift))?);
        undo.push(agent_task("source", &source.value, acting, again)?);
    }
    let acting = list(&super::check::acting_hosts(&tasks));
    Some(Lowered {
        summary: format!("lift the fence of {} on {acting}", source.value),
        parts: vec![Part { tasks, undo: Undo::Tasks { tasks: undo } }],
        facts,
        ..Lowered::default()
    })
}

fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    order::second_copy(rules, cx);
}
