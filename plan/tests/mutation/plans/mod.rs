//! Random plans in which nothing is wrong, of several families.

mod build;
mod change;
mod extras;
mod failover;
mod rebuild;
mod restore;
mod small;

use crate::tree::Tree;
use crate::world::{App, World};

/// Plans for an estate, each with a name of its own.
pub fn plans(world: &mut World) -> Vec<Tree> {
    let mut out = Vec::new();
    let apps = world.apps.clone();
    let spanning: Vec<App> =
        apps.iter().filter(|app| app.members.len() > 1 && app.stack.is_none()).cloned().collect();
    if !spanning.is_empty() {
        let chosen = world.some(&spanning);
        let how = world.pick(&[failover::How::Lost, failover::How::Suspect, failover::How::Planned]);
        out.push(failover::away(world, &chosen, how));
        out.push(failover::home(world, &chosen));
    }
    for app in &apps {
        if app.stack.is_some() {
            out.extend(rebuild::cold(world, app));
        }
        if !app.repositories.is_empty() {
            match world.below(4) {
                0 => out.push(restore::swapped(world, app)),
                1 => out.push(restore::rolled_back(world, app)),
                2 => out.extend(restore::after_intruder(world, app)),
                _ => {}
            }
        }
        match world.below(3) {
            0 if !world.ready => out.push(change::deployed(world, app)),
            1 => out.extend(small::called(world, app)),
            _ => {}
        }
    }
    for loose in world.loose.clone() {
        out.extend(small::copied(world, &loose));
    }
    let app = world.pick(&apps);
    out.extend(small::proven(world, &app));
    if !world.ready {
        out.extend(change::statement(world, &app));
        out.extend(change::called_off(world, &app));
        out.extend(change::new_secret(world, &app));
    }
    out
}
