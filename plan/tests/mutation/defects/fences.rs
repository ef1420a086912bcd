//! Promotions and starts beside a primary that may still take writes.

use super::broken::{Broken, Step};
use super::order::app_of;
use crate::tree::map;
use crate::world::App;

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

pub fn no_risk(b: &mut Broken<'_>) -> Option<()> {
    let fence = b.step("fence")?;
    b.params_mut(&fence)?.remove("risk")?;
    b.told_at(&fence);
    Some(())
}

pub fn later_evidence(b: &mut Broken<'_>) -> Option<()> {
    let fence = b.step("fence")?;
    let word = b.pick(&["isolated", "powered-off"])?;
    b.params_mut(&fence)?.set("evidence", word);
    b.told_at(&fence);
    Some(())
}

/// The end of a lease is waited for that nobody gives.
pub fn no_lease(b: &mut Broken<'_>) -> Option<()> {
    let fence = b.step("fence")?;
    b.params_mut(&fence)?.set("evidence", "lease-expired");
    b.told_at(&fence);
    Some(())
}

/// The end of a lease is waited for on a machine that may be paused.
pub fn paused(b: &mut Broken<'_>) -> Option<()> {
    let (promote, fence) = fenced(b)?;
    // An isolation waits for no lease.
    b.fields_mut(&fence)?.get("fence")?;
    let app = app_of(b, &promote)?;
    let from = b.param(&fence, "region")?;
    let there = app.members.iter().find(|host| b.world.regions[b.world.hosts[**host].region] == from)?;
    let host = b.world.hosts[*there].name.clone();
    if app.kind != "postgres" || b.param(&fence, "source")? != app.source {
        return None;
    }
    b.noun_mut("sources", &app.source)?.set("lease", "10s");
    b.noun_mut("hosts", &host)?.set("pausable", "true");
    b.params_mut(&fence)?.set("evidence", "lease-expired");
    b.spots.clear();
    b.told_at(&fence);
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

/// A source of two members or more that stand where they are from the beginning.
fn leased(b: &mut Broken<'_>) -> Option<(App, Vec<usize>)> {
    let fits = |app: &&App| app.kind == "postgres" && app.members.len() > 1;
    let apps: Vec<App> = b.world.apps.iter().filter(fits).cloned().collect();
    let app = b.pick(&apps)?;
    let standing: Vec<usize> =
        app.members.iter().copied().filter(|host| !b.world.hosts[*host].brought).collect();
    b.noun_mut("sources", &app.source)?.set("lease", "10s");
    let (file, path) = b.noun("sources", &app.source)?;
    b.told(file, &path);
    Some((app, standing))
}

/// Only one member of a leased source can be asked to extend its lease.
pub fn half_extended(b: &mut Broken<'_>) -> Option<()> {
    let (app, _) = leased(b)?;
    let hosts: Vec<String> = app.members.iter().map(|host| b.world.hosts[*host].name.clone()).collect();
    let host = b.pick(&hosts)?;
    b.noun_mut("hosts", &host)?.set("at", "192.0.2.7:7445");
    Some(())
}

/// A leased source in two regions, and no controller anywhere else.
pub fn two_sites(b: &mut Broken<'_>) -> Option<()> {
    let (_, standing) = leased(b)?;
    let regions: std::collections::BTreeSet<String> =
        standing.iter().map(|host| b.world.regions[b.world.hosts[*host].region].clone()).collect();
    let mut voices = Vec::new();
    for section in ["controllers", "witnesses"] {
        for name in b.nouns(section) {
            voices.push(b.noun_mut(section, &name)?.text_of("region")?.to_string());
        }
    }
    (regions.len() == 2 && !voices.is_empty() && voices.iter().all(|voice| regions.contains(voice)))
        .then_some(())
}
