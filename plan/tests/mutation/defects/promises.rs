//! Promises that cannot be kept.

use super::broken::{Broken, Step};
use crate::tree::{Tree, map};

/// Plans that promise nothing about time, or something: their files.
pub fn plans(b: &Broken<'_>) -> Vec<usize> {
    let alone = |file: &usize| b.files[*file].tree.text_of("alone") != Some("false");
    (0..b.files.len()).filter(|file| b.files[*file].tree.get("plan").is_some()).filter(alone).collect()
}

fn promise(b: &mut Broken<'_>, file: usize, key: &str, value: &str) -> Option<()> {
    let head = &mut b.files[file].tree;
    if head.get("objectives").is_none() {
        head.set("objectives", map());
    }
    head.get_mut("objectives")?.set(key, value);
    b.told(file, &["objectives".to_string(), key.to_string()]);
    Some(())
}

/// Steps that bring a plan to its end: a promise about time is about them.
const ENDS: [&str; 5] = ["cutover", "switch", "promote", "swap", "start"];

/// A step at the end of a recovery takes longer than the plan may.
pub fn slow_path(b: &mut Broken<'_>) -> Option<()> {
    let alone = plans(b);
    let steps: Vec<Step> =
        ENDS[..2].iter().flat_map(|verb| b.steps(verb)).filter(|step| alone.contains(&step.file)).collect();
    let over = b.pick(&steps)?;
    let before: Vec<Step> = b.before(&over).into_iter().map(|name| Step { file: over.file, name }).collect();
    let works = |step: &Step| {
        b.always(step) && ["promote", "start", "check", "restore"].contains(&b.verb(step).unwrap_or_default())
    };
    let before: Vec<Step> = before.into_iter().filter(works).collect();
    let slow = b.pick(&before)?;
    let fields = b.fields_mut(&slow)?;
    fields.set("takes", "3h");
    fields.set("timeout", "8h");
    let file = over.file;
    b.files[file].tree.remove("objectives");
    promise(b, file, "rto", "2h")
}

pub fn long_waits(b: &mut Broken<'_>) -> Option<()> {
    let alone = plans(b);
    let steps: Vec<Step> =
        ENDS[..2].iter().flat_map(|verb| b.steps(verb)).filter(|step| alone.contains(&step.file)).collect();
    let over = b.pick(&steps)?;
    let ask = map().with("approve", map().with("within", "7h"));
    let ask = b.add_step(over.file, "think-it-over", ask)?;
    let mut after = b.after(&over);
    after.push(ask);
    b.set_after(&over, &after);
    let file = over.file;
    b.files[file].tree.remove("objectives");
    promise(b, file, "rto", "6h")
}

/// The plan may take or lose more than the source that it brings back.
pub fn looser(b: &mut Broken<'_>) -> Option<()> {
    let alone = plans(b);
    let steps: Vec<Step> = ["promote", "swap"]
        .iter()
        .flat_map(|verb| b.steps(verb))
        .filter(|step| alone.contains(&step.file))
        .collect();
    let step = b.pick(&steps)?;
    let source = b.param(&step, "source")?;
    let (file, path) = b.noun("sources", &source)?;
    let promised = b.at(file, &path)?.get("objectives")?;
    let key = if promised.get("rto").is_some() { "rto" } else { "rpo" };
    promised.get(key)?;
    promise(b, step.file, key, "2000h")
}

pub fn service_before(b: &mut Broken<'_>) -> Option<()> {
    let app = b.pick(&b.world.apps.clone())?;
    let (file, path) = b.noun("services", &app.writers[0])?;
    b.at_mut(file, &path)?.set("objectives", map().with("rto", "1h"));
    let source = b.noun_mut("sources", &app.source)?;
    let mut promised = source.get("objectives").cloned().unwrap_or_else(map);
    promised.set("rto", "30h");
    source.set("objectives", promised);
    b.told(file, &path);
    Some(())
}

pub fn slow_step(b: &mut Broken<'_>) -> Option<()> {
    let held = ["approve", "ask", "wait", "call", "fence", "provision", "start", "stop"];
    let alone = plans(b);
    let steps: Vec<Step> = b
        .all_steps()
        .into_iter()
        .filter(|step| alone.contains(&step.file) && !held.contains(&b.verb(step).unwrap_or_default()))
        .collect();
    let step = b.pick(&steps)?;
    let fields = b.fields_mut(&step)?;
    if fields.get("when").is_some() {
        return None;
    }
    fields.set("takes", "2h");
    // A rollback of data is two steps, and each has that time.
    fields.set("timeout", "50m");
    b.told_at(&step);
    Some(())
}

/// A schedule of a source, whatever its name.
fn schedule_of(b: &Broken<'_>, source: &str) -> Option<String> {
    let of = |name: &String| {
        let (file, path) = b.noun("schedules", name)?;
        (b.at(file, &path)?.text_of("backup")? == source).then_some(())
    };
    b.nouns("schedules").into_iter().find(|name| of(name).is_some())
}

