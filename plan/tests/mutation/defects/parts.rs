//! Parts of nouns and steps that are missing, misspelt, there twice, or of no use.

use super::broken::{Broken, Step};
use crate::tree::{Path, Tree, map};

/// Fields that a noun must have.
const NOUN_NEEDS: [(&str, &str); 22] = [
    ("hosts", "region"),
    ("controllers", "region"),
    ("controllers", "at"),
    ("witnesses", "at"),
    ("services", "hosts"),
    ("services", "kind"),
    ("sources", "members"),
    ("sources", "kind"),
    ("checks", "of"),
    ("repositories", "region"),
    ("repositories", "at"),
    ("repositories", "password"),
    ("schedules", "at"),
    ("schedules", "to"),
    ("dns", "zone"),
    ("records", "in"),
    ("records", "ttl"),
    ("pools", "members"),
    ("stacks", "on"),
    ("channels", "kind"),
    ("roles", "primary"),
    ("contacts", "name"),
];
/// Parameters that a step must have.
const STEP_NEEDS: [(&str, &str); 24] = [
    ("notify", "channel"),
    ("notify", "state"),
    ("fence", "source"),
    ("fence", "region"),
    ("promote", "source"),
    ("start", "services"),
    ("stop", "services"),
    ("check", "checks"),
    ("cutover", "record"),
    ("cutover", "to"),
    ("switch", "pool"),
    ("switch", "to"),
    ("restore", "source"),
    ("restore", "from"),
    ("swap", "copy"),
    ("wait", "for"),
    ("backup", "to"),
    ("prove", "from"),
    ("command", "script"),
    ("ask", "task"),
    ("deploy", "version"),
    ("provision", "stack"),
    ("rotate", "secret"),
    ("call", "plan"),
];

/// Two letters changed, one left out, or one too many.
fn slip(b: &mut Broken<'_>, word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let at = b.rng.usize(0..letters.len());
    match b.rng.u8(0..3) {
        0 if at + 1 < letters.len() && letters[at] != letters[at + 1] => letters.swap(at, at + 1),
        1 if letters.len() > 4 => drop(letters.remove(at)),
        _ => letters.insert(at, letters[at]),
    }
    letters.into_iter().collect()
}

fn rename(b: &mut Broken<'_>, file: usize, path: &[String], name: &str) -> Option<()> {
    let (key, above) = path.split_last()?;
    let pairs = b.at_mut(file, above)?.pairs_mut();
    pairs.iter_mut().find(|(own, _)| own == key)?.0 = name.to_string();
    b.spots.clear();
    let told: Path = above.iter().cloned().chain([name.to_string()]).collect();
    b.told(file, &told);
    Some(())
}

pub fn misspelt(b: &mut Broken<'_>) -> Option<()> {
    let verbs: Vec<String> =
        b.all_steps().iter().filter_map(|step| b.verb(step).map(str::to_string)).collect();
    let meant = |path: &Path, _: &Tree, plan: bool| match (plan, path.len()) {
        (false, 1) => true,
        (false, 3) => !["drill"].contains(&path[0].as_str()),
        (true, 1) => true,
        (true, 3) => path[0] == "steps" && !verbs.contains(&path[2]),
        (true, 4) => path[0] == "steps" && verbs.contains(&path[2]) && path[2] != "call",
        _ => false,
    };
    let (file, path) = b.any(meant)?;
    let key = path.last()?.clone();
    let bad = slip(b, &key);
    rename(b, file, &path, &bad)
}

pub fn misspelt_verb(b: &mut Broken<'_>) -> Option<()> {
    let all = b.all_steps();
    let step = b.pick(&all)?;
    let verb = b.verb(&step)?.to_string();
    let bad = slip(b, &verb);
    let mut path = step.path();
    path.push(verb);
    rename(b, step.file, &path, &bad)
}

pub fn missing_of_noun(b: &mut Broken<'_>) -> Option<()> {
    let (section, key) = b.pick(&NOUN_NEEDS)?;
    let nouns = b.nouns(section);
    let name = b.pick(&nouns)?;
    let (file, path) = b.noun(section, &name)?;
    b.at_mut(file, &path)?.remove(key)?;
    b.told(file, &path);
    Some(())
}

