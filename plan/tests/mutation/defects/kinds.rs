//! Names of what is there, and of another kind, in another place, or itself.

use super::broken::{Broken, Step};
use crate::tree::map;
use crate::world::TARGET;

pub fn not_there(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> = ["start", "stop", "check"].iter().flat_map(|verb| b.steps(verb)).collect();
    let step = b.pick(&steps)?;
    let fronts =
        |host: &usize| b.world.apps.iter().any(|app| app.fronts.contains(host) || app.members.contains(host));
    let empty: Vec<String> = (0..b.world.regions.len())
        .filter(|region| {
            !(0..b.world.hosts.len()).any(|host| b.world.hosts[host].region == *region && fronts(&host))
        })
        .map(|region| b.world.regions[region].clone())
        .collect();
    let region = b.pick(&empty)?;
    let params = b.params_mut(&step)?;
    params.remove("hosts");
    params.set("region", region);
    b.told_at(&step);
    Some(())
}

pub fn to_nowhere(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> = ["cutover", "switch"].iter().flat_map(|verb| b.steps(verb)).collect();
    let step = b.pick(&steps)?;
    let (section, key) = if b.verb(&step)? == "cutover" { ("records", "record") } else { ("pools", "pool") };
    let name = b.param(&step, key)?;
    let to = b.param(&step, "to")?;
    let (file, path) = b.noun(section, &name)?;
    let part = ["values", "targets", "members"]
        .iter()
        .find(|part| b.at(file, &path).is_some_and(|noun| noun.get(part).is_some()))?;
    if *part == "targets" {
        return None;
    }
    b.at_mut(file, &path)?.get_mut(part)?.remove(&to)?;
    b.told_at(&step);
    Some(())
}

pub fn no_member(b: &mut Broken<'_>) -> Option<()> {
    let name = b.pick(&b.nouns("schedules"))?;
    let (file, path) = b.noun("schedules", &name)?;
    let source = b.at(file, &path)?.text_of("backup")?.to_string();
    let app = b.world.apps.iter().find(|app| app.source == source);
    let loose = b.world.loose.iter().find(|loose| loose.source == source);
    let members: Vec<usize> = app.map(|app| app.members.clone()).or_else(|| Some(vec![loose?.host]))?;
    let others: Vec<String> = (0..b.world.hosts.len())
        .filter(|host| !members.contains(host))
        .map(|host| b.world.hosts[host].name.clone())
        .collect();
    let host = b.pick(&others)?;
    b.at_mut(file, &path)?.set("on", host);
    b.told(file, &path);
    Some(())
}

pub fn server_elsewhere(b: &mut Broken<'_>) -> Option<()> {
    let app = b.pick(&b.world.apps.clone())?;
    let others: Vec<String> = (0..b.world.hosts.len())
        .filter(|host| !app.members.contains(host))
        .map(|host| b.world.hosts[host].name.clone())
        .collect();
    let host = b.pick(&others)?;
    let hosts = b.noun_mut("services", &app.server)?.get_mut("hosts")?;
    *hosts = vec![host].into();
    let (file, path) = b.noun("sources", &app.source)?;
    b.told(file, &path);
    Some(())
}

pub fn other_region(b: &mut Broken<'_>) -> Option<()> {
    let name = b.pick(&b.nouns("pools"))?;
    let (file, mut path) = b.noun("pools", &name)?;
    path.push("members".to_string());
    let members = b.at_mut(file, &path)?.pairs_mut();
    let (first, rest) = members.split_first_mut()?;
    std::mem::swap(&mut first.1, &mut rest.first_mut()?.1);
    b.told(file, &path);
    Some(())
}

pub fn several_members(b: &mut Broken<'_>) -> Option<()> {
    let several = |step: &Step| {
        let source = b.param(step, "source")?;
        let app = b.world.apps.iter().find(|app| app.source == source)?;
        let there = b.world.there(&app.members, TARGET);
        (there.len() > 1).then_some(())
    };
    let steps: Vec<Step> = ["promote", "restore", "prove", "swap", "backup"]
        .iter()
        .flat_map(|verb| b.steps(verb))
        .filter(|step| several(step).is_some())
        .collect();
    let step = b.pick(&steps)?;
    if b.is_used(&step) {
        return None;
    }
    let region = b.world.regions[TARGET].clone();
    let params = b.params_mut(&step)?;
    params.remove("on");
    params.set("region", region);
    b.told_at(&step);
    Some(())
}

