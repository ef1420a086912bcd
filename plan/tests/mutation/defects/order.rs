//! Steps in an order in which they do harm.

use super::broken::{Broken, Step};
use crate::tree::{Tree, map};
use crate::world::{App, DANGER};

/// The app whose source a step is about.
pub fn app_of(b: &Broken<'_>, step: &Step) -> Option<App> {
    let source = b.param(step, "source")?;
    b.world.apps.iter().find(|app| app.source == source).cloned()
}

/// A promotion with the one step that fences its source before it.
fn fenced(b: &mut Broken<'_>) -> Option<(Step, Step)> {
    let promote = b.step("promote")?;
    let source = b.param(&promote, "source")?;
    let fences = ["fence", "isolate"].iter().flat_map(|verb| b.befores(&promote, verb));
    let fences: Vec<Step> = fences.filter(|step| b.param(step, "source").as_ref() == Some(&source)).collect();
    let [fence] = fences.as_slice() else { return None };
    b.told_at(&promote);
    Some((promote, fence.clone()))
}

pub fn no_fence(b: &mut Broken<'_>) -> Option<()> {
    let (_, fence) = fenced(b)?;
    b.drop_step(&fence);
    Some(())
}

pub fn late_fence(b: &mut Broken<'_>) -> Option<()> {
    let (promote, fence) = fenced(b)?;
    b.bypass(&fence);
    b.set_after(&fence, &[promote]);
    Some(())
}

pub fn fence_beside(b: &mut Broken<'_>) -> Option<()> {
    let (_, fence) = fenced(b)?;
    b.bypass(&fence);
    Some(())
}

pub fn fence_may_fail(b: &mut Broken<'_>) -> Option<()> {
    let (_, fence) = fenced(b)?;
    b.fields_mut(&fence)?.set("on-failure", "continue");
    Some(())
}

pub fn fence_in_drills(b: &mut Broken<'_>) -> Option<()> {
    let (_, fence) = fenced(b)?;
    b.fields_mut(&fence)?.set("when", map().with("mode", "drill"));
    Some(())
}

pub fn fence_of_other(b: &mut Broken<'_>) -> Option<()> {
    let (promote, fence) = fenced(b)?;
    let own = app_of(b, &promote)?;
    let others: Vec<App> = b
        .world
        .apps
        .iter()
        .filter(|app| app.source != own.source && app.members.len() > 1)
        .cloned()
        .collect();
    let other = b.pick(&others)?;
    b.params_mut(&fence)?.set("source", other.source);
    Some(())
}

pub fn fence_lifted(b: &mut Broken<'_>) -> Option<()> {
    let (promote, fence) = fenced(b)?;
    let lift = map().with("source", b.param(&fence, "source")?).with("region", b.param(&fence, "region")?);
    let lift = map().with("after", fence.name.clone()).with("unfence", lift);
    let lift = b.add_step(promote.file, "lift-it", lift)?;
    b.told_at(&lift);
    if b.rng.bool() {
        b.set_after(&promote, &[fence, lift]);
    }
    Some(())
}

/// A cut-over or switch, the checks before it, and its region.
fn cut_over(b: &mut Broken<'_>) -> Option<(Step, Vec<Step>, String)> {
    let steps: Vec<Step> = ["cutover", "switch"].iter().flat_map(|verb| b.steps(verb)).collect();
    let step = b.pick(&steps)?;
    if !b.befores(&step, "call").is_empty() {
        return None;
    }
    let checks = b.befores(&step, "check");
    b.told_at(&step);
    let to = b.param(&step, "to")?;
    Some((step, checks, to))
}

pub fn no_check(b: &mut Broken<'_>) -> Option<()> {
    let (_, checks, _) = cut_over(b)?;
    for check in checks {
        b.drop_step(&check);
    }
    Some(())
}

pub fn check_beside(b: &mut Broken<'_>) -> Option<()> {
    let (_, checks, _) = cut_over(b)?;
    for check in checks {
        b.bypass(&check);
    }
    Some(())
}

