//! Steps in an order in which they do harm.

use super::broken::{Broken, Step};
use crate::tree::{Tree, map};
use crate::world::App;

/// The app whose source a step is about.
pub fn app_of(b: &Broken<'_>, step: &Step) -> Option<App> {
    let source = b.param(step, "source")?;
    b.world.apps.iter().find(|app| app.source == source).cloned()
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
    let steps = ["command", "sql", "rotate"].iter().flat_map(|verb| b.steps(verb));
    let steps: Vec<Step> = steps.filter(|step| b.always(step)).collect();
    let step = b.pick(&steps)?;
    b.fields_mut(&step)?.set("retry", map().with("tries", "3"));
    b.told_at(&step);
    Some(())
}

/// A step is there twice, and both may run at once.
fn at_once(b: &mut Broken<'_>, verbs: &[&str]) -> Option<()> {
    let steps: Vec<Step> =
        verbs.iter().flat_map(|verb| b.steps(verb)).filter(|step| b.always(step)).collect();
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
    at_once(b, &["restore", "swap", "rollback", "promote", "fence", "sql", "unfence", "rejoin"])
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
