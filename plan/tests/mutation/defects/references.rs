//! Names of what is not there, inputs and outputs that do not fit, and circles.

use super::broken::{Broken, Step};
use crate::tree::{Path, Tree, map};

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