pub fn check_elsewhere(b: &mut Broken<'_>) -> Option<()> {
    let (_, checks, to) = cut_over(b)?;
    for check in &checks {
        let names = b.params(check)?.get("checks")?.texts();
        let app = b
            .world
            .apps
            .iter()
            .find(|app| names.iter().any(|name| app.health.contains(name) || app.data.contains(name)))?
            .clone();
        let other = app
            .fronts
            .iter()
            .map(|host| b.world.regions[b.world.hosts[*host].region].clone())
            .find(|region| *region != to)?;
        let params = b.params_mut(check)?;
        params.remove("hosts");
        params.set("region", other);
    }
    Some(())
}

pub fn check_may_fail(b: &mut Broken<'_>) -> Option<()> {
    let (_, checks, _) = cut_over(b)?;
    for check in checks {
        b.fields_mut(&check)?.set("on-failure", "continue");
    }
    Some(())
}

/// The start and the check change places.
pub fn check_before_start(b: &mut Broken<'_>) -> Option<()> {
    let (over, checks, _) = cut_over(b)?;
    let [check] = checks.as_slice() else { return None };
    let start = b.after(check).into_iter().find(|step| b.verb(step) == Some("start"))?;
    let before = b.after(&start);
    b.bypass(check);
    b.set_after(check, &before);
    b.set_after(&start, &[check.clone()]);
    let mut after = b.after(&over);
    after.push(start);
    b.set_after(&over, &after);
    Some(())
}

pub fn start_after_cutover(b: &mut Broken<'_>) -> Option<()> {
    let (over, checks, to) = cut_over(b)?;
    let starts = b.befores(&over, "start");
    let starts: Vec<Step> =
        starts.into_iter().filter(|step| b.param(step, "region").as_ref() == Some(&to)).collect();
    let start = b.pick(&starts)?;
    if checks.is_empty() {
        return None;
    }
    b.bypass(&start);
    b.set_after(&start, &[over]);
    b.told_at(&start);
    Some(())
}

pub fn no_risk(b: &mut Broken<'_>) -> Option<()> {
    let fence = b.step("fence")?;
    b.params_mut(&fence)?.remove("risk")?;
    b.told_at(&fence);
    Some(())
}

pub fn later_evidence(b: &mut Broken<'_>) -> Option<()> {
    let fence = b.step("fence")?;
    let word = b.pick(&["lease-expired", "isolated", "powered-off"])?;
    b.params_mut(&fence)?.set("evidence", word);
    b.told_at(&fence);
    Some(())
}

/// A swap with the restore of its copy.
fn swap(b: &mut Broken<'_>) -> Option<(Step, Step)> {
    let swap = b.step("swap")?;
    let restores = b.befores(&swap, "restore");
    let [restore] = restores.as_slice() else { return None };
    b.told_at(&swap);
    Some((swap, restore.clone()))
}

pub fn unrestored(b: &mut Broken<'_>) -> Option<()> {
    let (_, restore) = swap(b)?;
    if b.is_used(&restore) {
        return None;
    }
    b.drop_step(&restore);
    Some(())
}

pub fn other_copy(b: &mut Broken<'_>) -> Option<()> {
    let (swap, restore) = swap(b)?;
    if b.rng.bool() {
        b.params_mut(&swap)?.set("copy", "another_copy");
        return Some(());
    }
    // Restored on another member.
    let app = app_of(b, &swap)?;
    let on = b.param(&restore, "on")?;
    let others: Vec<String> =
        b.world.host_names(&app.members).into_iter().filter(|host| *host != on).collect();
    let other = b.pick(&others)?;
    b.params_mut(&restore)?.set("on", other);
    Some(())
}

pub fn swap_beside(b: &mut Broken<'_>) -> Option<()> {
    let (_, restore) = swap(b)?;
    b.bypass(&restore);
    Some(())
}

