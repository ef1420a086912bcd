//! What a plan needs, moved to where the plan presumes that nothing is left, or that nothing is true.

use super::broken::{Broken, Step};
use super::order::app_of;
use crate::tree::{Path, Tree, map};
use crate::world::{DANGER, TARGET};

/// A plan with a lost region.
fn lost_plan(b: &mut Broken<'_>) -> Option<usize> {
    let all = b.nodes(|path, _, plan| plan && path.len() == 2 && path[0] == "scenario" && path[1] == "lost");
    Some(b.pick(&all)?.0)
}

/// The region that is lost.
fn danger(b: &Broken<'_>) -> String {
    b.world.regions[DANGER].clone()
}

/// The head of a plan, where what concerns all of it is told.
fn scenario() -> Path {
    vec!["scenario".to_string()]
}

/// Steps of a plan with a lost region.
fn lost_steps(b: &Broken<'_>, verb: &str) -> Vec<Step> {
    let lost =
        |step: &Step| b.files[step.file].tree.at(&["scenario".to_string(), "lost".to_string()]).is_some();
    b.steps(verb).into_iter().filter(|step| lost(step) && b.always(step)).collect()
}

pub fn lost_host(b: &mut Broken<'_>) -> Option<()> {
    let verbs = ["start", "stop", "check"];
    let steps: Vec<Step> = verbs.iter().flat_map(|verb| lost_steps(b, verb)).collect();
    let step = b.pick(&steps)?;
    let services = b.params(&step)?.get("services").or_else(|| b.params(&step)?.get("checks"))?.texts();
    let here = |app: &&crate::world::App| {
        services.iter().all(|one| {
            app.writers.contains(one) || app.cache.as_ref() == Some(one) || app.health.contains(one)
        })
    };
    b.world.apps.iter().find(here)?;
    let danger = danger(b);
    let params = b.params_mut(&step)?;
    params.remove("hosts");
    params.set("region", danger);
    b.told_at(&step);
    Some(())
}

pub fn lost_applier(b: &mut Broken<'_>) -> Option<()> {
    let steps = lost_steps(b, "provision");
    let step = b.pick(&steps)?;
    let stack = b.param(&step, "stack")?;
    let hosts: Vec<usize> = (0..b.world.hosts.len()).collect();
    let there = b.world.there(&hosts, DANGER);
    let host = b.world.hosts[there[0]].name.clone();
    b.noun_mut("stacks", &stack)?.set("on", host);
    b.told_at(&step);
    Some(())
}

pub fn lost_target(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> = ["cutover", "switch"].iter().flat_map(|verb| lost_steps(b, verb)).collect();
    let step = b.pick(&steps)?;
    let danger = danger(b);
    b.params_mut(&step)?.set("to", danger);
    b.told_at(&step);
    Some(())
}

pub fn repository(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> =
        ["restore", "prove", "rollback"].iter().flat_map(|verb| lost_steps(b, verb)).collect();
    let step = b.pick(&steps)?;
    let name = b.param(&step, "from")?;
    let danger = danger(b);
    b.noun_mut("repositories", &name)?.set("region", danger);
    b.told_at(&step);
    Some(())
}

/// All nouns of a section move to the lost region.
fn all_lost(b: &mut Broken<'_>, section: &str) -> Option<()> {
    let file = lost_plan(b)?;
    let danger = danger(b);
    let nouns = b.nouns(section);
    if nouns.is_empty() {
        return None;
    }
    for name in nouns {
        b.noun_mut(section, &name)?.set("region", danger.clone());
    }
    b.told(file, &scenario());
    Some(())
}

pub fn controllers(b: &mut Broken<'_>) -> Option<()> {
    all_lost(b, "controllers")
}

pub fn witness(b: &mut Broken<'_>) -> Option<()> {
    all_lost(b, "witnesses")
}

pub fn journal(b: &mut Broken<'_>) -> Option<()> {
    let file = lost_plan(b)?;
    let danger = danger(b);
    let nouns = b.nouns("controllers");
    if nouns.is_empty() {
        return None;
    }
    for name in nouns {
        b.noun_mut("controllers", &name)?
            .set("journal", map().with("kind", "postgres").with("regions", vec![danger.clone()]));
    }
    b.told(file, &scenario());
    Some(())
}

