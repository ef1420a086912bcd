//! Controllers, channels, people and secrets.

use crate::tree::{Tree, map};
use crate::world::World;

/// Named secrets, in stores that are not lost.
pub fn secrets(world: &mut World) {
    for number in 0..world.below(3) {
        let name = world.name("secret");
        let later = !world.ready && world.chance(30);
        let place = match later {
            true => map().with(
                "vault",
                map().with("at", "https://vault.shop.example:8200").with("path", "secret/data/shop"),
            ),
            false => map().with("file", format!("/etc/lifeboat/named-{number}")),
        };
        let safe = world.safe_region();
        let region = if world.chance(50) { Some(world.regions[safe].clone()) } else { None };
        world.declare("secrets", &name, place.with_some("region", region));
        world.secrets.push(name);
    }
}

/// Who drives runs. One of them at least is never lost, with its journal.
pub fn controllers(world: &mut World) {
    if world.chance(20) {
        return;
    }
    let mut homes = vec![world.safe_region()];
    if world.chance(40) {
        let more = world.below(world.regions.len());
        homes.push(more);
    }
    for (number, home) in homes.iter().enumerate() {
        let name = world.name("controller");
        let mut fields = map()
            .with("region", world.regions[*home].clone())
            .with("at", format!("controller-{number}.shop.example:7443"));
        if world.chance(40) {
            let regions = vec![world.regions[*home].clone()];
            fields.set("journal", map().with("kind", "postgres").with("regions", world.many(&regions)));
        }
        world.declare("controllers", &name, fields);
    }
    if !world.ready && world.chance(40) {
        let (name, home) = (world.name("witness"), world.safe_region());
        let fields =
            map().with("region", world.regions[home].clone()).with("at", "witness.shop.example:7443");
        world.declare("witnesses", &name, fields);
    }
}

/// Where people are told.
pub fn channels(world: &mut World) {
    for _ in 0..1 + world.below(3) {
        let name = world.name("channel");
        let kind = if world.ready { 0 } else { world.below(4) };
        let fields = match kind {
            0 => map().with("kind", "webhook").with("url", "https://chat.shop.example/hook"),
            1 => map().with("kind", "slack").with("channel", "#incidents"),
            2 => map().with("kind", "statuspage").with("page", "shop"),
            _ => map()
                .with("kind", "email")
                .with("to", vec!["all@shop.example"])
                .with("from", "status@shop.example")
                .with("server", "mail.shop.example:587"),
        };
        let fields = if kind == 3 { fields } else { fields.with("token", world.secret("chat")) };
        let safe = world.safe_region();
        let region = if world.chance(40) { Some(world.regions[safe].clone()) } else { None };
        world.declare("channels", &name, fields.with_some("region", region));
        world.channels.push(name);
    }
}

/// Roles, and either no contacts at all or one for each person.
pub fn roles(world: &mut World) {
    let listed = world.chance(60);
    for number in 0..1 + world.below(3) {
        let name = world.name("role");
        let people: Vec<String> = (0..1 + world.below(2)).map(|at| format!("person-{number}-{at}")).collect();
        let mut fields = map().with("primary", people[0].clone()).with_some("backup", people.get(1).cloned());
        if world.chance(30) {
            fields.set("duties", vec!["declare the disaster", "coordinate"]);
        }
        world.declare("roles", &name, fields);
        world.roles.push(name);
        for person in people.iter().filter(|_| listed) {
            let reached = reached(world);
            world.declare("contacts", person, reached.with("name", "Anna"));
        }
    }
}

/// A way to a person that no lost region cuts off.
fn reached(world: &mut World) -> Tree {
    let safe = world.safe_region();
    match world.below(3) {
        0 => map().with("phone", "+49 30 5550101"),
        1 => map().with("email", "anna@shop.example").with("mail-region", world.regions[safe].clone()),
        _ => {
            let channels = world.channels.clone();
            map().with("chat", "@anna").with("channel", world.pick(&channels))
        }
    }
}

/// What is promised to users, and when nobody is woken.
pub fn promises(world: &mut World) {
    let app = world.apps[0].clone();
    if world.chance(40) {
        let name = world.name("objective");
        let fields = map()
            .with("of", app.writers[0].clone())
            .with("availability", "99%")
            .with("over", "365d")
            .with("latency", map().with("within", "500ms").with("share", "95%"))
            .with("measured-by", app.health[0].clone());
        world.declare("objectives", &name, fields);
    }
    if world.chance(40) {
        let name = world.name("window");
        let fields = map()
            .with("at", "0 2 * * 0")
            .with("zone", "UTC")
            .with("for", "2h")
            .with("of", vec![app.writers[0].clone(), app.source.clone()])
            .with("tell", world.channels[0].clone());
        world.declare("maintenance", &name, fields);
    }
}