/// A step that takes data away, with the one that holds the writers before it.
fn held(b: &mut Broken<'_>) -> Option<(Step, Step, App)> {
    let steps: Vec<Step> = ["swap", "rollback", "sql"].iter().flat_map(|verb| b.steps(verb)).collect();
    let step = b.pick(&steps)?;
    let app = app_of(b, &step)?;
    let holds: Vec<Step> = ["stop", "scale"].iter().flat_map(|verb| b.befores(&step, verb)).collect();
    let [hold] = holds.as_slice() else { return None };
    b.told_at(&step);
    Some((step, hold.clone(), app))
}

pub fn writers_run(b: &mut Broken<'_>) -> Option<()> {
    let (_, hold, _) = held(b)?;
    match b.rng.u8(0..3) {
        0 => b.drop_step(&hold),
        1 => b.bypass(&hold),
        _ => b.fields_mut(&hold)?.set("on-failure", "continue"),
    }
    Some(())
}

pub fn writers_run_there(b: &mut Broken<'_>) -> Option<()> {
    let (_, hold, app) = held(b)?;
    let params = b.params_mut(&hold)?;
    let services = params.get("services")?.texts();
    if params.get("region").is_none() && app.fronts.len() > 1 {
        let host = b.world.hosts[app.fronts[0]].name.clone();
        // In a plan without a lost region the other hosts go on.
        if b.files[hold.file].tree.at(&["scenario".to_string(), "lost".to_string()]).is_some() {
            return None;
        }
        b.params_mut(&hold)?.set("hosts", vec![host]);
        return Some(());
    }
    if services.len() < 2 {
        return None;
    }
    params.set("services", vec![services[0].clone()]);
    Some(())
}

pub fn writers_again(b: &mut Broken<'_>) -> Option<()> {
    let (step, hold, app) = held(b)?;
    let starts: Vec<Step> =
        b.beside(&step, "start").into_iter().filter(|start| b.before(start).contains(&step.name)).collect();
    let writer = |start: &&Step| {
        b.params(start)
            .and_then(|params| params.get("services"))
            .is_some_and(|services| services.texts().contains(&app.writers[0]))
    };
    let start = starts.iter().find(writer)?.clone();
    // It begins when the writers are held, and not after what they are held for.
    b.bypass(&start);
    b.set_after(&start, &[hold]);
    Some(())
}

pub fn start_beside(b: &mut Broken<'_>) -> Option<()> {
    let promote = b.step("promote")?;
    let app = app_of(b, &promote)?;
    let first = |start: &Step| {
        let services = b.params(start)?.get("services")?.texts();
        services.contains(&app.writers[0]).then_some(())
    };
    let starts: Vec<Step> = b
        .beside(&promote, "start")
        .into_iter()
        .filter(|start| b.before(start).contains(&promote.name) && first(start).is_some())
        .collect();
    let start = b.pick(&starts)?;
    let before = b.after(&promote);
    b.set_after(&start, &before);
    b.told_at(&start);
    Some(())
}

/// A start that is split: what is needed is started beside what needs it.
pub fn start_before_need(b: &mut Broken<'_>) -> Option<()> {
    let apps: Vec<App> =
        b.world.apps.iter().filter(|app| app.cache.is_some() || app.writers.len() > 1).cloned().collect();
    let app = b.pick(&apps)?;
    let steps = b.steps("start");
    let both = |step: &Step| {
        let services = b.params(step)?.get("services")?.texts();
        let (needed, needing) = match &app.cache {
            Some(cache) if services.contains(cache) => (cache.clone(), app.writers[0].clone()),
            _ => (app.writers[0].clone(), app.writers.get(1)?.clone()),
        };
        (services.contains(&needed) && services.contains(&needing)).then_some((step.clone(), needed))
    };
    let found: Vec<(Step, String)> = steps.iter().filter_map(both).collect();
    let (step, needed) = b.pick(&found)?;
    let fields = b.fields(&step)?.clone();
    let rest: Vec<String> =
        b.params(&step)?.get("services")?.texts().into_iter().filter(|service| *service != needed).collect();
    b.params_mut(&step)?.set("services", rest);
    let mut other = fields;
    other.get_mut("start")?.set("services", vec![needed]);
    other.remove("allow");
    b.add_step(step.file, "needed-too", other)?;
    b.told_at(&step);
    Some(())
}

