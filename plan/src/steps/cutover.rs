//! `cutover`: point a DNS record at a region.

use super::{Facts, Kind, Lowered, Part, Rules};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, control_task};
use crate::inputs::InputType;
use crate::text::Fields;
use model::{Class, ControlAction};
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
    let facts = Facts { region: Some(to.value.clone()), ..Facts::default() };
    let Some(spec) = spec else { return cx.unready(facts) };
    if !spec.values.contains_key(&to.value) {
        let message =
            format!("record {:?} has no addresses in region {:?}", record.value.as_str(), to.value.as_str());
        cx.sink.push(&codes::NOT_THERE, to.span, message);
        return None;
    }
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
    let checks = rules.done_before(&rules.index.believed(to));
    if checks.is_empty() {
        let message = format!("nothing checks region {:?} before this cut-over to it", to.as_str());
        cx.sink.push(&codes::UNCHECKED_CUTOVER, at, message);
    }
    for (change, step) in rules.each(&rules.index.changers(to)) {
        let name = &step.name.value;
        if !rules.earlier().has(change) {
            let message =
                format!("it may run after {:?} has pointed a record at its region", rules.step().name.value);
            let outer = cx.sink.called_by(step.caller.as_ref());
            cx.sink.push(&codes::LATE_START, step.name.span, message);
            cx.sink.called_by(outer.as_ref());
        } else if !checks.is_empty() && !rules.graph.later(change).meets(&checks) {
            let message =
                format!("region {:?} is checked, but not after step {name:?} changed it", to.as_str());
            cx.sink.push(&codes::UNCHECKED_CUTOVER, at, message);
        }
    }
}
