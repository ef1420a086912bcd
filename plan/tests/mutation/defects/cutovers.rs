//! Users who are sent to a place that nobody has looked at.

use super::broken::{Broken, Step};

/// A cut-over or switch, the checks before it, and its region.
pub fn cut_over(b: &mut Broken<'_>) -> Option<(Step, Vec<Step>, String)> {
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
    b.set_after(&start, std::slice::from_ref(check));
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