pub fn channel(b: &mut Broken<'_>) -> Option<()> {
    let steps = lost_steps(b, "notify");
    let step = b.pick(&steps)?;
    let channel = b.param(&step, "channel")?;
    let danger = danger(b);
    b.noun_mut("channels", &channel)?.set("region", danger);
    b.told_at(&step);
    Some(())
}

pub fn server(b: &mut Broken<'_>) -> Option<()> {
    let steps = lost_steps(b, "cutover");
    let step = b.pick(&steps)?;
    let record = b.param(&step, "record")?;
    let (file, path) = b.noun("records", &record)?;
    let zone = b.at(file, &path)?.text_of("in")?.to_string();
    let danger = danger(b);
    let fields = b.noun_mut("dns", &zone)?;
    if fields.text_of("kind") == Some("rfc2136") && fields.get("region").is_none() {
        let first = map().with("at", "192.0.2.53").with("region", danger);
        fields.set("servers", Tree::List(vec![first, "198.51.100.53".into()]));
    } else {
        fields.set("region", danger);
    }
    b.told_at(&step);
    Some(())
}

/// The nouns that the steps of a plan with a lost region need, with their secrets.
pub fn secret(b: &mut Broken<'_>) -> Option<()> {
    let uses = [
        ("restore", "from", "repositories"),
        ("notify", "channel", "channels"),
        ("restore", "source", "sources"),
        ("promote", "source", "sources"),
    ];
    let mut found = Vec::new();
    for (verb, key, section) in uses {
        for step in lost_steps(b, verb) {
            let Some(name) = b.param(&step, key) else { continue };
            let Some((file, path)) = b.noun(section, &name) else { continue };
            let fields = b.at(file, &path)?;
            for secret in ["password", "token"].iter().filter_map(|key| fields.get(key)?.text_of("secret")) {
                found.push((step.clone(), secret.to_string()));
            }
        }
    }
    let (step, secret) = b.pick(&found)?;
    let danger = danger(b);
    b.noun_mut("secrets", &secret)?.set("region", danger);
    b.told_at(&step);
    Some(())
}

pub fn rotated_secret(b: &mut Broken<'_>) -> Option<()> {
    let file = lost_plan(b)?;
    let secret = b.pick(&b.world.secrets.clone())?;
    let step = b.add_step(file, "change-it", map().with("rotate", map().with("secret", &secret)))?;
    let danger = danger(b);
    b.noun_mut("secrets", &secret)?.set("region", danger);
    b.told_at(&step);
    Some(())
}

pub fn state(b: &mut Broken<'_>) -> Option<()> {
    let steps = lost_steps(b, "provision");
    let step = b.pick(&steps)?;
    let stack = b.param(&step, "stack")?;
    let danger = danger(b);
    if b.rng.bool() {
        b.noun_mut("stacks", &stack)?.get_mut("state")?.set("region", danger);
    } else {
        b.noun_mut("stacks", &stack)?.set("region", danger);
    }
    b.told_at(&step);
    Some(())
}

pub fn balancer(b: &mut Broken<'_>) -> Option<()> {
    let steps = lost_steps(b, "switch");
    let step = b.pick(&steps)?;
    let pool = b.param(&step, "pool")?;
    let danger = danger(b);
    if b.rng.bool() {
        b.noun_mut("pools", &pool)?.set("region", danger);
    } else {
        let hosts: Vec<usize> = (0..b.world.hosts.len()).collect();
        let there = b.world.there(&hosts, DANGER);
        let host = b.world.hosts[there[0]].name.clone();
        let fields = b.noun_mut("pools", &pool)?;
        fields.remove("region");
        fields.set("on", vec![host]);
    }
    b.told_at(&step);
    Some(())
}

