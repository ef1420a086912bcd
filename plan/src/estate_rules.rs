//! Rules of an estate that need no plan.

use crate::codes;
use crate::diagnostic::Sink;
use crate::estate::Estate;
use crate::estate::sources::Source;
use model::{HostName, Name};
use std::collections::BTreeSet;

/// Asks every rule.
pub(crate) fn check(estate: &Estate, sink: &mut Sink) {
    for (name, source) in &estate.sources {
        only_near(name, source, estate, sink);
        half_extended(name, source, estate, sink);
        two_sites(name, source, estate, sink);
    }
    people(estate, sink);
}

/// Backups that never leave the region of what they protect. A source that promises an RPO is told by the
/// arithmetic of that promise.
fn only_near(name: &Name, source: &Source, estate: &Estate, sink: &mut Sink) {
    let members = estate.standing_members(name);
    let homes: BTreeSet<&Name> = members.iter().filter_map(|host| estate.region_of(host)).collect();
    let schedules = estate.schedules.values().filter(|schedule| schedule.backup.value == *name);
    let places: BTreeSet<&Name> = schedules
        .flat_map(|schedule| &schedule.to)
        .filter_map(|to| estate.repositories.get(&to.value))
        .map(|repository| &repository.region.value)
        .collect();
    let (Some(home), 1, true) = (homes.first(), homes.len(), homes == places) else { return };
    if source.promised.rpo.is_none() && !source.rebuilds {
        let message = format!("{name} and every backup of it are in region {:?}", home.as_str());
        sink.push(&codes::ONLY_NEAR, estate.place("source", name.as_str()).unwrap_or_default(), message);
    }
}

/// Some members of a leased source can be asked for an extension and others not: then none is ever given.
fn half_extended(name: &Name, source: &Source, estate: &Estate, sink: &mut Sink) {
    let Some(lease) = &source.lease else { return };
    let members = estate.member_hosts(name);
    let asked = |host: &&HostName| estate.hosts.get(*host).is_some_and(|host| host.at.is_some());
    let deaf: Vec<&str> = members.iter().filter(|host| !asked(host)).map(HostName::as_str).collect();
    if !deaf.is_empty() && deaf.len() < members.len() {
        let message = format!("no `at` says where the agent of {} can be asked", deaf.join(", "));
        sink.push(&codes::HALF_EXTENDED, lease.span, message);
    }
}

/// A leased source in two regions, and nobody in a third who could tell which of the two is cut off.
fn two_sites(name: &Name, source: &Source, estate: &Estate, sink: &mut Sink) {
    let Some(lease) = &source.lease else { return };
    let members = estate.standing_members(name);
    let homes: BTreeSet<&Name> = members.iter().filter_map(|host| estate.region_of(host)).collect();
    let voices = estate.controllers.values().map(|one| &one.region.value);
    let voices: BTreeSet<&Name> = voices.chain(estate.witnesses.values().map(|at| &at.value)).collect();
    if homes.len() != 2 || !voices.is_subset(&homes) || voices.is_empty() {
        return;
    }
    let sites: Vec<&str> = homes.iter().map(|home| home.as_str()).collect();
    let message = match voices.len() {
        1 => {
            let own = voices.first().map_or("", |voice| voice.as_str());
            let far = sites.iter().find(|site| **site != own).copied().unwrap_or_default();
            format!(
                "{name} is in {}, and every controller in {own}: when the line between them is cut, a primary in {far} stops and {own} goes on; when {own} is lost, nobody is left to move it",
                sites.join(" and ")
            )
        }
        _ => format!(
            "{name} and the controllers are in {} and nowhere else: when the line between them is cut, neither side can know that the other is dead",
            sites.join(" and ")
        ),
    };
    sink.push(&codes::TWO_SITES, lease.span, message);
}

/// Where contacts are declared at all, every person of a role has one.
fn people(estate: &Estate, sink: &mut Sink) {
    if !estate.declares("contact") {
        return;
    }
    for role in estate.roles.values() {
        for user in role.people() {
            if !estate.has("contact", user.value.as_str()) {
                let message = format!("{} has no contact", user.value);
                sink.push(&codes::UNLISTED_PERSON, user.span, message);
            }
        }
    }
}
