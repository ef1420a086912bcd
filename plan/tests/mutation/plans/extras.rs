//! Steps that stand beside a plan's own ones: messages, questions, waits, looks and evidence.

use super::build::Plan;
use crate::estate::DIGEST;
use crate::tree::{Tree, map};
use crate::world::{App, World};

/// Verbs that take data away on a host, or instances with their logs.
const DESTROY: [&str; 7] = ["swap", "rollback", "sql", "rejoin", "stop", "scale", "deploy"];

/// What a person is asked.
pub fn question(world: &mut World) -> Tree {
    let roles = world.roles.clone();
    let question = map().with("question", "Is it really so?");
    if world.chance(70) { question.with("role", world.pick(&roles)) } else { question }
}

/// Adds some, in random places of the graph.
pub fn add(world: &mut World, plan: &mut Plan, apps: &[App]) {
    let own: Vec<String> = plan.steps.iter().map(|(name, _)| name.clone()).collect();
    let mut commanded = Vec::new();
    for _ in 0..world.below(5) {
        let mut after = Vec::new();
        for _ in 0..world.below(3) {
            after.push(world.pick(&own));
        }
        let after: Vec<&String> = after.iter().collect();
        let added = match world.below(if world.ready { 5 } else { 8 }) {
            0 => {
                let length = world.pick(&["1s", "30s", "2m", "1m30s"]);
                plan.step(world, "wait", &after, map().with("for", length))
            }
            1 => message(world, plan, &after),
            2 => {
                let asked = question(world).with("within", "5m");
                plan.step(world, "approve", &after, asked)
            }
            3 => match look(world, plan, apps, &after) {
                Some(step) => step,
                None => continue,
            },
            4 => match command(world, plan, &mut commanded, &after) {
                Some(step) => step,
                None => continue,
            },
            5 | 6 => {
                asked(world, plan, &after);
                continue;
            }
            _ => {
                evidence(world, plan, apps);
                continue;
            }
        };
        if world.chance(20) {
            plan.get(&added).set("when", map().with("mode", world.pick(&["live", "drill"])));
        } else if world.chance(15) {
            plan.get(&added).set("on-failure", "continue");
        }
        // It may hold up one that would begin at once, where it waits for nothing itself.
        if after.is_empty() && world.chance(30) {
            let held = world.pick(&own);
            let step = plan.get(&held);
            if step.get("after").is_none() {
                step.set("after", vec![added]);
            }
        }
    }
}

fn message(world: &mut World, plan: &mut Plan, after: &[&String]) -> String {
    let channels = world.channels.clone();
    let state = world.pick(&["investigating", "identified", "monitoring", "resolved"]);
    let mut notify = map().with("channel", world.pick(&channels)).with("state", state);
    if world.chance(50) {
        notify.set("text", "We are on it: more at noon, or before.");
    }
    plan.step(world, "notify", after, notify)
}

/// Hosts that are there, and may be asked and believed.
fn askable(world: &World, plan: &Plan, hosts: &[usize]) -> Vec<usize> {
    let fine = |host: &usize| {
        !plan.shunned.contains(host) && !plan.out_of_reach.contains(&world.hosts[*host].region)
    };
    hosts.iter().copied().filter(fine).collect()
}

fn look(world: &mut World, plan: &mut Plan, apps: &[App], after: &[&String]) -> Option<String> {
    let app = world.pick(apps);
    let hosts = askable(world, plan, &app.fronts);
    if hosts.is_empty() {
        return None;
    }
    let hosts = world.some(&hosts);
    let hosts = world.host_names(&hosts);
    let check = map().with("checks", world.pick(&app.health)).with("hosts", world.many(&hosts));
    Some(plan.step(world, "check", after, check))
}

/// A script on a host on which no other one runs.
fn command(
    world: &mut World,
    plan: &mut Plan,
    commanded: &mut Vec<usize>,
    after: &[&String],
) -> Option<String> {
    let all: Vec<usize> = (0..world.hosts.len()).filter(|host| !commanded.contains(host)).collect();
    let hosts = askable(world, plan, &all);
    if hosts.is_empty() {
        return None;
    }
    let host = world.pick(&hosts);
    commanded.push(host);
    let script = map()
        .with("script", "/opt/warm-up.sh")
        .with("args", vec!["all", "--level=3"])
        .with("sha256", DIGEST)
        .with("hosts", vec![world.hosts[host].name.clone()]);
    let step = plan.step(world, "command", after, script);
    if world.chance(50) {
        plan.get(&step).set("undo", "none");
    }
    Some(step)
}

/// A task with an answer, and a step that is done only for one answer.
fn asked(world: &mut World, plan: &mut Plan, after: &[&String]) {
    let answers = map().with("far", map().with("type", "text").with("one-of", vec!["yes", "no"]));
    let ask = plan.step(
        world,
        "ask",
        after,
        map().with("task", "Look whether it is far.").with("answers", answers),
    );
    let note = message(world, plan, &[&ask]);
    plan.get(&note).set("when", map().with("output", map().with(&format!("{ask}.far"), "yes")));
    if plan.head.get("inputs").is_none() && world.chance(50) {
        plan.head.set("inputs", map().with("reach", map().with("type", "text").with("default", "all")));
        let told = message(world, plan, &[&ask]);
        plan.get(&told).set("when", map().with("input", map().with("reach", "all")));
    }
}

/// Logs, from before anything is destroyed.
fn evidence(world: &mut World, plan: &mut Plan, apps: &[App]) {
    let app = world.pick(apps);
    let hosts = askable(world, plan, &app.fronts);
    if hosts.is_empty() {
        return;
    }
    let hosts = world.host_names(&hosts);
    let collect = map()
        .with("hosts", world.many(&hosts))
        .with("services", app.writers[0].clone())
        .with("since", "6h")
        .with("folder", "/srv/evidence");
    let collect = plan.step(world, "collect", &[], collect);
    for (_, step) in &mut plan.steps {
        if step.pairs().iter().any(|(key, _)| DESTROY.contains(&key.as_str())) {
            let mut after = step.get("after").map(Tree::texts).unwrap_or_default();
            after.push(collect.clone());
            step.set("after", after);
        }
    }
}