pub fn missing_of_step(b: &mut Broken<'_>) -> Option<()> {
    let (verb, key) = b.pick(&STEP_NEEDS)?;
    let step = b.step(verb)?;
    b.params_mut(&step)?.remove(key)?;
    b.told_at(&step);
    Some(())
}

pub fn twice_in_map(b: &mut Broken<'_>) -> Option<()> {
    let (file, path) =
        b.any(|path, _, _| (1..=3).contains(&path.len()) && path[path.len() - 1].parse::<usize>().is_err())?;
    let (key, above) = path.split_last()?;
    let again = b.at(file, &path)?.clone();
    let pairs = b.at_mut(file, above)?;
    let Tree::Map(pairs) = pairs else { return None };
    pairs.push((key.clone(), again));
    Some(())
}

pub fn twice_in_files(b: &mut Broken<'_>) -> Option<()> {
    let sections = ["hosts", "services", "sources", "checks", "repositories", "records", "channels", "roles"];
    let section = b.pick(&sections)?;
    let nouns = b.nouns(section);
    let name = b.pick(&nouns)?;
    let (file, path) = b.noun(section, &name)?;
    let again = b.at(file, &path)?.clone();
    let tree = map().with(section, map().with(&name, again));
    b.files.push(crate::case::File { path: "more.yaml".to_string(), tree });
    b.told(b.files.len() - 1, &path);
    Some(())
}

pub fn twice_in_list(b: &mut Broken<'_>) -> Option<()> {
    let keys = ["services", "checks", "writers", "needs", "to", "after", "members", "hosts", "lost"];
    let meant = |path: &Path, node: &Tree, plan: bool| {
        let own = path.last().is_some_and(|key| keys.contains(&key.as_str()));
        let mail = node.texts().iter().any(|text| text.contains('@'));
        own && (plan || path.len() > 2) && matches!(node, Tree::List(items) if !items.is_empty()) && !mail
    };
    let (file, path) = b.any(meant)?;
    let Tree::List(items) = b.at_mut(file, &path)? else { return None };
    let again = items[0].clone();
    items.push(again);
    Some(())
}

pub fn no_verb(b: &mut Broken<'_>) -> Option<()> {
    let all = b.all_steps();
    let step = b.pick(&all)?;
    let verb = b.verb(&step)?.to_string();
    b.fields_mut(&step)?.remove(&verb);
    b.told_at(&step);
    Some(())
}

pub fn two_verbs(b: &mut Broken<'_>) -> Option<()> {
    let all: Vec<Step> = b.all_steps().into_iter().filter(|step| b.verb(step) != Some("wait")).collect();
    let step = b.pick(&all)?;
    b.fields_mut(&step)?.set("wait", map().with("for", "1s"));
    b.told_at(&step);
    Some(())
}

