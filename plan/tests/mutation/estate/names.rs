//! Zones and records.

use crate::tree::map;
use crate::world::{App, World};

/// One or two zones, each updated from where nothing is lost.
pub fn zones(world: &mut World) {
    for number in 0..1 + world.below(2) {
        let name = world.name("zone");
        let dns = format!("shop-{number}.example");
        let safe = world.safe_region();
        let region = world.regions[safe].clone();
        let fields = if world.ready || world.chance(60) {
            let servers = match world.below(2) {
                0 => vec!["192.0.2.53".into(), "198.51.100.53:5353".into()],
                _ => {
                    vec![map().with("at", "192.0.2.53").with("region", region.clone()), "2001:db8::53".into()]
                }
            };
            map().with("kind", "rfc2136").with("servers", servers).with("key", world.secret("tsig"))
        } else {
            match world.below(2) {
                0 => map().with("kind", "route53").with("hosted-zone", "Z123"),
                _ => map().with("kind", "cloudflare").with("token", world.secret("cloudflare")),
            }
        };
        let region = if world.chance(30) { Some(region) } else { None };
        world.declare("dns", &name, fields.with("zone", dns.clone()).with_some("region", region));
        world.zones.push((name, dns));
    }
}

/// The record of an app, with its addresses where the app is.
pub fn record(world: &mut World, app: &mut App) {
    if app.fronts.len() < 2 || world.chance(15) {
        return;
    }
    let name = world.name("api");
    let zones = world.zones.clone();
    let (zone, dns) = world.pick(&zones);
    let targets = !world.ready && world.chance(20);
    let mut places = map();
    for (number, host) in app.fronts.iter().enumerate() {
        let region = world.regions[world.hosts[*host].region].clone();
        match targets {
            true => places.set(&region, format!("lb-{number}.provider.example")),
            false => places.set(&region, vec![format!("192.0.2.{}", 10 + number)]),
        }
    }
    let number = world.apps.len();
    let fields = map()
        .with("name", format!("api-{number}.{dns}"))
        .with("in", zone)
        .with("ttl", world.pick(&["30s", "60s", "5m"]))
        .with(if targets { "targets" } else { "values" }, places);
    world.declare("records", &name, fields);
    app.record = Some(name);
}