pub fn unsafe_retry(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> = ["command", "sql", "rotate"].iter().flat_map(|verb| b.steps(verb)).collect();
    let step = b.pick(&steps)?;
    b.fields_mut(&step)?.set("retry", map().with("tries", "3"));
    b.told_at(&step);
    Some(())
}

/// A step is there twice, and both may run at once.
fn at_once(b: &mut Broken<'_>, verbs: &[&str]) -> Option<()> {
    let steps: Vec<Step> = verbs
        .iter()
        .flat_map(|verb| b.steps(verb))
        .filter(|step| b.fields(step).is_some_and(|fields| fields.get("when").is_none()))
        .collect();
    let step = b.pick(&steps)?;
    let mut again = b.fields(&step)?.clone();
    again.remove("allow");
    let again = b.add_step(step.file, "the-same-again", again)?;
    b.told_at(&step);
    b.told_at(&again);
    Some(())
}

pub fn service_at_once(b: &mut Broken<'_>) -> Option<()> {
    at_once(b, &["start", "stop", "deploy", "scale"])
}

pub fn source_at_once(b: &mut Broken<'_>) -> Option<()> {
    at_once(b, &["restore", "swap", "rollback", "promote", "fence", "sql", "isolate", "unfence", "rejoin"])
}

pub fn record_at_once(b: &mut Broken<'_>) -> Option<()> {
    at_once(b, &["cutover", "switch", "provision", "rotate", "command"])
}

pub fn undo_none(b: &mut Broken<'_>) -> Option<()> {
    let verbs = ["fence", "promote", "swap", "rejoin", "provision", "rotate", "isolate"];
    let steps: Vec<Step> = verbs
        .iter()
        .flat_map(|verb| b.steps(verb))
        .filter(|step| app_of(b, step).is_none_or(|app| app.kind == "postgres"))
        .collect();
    let step = b.pick(&steps)?;
    b.fields_mut(&step)?.set("undo", "none");
    b.told_at(&step);
    Some(())
}

pub fn fenced_itself(b: &mut Broken<'_>) -> Option<()> {
    let (promote, fence) = fenced(b)?;
    let app = app_of(b, &promote)?;
    let from = b.param(&fence, "region")?;
    let there = app.members.iter().find(|host| b.world.regions[b.world.hosts[**host].region] == from)?;
    let host = b.world.hosts[*there].name.clone();
    let params = b.params_mut(&promote)?;
    params.remove("region");
    params.set("on", host);
    Some(())
}

pub fn over_live(b: &mut Broken<'_>) -> Option<()> {
    let step = b.step("restore")?;
    let live = match app_of(b, &step) {
        Some(app) if app.kind == "postgres" => app.database,
        Some(_) => return None,
        None => b.pick(&["/srv/uploads", "/srv/uploads/restored", "/srv", "/etc/shop/old"])?.to_string(),
    };
    let source = b.param(&step, "source")?;
    if b.world.loose.iter().any(|loose| loose.source == source && loose.kind != "files") {
        return None;
    }
    b.params_mut(&step)?.set("into", live);
    b.told_at(&step);
    Some(())
}

/// A use of an output does not wait for its step.
pub fn early_output(b: &mut Broken<'_>) -> Option<()> {
    let pairs: Vec<(Step, Step)> = b
        .all_steps()
        .into_iter()
        .flat_map(|producer| b.all_steps().into_iter().map(move |user| (producer.clone(), user)))
        .filter(|(producer, user)| producer.file == user.file && producer != user && uses(b, producer, user))
        .collect();
    let (producer, user) = b.pick(&pairs)?;
    match b.rng.u8(0..2) {
        0 => b.set_after(&user, &[]),
        _ => b.fields_mut(&producer)?.set("on-failure", "continue"),
    }
    b.told_at(&user);
    Some(())
}

