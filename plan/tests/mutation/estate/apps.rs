//! Apps: a database with its server, services that write to it, checks, and how users reach them.

use super::{data, host, host_in, lab_of, names, room, span, with_labs};
use crate::tree::{Tree, map};
use crate::world::{App, TARGET, World};

/// A digest, as `sha256sum` prints it.
pub const DIGEST: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// Adds one app with everything around it.
pub fn app(world: &mut World) {
    let mut app = App::default();
    let regions = span(world);
    let cold = !world.ready && regions.len() > 1 && room(world) && world.chance(35);
    for region in &regions {
        let brought = cold && *region == TARGET;
        let member = if brought { host(world, *region, true) } else { host_in(world, *region) };
        app.members.push(member);
        if *region == TARGET && !brought && world.chance(15) {
            let second = host_in(world, *region);
            if !app.members.contains(&second) {
                app.members.push(second);
            }
        }
        let front = if brought { member } else { host_in(world, *region) };
        app.fronts.push(front);
    }
    if cold {
        app.stack = Some(stack(world, &app));
    }
    services(world, &mut app);
    data::database(world, &mut app);
    checks(world, &mut app);
    names::record(world, &mut app);
    if !world.ready && world.chance(40) {
        pool(world, &mut app);
    }
    world.apps.push(app);
}

fn stack(world: &mut World, app: &App) -> String {
    let name = world.name("stack");
    let on = host_in(world, TARGET);
    let safe = world.safe_region();
    let fresh: Vec<usize> = app.members.iter().copied().filter(|host| world.hosts[*host].brought).collect();
    let brings = world.host_names(&fresh);
    let kind = world.pick(&["terraform", "opentofu"]);
    let state = map().with("at", "s3://infra/state").with("region", world.regions[safe].clone());
    let fields = map()
        .with("kind", kind)
        .with("folder", "/srv/infra")
        .with("on", world.hosts[on].name.clone())
        .with("region", world.regions[TARGET].clone())
        .with("brings", world.many(&brings))
        .with("state", state)
        .with("variables", map().with("size", "large"))
        .with("outputs", map().with("address", "text").with("count", "number"));
    world.declare("stacks", &name, fields);
    name
}

/// A service; gives its name.
fn service(world: &mut World, base: &str, hosts: &[usize], needs: &[String], rto: Option<usize>) -> String {
    let name = world.name(base);
    let mut kinds = vec!["systemd", "container"];
    if !world.drill {
        kinds.push("process");
    }
    if !world.ready {
        kinds.extend(["compose", "kubernetes", "autoscaling"]);
    }
    let kind = world.pick(&kinds);
    let fields = match kind {
        "systemd" => map().with("unit", format!("{base}@15.main")),
        "container" => map().with("container", format!("{base}_1")),
        "process" => map()
            .with("run", vec![format!("/usr/bin/{base}"), "--queue".into(), "exams".into()])
            .with("user", "worker")
            .with("environment", map().with("LANG", "C.UTF-8"))
            .with("stop-signal", world.pick(&["TERM", "INT"]))
            .with("stop-grace", "20s"),
        "compose" => map().with("project", "shop").with("service", base).with("replicas", "3"),
        "kubernetes" => map().with("workload", format!("deployment/{base}")).with("namespace", "shop"),
        _ => map().with("group", "asg-1").with("cloud", "aws"),
    };
    let names = with_labs(world, hosts);
    let own = kind == "systemd" && (world.labs_declared || !world.drill) && world.chance(30);
    let hosts: Tree = if own {
        let each = names.iter().enumerate();
        Tree::Map(each.map(|(at, host)| (host.clone(), map().with("unit", format!("{base}-{at}")))).collect())
    } else {
        world.many(&names)
    };
    let mut fields = fields.with("kind", kind).with("hosts", hosts);
    if !needs.is_empty() {
        fields.set("needs", world.many(needs));
    }
    if let Some(hours) = rto {
        fields.set("objectives", map().with("rto", format!("{hours}h")));
    }
    world.declare("services", &name, fields);
    name
}

