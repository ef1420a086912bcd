//! Rules of order that several kinds of steps share: who may still write, what was verified, what exists.
//!
//! Each is a question about dominance: what must be true when a step begins has to be brought about by a
//! step that is always over, and done, before it.

use crate::codes;
use crate::context::{Context, list};
use crate::graph::Graph;
use crate::lower::Draft;
use crate::steps::Rules;
use model::{HostName, Name};

/// Kinds after which a member takes writes.
const MAKERS: [&str; 4] = ["promote", "swap", "rollback", "unfence"];
/// Kinds that need the server of their source.
const DATA: [&str; 7] = ["backup", "prove", "promote", "restore", "rollback", "sql", "swap"];
/// Kinds of sources whose server stands still while their data is put in its place.
const STANDS_STILL: [&str; 1] = ["redis"];

/// Steps that take data away for good.
pub(crate) fn destroyers<'a>(rules: &Rules<'a>) -> impl Iterator<Item = (usize, &'a Draft)> {
    rules.running().filter(|(_, step)| step.facts().is_some_and(|facts| facts.destroys))
}

/// Steps after which a service may run on a host.
pub(crate) fn starters<'a>(
    rules: &Rules<'a>,
    service: &'a Name,
    host: &'a HostName,
) -> impl Iterator<Item = (usize, &'a Draft)> {
    rules.running().filter(move |(_, step)| {
        let acts = |facts: &crate::steps::Facts| {
            (facts.starts || matches!(step.kind.name, "start" | "restart"))
                && facts.services.contains(service)
                && facts.hosts.contains(host)
        };
        step.facts().is_some_and(acts)
    })
}

/// Steps that stop a service on a host, always over before the step that is looked at.
pub(crate) fn stops<'a>(
    rules: &Rules<'a>,
    service: &'a Name,
    host: &'a HostName,
) -> impl Iterator<Item = (usize, &'a Draft)> {
    let scaled = rules.done_before("scale").filter(|(_, step)| step.facts().is_none_or(|facts| facts.holds));
    rules.done_before("stop").chain(scaled).filter(move |(_, step)| {
        step.facts().is_none_or(|stop| stop.services.contains(service) && stop.hosts.contains(host))
    })
}

/// Whether a host is cut off from everybody before the step, so that what runs on it reaches nothing.
pub(crate) fn isolated(rules: &Rules<'_>, host: &HostName) -> bool {
    rules.done_before("isolate").any(|(_, step)| step.facts().is_none_or(|facts| facts.hosts.contains(host)))
}

