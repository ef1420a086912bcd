//! Random estates in which nothing is wrong.

mod apps;
mod data;
mod names;
mod people;

pub use apps::DIGEST;

use crate::tree::map;
use crate::world::{DANGER, Host, TARGET, World};
use fastrand::Rng;
use std::collections::BTreeSet;

/// Most hosts besides those that stand in.
const MAX_HOSTS: usize = 12;

/// An estate. `ready`: only what this version carries out.
pub fn estate(mut rng: Rng) -> World {
    let (ready, drill, labs_declared) = (rng.bool(), rng.bool(), rng.u8(0..100) < 40);
    let mut world = World {
        rng,
        taken: BTreeSet::new(),
        ready,
        drill,
        labs_declared: drill && labs_declared,
        regions: Vec::new(),
        hosts: Vec::new(),
        apps: Vec::new(),
        loose: Vec::new(),
        locked: Vec::new(),
        repositories: Vec::new(),
        channels: Vec::new(),
        roles: Vec::new(),
        secrets: Vec::new(),
        zones: Vec::new(),
        sections: map(),
    };
    places(&mut world);
    people::secrets(&mut world);
    data::repositories(&mut world);
    names::zones(&mut world);
    for _ in 0..[1, 1, 1, 2, 3][world.below(5)] {
        apps::app(&mut world);
    }
    data::loose(&mut world);
    people::controllers(&mut world);
    people::channels(&mut world);
    people::roles(&mut world);
    if !world.ready {
        people::promises(&mut world);
    }
    if world.drill {
        stand_ins(&mut world);
    }
    world
}

fn places(world: &mut World) {
    for _ in 0..[1, 2, 2, 3, 4][world.below(5)] {
        let base = world.pick(&["us-east", "eu-west", "ap-south", "rack", "dc", "site"]);
        let name = world.name(base);
        world.regions.push(name.clone());
        world.declare("regions", &name, map());
    }
    for region in 0..world.regions.len() {
        let least = if region <= TARGET { 2 } else { 0 };
        for _ in 0..least + world.below(3) {
            host(world, region, false);
        }
    }
}

/// One more host; gives its number.
fn host(world: &mut World, region: usize, brought: bool) -> usize {
    let base = world.pick(&["db", "web", "node", "vm", "app"]);
    let name = world.name(base);
    let home = world.regions[region].clone();
    world.declare("hosts", &name, map().with("region", home));
    world.hosts.push(Host { name, region, brought });
    world.hosts.len() - 1
}

/// A host of a region, of those that are always there.
fn host_in(world: &mut World, region: usize) -> usize {
    let all: Vec<usize> = (0..world.hosts.len()).collect();
    let there: Vec<usize> =
        world.there(&all, region).into_iter().filter(|host| !world.hosts[*host].brought).collect();
    world.pick(&there)
}

/// The stand-in of each host: nothing is in two drills at once.
fn lab_of(world: &World, host: usize) -> String {
    format!("lab.{}", world.hosts[host].name)
}

/// Hosts with those that stand in for them, where these are declared beside them.
fn with_labs(world: &World, hosts: &[usize]) -> Vec<String> {
    let mut names = world.host_names(hosts);
    if world.labs_declared {
        names.extend(hosts.iter().map(|host| lab_of(world, *host)));
    }
    names
}

fn stand_ins(world: &mut World) {
    let mut drill = map();
    let mut hosts = map();
    for host in 0..world.hosts.len() {
        let lab = lab_of(world, host);
        let region = world.safe_region();
        let home = world.regions[region].clone();
        world.declare("hosts", &lab, map().with("region", home));
        hosts.set(&world.hosts[host].name.clone(), lab);
    }
    drill.set("hosts", hosts);
    let section = |world: &World, name: &str| {
        let nouns = world.sections.get(name).map(|nouns| nouns.pairs().to_vec());
        nouns.unwrap_or_default()
    };
    let mut records = map();
    for (number, (record, fields)) in section(world, "records").into_iter().enumerate() {
        let zone = fields.text_of("in").and_then(|zone| world.zones.iter().find(|one| one.0 == zone));
        let zone = zone.map(|(_, dns)| dns.clone()).unwrap_or_default();
        records.set(&record, format!("rehearsal-{number}.{zone}"));
    }
    let mut channels = map();
    for (channel, _) in section(world, "channels") {
        channels.set(&channel, channel.clone());
    }
    let mut stacks = map();
    for (number, (stack, fields)) in section(world, "stacks").into_iter().enumerate() {
        let lab = world.name("lab-stack");
        let mut rehearsed = fields.with("folder", format!("/srv/rehearsed-{number}"));
        rehearsed.remove("brings");
        world.declare("stacks", &lab, rehearsed);
        stacks.set(&stack, lab);
    }
    let mut pools = map();
    for (number, (pool, fields)) in section(world, "pools").into_iter().enumerate() {
        let lab = world.name("lab-front");
        world.declare("pools", &lab, fields.with("upstream", format!("rehearsed-{number}")));
        pools.set(&pool, lab);
    }
    let mut secrets = map();
    for (number, (secret, _)) in section(world, "secrets").into_iter().enumerate() {
        let lab = world.name("lab-secret");
        world.declare("secrets", &lab, map().with("file", format!("/etc/lifeboat/rehearsed-{number}")));
        secrets.set(&secret, lab);
    }
    let mut repositories = map();
    let stand_in = world.name("rehearsals");
    for (repository, _) in section(world, "repositories") {
        repositories.set(&repository, stand_in.clone());
    }
    let region = world.safe_region();
    let fields = map()
        .with("region", world.regions[region].clone())
        .with("at", "/srv/rehearsals")
        .with("password", map().with("file", "/etc/lifeboat/rehearsals"));
    world.declare("repositories", &stand_in, fields);
    let tables = [
        ("records", records),
        ("channels", channels),
        ("stacks", stacks),
        ("pools", pools),
        ("secrets", secrets),
        ("repositories", repositories),
    ];
    for (key, table) in tables {
        if !table.pairs().is_empty() {
            drill.set(key, table);
        }
    }
    world.sections.set("drill", drill);
}

/// Whether a host may still be had for one more purpose.
fn room(world: &World) -> bool {
    world.hosts.len() < MAX_HOSTS
}

/// Regions that an app spans: one, or the one that may be lost and the one that takes over, or a third too.
fn span(world: &mut World) -> Vec<usize> {
    let third = (TARGET + 1..world.regions.len())
        .find(|region| world.hosts.iter().any(|host| host.region == *region && !host.brought));
    match (world.regions.len(), third) {
        (1, _) => vec![DANGER],
        (_, Some(third)) if world.chance(20) => vec![DANGER, TARGET, third],
        (_, _) => vec![DANGER, TARGET],
    }
}