fn services(world: &mut World, app: &mut App) {
    let (members, fronts) = (app.members.clone(), app.fronts.clone());
    app.server = service(world, "postgres", &members, &[], None);
    app.source = world.name("data");
    if world.chance(50) {
        app.cache = Some(service(world, "cache", &fronts, &[], None));
    }
    let mut needs: Vec<String> = vec![app.source.clone()];
    needs.extend(app.cache.clone());
    for (number, base) in ["web", "worker", "jobs"].iter().enumerate().take(1 + world.below(3)) {
        // Whoever needs something is back after it.
        let rto = if world.chance(50) { Some(72 + 24 * number) } else { None };
        let writer = service(world, base, &fronts, &needs, rto);
        needs = vec![writer.clone()];
        app.writers.push(writer);
    }
}

fn checks(world: &mut World, app: &mut App) {
    for _ in 0..1 + world.below(2) {
        let check = world.name("health");
        let question = front_question(world, app);
        let first = app.writers[0].clone();
        world.declare("checks", &check, question.with("of", first).with("within", "5s"));
        app.health.push(check);
    }
    for _ in 0..world.below(3) {
        let check = world.name("rows");
        let sql = ["postgres", "mysql", "mariadb"].contains(&app.kind) && world.chance(70);
        let question = match (sql, app.kind) {
            (true, _) => {
                let asked = map().with("sql", "select count(*) from users");
                app.sql.push(check.clone());
                if world.chance(50) { asked.with("at-least", "1") } else { asked.with("equals", "150000") }
            }
            (false, "postgres") => match world.below(if world.ready { 2 } else { 3 }) {
                0 => map().with("tcp", map()),
                1 => map().with("disk", map().with("path", "/var/lib").with("free", "10GiB")),
                _ => map().with("lag", "30s"),
            },
            (false, _) => map().with("ping", map()),
        };
        let source = app.source.clone();
        world.declare("checks", &check, question.with("of", source).with("every", "1m"));
        app.data.push(check);
    }
}

fn front_question(world: &mut World, app: &App) -> Tree {
    match world.below(if world.ready { 5 } else { 7 }) {
        0 => map().with("tcp", map().with("address", "127.0.0.1:8080")),
        1 => map().with("http", map().with("url", "http://127.0.0.1:8080/health").with("status", "200")),
        2 => {
            let mut urls = map();
            for host in &app.fronts {
                let name = world.hosts[*host].name.clone();
                urls.set(&name, format!("http://{host}.shop.example/health"));
                if world.drill {
                    urls.set(&lab_of(world, *host), "http://127.0.0.1/health");
                }
            }
            map().with("http", map().with("urls", urls).with("body", "ok"))
        }
        3 => {
            let script = map().with("script", "/opt/smoke.sh").with("args", vec!["critical"]);
            map().with("command", script.with("sha256", DIGEST))
        }
        4 => map().with("disk", map().with("path", "/var/lib").with("free", "500MB")),
        5 => map().with("certificate", map().with("at", "shop.example:443").with("valid-for", "14d")),
        _ => map().with("pods", map().with("namespace", "shop").with("selector", "app=web")),
    }
}

fn pool(world: &mut World, app: &mut App) {
    let name = world.name("front");
    let mut members = map();
    for host in &app.fronts {
        let region = world.regions[world.hosts[*host].region].clone();
        members.set(&region, vec![world.hosts[*host].name.clone()]);
    }
    let safe = world.safe_region();
    let region = world.regions[safe].clone();
    let region = if world.chance(50) { Some(region) } else { None };
    let fields = map()
        .with("kind", "nginx")
        .with("upstream", "web")
        .with("members", members)
        .with("serves", app.writers[0].clone())
        .with_some("region", region);
    world.declare("pools", &name, fields);
    app.pool = Some(name);
}
