//! Rules of an estate that need no plan.

use crate::codes;
use crate::diagnostic::Sink;
use crate::estate::Estate;
use crate::estate::sources::Source;
use model::Name;
use std::collections::BTreeSet;

/// Asks every rule.
pub(crate) fn check(estate: &Estate, sink: &mut Sink) {
    for (name, source) in &estate.sources {
        only_near(name, source, estate, sink);
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
