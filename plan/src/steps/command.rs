//! `command`: a script that the agents' own policy lists.

use super::check::acting_hosts;
use super::{Facts, Kind, Lowered, Part, no_rules, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, agent_task, flat, list};
use crate::estate::services::arguments;
use crate::inputs::InputType;
use crate::text::{Fields, Value, values};
use model::jobs::Command;
use model::{Class, HostName, Name, Work};
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "command",
    doc: "Runs `script` with `args` on `hosts` (or on every host of `region`). Each agent runs it only if its \
          own policy lists the script by path and SHA-256; with `sha256` it must be that very content. There is no shell. Nobody can tell whether a \
          script may run twice, so it is never repeated by itself, and it is a point of no return unless \
          the step says `undo: none`.\n\n\
          With `in`, a service of a container, compose project or cluster, the program and arguments of `run` run inside \
          it, once for each of its hosts that is meant; the service must run by then. Its job is still to come.\n\n\
          ```yaml\nwarm-up:\n  undo: none\n  command: { script: /opt/warm-cache.sh, args: [all], hosts: [web-2],\n             \
          sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae }\n```",
    class: Class::Unsafe,
    timeout: Duration::from_secs(10 * 60),
    lower,
    rules: no_rules,
    outputs: &[("printed", InputType::Text)],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    if fields.has("in") {
        return inside(cx, fields);
    }
    let selection = cx.selection(fields);
    let script = fields.need("script", cx.sink).and_then(|node| values::path(node, cx.sink));
    let args = fields.get("args").map_or(Some(Vec::new()), |node| match &node.value {
        Value::List(items) if items.is_empty() => Some(Vec::new()),
        _ => arguments(node, cx.sink),
    });
    let sha256 = fields.get("sha256").map(|node| values::digest(node, cx.sink));
    let (selection, script, args, sha256) = (selection?, script?, args?, flat(sha256)?);
    if sha256.is_none() {
        let message = format!("{} has no sha256", script.display());
        cx.sink.push(&codes::UNPINNED_SCRIPT, fields.span_of("script"), message);
    }
    if selection.region.is_none() && selection.hosts.is_none() {
        let message = format!("{} needs `hosts` or `region`", fields.what());
        cx.sink.push(&codes::MISSING, fields.owner(), message);
        return None;
    }
    let estate = cx.estate;
    let all: Vec<HostName> =
        estate.hosts.keys().filter(|host| !estate.drill.stands_in(host)).cloned().collect();
    let hosts = cx.choose("this estate", fields.owner(), &all, &selection)?;
    let mut tasks = Vec::with_capacity(hosts.len());
    for live in &hosts {
        let acting = cx.acting(live, fields.owner())?;
        let work =
            Work::Command(Command { script: script.clone(), args: args.clone(), sha256: sha256.clone() });
        tasks.push(agent_task("host", &Name::new(acting.as_str()).ok()?, acting, work)?);
    }
    Some(Lowered {
        summary: format!("run {} on {}", script.display(), list(&acting_hosts(&tasks))),
        parts: vec![Part { tasks, undo: Undo::Impossible }],
        facts: Facts { hosts, region: selection.region.map(|region| region.value), ..Facts::default() },
        ..Lowered::default()
    })
}

/// A command inside a service.
fn inside(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let selection = cx.selection(fields);
    let service = fields.need("in", cx.sink).and_then(|node| cx.noun("service", node));
    let run = fields.need("run", cx.sink).and_then(|node| arguments(node, cx.sink));
    let (selection, service, run) = (selection?, service?, run?);
    let all = cx.estate.service_hosts(&service.value);
    let what = format!("service {:?}", service.value.as_str());
    let hosts = cx.choose(&what, service.span, &all, &selection)?;
    let acting = cx.all_acting(&hosts, fields.owner())?;
    Some(to_come(
        format!("run {} in {} on {}", run.join(" "), service.value, list(&acting)),
        "running a command inside a service",
        Undo::Impossible,
        Facts {
            hosts,
            services: vec![service.value],
            region: selection.region.map(|region| region.value),
            ..Facts::default()
        },
    ))
}