/// A noun or step gets a second one of what it may have once.
pub fn both(b: &mut Broken<'_>) -> Option<()> {
    match b.rng.u8(0..6) {
        0 => {
            let starts: Vec<Step> =
                ["start", "stop", "check", "restart"].iter().flat_map(|verb| b.steps(verb)).collect();
            let step = b.pick(&starts)?;
            let (host, region) = (b.world.hosts[0].name.clone(), b.world.regions[0].clone());
            let params = b.params_mut(&step)?;
            params.set("hosts", vec![host]);
            params.set("region", region);
            b.told_at(&step);
        }
        1 => {
            let name = b.pick(&b.nouns("checks"))?;
            let (file, path) = b.noun("checks", &name)?;
            let fields = b.at_mut(file, &path)?;
            let (key, question) = match fields.get("disk") {
                None => ("disk", map().with("path", "/").with("free", "1GiB")),
                Some(_) => ("tcp", map().with("address", "127.0.0.1:1")),
            };
            fields.set(key, question);
            b.told(file, &path);
        }
        2 => {
            let secret = |path: &Path, node: &Tree, plan: bool| {
                !plan
                    && path.len() == 3
                    && ["password", "key", "token"].contains(&path[2].as_str())
                    && matches!(node, Tree::Map(_))
            };
            let (file, path) = b.any(secret)?;
            let place = b.at_mut(file, &path)?;
            place.set("file", "/etc/x");
            place.set("env", "X");
        }
        3 => {
            let name = b.pick(&b.nouns("records"))?;
            let (file, path) = b.noun("records", &name)?;
            let region = b.world.regions[0].clone();
            let fields = b.at_mut(file, &path)?;
            if fields.get("values").is_none() {
                fields.set("values", map().with(&region, vec!["192.0.2.1"]));
            } else {
                fields.set("targets", map().with(&region, "x.example"));
            }
            b.told(file, &path);
        }
        4 => {
            let step = b.step("sql")?;
            b.params_mut(&step)?.set("file", "/srv/x.sql");
            b.told_at(&step);
        }
        _ => {
            let step = b.step("collect")?;
            let to = b.world.repositories[0].0.clone();
            b.params_mut(&step)?.set("to", to);
            b.told_at(&step);
        }
    }
    Some(())
}

pub fn common_of_call(b: &mut Broken<'_>) -> Option<()> {
    let step = b.step("call")?;
    let (key, value) = b.pick(&[
        ("timeout", Tree::from("1h")),
        ("undo", Tree::from("none")),
        ("on-failure", Tree::from("stop")),
        ("retry", map().with("tries", "2")),
    ])?;
    b.fields_mut(&step)?.set(key, value);
    b.told_at(&step);
    Some(())
}

pub fn allowed_error(b: &mut Broken<'_>) -> Option<()> {
    let all = b.all_steps();
    let step = b.pick(&all)?;
    let code = b.pick(&["LB0302", "LB0303", "LB0411", "LB9999", "LB128", "all"])?;
    let allow = if b.rng.bool() { map().with(code, "we know") } else { vec![code].into() };
    b.fields_mut(&step)?.set("allow", allow);
    b.told_at(&step);
    Some(())
}

pub fn allowed_silently(b: &mut Broken<'_>) -> Option<()> {
    let later = ["deploy", "switch", "scale", "collect", "isolate", "rotate", "provision"];
    let steps: Vec<Step> = later.iter().flat_map(|verb| b.steps(verb)).collect();
    let step = b.pick(&steps)?;
    b.fields_mut(&step)?.set("allow", vec!["LB0128"]);
    b.told_at(&step);
    Some(())
}

pub fn allowed_in_vain(b: &mut Broken<'_>) -> Option<()> {
    let all = b.all_steps();
    let step = b.pick(&all)?;
    let code = b.pick(&["LB0315", "LB0304", "LB0341", "LB0320"])?;
    b.fields_mut(&step)?.set("allow", map().with(code, "looked at"));
    b.told_at(&step);
    Some(())
}

pub fn long_name(b: &mut Broken<'_>) -> Option<()> {
    let all: Vec<Step> = b.all_steps().into_iter().filter(|step| !b.is_used(step)).collect();
    let step = b.pick(&all)?;
    let name = "n".repeat(124 + b.rng.usize(0..4));
    let followers: Vec<Step> =
        b.all_steps().into_iter().filter(|other| b.after(other).contains(&step)).collect();
    for other in &followers {
        let long = Step { file: step.file, name: name.clone() };
        let mut after = b.after(other);
        after.retain(|one| *one != step);
        after.push(long);
        b.set_after(other, &after);
    }
    rename(b, step.file, &step.path(), &name)
}

/// What is done only when every host has done it may not leave some out.
pub fn fan_out_of_all(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> =
        ["fence", "stop", "check", "swap", "promote"].iter().flat_map(|verb| b.steps(verb)).collect();
    let steps: Vec<Step> = steps.into_iter().filter(|step| b.always(step)).collect();
    let step = b.pick(&steps)?;
    b.fields_mut(&step)?.set("fan-out", map().with("failures", "1"));
    b.told_at(&step);
    Some(())
}