pub fn people(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> = ["approve", "ask"].iter().flat_map(|verb| lost_steps(b, verb)).collect();
    let step = b.pick(&steps)?;
    let role = b.param(&step, "role")?;
    let (file, path) = b.noun("roles", &role)?;
    let fields = b.at(file, &path)?;
    let people: Vec<String> =
        ["primary", "backup"].iter().filter_map(|key| fields.text_of(key).map(str::to_string)).collect();
    let danger = danger(b);
    for person in people {
        *b.noun_mut("contacts", &person)? =
            map().with("name", "Anna").with("email", "a@shop.example").with("mail-region", &danger);
    }
    b.told_at(&step);
    Some(())
}

/// Plans in which a region or host is not believed.
fn suspect_steps(b: &Broken<'_>, verb: &str) -> Vec<Step> {
    let suspect =
        |step: &Step| b.files[step.file].tree.at(&["scenario".to_string(), "suspect".to_string()]).is_some();
    b.steps(verb).into_iter().filter(suspect).collect()
}

/// Whether a whole region is not believed in the plan of a step.
fn whole_region(b: &Broken<'_>, step: &Step) -> bool {
    let suspect = b.files[step.file].tree.at(&["scenario".to_string(), "suspect".to_string()]);
    suspect.is_some_and(|suspect| suspect.get("hosts").is_none())
}

pub fn suspect_asked(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> = suspect_steps(b, "check")
        .into_iter()
        .filter(|step| whole_region(b, step) && b.always(step))
        .collect();
    let step = b.pick(&steps)?;
    let names = b.params(&step)?.get("checks")?.texts();
    let app = b.world.apps.iter().find(|app| app.health.contains(&names[0]))?;
    let hosts = b.world.there(&app.fronts, DANGER);
    if hosts.is_empty() || names.iter().any(|name| !app.health.contains(name)) {
        return None;
    }
    let danger = danger(b);
    let fields = b.params_mut(&step)?;
    fields.remove("hosts");
    fields.set("region", danger);
    b.told_at(&step);
    Some(())
}

pub fn suspect_evidence(b: &mut Broken<'_>) -> Option<()> {
    let steps = suspect_steps(b, "fence");
    let step = b.pick(&steps)?;
    let fence = b.params_mut(&step)?;
    fence.remove("risk");
    if b.rng.bool() {
        b.params_mut(&step)?.set("evidence", "stopped");
    } else {
        b.params_mut(&step)?.remove("evidence");
    }
    b.told_at(&step);
    Some(())
}

pub fn suspect_point(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> = ["restore", "prove", "rollback"]
        .iter()
        .flat_map(|verb| suspect_steps(b, verb))
        .filter(|step| app_of(b, step).is_some())
        .collect();
    let step = b.pick(&steps)?;
    let key = if b.verb(&step)? == "rollback" { "to" } else { "point" };
    let point = b.pick(&["latest", "2026-11-20T21:04:05Z", "2026-11-21T00:00:00Z", "deadbeef00", ""])?;
    if point.is_empty() && key == "point" {
        b.params_mut(&step)?.remove(key);
    } else {
        b.params_mut(&step)?.set(key, if point.is_empty() { "latest" } else { point });
    }
    b.told_at(&step);
    Some(())
}

/// The plans that bring something back are taken away.
pub fn no_way_back(b: &mut Broken<'_>) -> Option<()> {
    let file = lost_plan(b)?;
    let target = b.world.regions[TARGET].clone();
    let moves = |verb: &str, what: &str| -> Vec<String> {
        let own = b.steps(verb).into_iter().filter(|step| step.file == file);
        own.filter_map(|step| b.param(&step, what)).collect()
    };
    let records = moves("cutover", "record");
    let moved = b.pick(&records)?;
    let back: Vec<usize> = b
        .steps("cutover")
        .into_iter()
        .filter(|step| {
            b.param(step, "record").as_ref() == Some(&moved) && b.param(step, "to").as_ref() != Some(&target)
        })
        .map(|step| step.file)
        .collect();
    for (number, one) in b.files.iter_mut().enumerate() {
        if back.contains(&number) {
            one.tree = map()
                .with("plan", one.tree.text_of("plan")?.to_string())
                .with("steps", map().with("a", map().with("wait", map().with("for", "1s"))));
        }
    }
    b.told(file, &["plan".to_string()]);
    Some(())
}
