//! Proofs, copies of files, and plans that call another one.

use super::build::{Plan, place, promise};
use super::extras;
use crate::tree::{Tree, map};
use crate::world::{App, Loose, World};

/// A backup is taken and proven.
pub fn proven(world: &mut World, app: &App) -> Option<Tree> {
    let to = app.repositories.first()?.clone();
    let on = *app.members.iter().find(|host| !world.hosts[**host].brought)?;
    let mut plan = Plan::new(world, "prove");
    let source = map().with("source", &app.source).with("on", world.hosts[on].name.clone());
    let tags = vec!["by-hand".to_string()];
    let backup = plan.step(world, "backup", &[], source.clone().with("to", &to).with("tags", tags));
    let mut prove = source.with("from", to);
    if !world.ready && world.chance(60) {
        prove.set("point", format!("${{{{ steps.{backup}.outputs.snapshot }}}}"));
    }
    if !app.sql.is_empty() && world.chance(60) {
        prove.set("checks", world.many(&app.sql));
    }
    plan.step(world, "prove", &[&backup], prove);
    if world.chance(30) {
        let channel = world.channels[0].clone();
        let note = map().with("notify", map().with("channel", channel).with("state", "resolved"));
        if !world.ready {
            plan.head.set("finally", map().with("told", note));
        }
    }
    extras::add(world, &mut plan, std::slice::from_ref(app));
    Some(plan.tree())
}

/// Files are restored beside the live ones.
pub fn copied(world: &mut World, loose: &Loose) -> Option<Tree> {
    let from = loose.repositories.first()?.clone();
    let mut plan = Plan::new(world, "copy");
    let restore = map().with("source", &loose.source).with("from", from).with("into", "/srv/restored");
    let restore = if world.chance(50) {
        restore.with("on", world.hosts[loose.host].name.clone())
    } else {
        restore.with("region", world.regions[world.hosts[loose.host].region].clone())
    };
    plan.step(world, "restore", &[], restore);
    promise(world, &mut plan, loose.rpo, None);
    let apps = world.apps.clone();
    extras::add(world, &mut plan, &apps);
    Some(plan.tree())
}

/// One plan that starts an app, given a place, and one that calls it.
pub fn called(world: &mut World, app: &App) -> Vec<Tree> {
    let region = world.hosts[app.fronts[0]].region;
    let mut child = Plan::new(world, "bring-up");
    let alone = world.chance(50);
    if !alone || world.chance(50) {
        child.head.set("alone", if alone { "true" } else { "false" });
    }
    child.head.set("inputs", map().with("place", map().with("type", "text")));
    let place_of = "${{ inputs.place }}";
    let start = map().with("services", world.many(&app.writers)).with("region", place_of);
    let start = child.step(world, "start", &[], start);
    let checks = map().with("checks", world.many(&app.health)).with("region", place_of);
    child.step(world, "check", &[&start], checks);
    let mut plan = Plan::new(world, "caller");
    let mut before = Vec::new();
    if let Some(cache) = &app.cache {
        let (key, there) = place(world, &app.fronts, region, true);
        before.push(plan.step(
            world,
            "start",
            &[],
            map().with("services", vec![cache.clone()]).with(&key, there),
        ));
    }
    let before: Vec<&String> = before.iter().collect();
    let name = child.head.text_of("plan").unwrap_or_default().to_string();
    let given = map().with("place", world.regions[region].clone());
    let call = plan.step(world, "call", &before, map().with("plan", name).with("inputs", given));
    if let (Some(record), true) = (&app.record, world.chance(60)) {
        let there = world.regions[region].clone();
        plan.step(world, "cutover", &[&call], map().with("record", record).with("to", there));
    }
    vec![child.tree(), plan.tree()]
}