/// A source that has a promise, with its schedule: only backups keep it.
fn promised(b: &mut Broken<'_>, key: &str) -> Option<(String, String)> {
    let mut found = Vec::new();
    for source in b.nouns("sources") {
        let (file, path) = b.noun("sources", &source)?;
        let has = b.at(file, &path)?.get("objectives").is_some_and(|promised| promised.get(key).is_some());
        if let Some(schedule) = schedule_of(b, &source).filter(|_| has) {
            found.push((source, schedule));
        }
    }
    let (source, schedule) = b.pick(&found)?;
    let (file, mut path) = b.noun("sources", &source)?;
    path.extend(["objectives".to_string(), key.to_string()]);
    b.told(file, &path);
    Some((source, schedule))
}

pub fn rare(b: &mut Broken<'_>) -> Option<()> {
    let (_, schedule) = promised(b, "rpo")?;
    let at = b.pick(&["0 3 1 * *", "0 3 1 */2 *", "0 3 1 1,7 *"])?;
    b.noun_mut("schedules", &schedule)?.set("at", at);
    Some(())
}

pub fn slow_backup(b: &mut Broken<'_>) -> Option<()> {
    let (source, schedule) = promised(b, "rpo")?;
    let (file, path) = b.noun("sources", &source)?;
    let hours: u64 =
        b.at(file, &path)?.get("objectives")?.text_of("rpo")?.trim_end_matches('h').parse().ok()?;
    let key = b.pick(&["takes", "transfer"])?;
    let (file, path) = b.noun("schedules", &schedule)?;
    if key == "transfer" && b.at(file, &path)?.get("to")?.texts().len() > 1 && hours > 0 {
        // A copy that stays near keeps the promise where a standby takes over the region.
        return None;
    }
    b.at_mut(file, &path)?.set(key, format!("{hours}h"));
    Some(())
}

pub fn no_schedule(b: &mut Broken<'_>) -> Option<()> {
    let (_, schedule) = promised(b, "rpo")?;
    let (file, path) = b.noun("schedules", &schedule)?;
    b.at_mut(file, &path[..1])?.remove(&schedule);
    Some(())
}

pub fn no_survivor(b: &mut Broken<'_>) -> Option<()> {
    let (source, schedule) = promised(b, "rpo")?;
    let app = b.world.apps.iter().find(|app| app.source == source);
    // A database with a standby elsewhere loses nothing with its region.
    if app.is_some_and(|app| app.members.len() > 1 && app.kind == "postgres") {
        return None;
    }
    let first = app
        .map(|app| app.members[0])
        .or_else(|| b.world.loose.iter().find(|loose| loose.source == source).map(|loose| loose.host))?;
    let home = b.world.hosts[first].region;
    let near: Vec<String> = b
        .world
        .repositories
        .iter()
        .filter(|(_, region)| *region == home)
        .map(|(name, _)| name.clone())
        .collect();
    b.noun_mut("schedules", &schedule)?.set("to", near);
    Some(())
}

/// A schedule keeps for a shorter time than what is between two of its backups.
pub fn short_keep(b: &mut Broken<'_>) -> Option<()> {
    let name = b.pick(&b.nouns("schedules"))?;
    let (file, path) = b.noun("schedules", &name)?;
    let fields = b.at_mut(file, &path)?;
    fields.get("backup")?;
    fields.set("at", "0 3 1 * *");
    let days = b.rng.usize(1..28);
    b.at_mut(file, &path)?.set("keep", map().with("days", days));
    b.told(file, &path);
    Some(())
}

pub fn undetected(b: &mut Broken<'_>) -> Option<()> {
    let (_, schedule) = promised(b, "detection")?;
    let days = b.noun_mut("schedules", &schedule)?.get("keep")?.text_of("days")?.parse::<usize>().ok()?;
    let fewer = b.pick(&[1, days / 2, days - 1])?;
    b.noun_mut("schedules", &schedule)?.set("keep", map().with("days", fewer.max(8)));
    Some(())
}

pub fn no_proofs(b: &mut Broken<'_>) -> Option<()> {
    let (_, schedule) = promised(b, "proven")?;
    let fields = b.noun_mut("schedules", &schedule)?;
    fields.remove("prove")?;
    if b.rng.bool() {
        b.noun_mut("schedules", &schedule)?.set("prove", Tree::from("false"));
    }
    Some(())
}

pub fn rare_proofs(b: &mut Broken<'_>) -> Option<()> {
    let (_, schedule) = promised(b, "proven")?;
    let rare = match b.rng.bool() {
        true => Tree::from("monthly"),
        false => map().with("at", "0 5 1 */3 *"),
    };
    b.noun_mut("schedules", &schedule)?.set("prove", rare);
    Some(())
}
