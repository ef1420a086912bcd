//! `switch`: send what a load balancer spreads to another region.

use super::{Facts, Kind, Lowered, Rules, cutover, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::Context;
use crate::text::Fields;
use model::Class;
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "switch",
    doc: "Lets `pool` send its requests to its members in the region `to`, and to no others. Like a cut-over it needs \
          a `check` of that region before it, after what the plan starts there, and is undone by what was \
          there before. Its job is still to come.\n\n\
          ```yaml\nto-west:\n  after: verify\n  switch: { pool: front, to: eu-west }\n```",
    class: Class::Probed,
    timeout: Duration::from_secs(60),
    lower,
    rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let pool = fields.need("pool", cx.sink).and_then(|node| cx.noun("pool", node));
    let to = fields.need("to", cx.sink).and_then(|node| cx.region(node));
    let (pool, to) = (pool?, to?);
    let members = &cx.estate.pools.get(&pool.value)?.members;
    if !members.iter().any(|(region, _)| region.value == to.value) {
        let message =
            format!("pool {:?} has no members in region {:?}", pool.value.as_str(), to.value.as_str());
        cx.sink.push(&codes::NOT_THERE, to.span, message);
        return None;
    }
    if cx.plan.is_lost(&to.value) {
        let message = format!("a switch to region {:?}, which this plan presumes lost", to.value.as_str());
        cx.sink.push(&codes::LOST_HOST, to.span, message);
    }
    let acts = cx.in_mode("pool", pool)?.value;
    Some(to_come(
        format!("send the requests of {acts} to {}", to.value),
        "switching a pool",
        Undo::Nothing,
        Facts { region: Some(to.value), ..Facts::default() },
    ))
}

fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    cutover::rules(rules, cx);
}
