//! Plans that are added to a right estate, each with one thing wrong.

use super::broken::Broken;
use crate::estate::DIGEST;
use crate::tree::{Tree, map};
use crate::world::App;

/// An app, and a host of its source that no stack brings.
fn app(b: &mut Broken<'_>, several: bool) -> Option<(App, String)> {
    let apps: Vec<App> =
        b.world.apps.iter().filter(|app| !several || app.members.len() > 1).cloned().collect();
    let app = b.pick(&apps)?;
    let standing: Vec<usize> =
        app.members.iter().copied().filter(|host| !b.world.hosts[*host].brought).collect();
    let host = b.pick(&standing)?;
    Some((app, b.world.hosts[host].name.clone()))
}

fn plan(b: &mut Broken<'_>, steps: Tree, wrong: &str) {
    let file = b.add_plan(map().with("plan", "added").with("steps", steps));
    b.told(file, &["steps".to_string(), wrong.to_string()]);
}

/// The server of a database with other members is started, and nothing fences those.
pub fn second_primary(b: &mut Broken<'_>) -> Option<()> {
    let (app, host) = app(b, true)?;
    let start = map().with("services", vec![app.server]).with("hosts", vec![host]);
    plan(b, map().with("wrong", map().with("start", start)), "wrong");
    Some(())
}

/// Every server of a database is stopped, and nobody has looked at a backup.
pub fn last_copy(b: &mut Broken<'_>) -> Option<()> {
    let (app, _) = app(b, false)?;
    plan(b, map().with("wrong", map().with("stop", map().with("services", vec![app.server]))), "wrong");
    Some(())
}

/// A step asks a server that the plan has stopped.
pub fn stopped_server(b: &mut Broken<'_>) -> Option<()> {
    let (app, host) = app(b, false)?;
    let repository = b.world.repositories[0].0.clone();
    let stop = map().with("services", vec![app.server.clone()]).with("hosts", vec![host.clone()]);
    let source = map().with("source", &app.source).with("on", &host);
    let (verb, params) = match b.rng.u8(0..3) {
        0 => ("restore", source.with("from", repository).with("into", "beside")),
        1 => ("prove", source.with("from", repository)),
        _ => ("backup", source.with("to", repository)),
    };
    let steps = map()
        .with("stop", map().with("stop", stop))
        .with("wrong", map().with("after", "stop").with(verb, params));
    plan(b, steps, "wrong");
    Some(())
}

/// A script on all hosts at once, and nothing says how many may fail.
pub fn unbounded(b: &mut Broken<'_>) -> Option<()> {
    let hosts: Vec<String> =
        b.world.hosts.iter().filter(|host| !host.brought).map(|host| host.name.clone()).collect();
    if hosts.len() < 5 {
        return None;
    }
    let script = map().with("script", "/opt/warm-up.sh").with("sha256", DIGEST).with("hosts", hosts);
    plan(b, map().with("wrong", map().with("command", script)), "wrong");
    Some(())
}
