//! `unfence`: a fenced server may run again.

use super::{Facts, Kind, Lowered, Rules, to_come};
use crate::checked::Undo;
use crate::context::{Context, Selection, list};
use crate::order;
use crate::text::Fields;
use model::Class;
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "unfence",
    doc: "Lifts the fence from the members of `source` in `region`, so that their server may be started again: for a \
          failover that was called off before anything was promoted. After a promotion the old primary \
          comes back with `rejoin`, never with this. It is undone by fencing again. Its job is still to come.\n\n\
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
    let acting = cx.all_acting(&hosts, fields.owner())?;
    Some(to_come(
        format!("lift the fence of {} on {}", source.value, list(&acting)),
        "lifting a fence",
        Undo::Nothing,
        Facts { hosts, source: Some(source.value), region: Some(region.value), ..Facts::default() },
    ))
}

fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    order::second_copy(rules, cx);
}