pub fn two_meanings(b: &mut Broken<'_>) -> Option<()> {
    let app = b.pick(&b.world.apps.clone())?;
    let check = b.pick(&app.health)?;
    let host = b.world.hosts[app.fronts[0]].name.clone();
    let tree = map().with(
        "sources",
        map().with(
            &app.writers[0],
            map().with("kind", "files").with("paths", vec!["/srv/x"]).with("members", vec![host]),
        ),
    );
    b.files.push(crate::case::File { path: "more.yaml".to_string(), tree });
    let (file, path) = b.noun("checks", &check)?;
    b.told(file, &path);
    Some(())
}

/// A stand-in that some step needs is not there.
pub fn no_stand_in(b: &mut Broken<'_>) -> Option<()> {
    if !b.world.drill {
        return None;
    }
    let (verb, key, table) = b.pick(&[
        ("notify", "channel", "channels"),
        ("cutover", "record", "records"),
        ("backup", "to", "repositories"),
        ("restore", "on", "hosts"),
        ("prove", "on", "hosts"),
        ("swap", "on", "hosts"),
    ])?;
    let steps: Vec<Step> = b.steps(verb).into_iter().filter(|step| b.always(step)).collect();
    let step = b.pick(&steps)?;
    let name = b.param(&step, key)?;
    let file = (0..b.files.len()).find(|file| b.files[*file].tree.get("drill").is_some())?;
    // What is still to come is told before stand-ins are looked for.
    if verb == "cutover" {
        let (file, path) = b.noun("records", &name)?;
        let zone = b.at(file, &path)?.text_of("in")?.to_string();
        let kind = b.noun_mut("dns", &zone)?.text_of("kind")?.to_string();
        if kind != "rfc2136" || b.at(file, &path)?.get("targets").is_some() {
            return None;
        }
    }
    b.files[file].tree.get_mut("drill")?.get_mut(table)?.remove(&name)?;
    b.told_at(&step);
    Some(())
}

pub fn files_as_database(b: &mut Broken<'_>) -> Option<()> {
    let files: Vec<_> = b.world.loose.iter().filter(|loose| loose.kind == "files").cloned().collect();
    let loose = b.pick(&files)?;
    let host = &b.world.hosts[loose.host];
    let source = map().with("source", &loose.source);
    let (verb, params) = match b.rng.u8(0..4) {
        0 => ("fence", source.with("region", &b.world.regions[host.region])),
        1 => ("promote", source.with("on", &host.name)),
        2 => ("swap", source.with("on", &host.name).with("copy", "/srv/restored")),
        _ => ("sql", source.with("on", &host.name).with("statement", "select 1")),
    };
    let file =
        b.add_plan(map().with("plan", "added").with("steps", map().with("wrong", map().with(verb, params))));
    b.told(file, &["steps".to_string(), "wrong".to_string()]);
    Some(())
}

pub fn class_of_folder(b: &mut Broken<'_>) -> Option<()> {
    let folders: Vec<String> = b
        .nouns("repositories")
        .into_iter()
        .filter(|name| {
            b.noun("repositories", name)
                .and_then(|(file, path)| b.at(file, &path))
                .and_then(|one| one.text_of("at"))
                .is_some_and(|at| at.starts_with('/'))
        })
        .collect();
    let name = b.pick(&folders)?;
    let (file, path) = b.noun("repositories", &name)?;
    b.at_mut(file, &path)?.set("class", "STANDARD_IA");
    b.told(file, &path);
    Some(())
}

pub fn files_with_server(b: &mut Broken<'_>) -> Option<()> {
    let files: Vec<_> = b.world.loose.iter().filter(|loose| loose.kind == "files").cloned().collect();
    let loose = b.pick(&files)?;
    let server = b.world.apps[0].server.clone();
    let (file, path) = b.noun("sources", &loose.source)?;
    b.at_mut(file, &path)?.set("server", server);
    b.told(file, &path);
    Some(())
}

pub fn live_stand_in(b: &mut Broken<'_>) -> Option<()> {
    let file = (0..b.files.len()).find(|file| b.files[*file].tree.get("drill").is_some())?;
    let path = vec!["drill".to_string(), "hosts".to_string()];
    let hosts = b.at(file, &path)?.pairs().to_vec();
    let (live, _) = b.pick(&hosts)?;
    let (other, _) = b.pick(&hosts)?;
    b.at_mut(file, &path)?.set(&live, other);
    b.told(file, &[path[0].clone(), path[1].clone(), live]);
    Some(())
}

pub fn own_stand_in(b: &mut Broken<'_>) -> Option<()> {
    let file = (0..b.files.len()).find(|file| b.files[*file].tree.get("drill").is_some())?;
    let path = vec!["drill".to_string(), "repositories".to_string()];
    let pairs = b.at(file, &path)?.pairs().to_vec();
    let (live, _) = b.pick(&pairs)?;
    b.at_mut(file, &path)?.set(&live, live.clone());
    b.told(file, &[path[0].clone(), path[1].clone(), live]);
    Some(())
}
