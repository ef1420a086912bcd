//! `switch`: send what a load balancer spreads to another region.

use super::{Facts, Kind, Lowered, Rules, cutover, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::Context;
use crate::estate::pools::Pool;
use crate::text::{At, Fields};
use model::{Class, Name};
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
    let declared = cx.estate.pools.get(&pool.value)?;
    balancer(cx, &pool, declared);
    let members = &declared.members;
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

/// A balancer that is switched is still there: on one of its hosts, or in its region.
fn balancer(cx: &mut Context<'_>, name: &At<Name>, pool: &Pool) {
    let estate = cx.estate;
    let hosts = pool.on.iter().filter_map(|on| estate.region_of_name(&on.value));
    let regions: Vec<&Name> = pool.region.iter().map(|region| &region.value).chain(hosts).collect();
    if regions.iter().all(|region| cx.plan.is_lost(region)) {
        let what = format!("the balancer of pool {:?} stands in", name.value.as_str());
        cx.standing(&codes::LOST_STACK, name.span, &what, regions.first().copied());
    }
}

fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    cutover::rules(rules, cx);
}
