//! `check`: ask named questions, in one place.

use super::{Facts, Kind, Lowered, Part, no_rules};
use crate::checked::{Task, Undo};
use crate::context::{Context, agent_task, flat, list};
use crate::estate::checks::Ask;
use crate::text::{Fields, values};
use model::jobs::Check;
use model::{Class, HostName, Name, Work};
use std::time::Duration;

/// Most tries after the first.
const MAX_RETRIES: i64 = 10_000;
/// Added to the time that all tries may take.
const SLACK: Duration = Duration::from_secs(10);

pub(crate) static KIND: Kind = Kind {
    name: "check",
    doc: "Asks each of `checks` on every host of `region` (or of `hosts`) that it is about, and is done when \
          every answer is as expected. `retries` and `pause` give a service that has just been started its \
          moment.\n\n\
          ```yaml\nverify:\n  after: start\n  check: { region: eu-west, checks: [health, users-present], retries: 20, pause: 500ms }\n```",
    class: Class::Read,
    timeout: SLACK,
    lower,
    rules: no_rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let selection = cx.selection(fields);
    let names = fields.need("checks", cx.sink).and_then(|node| values::names(node, cx.sink));
    let retries = fields.get("retries").map_or(Some(0), |node| values::number(node, 0, MAX_RETRIES, cx.sink));
    let pause = fields.get("pause").map(|node| values::duration(node, cx.sink));
    let names = names?;
    let known = names.iter().filter(|name| cx.estate.declared("check", name, cx.sink)).count();
    let (selection, retries, pause) = (selection?, u32::try_from(retries?).ok()?, flat(pause)?);
    let pause = pause.unwrap_or_else(Check::default_pause);
    let mut tasks: Vec<Task> = Vec::new();
    let mut hosts: Vec<HostName> = Vec::new();
    let mut asks: Vec<Option<String>> = Vec::new();
    let mut longest = Duration::ZERO;
    let mut whole = known == names.len();
    for name in names.iter().filter(|name| cx.estate.checks.contains_key(&name.value)) {
        longest = longest.max(cx.estate.checks.get(&name.value).map_or(Duration::ZERO, |check| check.within));
        let what = format!("what check {:?} asks about", name.value.as_str());
        let all = cx.estate.check_hosts(&name.value);
        let Some(chosen) = cx.choose(&what, name.span, &all, &selection) else {
            whole = false;
            continue;
        };
        if let Some(check) = cx.estate.checks.get(&name.value) {
            asks.push(asked_name(check, &chosen));
            longest = longest.max(check.within);
        }
        for live in chosen {
            hosts.push(live.clone());
            let Some((acting, check)) = cx.check(&name.value, &live, name.span) else {
                whole = false;
                continue;
            };
            let work = Work::Check(Check { check, retries, pause });
            tasks.push(agent_task("check", &name.value, acting, work)?);
        }
    }
    hosts.sort();
    hosts.dedup();
    let facts =
        Facts { hosts, asks, region: selection.region.map(|region| region.value), ..Facts::default() };
    let timeout = Some(longest * (retries + 1) + pause * retries + SLACK);
    if !whole {
        return cx.unready(facts, Undo::Nothing).map(|lowered| Lowered { timeout, ..lowered });
    }
    let words: Vec<Name> = names.into_iter().map(|name| name.value).collect();
    Some(Lowered {
        summary: format!("check {} on {}", list(&words), list(&acting_hosts(&tasks))),
        timeout,
        parts: vec![Part { tasks, undo: Undo::Nothing }],
        facts,
        ..Lowered::default()
    })
}

/// The name by which a question asks on all of these hosts, where it is the same.
fn asked_name(check: &crate::estate::checks::Check, hosts: &[HostName]) -> Option<String> {
    let mut names = hosts.iter().map(|host| {
        let authority = match check.ask.now()? {
            Ask::Http { url, urls, .. } => {
                let url = urls.get(host).or(url.as_ref())?;
                url.split("://").nth(1)?.split(['/', '?', '#']).next()?
            }
            Ask::Tcp { address, addresses } => addresses.get(host).or(address.as_ref())?,
            Ask::Sql { .. } | Ask::Command { .. } | Ask::Disk { .. } => return None,
        };
        let name = authority.rsplit_once(':').map_or(authority, |(name, _)| name);
        Some(name.trim_end_matches('.').to_ascii_lowercase())
    });
    let first = names.next()??;
    names.all(|name| name.as_ref() == Some(&first)).then_some(first)
}

/// Hosts that get work, each once.
pub(crate) fn acting_hosts(tasks: &[Task]) -> Vec<HostName> {
    let mut hosts: Vec<HostName> = tasks.iter().filter_map(|task| task.target.host.clone()).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}
