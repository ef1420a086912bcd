//! What the check says about backups: whether they keep what sources and plans promise.
//!
//! Two disasters are looked at. *A region is lost*: only copies elsewhere count. *A bad write*: a standby
//! repeats it within a second, so only backups count. A source with a standby in another region loses
//! nothing worth a backup with its region; then what backups alone give is a warning, not an error.
//! Point-in-time recovery does not count until write-ahead logs are really shipped.

use super::gap::{Gaps, MAX_ALL_WALKED};
use super::kept;
use super::loss::{DEFAULT_TAKES, DEFAULT_TRANSFER, Loss};
use super::words::words;
use crate::assignment::member_of;
use crate::checked::{Action, CheckedPlan};
use crate::codes;
use crate::diagnostic::{Severity, Sink};
use crate::document::Document;
use crate::estate::Estate;
use crate::estate::schedules::Schedule;
use crate::estate::sources::Source;
use crate::text::At;
use model::nouns::SourceKind;
use model::{Name, Work};
use std::collections::BTreeSet;
use std::time::Duration;

/// One way of a source into a repository.
struct Route<'e> {
    schedule: &'e Name,
    repository: &'e Name,
    /// Where the member is that takes the backup, and where the copy is.
    from: Option<&'e Name>,
    to: &'e Name,
    loss: Loss,
}

/// Tells what is wrong with the protection of each source.
pub(crate) fn sources(estate: &Estate, gaps: &mut Gaps, sink: &mut Sink) {
    for (name, source) in &estate.sources {
        let of = |schedule: &&Schedule| schedule.backup.value == *name;
        let schedules: Vec<&Schedule> = estate.schedules.values().filter(of).collect();
        if let Some(rpo) = &source.promised.rpo {
            let routes = routes(estate, name, gaps);
            protection(estate, name, source, rpo, &routes, sink);
        }
        if source.promised.rpo.is_none() && schedules.is_empty() {
            nothing_to_restore(estate, name, source, sink);
        }
        for schedule in &schedules {
            kept::short_keep(schedule, gaps, sink);
        }
        if let Some(detection) = &source.promised.detection {
            kept::undetected(name, detection, &schedules, gaps, sink);
        }
        if let Some(proven) = &source.promised.proven {
            kept::unproven(name, proven, &schedules, gaps, sink);
        }
    }
}

/// Tells a schedule that is not proven since the firings of all others were too many already.
pub(crate) fn unproven_schedules(estate: &Estate, gaps: &Gaps, sink: &mut Sink) {
    let Some(cron) = gaps.refused() else { return };
    let own = |schedule: &Schedule| schedule.at == *cron || schedule.prove_at.as_ref() == Some(cron);
    let name = estate.schedules.iter().find(|(_, schedule)| own(schedule)).map(|(name, _)| name.as_str());
    let place = estate.place("schedule", name.unwrap_or_default()).unwrap_or_default();
    let message = format!(
        "the estate has so many different schedules that more than {MAX_ALL_WALKED} firings would be looked at; {:?} is not",
        cron.expression
    );
    let help = "let more of them fire at the same times".to_string();
    sink.push_with(&codes::TOO_LARGE, place, message, help);
}

/// A source that promises to be back, and of which nothing is there to restore.
fn nothing_to_restore(estate: &Estate, name: &Name, source: &Source, sink: &mut Sink) {
    let Some(rto) = source.promised.rto.as_ref().filter(|_| !source.rebuilds) else { return };
    if standby(estate, name, source).is_none() {
        let message = format!(
            "{} has no backups by schedule, and promises to be back in {}",
            name.as_str(),
            words(rto.value)
        );
        let help = format!("{}, or `rebuilds: true` where losing it loses no data", codes::NO_BACKUP.mend);
        sink.push_with(&codes::NO_BACKUP, rto.span, message, help);
    }
}

fn routes<'e>(estate: &'e Estate, source: &Name, gaps: &mut Gaps) -> Vec<Route<'e>> {
    let mut out = Vec::new();
    for (schedule, one) in estate.schedules.iter().filter(|(_, one)| one.backup.value == *source) {
        let Some(gap) = gaps.of(&one.at) else { continue };
        let from = member_of(estate, one).and_then(|member| estate.region_of(&member));
        for to in &one.to {
            let Some((name, repository)) = estate.repositories.get_key_value(&to.value) else { continue };
            let region = &repository.region.value;
            let crosses = from.is_some_and(|from| from != region);
            let transfer = if crosses { one.transfer.unwrap_or(DEFAULT_TRANSFER) } else { Duration::ZERO };
            let loss = Loss::new(gap, one.takes.unwrap_or(DEFAULT_TAKES), transfer, one.prove);
            out.push(Route { schedule, repository: name, from, to: region, loss });
        }
    }
    out
}

