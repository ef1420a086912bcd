//! Rules that hold for steps of every kind, and what the engine must check again at run time.

use crate::checked::{Precondition, Task, Undo};
use crate::codes;
use crate::context::{Context, Purpose};
use crate::estate::Estate;
use crate::estate::schedules::Schedule;
use crate::graph::Graph;
use crate::index::Index;
use crate::lower::Draft;
use crate::order;
use crate::set::Set;
use crate::steps::Facts;
use model::nouns::Point;
use model::{Class, Evidence, HostName, Mode, Name, Target};
use std::collections::BTreeMap;

/// Kinds whose answers count as evidence or proof.
const ANSWERS: [&str; 3] = ["check", "prove", "backup"];
/// Kinds after which other data or another version is in place.
const BRINGS: [&str; 3] = ["deploy", "rollback", "swap"];
/// Kinds that may run beside each other on one target.
const PEACEFUL: [&str; 4] = ["check", "prove", "backup", "notify"];

/// Kinds that bring back what ran before.
const CHANGES: [&str; 4] = ["promote", "restart", "scale", "start"];
/// Kinds that may show whether it is back.
const LOOKS: [&str; 2] = ["check", "command"];

/// Asks every rule.
pub(crate) fn check(steps: &[Draft], graph: &Graph, index: &Index<'_>, cx: &mut Context<'_>) {
    for step in steps.iter().filter(|step| step.skipped.is_none()) {
        cx.about(step, |cx| {
            failure_domains(step, cx);
            retry(step, cx);
            undo(step, cx);
        });
    }
    concurrency(steps, graph, cx);
    cut_off(steps, graph, index, cx);
    unseen(steps, graph, index, cx);
    order::targets_exist(steps, graph, index, cx);
    if cx.purpose == Purpose::Check && cx.mode == Mode::Live {
        unchecked(steps, graph, index, cx);
        let running = steps.iter().filter(|step| step.skipped.is_none());
        running.for_each(|step| cx.about(step, |cx| unfed(step, cx)));
    }
}

/// What a plan puts in the place of what ran before, data or a version, is looked at afterwards.
fn unchecked(steps: &[Draft], graph: &Graph, index: &Index<'_>, cx: &mut Context<'_>) {
    let checks = index.of_kind("check");
    let brings = |step: &Draft| {
        let Some(facts) = step.facts() else { return false };
        let scaled = step.kind.name == "scale" && facts.starts;
        let over_live = step.kind.name == "restore" && facts.destroys;
        BRINGS.contains(&step.kind.name) || scaled || over_live
    };
    let open = |at: &usize| {
        let step = &steps[*at];
        step.skipped.is_none() && brings(step) && !graph.later(*at).meets(checks)
    };
    let left: Vec<usize> = (0..steps.len()).filter(open).collect();
    let Some(last) = left.last() else { return };
    let names: Vec<&str> = left.iter().map(|at| steps[*at].name.value.as_str()).collect();
    let message = format!("nothing checks what came of {}", names.join(", "));
    let last = &steps[*last];
    cx.about(last, |cx| cx.sink.push(&codes::UNCHECKED, last.name.span, message));
}

/// A point comes from a repository that gets backups of the source. Where the plan promises an RPO, its
/// arithmetic tells it.
fn unfed(step: &Draft, cx: &mut Context<'_>) {
    let Some(facts) = step.facts() else { return };
    let (Some(source), Some(from)) = (&facts.source, &facts.from) else { return };
    let told = cx.plan.promised.rpo.is_some()
        && step.lowered.iter().any(|lowered| lowered.parts.iter().any(|part| !part.tasks.is_empty()));
    let of_source = |schedule: &&Schedule| schedule.backup.value == *source;
    let mut to = cx.estate.schedules.values().filter(of_source).flat_map(|schedule| &schedule.to);
    if !told && cx.estate.repositories.contains_key(from) && !to.any(|to| to.value == *from) {
        let message = format!("no schedule backs {source} up into {from}");
        cx.sink.push(&codes::UNFED, step.params_span, message);
    }
}

