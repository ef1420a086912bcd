//! `cutover`: point a DNS record at a region.

use super::{Facts, Kind, Lowered, Part, Rules};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, control_task};
use crate::inputs::InputType;
use crate::lower::Draft;
use crate::text::Fields;
use model::{Class, ControlAction, HostName, Name};
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "cutover",
    doc: "Points `record` at its addresses of the region `to`: record and generation change in one conditional \
          update, verified at every authoritative server. It is undone by putting back what was there \
          before. It needs a `check` of that region before it, after what the plan starts there.\n\n\
          ```yaml\ncut-over:\n  after: verify\n  cutover: { record: api, to: eu-west }\n```",
    class: Class::Probed,
    timeout: Duration::from_secs(60),
    lower,
    rules,
    outputs: &[("generation", InputType::Number)],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let record = fields.need("record", cx.sink).and_then(|node| cx.noun("record", node));
    let to = fields.need("to", cx.sink).and_then(|node| cx.region(node));
    let (record, to) = (record?, to?);
    if cx.plan.is_lost(&to.value) {
        let message = format!("a cut-over to region {:?}, which this plan presumes lost", to.value.as_str());
        cx.sink.push(&codes::LOST_HOST, to.span, message);
    }
    let spec = cx.record(&record);
    let declared = cx.estate.records.get(&record.value)?;
    if declared.later.is_none() && !declared.values.iter().any(|(region, _)| region.value == to.value) {
        let message =
            format!("record {:?} has no addresses in region {:?}", record.value.as_str(), to.value.as_str());
        cx.sink.push(&codes::NOT_THERE, to.span, message);
        return None;
    }
    let acts_on = Some(("record", record.value.clone()));
    let moves = Some(declared.fqdn.value.clone());
    let facts = Facts { region: Some(to.value.clone()), moves, acts_on, ..Facts::default() };
    let Some(spec) = spec else { return cx.unready(facts, Undo::Nothing) };
    let summary = format!("point {} at {}", spec.fqdn, to.value);
    let undo = control_task("record", &record.value, ControlAction::RestoreRecord { record: spec.clone() })?;
    let control = ControlAction::Cutover { record: spec, to: to.value.clone() };
    let task = control_task("record", &record.value, control)?;
    Some(Lowered {
        summary,
        parts: vec![Part { tasks: vec![task], undo: Undo::Tasks { tasks: vec![undo] } }],
        facts,
        ..Lowered::default()
    })
}

/// A check of that region before it, and after each start there that comes before the cut-over.
pub(super) fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let Some(to) = &rules.facts.region else { return };
    let at = rules.step().params_span;
    let mut checks = rules.done_before(&rules.index.believed(to));
    let elsewhere: Vec<usize> =
        rules.each(&checks).filter(|(_, step)| asks_elsewhere(rules, step)).map(|(at, _)| at).collect();
    elsewhere.into_iter().for_each(|at| checks.put(at, false));
    if checks.is_empty() {
        let message = format!("nothing checks region {:?} before this cut-over to it", to.as_str());
        cx.sink.push(&codes::UNCHECKED_CUTOVER, at, message);
    }
    targets(rules, to, cx);
    for (change, step) in rules.each(&rules.index.changers(to)) {
        let name = &step.name.value;
        if !rules.earlier().has(change) {
            let message =
                format!("it may run after {:?} has pointed a record at its region", rules.step().name.value);
            cx.about(step, |cx| cx.sink.push(&codes::LATE_START, step.name.span, message));
        } else if !checks.is_empty() && !rules.graph.later(change).meets(&checks) {
            let message =
                format!("region {:?} is checked, but not after step {name:?} changed it", to.as_str());
            cx.sink.push(&codes::UNCHECKED_CUTOVER, at, message);
        }
    }
}

/// Whether all that a check asks, it asks by the name that is moved: until then somebody else answers.
fn asks_elsewhere(rules: &Rules<'_>, check: &Draft) -> bool {
    let (Some(name), Some(facts)) = (&rules.facts.moves, check.facts()) else { return false };
    !facts.asks.is_empty() && facts.asks.iter().all(|asked| asked.as_ref() == Some(name))
}

/// The region is made before it is pointed at, and asked by another name than the one that points elsewhere until
/// then.
fn targets(rules: &Rules<'_>, to: &Name, cx: &mut Context<'_>) {
    let estate = cx.estate;
    let here = |hosts: &[HostName]| hosts.iter().any(|host| estate.region_of(host) == Some(to));
    for (_, step) in rules.each(&rules.index.of_kind("provision").without(rules.earlier())) {
        if step.facts().is_some_and(|facts| here(&facts.makes)) {
            let message = format!(
                "region {:?} is made by step {:?}, not always before this one",
                to.as_str(),
                step.name.value
            );
            let help = format!("add `after: {}`", step.name.value);
            cx.sink.push_with(&codes::EARLY_TARGET, rules.step().params_span, message, help);
        }
    }
    let Some(name) = &rules.facts.moves else { return };
    for (_, step) in rules.each(&rules.done_before(&rules.index.believed(to))) {
        let asks = |facts: &Facts| facts.asks.iter().flatten().any(|asked| asked == name);
        if step.facts().is_some_and(asks) {
            let message = format!(
                "it asks by {name}, which step {:?} points at {:?} only later",
                rules.step().name.value,
                to.as_str()
            );
            cx.about(step, |cx| cx.sink.push(&codes::ASKS_ELSEWHERE, step.params_span, message));
        }
    }
}
