//! `start`: services run when it is done.

use super::check::acting_hosts;
use super::{Facts, Kind, Lowered, Part, Rules};
use crate::checked::{Action, Task, Undo};
use crate::codes;
use crate::context::{Context, agent_task, list};
use crate::graph::{Graph, needed_services};
use crate::order;
use crate::text::{At, Fields, values};
use model::jobs::{Service, ServiceAction};
use model::nouns::Manager;
use model::{Class, HostName, Name, Work};
use std::collections::HashMap;
use std::time::Duration;

/// Added to the time that a service may take to stop.
const SLACK: Duration = Duration::from_secs(60);

pub(crate) static KIND: Kind = Kind {
    name: "start",
    doc: "Starts `services` on each of their hosts in `region` (or on `hosts`), in the order of their `needs`. What \
          runs already is left alone. It is undone by stopping them.\n\n\
          ```yaml\nstart:\n  after: promote\n  start: { services: [cache, web], region: eu-west }\n```",
    class: Class::Idempotent,
    timeout: Duration::from_secs(3 * 60),
    lower,
    rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    services(cx, fields, ServiceAction::Start)
}

/// Services with the hosts on which a step means them.
pub(super) struct Chosen {
    /// Their names.
    pub names: Vec<Name>,
    /// Every host, once.
    pub hosts: Vec<HostName>,
    /// Each with its place and hosts.
    each: Vec<(At<Name>, Vec<HostName>)>,
    /// The region that the step names.
    region: Option<Name>,
}

impl Chosen {
    /// What rules want to know.
    pub fn facts(&self) -> Facts {
        Facts {
            hosts: self.hosts.clone(),
            services: self.names.clone(),
            region: self.region.clone(),
            ..Facts::default()
        }
    }
}

/// Reads `services` with `region` or `hosts`.
pub(super) fn chosen(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Chosen> {
    let selection = cx.selection(fields);
    let names = fields.need("services", cx.sink).and_then(|node| values::names(node, cx.sink))?;
    let known = names.iter().filter(|name| cx.estate.declared("service", name, cx.sink)).count();
    let selection = selection?;
    let mut each: Vec<(At<Name>, Vec<HostName>)> = Vec::new();
    for name in names.iter().filter(|name| cx.estate.services.contains_key(&name.value)) {
        let what = format!("service {:?}", name.value);
        let all = cx.estate.service_hosts(&name.value);
        if let Some(hosts) = cx.choose(&what, name.span, &all, &selection) {
            each.push((name.clone(), hosts));
        }
    }
    if known < names.len() || each.len() < names.len() {
        return None;
    }
    let mut hosts: Vec<HostName> = each.iter().flat_map(|(_, hosts)| hosts.clone()).collect();
    hosts.sort();
    hosts.dedup();
    let names = names.into_iter().map(|name| name.value).collect();
    Some(Chosen { names, hosts, each, region: selection.region.map(|region| region.value) })
}

/// Lowers a step that does the same to several services: waves in the order of their needs, the other
/// way round for a stop.
pub(crate) fn services(
    cx: &mut Context<'_>,
    fields: &mut Fields<'_>,
    action: ServiceAction,
) -> Option<Lowered> {
    let chosen = chosen(cx, fields)?;
    let mut waves = waves(cx, &chosen.names);
    if action == ServiceAction::Stop {
        waves.reverse();
    }
    let mut parts = Vec::with_capacity(waves.len());
    for wave in waves {
        let Some(part) = part(cx, wave.iter().map(|at| &chosen.each[*at]), action) else {
            return cx.unready(chosen.facts());
        };
        parts.push(part);
    }
    let longest = parts.iter().flat_map(|part| &part.tasks).map(stop_grace).max().unwrap_or_default();
    let mut acting: Vec<HostName> = parts.iter().flat_map(|part| acting_hosts(&part.tasks)).collect();
    acting.sort();
    acting.dedup();
    Some(Lowered {
        summary: format!("{} {} on {}", action.as_str(), list(&chosen.names), list(&acting)),
        parts,
        timeout: Some((longest + SLACK).max(KIND.timeout)),
        facts: chosen.facts(),
        ..Lowered::default()
    })
}

/// One wave: what is done on each host, and how it is taken back.
fn part<'s>(
    cx: &mut Context<'_>,
    wave: impl Iterator<Item = &'s (At<Name>, Vec<HostName>)>,
    action: ServiceAction,
) -> Option<Part> {
    let (mut tasks, mut back): (Vec<Task>, Vec<Task>) = (Vec::new(), Vec::new());
    for (name, hosts) in wave {
        for live in hosts {
            let (acting, service) = cx.service(&name.value, live, name.span)?;
            if let Some(opposite) = opposite(action) {
                let work = Work::Service(Service { service: service.clone(), action: opposite });
                back.push(agent_task("service", &name.value, acting.clone(), work)?);
            }
            let work = Work::Service(Service { service, action });
            tasks.push(agent_task("service", &name.value, acting, work)?);
        }
    }
    let undo = if back.is_empty() { Undo::Nothing } else { Undo::Tasks { tasks: back } };
    Some(Part { tasks, undo })
}