/// Nothing but a fence is meant for a lost region; nothing believes a suspect one.
fn failure_domains(step: &Draft, cx: &mut Context<'_>) {
    let Some(facts) = step.facts() else { return };
    for host in &facts.hosts {
        let Some(region) = cx.estate.region_of(host) else { continue };
        if cx.plan.is_lost(region) && !matches!(step.kind.name, "fence" | "isolate") {
            let message = format!(
                "{} sends work to {host} in region {:?}, which this plan presumes lost",
                step.kind.name,
                region.as_str()
            );
            cx.sink.push(&codes::LOST_HOST, step.params_span, message);
        }
        // That an agent stopped a server is the word of its host; that power is off is not.
        let says = ANSWERS.contains(&step.kind.name) || facts.evidence == Some(Evidence::Stopped);
        if cx.plan.is_suspect(host, cx.estate) && says {
            let message = format!(
                "{} relies on {host} in region {:?}, whose word this plan does not believe",
                step.kind.name,
                region.as_str()
            );
            let help = match step.kind.name {
                "fence" => "demand `isolated` or `powered-off`, or `unreachable` with its risk in words",
                _ => codes::SUSPECT_WORD.mend,
            };
            cx.sink.push_with(&codes::SUSPECT_WORD, step.params_span, message, help.to_string());
        }
    }
    suspect_point(step, facts, cx);
}

/// What was cut off the network gets no order.
fn cut_off(steps: &[Draft], graph: &Graph, index: &Index<'_>, cx: &mut Context<'_>) {
    let isolates = index.of_kind("isolate");
    let all_lifts = index.of_kind("unfence").or(index.of_kind("rejoin"));
    for (at, step) in steps.iter().enumerate().filter(|_| !isolates.is_empty()) {
        let reaches = !matches!(step.kind.name, "isolate" | "fence" | "unfence" | "rejoin");
        let reaches = reaches && step.skipped.is_none();
        let Some(facts) = step.facts().filter(|_| reaches) else { continue };
        let before = isolates.and(graph.earlier(at));
        let lifts = all_lifts.and(graph.earlier(at));
        let holds = |isolate: &usize| !graph.later(*isolate).meets(&lifts);
        // In a drill one host may stand in for several.
        let is_cut =
            |cut: &Facts, host: &HostName| cut.hosts.iter().any(|one| cx.acts_for(one) == cx.acts_for(host));
        let found = before.iter().filter(holds).find_map(|isolate| {
            let cut = steps.get(isolate)?;
            let cut_hosts = cut.facts()?;
            let host = facts.hosts.iter().find(|host| is_cut(cut_hosts, host))?;
            Some((cut.name.value.clone(), cx.acts_for(host).clone()))
        });
        if let Some((cut, host)) = found {
            let message = format!("step {cut:?} has cut {host} off, and nobody reaches it any more");
            cx.about(step, |cx| cx.sink.push(&codes::CUT_OFF, step.params_span, message));
        }
    }
}

/// A plan that promises a time of recovery looks whether it has recovered.
fn unseen(steps: &[Draft], graph: &Graph, index: &Index<'_>, cx: &mut Context<'_>) {
    if cx.plan.promised.rto.is_none() {
        return;
    }
    let all = |kinds: &[&str]| {
        let mut out = Set::default();
        kinds.iter().for_each(|kind| out.add(index.of_kind(kind)));
        out
    };
    let (changes, looks) = (all(&CHANGES), all(&LOOKS));
    let left = changes.iter().filter(|at| !graph.later(*at).meets(&looks));
    let brings = |step: &&Draft| step.facts().is_none_or(|facts| !facts.holds);
    if let Some(step) = left.filter_map(|at| steps.get(at)).filter(brings).last() {
        let message = format!("nothing looks at what step {:?} has done", step.name.value);
        cx.about(step, |cx| cx.sink.push(&codes::UNCHECKED_END, step.params_span, message));
    }
}