/// The writers of the step's source stand still when it begins, and nothing starts them before it is over.
pub(crate) fn writers_held(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let at = rules.step().params_span;
    let Some(source) = rules.facts.source.as_ref().and_then(|source| cx.estate.sources.get(source)) else {
        return;
    };
    // Where the server itself stands still, nobody writes.
    let still =
        |server: &Name| rules.facts.hosts.iter().all(|host| stops(rules, server, host).next().is_some());
    if source.server.as_ref().is_some_and(|server| still(&server.value)) {
        return;
    }
    for writer in &source.writers {
        for host in cx.estate.service_hosts(&writer.value) {
            if cx.plan.has_lost(&host, cx.estate) || isolated(rules, &host) {
                continue;
            }
            let started = || {
                let mut starts = starters(rules, &writer.value, &host);
                starts.any(|(start, _)| !rules.graph.before(rules.at, start))
            };
            if cx.estate.is_spare(&host) && !started() {
                continue;
            }
            let held: Vec<usize> = stops(rules, &writer.value, &host).map(|(at, _)| at).collect();
            if held.is_empty() {
                let message = format!("{} may still write on {host}", writer.value);
                let help =
                    format!("put `stop: {{ services: [{}], hosts: [{host}] }}` before it", writer.value);
                cx.sink.push_with(&codes::WRITERS_RUN, at, message, help);
                continue;
            }
            let meanwhile = |(start, _): &(usize, &Draft)| {
                !rules.graph.before(rules.at, *start)
                    && !held.iter().any(|stop| rules.graph.before(*start, *stop))
            };
            if let Some((_, step)) = starters(rules, &writer.value, &host).find(meanwhile) {
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

/// Fences of a source that hold when the step begins: done before it, and not lifted since.
pub(crate) fn fences<'a>(rules: &Rules<'a>, source: &'a Name) -> Vec<&'a Draft> {
    let of_source = |step: &Draft| step.facts().is_none_or(|facts| facts.source.as_ref() == Some(source));
    let lifted = |fence: usize, step: &Draft| {
        rules.of_kind("unfence").filter(|(_, lift)| of_source(lift)).any(|(lift, unfence)| {
            let same = match (step.facts(), unfence.facts()) {
                (Some(fence), Some(lift)) => fence.hosts.iter().any(|host| lift.hosts.contains(host)),
                _ => true,
            };
            same && lift != rules.at
                && !rules.graph.before(lift, fence)
                && !rules.graph.before(rules.at, lift)
        })
    };
    let all = rules.done_before("fence").chain(rules.done_before("isolate"));
    all.filter(|(at, step)| of_source(step) && !lifted(*at, step)).map(|(_, step)| step).collect()
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
    for kind in MAKERS {
        let others = rules.of_kind(kind).filter(|(other, _)| *other != rules.at);
        for (other, step) in others.filter(|(other, _)| !rules.graph.before(rules.at, *other)) {
            let Some(facts) = step.facts().filter(|facts| facts.source.as_ref() == Some(source)) else {
                continue;
            };
            let ordered = rules.graph.before(other, rules.at);
            // Of two that may run at once, one tells.
            if ordered || other < rules.at {
                rivals.extend(facts.hosts.iter().cloned());
            }
        }
    }
    rivals.retain(|host| !own.contains(host));
    rivals.sort();
    rivals.dedup();
    let fences = fences(rules, source);
    let fenced = |host: &HostName| {
        fences.iter().any(|fence| fence.facts().is_none_or(|facts| facts.hosts.contains(host)))
    };
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

/// A point of the source was restored or proven before its data is taken away.
pub(crate) fn verified_before(rules: &Rules<'_>, cx: &mut Context<'_>) {
    if !verified(rules, rules.facts.source.as_ref()) {
        let source = rules.facts.source.as_ref().map(Name::as_str).unwrap_or_default();
        let message = format!("data of {source} is taken away before any point of it was verified");
        cx.sink.push(&codes::UNVERIFIED, rules.step().params_span, message);
    }
}

fn verified(rules: &Rules<'_>, source: Option<&Name>) -> bool {
    ["restore", "prove"].iter().any(|kind| {
        rules
            .done_before(kind)
            .any(|(_, step)| step.facts().is_none_or(|facts| facts.source.as_ref() == source))
    })
}

/// A stop of the last server of a source that is not lost.
pub(crate) fn last_copy(rules: &Rules<'_>, cx: &mut Context<'_>) {
    for (name, source) in &cx.estate.sources {
        let Some(server) =
            source.server.as_ref().filter(|server| rules.facts.services.contains(&server.value))
        else {
            continue;
        };
        let alive = |host: &HostName| !cx.plan.has_lost(host, cx.estate) && !cx.estate.is_spare(host);
        let left: Vec<HostName> = cx.estate.member_hosts(name).into_iter().filter(alive).collect();
        if !left.iter().any(|host| rules.facts.hosts.contains(host)) {
            continue;
        }
        let stopped = |host: &HostName| {
            rules.facts.hosts.contains(host) || stops(rules, &server.value, host).next().is_some()
        };
        let backed_up = rules
            .done_before("backup")
            .any(|(_, step)| step.facts().is_none_or(|facts| facts.source.as_ref() == Some(name)));
        if !left.iter().all(stopped) || verified(rules, Some(name)) || backed_up {
            continue;
        }
        let message = format!(
            "no server of {name} runs after this, and nothing before it shows that a copy can be restored"
        );
        cx.sink.push(&codes::LAST_COPY, rules.step().params_span, message);
    }
}

/// What a step acts on is there when it begins: hosts that the plan makes, servers that it starts or stops.
pub(crate) fn targets_exist(steps: &[Draft], graph: &Graph, cx: &mut Context<'_>) {
    for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.skipped.is_none()) {
        let Some(facts) = step.facts() else { continue };
        let rules = Rules { steps, graph, at, facts };
        for (provision, maker) in rules.of_kind("provision").filter(|(other, _)| *other != at) {
            let makes = maker.facts().map(|facts| facts.makes.as_slice()).unwrap_or_default();
            let Some(host) = facts.hosts.iter().find(|host| makes.contains(host)) else { continue };
            if !graph.before(provision, at) || !maker.must_succeed() {
                let message =
                    format!("{host} is made by step {:?}, not always before this one", maker.name.value);
                let help = format!("add `after: {}`", maker.name.value);
                cx.sink.push_with(&codes::EARLY_TARGET, step.params_span, message, help);
            }
        }
        if DATA.contains(&step.kind.name) {
            server_runs(&rules, cx);
        }
        if step.kind.name == "command" {
            for (service, host) in
                facts.services.iter().flat_map(|service| facts.hosts.iter().map(move |host| (service, host)))
            {
                service_runs(&rules, service, host, cx);
            }
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
    let (at, graph) = (rules.step().params_span, rules.graph);
    let stopped = |(_, step): &(usize, &Draft)| {
        step.facts().is_some_and(|stop| {
            (stop.holds || step.kind.name == "stop")
                && stop.services.contains(server)
                && stop.hosts.contains(host)
        })
    };
    let stops: Vec<(usize, &Draft)> = rules.running().filter(stopped).collect();
    let starts: Vec<(usize, &Draft)> =
        starters(rules, server, host).filter(|(_, step)| step.kind.name != "restart").collect();
    let down = stops.iter().find(|(stop, _)| {
        graph.before(*stop, rules.at)
            && !starts.iter().any(|(start, _)| graph.before(*stop, *start) && graph.before(*start, rules.at))
    });
    // One that the plan itself stops in between ran before.
    let late = starts.iter().find(|(start, _)| {
        !graph.before(*start, rules.at) && !stops.iter().any(|(stop, _)| graph.before(*stop, *start))
    });
    let earlier = starts.iter().any(|(start, _)| graph.before(*start, rules.at));
    if let Some((_, stop)) = down {
        let message =
            format!("step {:?} has stopped {server} on {host}, which this step needs", stop.name.value);
        cx.sink.push_with(&codes::EARLY_TARGET, at, message, format!("start {server} before it"));
    } else if let Some((_, start)) = late.filter(|_| !earlier) {
        let message = format!(
            "it needs {server} on {host}, which step {:?} starts, not always before it",
            start.name.value
        );
        cx.sink.push_with(&codes::EARLY_TARGET, at, message, format!("add `after: {}`", start.name.value));
    }
}