/// How long a task's process may take to stop; its undo or restart waits for that.
fn stop_grace(task: &Task) -> Duration {
    match &task.action {
        Action::Agent { work: Work::Service(Service { service, .. }), .. } => match &service.manager {
            Manager::Process(process) => process.stop_grace,
            Manager::Systemd { .. } | Manager::Container { .. } => Duration::ZERO,
        },
        Action::Agent { .. } | Action::Controller { .. } | Action::Timer { .. } => Duration::ZERO,
    }
}

fn opposite(action: ServiceAction) -> Option<ServiceAction> {
    match action {
        ServiceAction::Start => Some(ServiceAction::Stop),
        ServiceAction::Stop => Some(ServiceAction::Start),
        ServiceAction::Restart | ServiceAction::Status => None,
    }
}

/// Services of one step in waves: each needs only what is in the waves before. A circle is told with the
/// estate; here it becomes one wave.
fn waves(cx: &Context<'_>, names: &[Name]) -> Vec<Vec<usize>> {
    let places: HashMap<&Name, usize> = names.iter().enumerate().map(|(at, name)| (name, at)).collect();
    let needed = |name: &Name| {
        let needs = needed_services(cx.estate, name);
        let mut at: Vec<usize> = needs.iter().filter_map(|need| places.get(need).copied()).collect();
        at.sort_unstable();
        at.dedup();
        at
    };
    let after: Vec<Vec<usize>> = names.iter().map(needed).collect();
    let Ok(graph) = Graph::of(&after) else { return vec![(0..names.len()).collect()] };
    let mut level = vec![0usize; names.len()];
    for step in &graph.order {
        level[*step] = after[*step].iter().map(|before| level[*before] + 1).max().unwrap_or(0);
    }
    let deepest = level.iter().copied().max().unwrap_or(0);
    let mut waves = vec![Vec::new(); deepest + 1];
    level.iter().enumerate().for_each(|(at, level)| waves[*level].push(at));
    waves
}

/// What a service needs is promoted before it starts; a server that may be a second primary is told.
pub(crate) fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let at = rules.step().params_span;
    for service in &rules.facts.services {
        let needs =
            cx.estate.services.get(service).map(|service| service.needs.as_slice()).unwrap_or_default();
        for need in needs {
            let late = rules.index.of_source("promote", &need.value).without(rules.earlier());
            for (_, step) in rules.each(&late) {
                let message = format!(
                    "{service} needs {}, which step {:?} promotes, not always before this one",
                    need.value, step.name.value
                );
                let help = format!("add `after: {}`", step.name.value);
                cx.sink.push_with(&codes::EARLY_START, at, message, help);
            }
        }
        needed_start(rules, service, cx);
        for name in cx.estate.served_by(service) {
            // What can be made again is no data that a second primary could split.
            let kept = cx.estate.sources.get(name).filter(|source| !source.rebuilds);
            let members = kept.map_or(0, |source| source.members.len());
            if members > 1 && order::fences(rules, name).is_empty() {
                let message = format!(
                    "{service} runs the server of {name}, which has other members, and no fence of it comes before"
                );
                cx.sink.push(&codes::SECOND_PRIMARY, at, message);
            }
        }
    }
}

/// A service that this one needs, and that another step starts in the same region, is started before.
fn needed_start(rules: &Rules<'_>, service: &Name, cx: &mut Context<'_>) {
    let estate = cx.estate;
    let region = |host: &HostName| estate.region_of(host);
    let here: Vec<Option<&Name>> = rules.facts.hosts.iter().map(region).collect();
    for needed in needed_services(estate, service).iter().filter(|name| !rules.facts.services.contains(name))
    {
        let mut late = rules.index.started(needed).without(rules.earlier());
        late.put(rules.at, false);
        for (_, step) in rules.each(&late) {
            let Some(facts) = step.facts() else { continue };
            if facts.hosts.iter().any(|host| here.contains(&region(host))) {
                let message = format!(
                    "{service} needs {needed}, which step {:?} starts, not always before this one",
                    step.name.value
                );
                let help = format!("add `after: {}`", step.name.value);
                cx.sink.push_with(&codes::EARLY_START, rules.step().params_span, message, help);
            }
        }
    }
}