/// Snapshots of a source that a suspect host holds or backs up count only from before it was suspect: what
/// it wrote since then is in every copy of the source.
fn suspect_point(step: &Draft, facts: &Facts, cx: &mut Context<'_>) {
    let (Some(point), Some(source)) = (&facts.point, &facts.source) else { return };
    if !cx.plan.suspect.is_any() {
        return;
    }
    let mut hosts = cx.estate.member_hosts(source);
    hosts.extend(cx.estate.backed_up_by(source));
    let Some(host) = hosts.iter().find(|host| cx.plan.is_suspect(host, cx.estate)) else { return };
    let suspect = &cx.plan.suspect;
    let early = |at| suspect.since_open || suspect.since.is_some_and(|since| at < since);
    let fine = matches!(point, Point::NotAfter(at) if early(*at));
    if !fine {
        let since = match cx.plan.suspect.since {
            Some(since) => format!("since {since}"),
            None => "and the plan does not say since when".to_string(),
        };
        let message = format!("{host} holds or backs up {source} and is suspect {since}");
        cx.sink.push(&codes::SUSPECT_POINT, step.params_span, message);
    }
}

/// An unsafe step is never repeated by itself.
fn retry(step: &Draft, cx: &mut Context<'_>) {
    if let Some(tries) = step.common.tries.as_ref().filter(|tries| tries.value > 1)
        && step.lowered.is_some()
        && step.class() == Class::Unsafe
    {
        let message = format!(
            "nobody can tell whether a {} was done, so it is not tried {} times",
            step.kind.name, tries.value
        );
        cx.sink.push(&codes::UNSAFE_RETRY, tries.span, message);
    }
}

/// `undo: none` may say that nothing needs to be taken back, not hide that nothing can be. Only the
/// author of a command or statement knows which of the two it is.
fn undo(step: &Draft, cx: &mut Context<'_>) {
    let (Some(at), Some(lowered)) = (step.common.undo_none, &step.lowered) else { return };
    let impossible = lowered.parts.iter().any(|part| part.undo == Undo::Impossible);
    if impossible && !matches!(step.kind.name, "command" | "sql") {
        let message =
            format!("a {} is a point of no return; `undo: none` cannot change that", step.kind.name);
        cx.sink.push(&codes::UNDO_NONE, at, message);
    }
}

/// Two steps that may run at once on one target.
fn concurrency(steps: &[Draft], graph: &Graph, cx: &mut Context<'_>) {
    let running = || steps.iter().enumerate().filter(|(_, step)| step.skipped.is_none());
    let presumed: Vec<(usize, Target)> = running()
        .flat_map(|(at, step)| presumed_targets(step, cx.estate).into_iter().map(move |target| (at, target)))
        .collect();
    let mut by_target: BTreeMap<&Target, Set> = BTreeMap::new();
    for (at, step) in running() {
        for task in tasks(step).filter(|task| task.target.noun.as_str() != "run") {
            by_target.entry(&task.target).or_default().put(at, true);
        }
    }
    for (at, target) in &presumed {
        by_target.entry(target).or_default().put(*at, true);
    }
    let kind = |at: usize| steps[at].kind.name;
    let fine = |first: usize, second: usize| {
        let peaceful = [first, second].iter().all(|at| PEACEFUL.contains(&kind(*at)));
        // Two sources of one host, say: whoever comes second finds it cut off.
        peaceful || kind(first) == "isolate" && kind(second) == "isolate"
    };
    for (target, among) in by_target {
        for second in among.iter() {
            let beside = among.without(graph.earlier(second)).without(graph.later(second));
            for first in beside.iter().take_while(|first| *first < second) {
                if !fine(first, second) {
                    let message = format!(
                        "it may run at the same time as step {:?}, and both act on {target}",
                        steps[first].name.value
                    );
                    let second = &steps[second];
                    cx.about(second, |cx| cx.sink.push(&codes::CONCURRENT, second.name.span, message));
                }
            }
        }
    }
}

