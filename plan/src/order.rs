//! Rules of order that several kinds of steps share: who may still write, what was verified, what exists.
//!
//! Each is a question about dominance: what must be true when a step begins has to be brought about by a
//! step that is always over, and done, before it.

use crate::codes;
use crate::context::{Context, list};
use crate::graph::Graph;
use crate::index::Index;
use crate::lower::Draft;
use crate::set::Set;
use crate::steps::{Facts, Rules};
use crate::text::Span;
use model::nouns::Point;
use model::{HostName, Name};
use std::collections::BTreeSet;

/// Kinds that need the server of their source.
const DATA: [&str; 7] = ["backup", "prove", "promote", "restore", "rollback", "sql", "swap"];
/// Kinds of sources whose server stands still while their data is put in its place.
const STANDS_STILL: [&str; 1] = ["redis"];

/// Steps that stop a service on a host, always over before the step that is looked at.
pub(crate) fn stops(rules: &Rules<'_>, service: &Name, host: &HostName) -> Set {
    let mut all = rules.index.stops(service, host).clone();
    ["stop", "scale"].iter().for_each(|kind| all.add(rules.index.unknown(kind)));
    rules.done_before(&all)
}

/// Whether a host is cut off from everybody before the step, so that what runs on it reaches nothing.
pub(crate) fn isolated(rules: &Rules<'_>, host: &HostName) -> bool {
    let isolates = rules.done_before(rules.index.of_kind("isolate"));
    rules.each(&isolates).any(|(_, step)| step.facts().is_none_or(|facts| facts.hosts.contains(host)))
}

/// The writers of the step's source stand still when it begins, and nothing starts them before it is over.
pub(crate) fn writers_held(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let at = rules.step().params_span;
    let Some(source) = rules.facts.source.as_ref().and_then(|source| cx.estate.sources.get(source)) else {
        return;
    };
    // Where the server itself stands still, nobody writes.
    let still = |server: &Name| rules.facts.hosts.iter().all(|host| !stops(rules, server, host).is_empty());
    if source.server.as_ref().is_some_and(|server| still(&server.value)) {
        return;
    }
    for writer in &source.writers {
        for host in cx.estate.service_hosts(&writer.value) {
            if cx.plan.has_lost(&host, cx.estate) || !is_there(rules, &host, cx) || isolated(rules, &host) {
                continue;
            }
            let starters = rules.index.starters(&writer.value, &host).without(rules.later());
            if cx.estate.is_spare(&host) && starters.is_empty() {
                continue;
            }
            let held = stops(rules, &writer.value, &host);
            if held.is_empty() && !is_made(rules, &host) {
                let message = format!("{} may still write on {host}", writer.value);
                let help =
                    format!("put `stop: {{ services: [{}], hosts: [{host}] }}` before it", writer.value);
                cx.sink.push_with(&codes::WRITERS_RUN, at, message, help);
                continue;
            }
            let meanwhile = |(start, _): &(usize, &Draft)| !rules.graph.later(*start).meets(&held);
            if let Some((_, step)) = rules.each(&starters).find(meanwhile) {
                let message = format!(
                    "step {:?} may start {} on {host} again before this one is over",
                    step.name.value, writer.value
                );
                let help = format!("name this step in the `after` of {:?}", step.name.value);
                cx.sink.push_with(&codes::WRITERS_RUN, at, message, help);
            }
        }
    }
}

/// Whether a host is there as far as the plan knows: no stack brings it, or some step has to do with it.
fn is_there(rules: &Rules<'_>, host: &HostName, cx: &Context<'_>) -> bool {
    let acts = |facts: &Facts| facts.hosts.contains(host) || facts.makes.contains(host);
    let running = || rules.steps.iter().filter(|step| step.skipped.is_none());
    !cx.estate.is_brought(host) || running().any(|step| step.facts().is_none_or(acts))
}

/// Whether the plan itself makes a host before this step: nothing runs there but what a step starts.
pub(crate) fn is_made(rules: &Rules<'_>, host: &HostName) -> bool {
    let makers = rules.done_before(rules.index.of_kind("provision"));
    rules.each(&makers).any(|(_, step)| step.facts().is_some_and(|facts| facts.makes.contains(host)))
}

/// Fences of a source that hold when the step begins: done before it, and not lifted since.
pub(crate) fn fences<'a>(rules: &Rules<'a>, source: &Name) -> Vec<&'a Draft> {
    let index = rules.index;
    let fences = index.may_be_of_source("fence", source).or(&index.may_be_of_source("isolate", source));
    let lifted = |(fence, step): &(usize, &Draft)| {
        let mut lifts = match step.facts() {
            Some(facts) => {
                let mut lifts = index.unknown("unfence").clone();
                facts.hosts.iter().for_each(|host| lifts.add(index.lifts(source, host)));
                lifts
            }
            None => index.may_be_of_source("unfence", source),
        };
        lifts.put(rules.at, false);
        !lifts.without(rules.later()).without(rules.graph.earlier(*fence)).is_empty()
    };
    rules.each(&rules.done_before(&fences)).filter(|fence| !lifted(fence)).map(|(_, step)| step).collect()
}

