//! From nothing: machines are made, data is restored, services are started.

use super::build::{Plan, promise};
use super::extras;
use super::failover::{self, checked};
use crate::tree::{Tree, map};
use crate::world::{App, DANGER, TARGET, World};

/// A cold rebuild in the target region, with a repository that is still there, and the way back.
pub fn cold(world: &mut World, app: &App) -> Vec<Tree> {
    let safe =
        |name: &&String| world.repositories.iter().any(|(own, region)| own == *name && *region != DANGER);
    let (Some(from), Some(stack)) = (app.repositories.iter().find(safe).cloned(), app.stack.clone()) else {
        return Vec::new();
    };
    let mut plan = Plan::new(world, "rebuild");
    let danger = world.regions[DANGER].clone();
    plan.head.set("scenario", map().with("lost", vec![danger.clone()]));
    plan.out_of_reach.push(DANGER);
    let on = world.there(&app.members, TARGET)[0];
    let host = world.hosts[on].name.clone();
    let region = world.regions[TARGET].clone();
    let variables = map().with("size", "large");
    let provision =
        plan.step(world, "provision", &[], map().with("stack", stack).with("variables", variables));
    let lost = map().with("source", &app.source).with("region", danger);
    let fence = if world.chance(30) {
        plan.step(world, "isolate", &[], lost)
    } else {
        let risk = "it may come back and accept writes";
        plan.step(world, "fence", &[], lost.with("evidence", "unreachable").with("risk", risk))
    };
    let server = map().with("services", vec![app.server.clone()]).with("hosts", vec![host.clone()]);
    let server = plan.step(world, "start", &[&provision, &fence], server);
    let source = map().with("source", &app.source);
    let copy = format!("{}_copy", app.database);
    let restore = source.clone().with("from", from).with("on", &host).with("into", &copy);
    let restore = plan.step(world, "restore", &[&server], restore);
    let writers = world.many(&app.writers);
    // On all their hosts that are left, also in a third region.
    let hold = plan.step(world, "stop", &[&provision], map().with("services", writers));
    let swap = source.with("copy", copy).with("on", host);
    let swap = plan.step(world, "swap", &[&restore, &hold], swap);
    let mut services: Vec<String> = app.cache.iter().cloned().collect();
    services.extend(app.writers.clone());
    let start = map().with("services", services).with("region", &region);
    let start = plan.step(world, "start", &[&swap], start);
    let check = checked(world, &mut plan, app, TARGET, &start);
    if let Some(record) = &app.record {
        plan.step(world, "cutover", &[&check], map().with("record", record).with("to", &region));
    }
    if let Some(pool) = &app.pool {
        plan.step(world, "switch", &[&check], map().with("pool", pool).with("to", &region));
    }
    promise(world, &mut plan, app.rpo, None);
    extras::add(world, &mut plan, std::slice::from_ref(app));
    vec![plan.tree(), failover::home(world, std::slice::from_ref(app))]
}
