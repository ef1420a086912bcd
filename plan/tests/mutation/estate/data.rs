//! Repositories, databases and other data, with their backups and what is promised about them.

use super::{host_in, with_labs};
use crate::tree::{Tree, map};
use crate::world::{App, Loose, World};

/// When backups are taken, and the longest time between two of them in hours.
const TIMES: [(&str, usize); 4] =
    [("15 * * * *", 1), ("0 */6 * * *", 7), ("0 2 * * *", 25), ("30 3 * * 0", 169)];
/// What one backup may take at most here, with its way into another region, in hours.
const TAKES: usize = 1;

/// Repositories: one in each region at least, so that no region takes all copies with it.
pub fn repositories(world: &mut World) {
    let mut homes: Vec<usize> = (0..world.regions.len()).collect();
    if world.chance(40) {
        let more = world.below(world.regions.len());
        homes.push(more);
    }
    for region in homes {
        let name = world.name("backups");
        let bucket = world.chance(60);
        let mut fields = map()
            .with("region", world.regions[region].clone())
            .with("at", if bucket { "s3://shop-backups/prod" } else { "/srv/backups" })
            .with("password", world.secret("backups"));
        if bucket && world.chance(50) {
            fields.set("class", "STANDARD_IA");
            fields.set("endpoint", "https://s3.shop.example");
            fields.set("object-lock", map().with("mode", "governance").with("days", "30"));
        }
        if fields.get("object-lock").is_some() {
            world.locked.push(name.clone());
        }
        world.declare("repositories", &name, fields);
        world.repositories.push((name, region));
    }
}

/// The database of an app.
pub fn database(world: &mut World, app: &mut App) {
    let kinds = ["postgres", "mysql", "mariadb", "mongodb"];
    app.kind = if world.ready || world.chance(70) { "postgres" } else { world.pick(&kinds) };
    app.database = world.pick(&["shop", "tutor", "exams"]).to_string();
    let names = with_labs(world, &app.members);
    let mut fields = map()
        .with("kind", app.kind)
        .with("database", app.database.clone())
        .with("server", app.server.clone())
        .with("writers", world.many(&app.writers));
    let own = (world.labs_declared || !world.drill) && world.chance(40);
    if own {
        let each = names.iter().enumerate();
        let followed = app.kind == "postgres" && world.chance(50);
        let own = |(at, host): (usize, &String)| {
            let own = map().with("port", 5432 + at);
            let there = || format!("db-{at}.shop.example:{}", 5432 + at);
            (host.clone(), if followed { own.with("followed-at", there()) } else { own })
        };
        let ports = each.map(own).collect();
        fields.set("members", Tree::Map(ports));
    } else {
        fields.set("members", world.many(&names));
    }
    if world.chance(50) {
        fields.set("user", "backup");
        fields.set("password", world.secret("database"));
    }
    if app.kind == "postgres" && world.chance(30) {
        fields.set("replication-user", "replicator");
        fields.set("replication-password", world.secret("replicator"));
    }
    let home = world.hosts[app.members[0]].region;
    let (repositories, rpo) = backups(world, &app.source.clone(), home, &mut fields);
    (app.repositories, app.rpo) = (repositories, rpo);
    world.declare("sources", &app.source.clone(), fields);
}

/// Files, and what this version only knows by name.
pub fn loose(world: &mut World) {
    for _ in 0..world.below(3) {
        let source = world.name("files");
        let kind =
            if world.ready { "files" } else { world.pick(&["files", "files", "redis", "bucket", "volume"]) };
        let region = world.below(world.regions.len().min(2));
        let host = host_in(world, region);
        let names = with_labs(world, &[host]);
        let members = world.many(&names);
        let mut fields = match kind {
            "files" => map().with("paths", vec!["/srv/uploads", "/etc/shop"]).with("excludes", vec!["*.tmp"]),
            "redis" => map().with("rebuilds", "true").with("folder", "/var/lib/redis"),
            "bucket" => map().with("at", "s3://media/prod"),
            _ => map().with("manager", "lvm").with("volume", "vg0/data"),
        };
        fields.set("kind", kind);
        fields.set("members", members);
        let (repositories, rpo) = backups(world, &source, region, &mut fields);
        world.declare("sources", &source, fields);
        world.loose.push(Loose { source, kind, host, repositories, rpo });
    }
}

/// A schedule of a source, and what it keeps; gives its repositories and the hours that may be lost. The
/// member that takes the backups stands in the region `home`.
fn backups(world: &mut World, source: &str, home: usize, fields: &mut Tree) -> (Vec<String>, Option<usize>) {
    let far: Vec<String> = world
        .repositories
        .iter()
        .filter(|(_, region)| *region != home)
        .map(|(name, _)| name.clone())
        .collect();
    if far.is_empty() || world.chance(10) {
        return (Vec::new(), None);
    }
    let near = world.repositories.iter().find(|(_, region)| *region == home).map(|(name, _)| name.clone());
    let mut to = vec![world.pick(&far)];
    if world.chance(40) {
        to.extend(near);
    }
    let (at, gap) = world.pick(&TIMES);
    let name = world.name("schedule");
    let mut schedule = map().with("backup", source).with("to", world.many(&to)).with("at", at);
    if world.chance(50) {
        schedule.set("zone", world.pick(&["UTC", "Europe/Berlin", "America/New_York"]));
    }
    if world.chance(30) {
        schedule.set("takes", "20m");
        schedule.set("transfer", "15m");
    }
    let proofs =
        world.pick(&[None, Some(("true", gap + 2)), Some(("weekly", 7 * 24 + 2)), Some(("daily", 26))]);
    schedule = schedule.with_some("prove", proofs.map(|(word, _)| word));
    let days = 14 + world.below(60);
    if world.chance(60) {
        schedule.set("keep", map().with("days", days));
    }
    let mut promised = map();
    let mut rpo = None;
    if world.chance(60) {
        let hours = gap + TAKES + 1 + world.below(6);
        promised.set("rpo", format!("{hours}h"));
        rpo = Some(hours);
    }
    if world.chance(50) {
        promised.set("rto", format!("{}h", 24 + world.below(24)));
    }
    if world.chance(30) && schedule.get("keep").is_some() {
        promised.set("detection", format!("{}h", days * 24 - gap - TAKES));
    }
    if let Some((_, hours)) = proofs.filter(|_| world.chance(60)) {
        promised.set("proven", format!("{}h", hours + world.below(20)));
    }
    world.declare("schedules", &name, schedule);
    if !promised.pairs().is_empty() {
        fields.set("objectives", promised);
    }
    (to, rpo)
}
