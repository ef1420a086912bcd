//! What each agent lives by without a controller, from the estate.

use crate::estate::Estate;
use crate::estate::schedules::Schedule;
use model::jobs::{Backup, Check, Prove, Retain};
use model::nouns::{Point, RepositorySpec};
use model::{Assignment, HostName, Leased, Monitored, Name, Scheduled, Work};

/// The assignment of a host; `None` when the estate does not declare it.
pub(crate) fn assignment(estate: &Estate, host: &HostName, version: u64) -> Option<Assignment> {
    let region = estate.region_of(host)?.clone();
    let sources = estate.sources.keys().filter(|source| estate.member_hosts(source).contains(host));
    let leased = |source: &Name| {
        let mut peers = estate.peers(source);
        peers.remove(host);
        Some(Leased { source: source.clone(), terms: estate.lease(source)?, peers })
    };
    Some(Assignment {
        version,
        host: host.clone(),
        region,
        schedules: estate
            .schedules
            .iter()
            .flat_map(|(name, one)| scheduled(estate, host, name, one))
            .collect(),
        monitors: estate.checks.keys().filter_map(|check| monitored(estate, host, check)).collect(),
        members: sources.clone().filter_map(|source| estate.source_on(source, host)).collect(),
        leases: sources.filter_map(leased).collect(),
    })
}

/// The member that takes a schedule's backups.
pub(crate) fn member_of(estate: &Estate, schedule: &Schedule) -> Option<HostName> {
    match &schedule.on {
        Some(on) => Some(on.value.clone()),
        None => estate.member_hosts(&schedule.backup.value).into_iter().next(),
    }
}

/// One piece of work for each repository, so that one that fails does not hold the other back.
fn scheduled(estate: &Estate, host: &HostName, name: &Name, schedule: &Schedule) -> Vec<Scheduled> {
    if member_of(estate, schedule).as_ref() != Some(host) {
        return Vec::new();
    }
    let Some(source) = estate.source_on(&schedule.backup.value, host) else { return Vec::new() };
    let repositories = schedule.to.iter().filter_map(|to| estate.repositories.get(&to.value)?.spec.now());
    let several = schedule.to.len() > 1;
    let one = |spec: &RepositorySpec| {
        let name = if several { Name::new(format!("{name}.{}", spec.name)).ok()? } else { name.clone() };
        let tags = vec![format!("schedule={name}")];
        let mut work = vec![Work::Backup(Backup {
            source: source.clone(),
            repository: spec.clone(),
            tags: tags.clone(),
        })];
        if schedule.prove {
            work.push(Work::Prove(Prove {
                source: source.clone(),
                repository: spec.clone(),
                point: Point::Latest,
                checks: Vec::new(),
            }));
        }
        // Last, so that nothing is let go while backups or proofs fail.
        if let Some(keep) = schedule.keep {
            let (source, repository, tag) = (source.clone(), spec.clone(), tags.first().cloned()?);
            work.push(Work::Retain(Retain { source, repository, tag, keep }));
        }
        Some(Scheduled { name, at: schedule.at.clone(), work, timeout: schedule.timeout })
    };
    // A proof by its own clock is work of its own, so that a backup that fails does not hold it back.
    let proof = |spec: &RepositorySpec| {
        let ending = if several { format!("{}.prove", spec.name) } else { "prove".to_string() };
        let (source, repository) = (source.clone(), spec.clone());
        let work = Work::Prove(Prove { source, repository, point: Point::Latest, checks: Vec::new() });
        Some(Scheduled {
            name: Name::new(format!("{name}.{ending}")).ok()?,
            at: schedule.prove_at.clone()?,
            work: vec![work],
            timeout: schedule.timeout,
        })
    };
    repositories.clone().filter_map(one).chain(repositories.filter_map(proof)).collect()
}

fn monitored(estate: &Estate, host: &HostName, name: &Name) -> Option<Monitored> {
    let every = estate.checks.get(name)?.every?;
    if !estate.asking_hosts(name).contains(host) {
        return None;
    }
    let check = estate.check_on(name, host, host)?;
    let work = Work::Check(Check { check, retries: 0, pause: Check::default_pause() });
    Some(Monitored { name: name.clone(), work, every })
}