fn uses(b: &Broken<'_>, producer: &Step, user: &Step) -> bool {
    let (long, short) = (format!("steps.{}.outputs.", producer.name), format!("{}.", producer.name));
    let mut found = false;
    if let Some(fields) = b.fields(user) {
        fields.walk(&Vec::new(), &mut |path, node| {
            found |= node.text().is_some_and(|text| text.contains(&long));
            found |= path.len() == 3 && path[1] == "output" && path[2].starts_with(&short);
        });
    }
    found
}

pub fn moving_version(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> = b
        .steps("rollback")
        .into_iter()
        .filter(|step| b.params(step).is_some_and(|params| params.get("services").is_some()))
        .collect();
    let step = b.pick(&steps)?;
    let bad = b.pick(&["latest", "shop:stable", "main", "registry.example:5000/shop:latest"])?;
    b.params_mut(&step)?.set("to", bad);
    b.told_at(&step);
    Some(())
}

/// Nothing fences the lost or suspect copy before another one takes writes.
pub fn second_copy(b: &mut Broken<'_>) -> Option<()> {
    let swaps: Vec<Step> = b
        .steps("swap")
        .into_iter()
        .filter(|step| b.files[step.file].tree.get("scenario").is_some())
        .collect();
    let swap = b.pick(&swaps)?;
    let fences: Vec<Step> = ["fence", "isolate"].iter().flat_map(|verb| b.befores(&swap, verb)).collect();
    let [fence] = fences.as_slice() else { return None };
    if b.rng.bool() {
        b.drop_step(fence)
    } else {
        b.bypass(fence)
    }
    b.told_at(&swap);
    Some(())
}

pub fn two_rollbacks(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> = ["swap", "rollback"].iter().flat_map(|verb| b.steps(verb)).collect();
    let step = b.pick(&steps)?;
    let app = app_of(b, &step)?;
    let on = b.param(&step, "on")?;
    let others: Vec<String> =
        b.world.host_names(&app.members).into_iter().filter(|host| *host != on).collect();
    let other = b.pick(&others)?;
    let mut again = b.fields(&step)?.clone();
    let verb = b.verb(&step)?.to_string();
    again.get_mut(&verb)?.set("on", other);
    if b.rng.bool() {
        again.set("after", vec![step.name.clone()]);
    }
    let again = b.add_step(step.file, "on-the-other-too", again)?;
    b.told_at(&step);
    b.told_at(&again);
    Some(())
}

pub fn early_host(b: &mut Broken<'_>) -> Option<()> {
    let provision = b.step("provision")?;
    let on_new = |step: &Step| {
        let hosts =
            b.params(step)?.get("hosts").map(Tree::texts).or_else(|| Some(vec![b.param(step, "on")?]))?;
        b.world.hosts.iter().any(|host| host.brought && hosts.contains(&host.name)).then_some(())
    };
    let steps: Vec<Step> = ["start", "restore", "swap"]
        .iter()
        .flat_map(|verb| b.beside(&provision, verb))
        .filter(|step| on_new(step).is_some())
        .collect();
    let step = b.pick(&steps)?;
    if b.rng.bool() {
        b.fields_mut(&provision)?.set("on-failure", "continue");
    } else {
        b.bypass(&provision);
    }
    b.told_at(&step);
    Some(())
}

pub fn early_server(b: &mut Broken<'_>) -> Option<()> {
    let restore = b.step("restore")?;
    let app = app_of(b, &restore)?;
    let server = |start: &Step| b.params(start)?.get("services")?.texts().contains(&app.server).then_some(());
    let starts = b.befores(&restore, "start");
    let start = starts.into_iter().find(|start| server(start).is_some())?;
    b.bypass(&start);
    b.told_at(&restore);
    Some(())
}

