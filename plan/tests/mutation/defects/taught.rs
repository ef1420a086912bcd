//! What recovery documents of real teams taught: nobody looks, or at the wrong place; what is changed stays old.

use super::broken::{Broken, Step};
use super::cutovers::cut_over;
use super::promises::plans;
use crate::estate::DIGEST;
use crate::tree::{Path, Tree, map};

/// The steps of some verbs in one file that has some of them.
fn of_one_plan(b: &mut Broken<'_>, verbs: &[&str]) -> Option<Vec<Step>> {
    let alone = plans(b);
    let all: Vec<Step> = verbs.iter().flat_map(|verb| b.steps(verb)).collect();
    let all: Vec<Step> = all.into_iter().filter(|step| alone.contains(&step.file)).collect();
    let file = b.pick(&all)?.file;
    Some(all.into_iter().filter(|step| step.file == file).collect())
}

/// Nobody looks any more in the plan of some steps, nor in a plan that it calls.
fn blind(b: &mut Broken<'_>, steps: &[Step]) -> Option<()> {
    let first = steps.first()?.clone();
    if !b.beside(&first, "call").is_empty() {
        return None;
    }
    for look in ["check", "command"].iter().flat_map(|verb| b.beside(&first, verb)).collect::<Vec<_>>() {
        if b.is_used(&look) {
            return None;
        }
        b.drop_step(&look);
    }
    steps.iter().for_each(|step| b.told_at(step));
    Some(())
}

pub fn unseen_end(b: &mut Broken<'_>) -> Option<()> {
    let steps = of_one_plan(b, &["start", "promote"])?;
    blind(b, &steps)?;
    b.files[steps[0].file].tree.set("objectives", map().with("rto", "200h"));
    Some(())
}

pub fn unchecked(b: &mut Broken<'_>) -> Option<()> {
    let steps = of_one_plan(b, &["deploy", "rollback", "swap"])?;
    blind(b, &steps)
}

/// The check before a cut-over asks by the name that the cut-over moves.
pub fn asks_elsewhere(b: &mut Broken<'_>) -> Option<()> {
    let (over, checks, _) = cut_over(b)?;
    b.spots.clear();
    let (file, path) = b.noun("records", &b.param(&over, "record")?)?;
    let name = b.at(file, &path)?.text_of("name")?.to_string();
    let checks: Vec<Step> = checks.into_iter().filter(|check| b.always(check)).collect();
    let check = b.pick(&checks)?;
    let asked = b.params(&check)?.get("checks")?.texts();
    let front = |name: &String| b.world.apps.iter().any(|app| app.health.contains(name));
    let fronts: Vec<String> = asked.into_iter().filter(front).collect();
    let asked = b.pick(&fronts)?;
    let noun = b.noun_mut("checks", &asked)?;
    for question in ["tcp", "http", "command", "disk", "certificate", "pods"] {
        noun.remove(question);
    }
    noun.set("http", map().with("url", format!("http://{name}/health")));
    b.told_at(&check);
    Some(())
}

pub fn replayed(b: &mut Broken<'_>) -> Option<()> {
    let sql = b.step("sql")?;
    let statement = b.pick(&[
        "select pg_wal_replay_resume()",
        "ALTER SYSTEM SET recovery_target_time = '2026-11-20 21:04:05'",
        "select pg_xlog_replay_resume()",
    ])?;
    b.params_mut(&sql)?.set("statement", statement);
    b.told_at(&sql);
    Some(())
}

/// What a suspect host wrote is no longer locked where a restore takes it from.
pub fn unlocked(b: &mut Broken<'_>) -> Option<()> {
    let suspect = ["scenario".to_string(), "suspect".to_string()];
    let steps: Vec<Step> =
        b.steps("restore").into_iter().filter(|step| b.at(step.file, &suspect).is_some()).collect();
    let restore = b.pick(&steps)?;
    let from = b.param(&restore, "from")?;
    b.noun_mut("repositories", &from)?.remove("object-lock")?;
    b.told_at(&restore);
    Some(())
}

pub fn cut_off(b: &mut Broken<'_>) -> Option<()> {
    let isolate = b.step("isolate")?;
    let params = b.params(&isolate)?;
    let hosts = match params.get("hosts") {
        Some(hosts) => hosts.texts(),
        None => {
            let region = params.text_of("region")?;
            let app =
                b.world.apps.iter().find(|app| Some(app.source.as_str()) == params.text_of("source"))?;
            let region = b.world.regions.iter().position(|own| own == region)?;
            b.world.host_names(&b.world.there(&app.members, region))
        }
    };
    let host = b.pick(&hosts)?;
    let script = map().with("script", "/opt/look.sh").with("sha256", DIGEST).with("hosts", vec![host]);
    let late = map().with("after", vec![isolate.name.clone()]).with("command", script);
    let late = b.add_step(isolate.file, "look-there-too", late)?;
    b.told_at(&late);
    Some(())
}