/// No member takes writes while another one may: those that the scenario presumes lost or does not believe,
/// and those that the plan itself has made writable.
pub(crate) fn second_copy(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let Some(source) = &rules.facts.source else { return };
    let own = &rules.facts.hosts;
    let mut rivals: Vec<HostName> = Vec::new();
    if rules.step().kind.name != "unfence" {
        let presumed =
            |host: &HostName| cx.plan.has_lost(host, cx.estate) || cx.plan.is_suspect(host, cx.estate);
        rivals.extend(cx.estate.member_hosts(source).into_iter().filter(presumed));
    }
    for (host, makers) in rules.index.makers(source) {
        let mut others = makers.without(rules.later());
        others.put(rules.at, false);
        // Of two that may run at once, one tells.
        if others.meets(rules.earlier()) || others.iter().next().is_some_and(|other| other < rules.at) {
            rivals.push(host.clone());
        }
    }
    let fences = fences(rules, source);
    let fenced = |host: &HostName| {
        fences.iter().any(|fence| fence.facts().is_none_or(|facts| facts.hosts.contains(host)))
    };
    if rules.step().kind.name == "promote" {
        // Where one member is fenced the old primary is meant, and nobody knows which of them it is.
        let hosts = fences.iter().filter_map(|fence| fence.facts()).flat_map(|facts| &facts.hosts);
        let regions: BTreeSet<&Name> = hosts.filter_map(|host| cx.estate.region_of(host)).collect();
        let there =
            |host: &HostName| cx.estate.region_of(host).is_some_and(|region| regions.contains(region));
        rivals.extend(cx.estate.member_hosts(source).into_iter().filter(there));
    }
    rivals.retain(|host| !own.contains(host) && !isolated(rules, host));
    rivals.sort();
    rivals.dedup();
    for rival in rivals.iter().filter(|rival| !fenced(rival)) {
        let message =
            format!("{source} becomes writable on {} while {rival} may still accept writes", list(own));
        let help = match rules.step().kind.name {
            "unfence" => "bring it back with `rejoin`".to_string(),
            _ => format!("put a `fence` of {source} on {rival} before it and name it in `after`"),
        };
        cx.sink.push_with(&codes::SECOND_COPY, rules.step().params_span, message, help);
    }
}

/// Whether a member that was fenced is a standby again.
pub(crate) fn rejoined(rules: &Rules<'_>, source: &Name, host: &HostName) -> bool {
    let rejoins = rules.done_before(rules.index.of_source("rejoin", source));
    rules.each(&rejoins).any(|(_, step)| step.facts().is_some_and(|facts| facts.hosts.contains(host)))
}

/// A member that the plan has fenced is not started beside another one that the plan has made writable.
pub(crate) fn fenced_start(rules: &Rules<'_>, source: &Name, cx: &mut Context<'_>) {
    let fences = fences(rules, source);
    let mut fenced = fences.iter().filter_map(|fence| fence.facts()).flat_map(|facts| &facts.hosts);
    let here = |host: &&HostName| rules.facts.hosts.contains(host) && !rejoined(rules, source, host);
    let Some(host) = fenced.find(here) else { return };
    let beside =
        |(other, makers): &(&HostName, &Set)| *other != host && !makers.without(rules.later()).is_empty();
    if let Some((other, _)) = rules.index.makers(source).find(beside) {
        let message = format!("the fenced {host} is started again while {source} takes writes on {other}");
        let help = format!("bring it back with `rejoin: {{ source: {source}, on: {host} }}`");
        cx.sink.push_with(&codes::SECOND_COPY, rules.step().params_span, message, help);
    }
}

/// A point of the source was restored or proven before its data is taken away.
pub(crate) fn verified_before(rules: &Rules<'_>, cx: &mut Context<'_>) {
    if let Some(source) = rules.facts.source.as_ref().filter(|source| !verified(rules, source)) {
        let message = format!("data of {source} is taken away before any point of it was verified");
        cx.sink.push(&codes::UNVERIFIED, rules.step().params_span, message);
    }
}

fn verified(rules: &Rules<'_>, source: &Name) -> bool {
    done_of_source(rules, "restore", source) || done_of_source(rules, "prove", source)
}

/// Whether a step of a kind has acted on a source before.
pub(crate) fn done_of_source(rules: &Rules<'_>, kind: &'static str, source: &Name) -> bool {
    !rules.done_before(&rules.index.may_be_of_source(kind, source)).is_empty()
}

