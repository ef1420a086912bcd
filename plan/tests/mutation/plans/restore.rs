//! Data from a backup in the live one's place.

use super::build::{Plan, promise};
use super::extras;
use crate::tree::{Tree, map};
use crate::world::{App, DANGER, TARGET, World};

/// Holds all writers on all their hosts that can be asked.
pub fn hold(world: &mut World, plan: &mut Plan, app: &App, after: &[&String]) -> String {
    let services = map().with("services", world.many(&app.writers));
    if !world.ready && world.chance(25) {
        return plan.step(world, "scale", after, services.with("to", "0"));
    }
    plan.step(world, "stop", after, services)
}

/// Starts the writers of a region again, and checks them.
pub fn release(world: &mut World, plan: &mut Plan, app: &App, region: usize, after: &String) -> String {
    let region = world.regions[region].clone();
    let start = map().with("services", world.many(&app.writers)).with("region", &region);
    let start = plan.step(world, "start", &[after], start);
    let checks = map().with("checks", world.many(&app.health)).with("region", region);
    plan.step(world, "check", &[&start], checks)
}

/// A member that is always there.
fn standing(world: &mut World, app: &App) -> usize {
    let all: Vec<usize> = app.members.iter().copied().filter(|host| !world.hosts[*host].brought).collect();
    world.pick(&all)
}

/// Restored beside, looked at, swapped.
pub fn swapped(world: &mut World, app: &App) -> Tree {
    let mut plan = Plan::new(world, "restore");
    let on = standing(world, app);
    let from = world.pick(&app.repositories);
    let source = map().with("source", &app.source);
    let host = world.hosts[on].name.clone();
    let mut restore = source.clone().with("from", from).with("on", &host);
    let mut copy = format!("{}_restored", app.database);
    if app.kind != "postgres" || world.chance(60) {
        copy = format!("{}_copy", app.database);
        restore.set("into", &copy);
    }
    // Nothing is lost, so it is the data that is bad, and the newest snapshot may hold it.
    restore.set("point", world.pick(&["2026-11-20T21:04:05Z", "deadbeef00"]));
    let restore = plan.step(world, "restore", &[], restore);
    let mut before = vec![restore];
    if world.chance(40) {
        let question = extras::question(world);
        before = vec![plan.step(world, "approve", &[&before[0]], question)];
    }
    let hold = if world.chance(50) {
        hold(world, &mut plan, app, &[])
    } else {
        hold(world, &mut plan, app, &[&before[0]])
    };
    let swap = source.with("copy", copy).with("on", host).with("keep-old", "72h");
    let swap = plan.step(world, "swap", &[&before[0], &hold], swap);
    release(world, &mut plan, app, world.hosts[app.fronts[0]].region, &swap);
    promise(world, &mut plan, app.rpo, None);
    extras::add(world, &mut plan, std::slice::from_ref(app));
    plan.tree()
}

/// Back to a point from before the damage.
pub fn rolled_back(world: &mut World, app: &App) -> Tree {
    let mut plan = Plan::new(world, "rollback");
    let on = standing(world, app);
    let to = if world.chance(60) {
        let point = map().with("type", "restore-point").with("description", "From before the damage.");
        plan.head.set("inputs", map().with("point", point));
        "${{ inputs.point }}"
    } else {
        world.pick(&["2026-11-20T21:04:05Z", "0123456789abcdef"])
    };
    let hold = hold(world, &mut plan, app, &[]);
    let from = world.pick(&app.repositories);
    let back = map().with("source", &app.source).with("to", to).with("from", from);
    let back = back.with("on", world.hosts[on].name.clone());
    let back = plan.step(world, "rollback", &[&hold], back);
    release(world, &mut plan, app, world.hosts[app.fronts[0]].region, &back);
    extras::add(world, &mut plan, std::slice::from_ref(app));
    plan.tree()
}

/// A point from before an intruder came, on a member that he did not have.
pub fn after_intruder(world: &mut World, app: &App) -> Option<Tree> {
    let taken = *app.members.first()?;
    let clean = *app.members.iter().find(|host| world.hosts[**host].region == TARGET)?;
    let fronts: Vec<usize> = app.fronts.iter().copied().filter(|host| *host != taken).collect();
    if world.ready || world.hosts[clean].brought || world.there(&fronts, TARGET).is_empty() {
        return None;
    }
    let locked = app.repositories.iter().find(|name| world.locked.contains(name))?;
    let mut plan = Plan::new(world, "intruder");
    let host = world.hosts[taken].name.clone();
    let suspect = map().with("hosts", vec![host.clone()]).with("since", "2026-11-20T21:04:05Z");
    plan.head.set("scenario", map().with("suspect", suspect));
    plan.out_of_reach.push(DANGER);
    let source = map().with("source", &app.source);
    let cut = plan.step(world, "isolate", &[], source.clone().with("hosts", vec![host]));
    let hold = hold(world, &mut plan, app, &[]);
    let on = world.hosts[clean].name.clone();
    let copy = format!("{}_before", app.database);
    let restore = source.clone().with("from", locked).with("on", &on).with("into", &copy);
    let restore = restore.with("point", "2026-11-19T02:00:00Z");
    let restore = plan.step(world, "restore", &[&cut], restore);
    let swap = plan.step(world, "swap", &[&restore, &hold], source.with("copy", copy).with("on", on));
    let check = release(world, &mut plan, app, TARGET, &swap);
    if let Some(record) = &app.record {
        let to = world.regions[TARGET].clone();
        plan.step(world, "cutover", &[&check], map().with("record", record).with("to", to));
    }
    extras::add(world, &mut plan, std::slice::from_ref(app));
    Some(plan.tree())
}