/// What each schedule of a source would lose at worst, by schedule and repository.
pub(crate) fn losses<'e>(estate: &'e Estate, source: &Name) -> Vec<(&'e Name, &'e Name, Loss)> {
    let all = routes(estate, source, &mut Gaps::default());
    all.into_iter().map(|route| (route.schedule, route.repository, route.loss)).collect()
}

fn best<'r, 'e>(routes: impl Iterator<Item = &'r Route<'e>>) -> Option<&'r Route<'e>>
where
    'e: 'r,
{
    routes.min_by_key(|route| route.loss.total())
}

/// The region of a standby: a database with members in more than one region has one. A spare holds nothing.
fn standby<'e>(estate: &'e Estate, name: &Name, source: &Source) -> Option<&'e Name> {
    let database = source.members.iter().all(|on| matches!(on.value.now(), Some(SourceKind::Postgres(_))));
    let mut hosts = estate.member_hosts(name);
    hosts.retain(|host| !estate.is_spare(host));
    let mut regions: Vec<&Name> = hosts.iter().filter_map(|host| estate.region_of(host)).collect();
    regions.dedup();
    regions.get(1).copied().filter(|_| database)
}

fn protection(
    estate: &Estate,
    name: &Name,
    source: &Source,
    rpo: &At<Duration>,
    routes: &[Route<'_>],
    sink: &mut Sink,
) {
    let shown = name.as_str();
    if let Some(region) = standby(estate, name, source) {
        let but = format!("its standby in {region} covers the loss of a host or a region, not a bad write");
        match best(routes.iter()) {
            None => {
                let message = format!(
                    "{shown} has no backups by schedule, and promises to lose {} at most; {but}",
                    words(rpo.value)
                );
                sink.push_as(Severity::Warning, &codes::NO_BACKUP, rpo.span, message);
            }
            Some(route) => exceeded(Severity::Warning, route, rpo, &format!("; {but}"), sink),
        }
        return;
    }
    if routes.is_empty() {
        let message =
            format!("{shown} has no backups by schedule, and promises to lose {} at most", words(rpo.value));
        sink.push(&codes::NO_BACKUP, rpo.span, message);
        return;
    }
    let own: BTreeSet<&Name> = routes.iter().filter_map(|route| route.from).collect();
    let survives = |lost: &Name| best(routes.iter().filter(|route| route.to != lost));
    for lost in own.iter().filter(|lost| survives(lost).is_none()) {
        let message = format!(
            "every backup of {shown} is kept in region {:?}, and lost together with it",
            lost.as_str()
        );
        // With one region there is no other to lose it to, and none that would be left.
        let severity = if estate.regions.len() > 1 { Severity::Error } else { Severity::Warning };
        sink.push_as(severity, &codes::NO_SURVIVOR, rpo.span, message);
    }
    let after = |lost: &&Name| survives(lost).or_else(|| best(routes.iter()));
    let worst = own.iter().filter_map(after).max_by_key(|route| route.loss.total());
    if let Some(route) = worst.or_else(|| best(routes.iter())) {
        exceeded(Severity::Error, route, rpo, "", sink);
    }
}

fn exceeded(severity: Severity, route: &Route<'_>, rpo: &At<Duration>, but: &str, sink: &mut Sink) {
    if route.loss.total() > rpo.value {
        let message = format!(
            "{} (schedule {} to {}); the objective says {}{but}",
            route.loss.sum(),
            route.schedule,
            route.repository,
            words(rpo.value)
        );
        sink.push_as(severity, &codes::RPO_EXCEEDED, rpo.span, message);
    }
}

/// A plan that restores keeps its own objective only with what its repositories get.
pub(crate) fn plan(
    document: &Document,
    plan: &CheckedPlan,
    estate: &Estate,
    gaps: &mut Gaps,
    sink: &mut Sink,
) {
    let Some(rpo) = &document.promised.rpo else { return };
    let tasks = plan.steps.iter().filter(|step| step.skipped.is_none()).flat_map(|step| &step.tasks);
    let restores: BTreeSet<(&Name, &Name)> = tasks
        .filter_map(|task| match &task.action {
            Action::Agent { work: Work::Restore(restore), .. } => {
                Some((&restore.source.name, &restore.repository.name))
            }
            Action::Agent { .. } | Action::Controller { .. } | Action::Timer { .. } => None,
        })
        .collect();
    for (source, repository) in restores {
        let routes = routes(estate, source, gaps);
        match best(routes.iter().filter(|route| route.repository == repository)) {
            Some(route) => exceeded(Severity::Error, route, rpo, "", sink),
            None => {
                let message = format!(
                    "this plan restores {source} from {repository}, into which no schedule backs it up, and promises to lose {} at most",
                    words(rpo.value)
                );
                sink.push(&codes::NO_BACKUP, rpo.span, message);
            }
        }
    }
}
