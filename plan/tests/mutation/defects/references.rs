//! Names of what is not there, not in that place, or not of that kind.

use super::broken::{Broken, Step};
use crate::tree::{Path, Tree, map};
use crate::world::TARGET;

/// A name that nobody has.
const NOBODY: &str = "nobody-knows-it";

/// Whether a node names something under a key, alone or in a list.
fn names(path: &Path, node: &Tree, keys: &[&str]) -> bool {
    let Some(text) = node.text() else { return false };
    let last = path.last().map(String::as_str).unwrap_or_default();
    let listed = last.parse::<usize>().is_ok() && path.len() > 1;
    let key = if listed { path[path.len() - 2].as_str() } else { last };
    keys.contains(&key) && !text.contains("${{")
}

pub fn of_estate(b: &mut Broken<'_>) -> Option<()> {
    let meant = |path: &Path, node: &Tree, plan: bool| {
        let keys: &[&str] = match path.first().map(String::as_str).unwrap_or_default() {
            "hosts" | "controllers" | "witnesses" | "repositories" | "dns" | "secrets" => {
                &["region", "regions", "secret"]
            }
            "channels" => &["region", "secret"],
            "services" => &["needs", "hosts"],
            "sources" => &["server", "writers", "members", "secret"],
            "checks" => &["of"],
            "schedules" => &["backup", "to"],
            "records" => &["in"],
            "stacks" => &["on", "brings", "region"],
            "pools" => &["serves", "region"],
            "contacts" => &["channel", "mail-region"],
            "objectives" => &["of", "measured-by"],
            "maintenance" => &["of", "tell"],
            _ => &[],
        };
        !plan && path.len() > 2 && names(path, node, keys)
    };
    b.spoil(meant, &[NOBODY])
}

pub fn of_plan(b: &mut Broken<'_>) -> Option<()> {
    let keys = [
        "source", "region", "regions", "services", "hosts", "checks", "record", "from", "channel", "role",
        "on", "pool", "stack", "secret", "lost",
    ];
    let moved = ["cutover", "switch", "backup"];
    let meant = |path: &Path, node: &Tree, plan: bool| {
        let target = path.len() == 4 && moved.contains(&path[2].as_str()) && path[3] == "to";
        plan && (names(path, node, &keys) || target && names(path, node, &["to"]))
    };
    b.spoil(meant, &[NOBODY])
}

pub fn unknown_step(b: &mut Broken<'_>) -> Option<()> {
    let all = b.all_steps();
    let step = b.pick(&all)?;
    let mut after = b.after(&step);
    after.push(Step { file: step.file, name: NOBODY.to_string() });
    b.set_after(&step, &after);
    b.told_at(&step);
    Some(())
}

/// Nodes that use an output, as a value.
fn outputs(b: &Broken<'_>) -> Vec<(usize, Path)> {
    b.nodes(|_, node, plan| plan && node.text().is_some_and(|text| text.contains("${{ steps.")))
}

pub fn output_of_nobody(b: &mut Broken<'_>) -> Option<()> {
    let all = outputs(b);
    let (file, path) = b.pick(&all)?;
    b.told(file, &path);
    *b.at_mut(file, &path)? = format!("${{{{ steps.{NOBODY}.outputs.snapshot }}}}").into();
    Some(())
}

pub fn unknown_output(b: &mut Broken<'_>) -> Option<()> {
    let all = outputs(b);
    let (file, path) = b.pick(&all)?;
    b.told(file, &path);
    let text = b.at(file, &path)?.text()?.to_string();
    let bad = b.pick(&["snapshoot", "id", "old"])?;
    *b.at_mut(file, &path)? = text.replace(".snapshot ", &format!(".{bad} ")).into();
    Some(())
}

/// The type of an input does not fit where it is used.
pub fn input_type(b: &mut Broken<'_>) -> Option<()> {
    let (verb, key, fits) = b.pick(&[
        ("wait", "for", &["duration", "text"][..]),
        ("restore", "point", &["restore-point", "text"]),
        ("check", "retries", &["number"]),
        ("cutover", "to", &["text", "host"]),
        ("notify", "state", &["text"]),
        ("start", "region", &["text", "host"]),
        ("deploy", "version", &["version", "text"]),
    ])?;
    let step = b.step(verb)?;
    if b.is_used(&step) {
        return None;
    }
    let all = ["text", "restore-point", "version", "host", "number", "duration"];
    let unfit: Vec<&str> = all.iter().copied().filter(|kind| !fits.contains(kind)).collect();
    let kind = b.pick(&unfit)?;
    let head = &mut b.files[step.file].tree;
    if head.get("inputs").is_none() {
        head.set("inputs", map());
    }
    head.get_mut("inputs")?.set("strange", map().with("type", kind));
    let params = b.params_mut(&step)?;
    if verb == "start" {
        params.remove("hosts");
    }
    params.set(key, "${{ inputs.strange }}");
    b.told_at(&step);
    Some(())
}