pub fn unproven_drop(b: &mut Broken<'_>) -> Option<()> {
    let sql = b.step("sql")?;
    let proofs: Vec<Step> = ["prove", "restore"].iter().flat_map(|verb| b.befores(&sql, verb)).collect();
    let [proof] = proofs.as_slice() else { return None };
    match b.rng.u8(0..3) {
        0 => b.drop_step(proof),
        1 => b.bypass(proof),
        _ => {
            let mut statement = b.param(&sql, "statement")?;
            statement = match b.rng.u8(0..4) {
                0 => format!("/* tidy */ {statement}"),
                1 => format!("-- tidy\n{statement}"),
                2 => format!("begin; {statement}; commit"),
                _ => format!("with gone as (select 1) {}", "delete from carts"),
            };
            b.params_mut(&sql)?.set("statement", statement);
            b.drop_step(proof);
        }
    }
    b.told_at(&sql);
    Some(())
}

pub fn late_evidence(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> = ["swap", "rollback", "rejoin"].iter().flat_map(|verb| b.steps(verb)).collect();
    let step = b.pick(&steps)?;
    let host = b.param(&step, "on")?;
    let collect =
        map().with("hosts", vec![host]).with("paths", vec!["/var/log"]).with("folder", "/srv/evidence");
    let collect = map().with("after", vec![step.name.clone()]).with("collect", collect);
    let collect = b.add_step(step.file, "look-at-last", collect)?;
    b.told_at(&collect);
    Some(())
}

/// A rollback of data with its source as a database.
fn data_rollback(b: &mut Broken<'_>) -> Option<(Step, App)> {
    let steps: Vec<Step> = b
        .steps("rollback")
        .into_iter()
        .filter(|step| app_of(b, step).is_some_and(|app| app.kind == "postgres"))
        .collect();
    let step = b.pick(&steps)?;
    let app = app_of(b, &step)?;
    b.told_at(&step);
    Some((step, app))
}

pub fn rollback_to_now(b: &mut Broken<'_>) -> Option<()> {
    let (step, _) = data_rollback(b)?;
    let backup = map()
        .with("source", b.param(&step, "source")?)
        .with("to", b.param(&step, "from")?)
        .with("on", b.param(&step, "on")?);
    let mut after = b.after(&step);
    let backup = b.add_step(step.file, "as-it-is", map().with("backup", backup))?;
    after.push(backup);
    b.set_after(&step, &after);
    let point = if b.rng.bool() { "latest" } else { "${{ steps.as-it-is.outputs.snapshot }}" };
    b.params_mut(&step)?.set("to", point);
    Some(())
}

pub fn rollback_to_newest(b: &mut Broken<'_>) -> Option<()> {
    let (step, app) = data_rollback(b)?;
    let ready = |service: &String| {
        b.noun("services", service)
            .and_then(|(file, path)| b.at(file, &path))
            .and_then(|fields| fields.text_of("kind"))
            .is_some_and(|kind| ["systemd", "container", "process"].contains(&kind))
    };
    if !ready(&app.server)
        || app.members.iter().any(|host| {
            b.world.hosts[*host].region == DANGER && b.files[step.file].tree.get("scenario").is_some()
        })
    {
        return None;
    }
    b.params_mut(&step)?.set("to", "latest");
    Some(())
}

/// Another member of the same source is promoted, too.
pub fn two_promoted(b: &mut Broken<'_>) -> Option<()> {
    let (promote, fence) = fenced(b)?;
    let app = app_of(b, &promote)?;
    let own = match (b.param(&promote, "on"), b.param(&promote, "region")) {
        (Some(on), _) => app.members.iter().copied().filter(|host| b.world.hosts[*host].name == on).collect(),
        (None, region) => {
            let there = |host: &usize| Some(&b.world.regions[b.world.hosts[*host].region]) == region.as_ref();
            app.members.iter().copied().filter(there).collect::<Vec<usize>>()
        }
    };
    let gone = b.param(&fence, "region")?;
    let others = app.members.iter().filter(|host| !own.contains(host));
    let others: Vec<String> = others
        .filter(|host| b.world.regions[b.world.hosts[**host].region] != gone)
        .map(|host| b.world.hosts[*host].name.clone())
        .collect();
    let other = b.pick(&others)?;
    let again = map().with("source", app.source).with("on", other);
    let again = map().with("after", vec![fence.name]).with("promote", again);
    let again = b.add_step(promote.file, "another-one", again)?;
    b.told_at(&again);
    Some(())
}

