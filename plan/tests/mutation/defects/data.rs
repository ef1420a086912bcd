//! Data that is taken away too soon, from under its writers, or for nothing better.

use super::broken::{Broken, Step};
use super::order::app_of;
use crate::tree::map;
use crate::world::{App, DANGER};

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

/// A step that takes data away, with the one that holds the writers before it: these run before the plan, on hosts
/// that are there.
fn held(b: &mut Broken<'_>) -> Option<(Step, Step, App)> {
    let steps: Vec<Step> = ["swap", "rollback", "sql"].iter().flat_map(|verb| b.steps(verb)).collect();
    let step = b.pick(&steps)?;
    let app = app_of(b, &step)?;
    let holds: Vec<Step> = ["stop", "scale"].iter().flat_map(|verb| b.befores(&step, verb)).collect();
    let [hold] = holds.as_slice() else { return None };
    let lost = b.files[step.file].tree.at(&["scenario".to_string(), "lost".to_string()]).is_some();
    let runs = |host: &&usize| {
        let host = &b.world.hosts[**host];
        !(host.brought || lost && host.region == DANGER)
    };
    app.fronts.iter().find(runs)?;
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
        if app.fronts[1..].iter().all(|host| b.world.hosts[*host].brought) {
            return None;
        }
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