/// A noun of the estate that was not there, and is told.
fn declare(b: &mut Broken<'_>, section: &str, name: &str, fields: Tree) -> Option<()> {
    let file = (0..b.files.len()).find(|file| b.files[*file].tree.get("plan").is_none())?;
    let tree = &mut b.files[file].tree;
    if tree.get(section).is_none() {
        tree.set(section, map());
    }
    tree.get_mut(section)?.set(name, fields);
    let path: Path = vec![section.to_string(), name.to_string()];
    b.told(file, &path);
    Some(())
}

/// Whether a step of a plan acts on something that a drill must not touch.
fn acts(plan: &Tree) -> bool {
    let steps = plan.get("steps").map(Tree::pairs).unwrap_or_default();
    let acts = ["start", "stop", "fence", "restore", "swap", "rollback", "deploy", "promote", "cutover"];
    steps
        .iter()
        .any(|(_, step)| step.get("when").is_none() && acts.iter().any(|verb| step.get(verb).is_some()))
}

/// A drill by the clock: nothing stands in, an input is not given, or the plan is only for others.
pub fn no_drill(b: &mut Broken<'_>) -> Option<()> {
    let fits = |file: &usize| {
        let tree = &b.files[*file].tree;
        let inputs = tree.get("inputs").map(Tree::pairs).unwrap_or_default();
        let open = inputs.iter().any(|(_, input)| input.get("default").is_none());
        tree.get("plan").is_some()
            && (open || tree.text_of("alone") == Some("false") || !b.world.drill && acts(tree))
    };
    let files: Vec<usize> = (0..b.files.len()).filter(fits).collect();
    let file = b.pick(&files)?;
    let plan = b.files[file].tree.text_of("plan")?.to_string();
    declare(b, "schedules", "rehearsal", map().with("drill", plan).with("at", "0 9 1 * *"))
}

/// A service goes on with the value of a secret from before it was changed.
pub fn old_secret(b: &mut Broken<'_>) -> Option<()> {
    let rotate = b.step("rotate")?;
    let secret = b.param(&rotate, "secret")?;
    let named = b.params(&rotate)?.get("services")?.texts();
    let app = b.world.apps.iter().find(|app| named.iter().any(|name| app.writers.contains(name)))?.clone();
    let user = match b.rng.bool() {
        true => app.server,
        false => {
            b.params_mut(&rotate)?.remove("services");
            b.params_mut(&rotate)?.remove("region");
            app.writers[0].clone()
        }
    };
    b.noun_mut("secrets", &secret)?.set("used-by", vec![user]);
    b.told_at(&rotate);
    Some(())
}

pub fn moving_deploy(b: &mut Broken<'_>) -> Option<()> {
    let deploy = b.step("deploy")?;
    let moving = b.pick(&["latest", "main", "shop:stable", "registry.example:5000/shop:latest"])?;
    b.params_mut(&deploy)?.set("version", moving);
    b.told_at(&deploy);
    Some(())
}

/// Data is taken from a repository into which nobody puts it.
pub fn unfed(b: &mut Broken<'_>) -> Option<()> {
    let steps: Vec<Step> = ["restore", "prove", "rollback"].iter().flat_map(|verb| b.steps(verb)).collect();
    let step = b.pick(&steps)?;
    let source = b.param(&step, "source")?;
    let app = b.world.apps.iter().find(|app| app.source == source).map(|app| &app.repositories);
    let loose = b.world.loose.iter().find(|loose| loose.source == source).map(|loose| &loose.repositories);
    let fed = app.or(loose)?;
    let others = b.world.repositories.iter().filter(|(name, _)| !fed.contains(name));
    let others: Vec<String> = others.map(|(name, _)| name.clone()).collect();
    let other = b.pick(&others)?;
    b.params_mut(&step)?.set("from", other);
    b.files[step.file].tree.remove("objectives");
    b.told_at(&step);
    Some(())
}

/// More availability is promised than one recovery leaves.
pub fn used_up(b: &mut Broken<'_>) -> Option<()> {
    let apps = b.world.apps.clone();
    let app = b.pick(&apps)?;
    let (of, section) = match b.rng.bool() {
        true => (app.writers[0].clone(), "services"),
        false => (app.source, "sources"),
    };
    let noun = b.noun_mut(section, &of)?;
    let mut promised = noun.get("objectives").cloned().unwrap_or_else(map);
    if promised.get("rto").is_none() {
        promised.set("rto", "90h");
        noun.set("objectives", promised);
    }
    let level = map().with("of", of).with("availability", "99.9%");
    declare(b, "objectives", "always-there", level)
}
