//! Versions, statements, secrets, and a failover that was called off.

use super::build::{Plan, place};
use super::extras;
use super::restore::{hold, release};
use crate::tree::{Tree, map};
use crate::world::{App, DANGER, World};

/// Another version, or the last good one again.
pub fn deployed(world: &mut World, app: &App) -> Tree {
    let mut plan = Plan::new(world, "deploy");
    let version = if world.chance(40) {
        let version = map().with("type", "version").with("default", "1.4.2");
        plan.head.set("inputs", map().with("version", version));
        "${{ inputs.version }}"
    } else {
        world.pick(&["last-good", "1.4.2", "shop@sha256:0f1e2d3c"])
    };
    let region = world.hosts[app.fronts[0]].region;
    let (key, there) = place(world, &app.fronts, region, app.writers.len() == 1);
    let services = map().with("services", world.many(&app.writers)).with(&key, there);
    let step = if world.chance(50) {
        plan.step(world, "deploy", &[], services.with("version", version))
    } else {
        plan.step(world, "rollback", &[], services.with("to", version))
    };
    let checks = map().with("checks", world.many(&app.health)).with("region", world.regions[region].clone());
    plan.step(world, "check", &[&step], checks);
    if world.chance(30) {
        plan.get(&step).set("allow", map().with("LB0128", "waits for the next release"));
    }
    extras::add(world, &mut plan, std::slice::from_ref(app));
    plan.tree()
}

/// Statements: a harmless one, or one that takes data away once a point of it was proven.
pub fn statement(world: &mut World, app: &App) -> Option<Tree> {
    if app.repositories.is_empty() || app.kind != "postgres" {
        return None;
    }
    let mut plan = Plan::new(world, "sql");
    let on = app.members.iter().find(|host| !world.hosts[**host].brought)?;
    let source = map().with("source", &app.source).with("on", world.hosts[*on].name.clone());
    if world.chance(40) {
        let harmless = source.with("statement", "alter table users set (fillfactor = 70)");
        plan.step(world, "sql", &[], harmless);
    } else {
        let from = world.pick(&app.repositories);
        let prove = plan.step(world, "prove", &[], source.clone().with("from", from));
        let hold = hold(world, &mut plan, app, &[]);
        let statement = world.pick(&["truncate sessions", "delete from carts where old", "DROP TABLE junk"]);
        let sql = plan.step(world, "sql", &[&prove, &hold], source.with("statement", statement));
        release(world, &mut plan, app, world.hosts[app.fronts[0]].region, &sql);
    }
    extras::add(world, &mut plan, std::slice::from_ref(app));
    Some(plan.tree())
}

/// A fence that is lifted again before anything was promoted.
pub fn called_off(world: &mut World, app: &App) -> Option<Tree> {
    if app.members.len() < 2 || world.chance(50) {
        return None;
    }
    let mut plan = Plan::new(world, "call-off");
    let there = map().with("source", &app.source).with("region", world.regions[DANGER].clone());
    let fence = plan.step(world, "fence", &[], there.clone());
    let question = extras::question(world);
    let asked = plan.step(world, "approve", &[&fence], question);
    plan.step(world, "unfence", &[&asked], there);
    Some(plan.tree())
}

/// A new value for a secret.
pub fn new_secret(world: &mut World, app: &App) -> Option<Tree> {
    let secret = world.secrets.first()?.clone();
    let mut plan = Plan::new(world, "rotate");
    let region = world.hosts[app.fronts[0]].region;
    let rotate = map().with("secret", secret).with("services", world.many(&app.writers));
    plan.step(world, "rotate", &[], rotate.with("region", world.regions[region].clone()));
    extras::add(world, &mut plan, std::slice::from_ref(app));
    Some(plan.tree())
}