fn tasks(step: &Draft) -> impl Iterator<Item = &Task> {
    step.lowered.iter().flat_map(|lowered| &lowered.parts).flat_map(|part| &part.tasks)
}

/// What a step without tasks will act on once its job is there. Collecting logs changes nothing, and an isolation
/// is about the network of a host, whatever runs there.
fn presumed_targets(step: &Draft, estate: &Estate) -> Vec<Target> {
    let to_come = tasks(step).next().is_none() && step.kind.name != "collect";
    let Some(facts) = step.facts().filter(|_| to_come) else { return Vec::new() };
    let target = |noun: &str, name: &str, host: Option<&HostName>| {
        Some(Target { noun: Name::new(noun).ok()?, name: Name::new(name).ok()?, host: host.cloned() })
    };
    if step.kind.name == "isolate" {
        return facts.hosts.iter().filter_map(|host| target("network", host.as_str(), None)).collect();
    }
    let sources = facts.source.iter().flat_map(|source| facts.hosts.iter().map(move |host| (source, host)));
    let sources = sources.filter_map(|(source, host)| target("source", source.as_str(), Some(host)));
    let services = facts.services.iter().flat_map(|service| {
        let placed = estate.services.get(service).map(|service| service.hosts.as_slice()).unwrap_or_default();
        let there = placed.iter().map(|on| &on.host.value).filter(|host| facts.hosts.contains(host));
        there.map(move |host| (service, host))
    });
    let services = services.filter_map(|(service, host)| target("service", service.as_str(), Some(host)));
    let other = facts.acts_on.iter().filter_map(|(noun, name)| target(noun, name.as_str(), None));
    sources.chain(services).chain(other).collect()
}

/// What must still be true when a step begins: the proofs of order, for the engine.
pub(crate) fn preconditions(
    steps: &[Option<Draft>],
    graph: &Graph,
    at: usize,
    estate: &Estate,
) -> Vec<Precondition> {
    let Some(step) = steps.get(at).and_then(Option::as_ref) else { return Vec::new() };
    let Some(facts) = step.facts().filter(|_| step.skipped.is_none()) else { return Vec::new() };
    let before = |kind: &'static str| {
        steps.iter().enumerate().filter_map(move |(other, draft)| {
            let draft = draft.as_ref()?;
            let counts = draft.kind.name == kind && graph.before(other, at) && draft.must_succeed();
            counts.then_some((draft, draft.facts()?))
        })
    };
    match step.kind.name {
        "promote" => before("fence")
            .chain(before("isolate"))
            .filter(|(_, fence)| fence.source == facts.source)
            .filter_map(|(draft, fence)| {
                let evidence = fence.evidence.unwrap_or(Evidence::Stopped);
                Some(Precondition::Fenced { step: draft.path()?, evidence })
            })
            .collect(),
        "cutover" | "switch" => before("check")
            .filter(|(_, check)| {
                check.hosts.iter().any(|host| estate.region_of(host) == facts.region.as_ref())
            })
            .filter_map(|(draft, _)| Some(Precondition::Succeeded { step: draft.path()? }))
            .collect(),
        "swap" | "rollback" => {
            let source = facts.source.as_ref().and_then(|source| estate.sources.get(source));
            let writers = source.map(|source| source.writers.as_slice()).unwrap_or_default();
            let restores = before("restore")
                .filter(|(_, restore)| restore.source == facts.source && restore.copy == facts.copy);
            let scaled = before("scale").filter(|(_, scale)| scale.holds);
            let stops = before("stop")
                .chain(scaled)
                .filter(|(_, stop)| writers.iter().any(|writer| stop.services.contains(&writer.value)));
            restores
                .chain(stops)
                .filter_map(|(draft, _)| Some(Precondition::Succeeded { step: draft.path()? }))
                .collect()
        }
        _ => Vec::new(),
    }
}