/// Of two members in the region that is left only one is fenced.
pub fn half_fenced(b: &mut Broken<'_>) -> Option<()> {
    let (promote, fence) = fenced(b)?;
    let app = app_of(b, &promote)?;
    let from = b.param(&fence, "region")?;
    let there = app.members.iter().filter(|host| b.world.regions[b.world.hosts[**host].region] == from);
    let there: Vec<String> = there.map(|host| b.world.hosts[*host].name.clone()).collect();
    if there.len() < 2 {
        return None;
    }
    let one = b.pick(&there)?;
    let fields = b.fields_mut(&fence)?;
    fields.remove("fence");
    fields.remove("isolate");
    fields.set("isolate", map().with("source", app.source).with("hosts", vec![one]));
    Some(())
}

/// The old primary's server is started again once another member was promoted.
pub fn fenced_started(b: &mut Broken<'_>) -> Option<()> {
    let (promote, fence) = fenced(b)?;
    let app = app_of(b, &promote)?;
    // Where the region is lost, the start of anything there is told as that.
    if b.files[promote.file].tree.at(&["scenario".to_string(), "lost".to_string()]).is_some() {
        return None;
    }
    let server = map().with("services", vec![app.server]).with("region", b.param(&fence, "region")?);
    let verb = b.pick(&["start", "restart"])?;
    let after = if b.rng.bool() { &promote } else { &fence };
    let start = map().with("after", vec![after.name.clone()]).with(verb, server);
    let start = b.add_step(promote.file, "up-again", start)?;
    b.spots.clear();
    b.told_at(&start);
    Some(())
}

/// A start after a promotion becomes a scaling beside it.
pub fn scaled_beside(b: &mut Broken<'_>) -> Option<()> {
    let promote = b.step("promote")?;
    let app = app_of(b, &promote)?;
    let writers =
        |start: &Step| b.params(start)?.get("services")?.texts().contains(&app.writers[0]).then_some(());
    let starts = b.beside(&promote, "start").into_iter();
    let starts: Vec<Step> =
        starts.filter(|start| b.before(start).contains(&promote.name) && writers(start).is_some()).collect();
    let start = b.pick(&starts)?;
    let to = b.pick(&["3", "declared"])?;
    let params = b.fields_mut(&start)?.remove("start")?;
    b.fields_mut(&start)?.set("scale", params.with("to", to));
    let before = b.after(&promote);
    b.set_after(&start, &before);
    b.told_at(&start);
    Some(())
}

/// What a service needs is deployed by a step beside its start.
pub fn deployed_beside(b: &mut Broken<'_>) -> Option<()> {
    let starts = b.steps("start");
    let caches = |step: &Step| {
        let services = b.params(step)?.get("services")?.texts();
        let app = b
            .world
            .apps
            .iter()
            .find(|app| app.writers.first().is_some_and(|first| services.contains(first)))?;
        let cache = app.cache.clone()?;
        (!services.contains(&cache)).then_some((step.clone(), cache))
    };
    let found: Vec<(Step, String)> = starts.iter().filter_map(caches).collect();
    let (step, cache) = b.pick(&found)?;
    let region = b.param(&step, "region")?;
    if region.contains("${{") {
        return None;
    }
    let deploy = map().with("services", vec![cache]).with("region", region).with("version", "1.4.2");
    b.add_step(step.file, "a-new-cache", map().with("deploy", deploy))?;
    b.told_at(&step);
    Some(())
}
