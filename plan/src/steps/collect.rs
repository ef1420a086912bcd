//! `collect`: logs and evidence to a safe place, before anything is destroyed.

use super::{Facts, Kind, Lowered, Rules, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, Use, flat, list};
use crate::text::{Fields, values};
use model::{Class, HostName, Name};
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "collect",
    doc: "Copies the logs of `services` and the files under `paths` from `hosts` (or from every host of `region`) into \
          the repository `to`, or into a `folder` on the controller's host, before anything is destroyed: what happened \
          is asked afterwards. `since` says how far back (all when absent). Its job is still to come.\n\n\
          ```yaml\nevidence:\n  collect: { region: eu-west, services: [web], paths: [/var/log/nginx], since: 6h, to: s3-eu }\n```",
    class: Class::Idempotent,
    timeout: Duration::from_secs(30 * 60),
    lower,
    rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let selection = cx.selection(fields);
    let services = fields.get("services").map(|node| values::names(node, cx.sink));
    let paths = fields.get("paths").map(|node| values::list(node, true, cx.sink, values::path));
    let since = fields.get("since").map(|node| values::duration(node, cx.sink));
    let repository = fields.get("to").map(|node| cx.repository(node, Use::Write));
    let folder = fields.get("folder").map(|node| values::path(node, cx.sink));
    if repository.is_some() == folder.is_some() {
        let message = format!("{} has either `to`, a repository, or a `folder`", fields.what());
        cx.sink.push(&codes::EITHER_OR, fields.owner(), message);
        return None;
    }
    let (selection, services, paths) = (selection?, flat(services)?.unwrap_or_default(), flat(paths)?);
    let (repository, folder, _) = (flat(repository)?, flat(folder)?, flat(since)?);
    let place = match (repository, folder) {
        (Some(repository), _) => repository.name.to_string(),
        (None, Some(folder)) => folder.display().to_string(),
        (None, None) => return None,
    };
    if services.is_empty() && paths.is_none() {
        let message = format!("{} needs `services` or `paths`", fields.what());
        cx.sink.push(&codes::MISSING, fields.owner(), message);
        return None;
    }
    let known = services.iter().filter(|name| cx.estate.declared("service", name, cx.sink)).count();
    if known < services.len() {
        return None;
    }
    let estate = cx.estate;
    let everywhere = || estate.hosts.keys().filter(|host| !estate.drill.stands_in(host)).cloned();
    let mut all: Vec<HostName> = match paths {
        Some(_) => everywhere().collect(),
        None => services.iter().flat_map(|name| estate.service_hosts(&name.value)).collect(),
    };
    all.sort();
    all.dedup();
    let hosts = cx.choose("what is collected", fields.owner(), &all, &selection)?;
    let acting = cx.all_acting(&hosts, fields.owner())?;
    Some(to_come(
        format!("collect logs and files of {} into {place}", list(&acting)),
        "collecting logs and files",
        Undo::Nothing,
        Facts { hosts, services: services.into_iter().map(|name| name.value).collect(), ..Facts::default() },
    ))
}

/// It comes before what destroys on its hosts, and before what takes logs away with its instances.
fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let index = rules.index;
    let mut ends = index.of_kind("stop").clone();
    ["restart", "deploy", "rollback", "scale"].iter().for_each(|kind| ends.add(index.of_kind(kind)));
    let forgets = |name: &&Name| cx.estate.services.get(*name).is_some_and(|service| service.forgets);
    for service in rules.facts.services.iter().filter(forgets) {
        for (_, step) in rules.each(&ends.without(rules.later())) {
            let Some(facts) = step.facts().filter(|facts| facts.services.contains(service)) else { continue };
            let there = facts.hosts.iter().any(|host| rules.facts.hosts.contains(host));
            if there && (facts.holds || step.kind.name != "scale") {
                let message = format!(
                    "step {:?} may have removed the instances of {service} with their logs by then",
                    step.name.value
                );
                let help = format!("name this step in the `after` of {:?}", step.name.value);
                cx.sink.push_with(&codes::LATE_EVIDENCE, rules.step().params_span, message, help);
            }
        }
    }
    for (_, step) in rules.each(&rules.index.destroyers().without(rules.later())) {
        let there =
            step.facts().is_some_and(|facts| facts.hosts.iter().any(|host| rules.facts.hosts.contains(host)));
        if there {
            let message =
                format!("step {:?} may have destroyed by then what is collected here", step.name.value);
            let help = format!("name this step in the `after` of {:?}", step.name.value);
            cx.sink.push_with(&codes::LATE_EVIDENCE, rules.step().params_span, message, help);
        }
    }
}