pub fn part_of_value(b: &mut Broken<'_>) -> Option<()> {
    let (file, path) =
        b.any(|_, node, plan| plan && node.text().is_some_and(|text| text.contains("${{ ")))?;
    let text = b.at(file, &path)?.text()?.to_string();
    *b.at_mut(file, &path)? = format!("x-{text}").into();
    Some(())
}

pub fn unknown_plan(b: &mut Broken<'_>) -> Option<()> {
    let step = b.step("call")?;
    b.params_mut(&step)?.set("plan", NOBODY);
    b.told_at(&step);
    Some(())
}

pub fn missing_input(b: &mut Broken<'_>) -> Option<()> {
    let step = b.step("call")?;
    b.params_mut(&step)?.remove("inputs")?;
    b.told_at(&step);
    Some(())
}

pub fn unknown_input(b: &mut Broken<'_>) -> Option<()> {
    match b.rng.u8(0..3) {
        0 => {
            let step = b.step("call")?;
            b.params_mut(&step)?.get_mut("inputs")?.set("strange", "x");
            b.told_at(&step);
        }
        1 => {
            let step = b.step("notify")?;
            b.params_mut(&step)?.set("text", "${{ inputs.strange }}");
            b.told_at(&step);
        }
        _ => {
            let step = b.step("notify")?;
            b.fields_mut(&step)?.set("when", map().with("input", map().with("strange", "yes")));
            b.told_at(&step);
        }
    }
    Some(())
}

pub fn ill_default(b: &mut Broken<'_>) -> Option<()> {
    let plans = b.nodes(|path, _, plan| plan && path.is_empty());
    let (file, _) = b.pick(&plans)?;
    let head = &mut b.files[file].tree;
    if head.get("inputs").is_none() {
        head.set("inputs", map());
    }
    let (kind, default) = b.pick(&[
        ("number", "many"),
        ("duration", "soon"),
        ("restore-point", "yesterday"),
        ("version", "a b"),
        ("host", "a b"),
    ])?;
    b.files[file].tree.get_mut("inputs")?.set("strange", map().with("type", kind).with("default", default));
    b.told(file, &["inputs".to_string(), "strange".to_string()]);
    Some(())
}

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
    let steps: Vec<Step> = b
        .steps(verb)
        .into_iter()
        .filter(|step| b.fields(step).is_some_and(|fields| fields.get("when").is_none()))
        .collect();
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

pub fn circle(b: &mut Broken<'_>) -> Option<()> {
    let step = b.step("call")?;
    let child = b.param(&step, "plan")?;
    let own = b.files[step.file].tree.text_of("plan")?.to_string();
    let file = (0..b.files.len()).find(|file| b.files[*file].tree.text_of("plan") == Some(&child))?;
    let again = b.add_step(file, "again", map().with("call", map().with("plan", own)))?;
    b.told_at(&again);
    b.told_at(&step);
    Some(())
}

pub fn own_stand_in(b: &mut Broken<'_>) -> Option<()> {
    let file = (0..b.files.len()).find(|file| b.files[*file].tree.get("drill").is_some())?;
    let path = vec!["drill".to_string(), "repositories".to_string()];
    let (live, _) = b.pick(&b.at(file, &path)?.pairs().to_vec())?;
    b.at_mut(file, &path)?.set(&live, live.clone());
    b.told(file, &[path[0].clone(), path[1].clone(), live]);
    Some(())
}

pub fn cycle(b: &mut Broken<'_>) -> Option<()> {
    let all = b.all_steps();
    let last = b.pick(&all)?;
    let mut chain: Vec<Step> =
        b.before(&last).into_iter().map(|name| Step { file: last.file, name }).collect();
    chain.push(last.clone());
    let first = b.pick(&chain)?;
    let mut after = b.after(&first);
    after.push(last.clone());
    b.set_after(&first, &after);
    // It is told at one of its members.
    for step in chain {
        b.told_at(&step);
    }
    Some(())
}

pub fn needs_cycle(b: &mut Broken<'_>) -> Option<()> {
    let app = b.pick(&b.world.apps.clone())?;
    let (first, last) = match (&app.cache, b.rng.bool()) {
        (Some(cache), true) => (cache.clone(), app.writers.last()?.clone()),
        _ => (app.server.clone(), app.writers.first()?.clone()),
    };
    b.noun_mut("services", &first)?.set("needs", vec![last]);
    for service in app.writers.iter().chain(&app.cache).chain([&app.server]) {
        let (file, path) = b.noun("services", service)?;
        b.told(file, &path);
    }
    Some(())
}
