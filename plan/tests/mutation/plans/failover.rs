//! From one region to another, and back.

use super::build::{Plan, place, promise};
use super::extras;
use crate::tree::{Tree, map};
use crate::world::{App, DANGER, TARGET, World};

/// Why a region is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is gone.
    Lost,
    /// Nothing that it says is believed.
    Suspect,
    /// It works, and is left in peace.
    Planned,
}

/// Out of the dangerous region.
pub fn away(world: &mut World, apps: &[App], how: How) -> Tree {
    let mut plan = Plan::new(world, "failover");
    let danger = world.regions[DANGER].clone();
    match how {
        How::Lost => plan.head.set("scenario", map().with("lost", world.many(&[danger]))),
        How::Suspect => {
            let since = world.chance(50);
            let suspect = match since {
                true => map().with("regions", vec![danger]).with("since", "2026-11-20T21:04:05Z"),
                false => map().with("regions", vec![danger]),
            };
            let short = suspect.get("regions").cloned().filter(|_| !since).unwrap_or_else(|| suspect.clone());
            plan.head.set("scenario", map().with("suspect", short));
        }
        How::Planned => {}
    }
    if how != How::Planned {
        plan.out_of_reach.push(DANGER);
    }
    moved(world, &mut plan, apps, how, DANGER, TARGET);
    plan.tree()
}

/// Back home, with nothing lost.
pub fn home(world: &mut World, apps: &[App]) -> Tree {
    let mut plan = Plan::new(world, "return");
    moved(world, &mut plan, apps, How::Planned, TARGET, DANGER);
    plan.tree()
}

fn moved(world: &mut World, plan: &mut Plan, apps: &[App], how: How, from: usize, to: usize) {
    let mut begin = Vec::new();
    if world.chance(70) {
        let question = extras::question(world).with("within", "10m");
        begin.push(plan.step(world, "approve", &[], question));
    }
    let mut checked = Vec::new();
    for app in apps {
        let begin: Vec<&String> = begin.iter().collect();
        checked.push(one(world, plan, app, how, from, to, &begin));
    }
    // A record says where users go, not to which service: all that is started is checked before.
    let checked: Vec<&String> = checked.iter().collect();
    let mut over = Vec::new();
    let region = world.regions[to].clone();
    for app in apps {
        if let Some(record) = &app.record {
            over.push(plan.step(
                world,
                "cutover",
                &checked,
                map().with("record", record).with("to", &region),
            ));
        }
        if let Some(pool) = &app.pool {
            over.push(plan.step(world, "switch", &checked, map().with("pool", pool).with("to", &region)));
        }
    }
    if how == How::Planned && !world.ready && world.chance(40) {
        let app = &apps[0];
        let old = world.there(&app.members, from);
        let on = world.hosts[old[0]].name.clone();
        plan.step(world, "rejoin", &checked, map().with("source", &app.source).with("on", on));
    }
    let rpo = apps.iter().filter_map(|app| app.rpo).min();
    promise(world, plan, None, rpo);
    extras::add(world, plan, apps);
}

/// One app: fence, promote, start, check. Gives its check.
fn one(
    world: &mut World,
    plan: &mut Plan,
    app: &App,
    how: How,
    from: usize,
    to: usize,
    begin: &[&String],
) -> String {
    let mut before: Vec<String> = begin.iter().map(|name| (*name).clone()).collect();
    if how == How::Planned && world.chance(70) {
        let writers = map().with("services", world.many(&app.writers));
        let (key, there) = place(world, &app.fronts, from, app.writers.len() == 1);
        before = vec![plan.step(world, "stop", begin, writers.with(&key, there))];
    }
    let before: Vec<&String> = before.iter().collect();
    let source = map().with("source", &app.source);
    let there = source.clone().with("region", world.regions[from].clone());
    let fence = match how {
        How::Lost | How::Suspect if !world.ready && world.chance(25) => {
            plan.step(world, "isolate", &before, there)
        }
        How::Lost | How::Suspect => {
            let fence = there.with("evidence", "unreachable").with("silence", "10s");
            let fence = fence.with("risk", "it may still accept writes, and those are lost");
            let role = world.roles[0].clone();
            let asked = map().with("role", role).with("within", "10m");
            let fence = if world.chance(50) { fence.with("approve", asked) } else { fence };
            plan.step(world, "fence", &before, fence)
        }
        How::Planned => plan.step(world, "fence", &before, there),
    };
    let members = world.there(&app.members, to);
    let member = world.pick(&members);
    let promote = if members.len() > 1 || world.chance(30) {
        source.with("on", world.hosts[member].name.clone())
    } else {
        source.with("region", world.regions[to].clone())
    };
    let promote = plan.step(world, "promote", &[&fence], promote);
    let mut services: Vec<String> = app.cache.iter().chain(&app.writers).cloned().collect();
    let mut last = promote;
    if world.chance(40) && services.len() > 1 {
        let first = map().with("services", vec![services.remove(0)]);
        let (key, there) = place(world, &app.fronts, to, true);
        last = plan.step(world, "start", &[&last], first.with(&key, there));
    }
    let single = services.len() == 1;
    let start = map().with("services", world.many(&services));
    let (key, there) = place(world, &app.fronts, to, single);
    let start = plan.step(world, "start", &[&last], start.with(&key, there));
    checked(world, plan, app, to, &start)
}

/// A check of an app in a region.
pub fn checked(world: &mut World, plan: &mut Plan, app: &App, region: usize, after: &String) -> String {
    let mut checks = app.health.clone();
    if world.chance(50) {
        checks.extend(app.data.clone());
    }
    let mut check = map().with("checks", world.many(&checks)).with("region", world.regions[region].clone());
    if world.chance(40) {
        check.set("retries", world.below(20));
        check.set("pause", "500ms");
    }
    plan.step(world, "check", &[after], check)
}
