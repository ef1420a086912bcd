//! A plan while it is being put together.

use crate::tree::{Tree, map};
use crate::world::World;
use std::collections::BTreeSet;

/// Verbs whose steps may be repeated by themselves.
const REPEATABLE: [&str; 9] =
    ["backup", "check", "cutover", "fence", "notify", "prove", "restore", "start", "stop"];

/// A plan.
pub struct Plan {
    /// Its top, without steps.
    pub head: Tree,
    /// Its steps.
    pub steps: Vec<(String, Tree)>,
    /// Regions of which nothing may be asked.
    pub out_of_reach: Vec<usize>,
    /// Hosts that must not be asked, besides.
    pub shunned: Vec<usize>,
    taken: BTreeSet<String>,
}

impl Plan {
    /// An empty one.
    pub fn new(world: &mut World, base: &str) -> Plan {
        let name = world.name(base);
        let mut head = map().with("plan", name);
        if world.chance(60) {
            head.set("title", "What is done, in one line");
        }
        Plan {
            head,
            steps: Vec::new(),
            out_of_reach: Vec::new(),
            shunned: (0..world.hosts.len()).filter(|host| world.hosts[*host].brought).collect(),
            taken: BTreeSet::new(),
        }
    }

    /// Adds a step; gives its name.
    pub fn step(&mut self, world: &mut World, verb: &str, after: &[&String], params: Tree) -> String {
        let name = loop {
            let number = world.below(100);
            let name = match world.below(4) {
                0 => verb.to_string(),
                1 => format!("{verb}-{number}"),
                2 => format!("{number}.{verb}"),
                _ => format!("{}-{number}", world.pick(&["then", "next", "step", "do_it"])),
            };
            if self.taken.insert(name.clone()) {
                break name;
            }
        };
        let mut after: Vec<String> = after.iter().map(|name| (*name).clone()).collect();
        after.sort();
        after.dedup();
        let mut step = map();
        if !after.is_empty() {
            step.set("after", world.many(&after));
        } else if world.chance(10) {
            step.set("after", Tree::List(Vec::new()));
        }
        step.set(verb, params);
        common(world, verb, &mut step);
        self.steps.push((name.clone(), step));
        name
    }

    /// The step of a name.
    pub fn get(&mut self, name: &str) -> &mut Tree {
        let at = self.steps.iter().position(|(own, _)| own == name);
        &mut self.steps[at.unwrap_or_default()].1
    }

    /// The finished plan.
    pub fn tree(self) -> Tree {
        let mut head = self.head;
        head.set("steps", Tree::Map(self.steps));
        head
    }
}

/// Time-outs, lengths and retries that fit the verb.
fn common(world: &mut World, verb: &str, step: &mut Tree) {
    if verb == "call" {
        return;
    }
    if world.chance(15) {
        step.set("timeout", world.pick(&["2h", "90m", "7h"]));
        if world.chance(50) {
            step.set("takes", world.pick(&["5m", "30s", "20m"]));
        }
    }
    if REPEATABLE.contains(&verb) && world.chance(15) {
        let tries = 1 + world.below(5);
        step.set("retry", map().with("tries", tries).with("pause", "2s"));
    }
    if world.chance(10) {
        step.set("on-failure", world.pick(&["ask", "stop", "unwind"]));
    }
}

/// `region: r`, or the hosts of one service there.
pub fn place(world: &mut World, hosts: &[usize], region: usize, single: bool) -> (String, Tree) {
    let there = world.there(hosts, region);
    if single && !there.is_empty() && world.chance(30) {
        let names = world.host_names(&there);
        return ("hosts".to_string(), world.many(&names));
    }
    ("region".to_string(), world.regions[region].clone().into())
}

/// Promises that a plan can keep: no looser than those of what it brings back. `restores`: the hours that
/// sources promise whose backups it restores; `moves`: those of sources that it brings back otherwise.
pub fn promise(world: &mut World, plan: &mut Plan, restores: Option<usize>, moves: Option<usize>) {
    let mut promised = map();
    if world.chance(50) {
        promised.set("rto", format!("{}h", 12 + world.below(12)));
    }
    if let Some(hours) = restores.or(moves).filter(|_| world.chance(40)) {
        let hours = if restores.is_some() { hours } else { 1 + world.below(hours) };
        promised.set("rpo", format!("{hours}h"));
    }
    if !promised.pairs().is_empty() {
        plan.head.set("objectives", promised);
    }
}