/// A stop of the last server of a source that is not lost.
pub(crate) fn last_copy(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let estate = cx.estate;
    let served = rules
        .facts
        .services
        .iter()
        .flat_map(|server| estate.served_by(server).map(move |name| (server, name)));
    for (server, name) in served {
        let alive = |host: &HostName| !cx.plan.has_lost(host, cx.estate) && !cx.estate.is_spare(host);
        let left: Vec<HostName> = cx.estate.member_hosts(name).into_iter().filter(alive).collect();
        if !left.iter().any(|host| rules.facts.hosts.contains(host)) {
            continue;
        }
        let stopped =
            |host: &HostName| rules.facts.hosts.contains(host) || !stops(rules, server, host).is_empty();
        if !left.iter().all(stopped) || verified(rules, name) || done_of_source(rules, "backup", name) {
            continue;
        }
        let message = format!(
            "no server of {name} runs after this, and nothing before it shows that a copy can be restored"
        );
        cx.sink.push(&codes::LAST_COPY, rules.step().params_span, message);
    }
}

/// The newest snapshot takes the place of live data that is not lost. Then it is the data that is bad, and
/// the newest snapshot may hold what is bad about it.
pub(crate) fn newest(rules: &Rules<'_>, point: &Option<Point>, cx: &mut Context<'_>) {
    let Some(source) = &rules.facts.source else { return };
    let members = cx.estate.member_hosts(source);
    let lost = members.iter().any(|host| cx.plan.has_lost(host, cx.estate));
    let makes = |facts: &Facts| rules.facts.hosts.iter().any(|host| facts.makes.contains(host));
    let made = rules.each(rules.index.of_kind("provision")).any(|(_, step)| step.facts().is_none_or(makes));
    if *point == Some(Point::Latest) && !lost && !made {
        told_newest(rules.step().params_span, cx);
    }
}

/// Says that it goes back to the newest snapshot.
pub(crate) fn told_newest(at: Span, cx: &mut Context<'_>) {
    let message = "the newest snapshot may have been taken after the damage".to_string();
    cx.sink.push(&codes::ROLLBACK_TO_NEWEST, at, message);
}

/// What a step acts on is there when it begins: hosts that the plan makes, servers that it starts or stops.
pub(crate) fn targets_exist(steps: &[Draft], graph: &Graph, index: &Index<'_>, cx: &mut Context<'_>) {
    for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.skipped.is_none()) {
        let Some(facts) = step.facts() else { continue };
        let rules = Rules { steps, graph, index, at, facts };
        cx.about(step, |cx| target_exists(&rules, cx));
    }
}

fn target_exists(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let (step, facts, at) = (rules.step(), rules.facts, rules.at);
    for (provision, maker) in rules.each(rules.index.of_kind("provision")).filter(|(other, _)| *other != at) {
        let makes = maker.facts().map(|facts| facts.makes.as_slice()).unwrap_or_default();
        let Some(host) = facts.hosts.iter().find(|host| makes.contains(host)) else { continue };
        if !rules.graph.before(provision, at) || !maker.must_succeed() {
            let message =
                format!("{host} is made by step {:?}, not always before this one", maker.name.value);
            let help = format!("add `after: {}`", maker.name.value);
            cx.sink.push_with(&codes::EARLY_TARGET, step.params_span, message, help);
        }
    }
    if DATA.contains(&step.kind.name) {
        server_runs(rules, cx);
    }
    if step.kind.name == "command" {
        for (service, host) in
            facts.services.iter().flat_map(|service| facts.hosts.iter().map(move |host| (service, host)))
        {
            service_runs(rules, service, host, cx);
        }
    }
}

/// The server of a step's source runs on its host, unless it has to stand still for what the step does.
fn server_runs(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let (Some(source), Some(host)) = (&rules.facts.source, rules.facts.hosts.first()) else { return };
    let Some(source) = cx.estate.sources.get(source) else { return };
    let put_in_place = ["restore", "rollback", "swap"].contains(&rules.step().kind.name);
    if put_in_place && STANDS_STILL.contains(&source.kind) {
        return;
    }
    if let Some(server) = &source.server {
        service_runs(rules, &server.value, host, cx);
    }
}

/// A service that the step needs runs on a host: the plan neither starts it later nor has stopped it.
fn service_runs(rules: &Rules<'_>, server: &Name, host: &HostName, cx: &mut Context<'_>) {
    let (at, graph, index) = (rules.step().params_span, rules.graph, rules.index);
    let stops = index.stops(server, host);
    let starts = index.starters(server, host).without(index.of_kind("restart"));
    let earlier = starts.and(rules.earlier());
    let down = rules.each(&stops.and(rules.earlier())).find(|(stop, _)| !graph.later(*stop).meets(&earlier));
    // One that the plan itself stops in between ran before.
    let late =
        rules.each(&starts.without(rules.earlier())).find(|(start, _)| !graph.earlier(*start).meets(stops));
    if let Some((_, stop)) = down {
        let message =
            format!("step {:?} has stopped {server} on {host}, which this step needs", stop.name.value);
        cx.sink.push_with(&codes::EARLY_TARGET, at, message, format!("start {server} before it"));
    } else if let Some((_, start)) = late.filter(|_| earlier.is_empty()) {
        let message = format!(
            "it needs {server} on {host}, which step {:?} starts, not always before it",
            start.name.value
        );
        cx.sink.push_with(&codes::EARLY_TARGET, at, message, format!("add `after: {}`", start.name.value));
    }
}
