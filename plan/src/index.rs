//! The steps of a plan by what rules ask of them: by kind, source, service, host and region.
//!
//! It is made once for a plan, so that no rule walks over all steps for each of them. Only steps that run in
//! this mode are in it. A step of which nothing is known, since it could not be lowered, is in no set but
//! that of its kind and in [`Index::unknown`]: most rules take it for whatever is asked for, so that one
//! mistake is not told twice.

use crate::document::Document;
use crate::estate::Estate;
use crate::lower::Draft;
use crate::set::Set;
use crate::steps::Facts;
use model::{HostName, Name};
use std::collections::{BTreeMap, HashMap};

/// Kinds after which a member of a source takes writes.
const MAKERS: [&str; 4] = ["promote", "swap", "rollback", "unfence"];
/// Kinds that change what runs in a region.
const CHANGERS: [&str; 7] = ["promote", "start", "restart", "swap", "rollback", "deploy", "scale"];

/// A service on a host.
type Place<'a> = (&'a Name, &'a HostName);

/// The steps of a plan that run, by what they do.
#[derive(Debug, Default)]
pub(crate) struct Index<'a> {
    /// Those that what comes after them can count on.
    sure: Set,
    kinds: HashMap<&'static str, Set>,
    unknown: HashMap<&'static str, Set>,
    of_source: HashMap<(&'static str, &'a Name), Set>,
    makers: HashMap<&'a Name, BTreeMap<&'a HostName, Set>>,
    lifts: HashMap<(&'a Name, &'a HostName), Set>,
    starters: HashMap<Place<'a>, Set>,
    stops: HashMap<Place<'a>, Set>,
    started: HashMap<&'a Name, Set>,
    changers: HashMap<&'a Name, Set>,
    believed: HashMap<&'a Name, Set>,
    destroyers: Set,
}

impl<'a> Index<'a> {
    /// Looks at every step once.
    pub fn of(steps: &'a [Draft], plan: &Document, estate: &'a Estate) -> Index<'a> {
        let mut index = Index::default();
        for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.skipped.is_none()) {
            let kind = step.kind.name;
            index.kinds.entry(kind).or_default().put(at, true);
            index.sure.put(at, step.must_succeed());
            match step.facts() {
                Some(facts) => index.known(at, kind, facts, plan, estate),
                None => index.unknown.entry(kind).or_default().put(at, true),
            }
        }
        index
    }

    fn known(
        &mut self,
        at: usize,
        kind: &'static str,
        facts: &'a Facts,
        plan: &Document,
        estate: &'a Estate,
    ) {
        self.destroyers.put(at, facts.destroys);
        if let Some(source) = &facts.source {
            self.of_source.entry((kind, source)).or_default().put(at, true);
            for host in facts.hosts.iter().filter(|_| MAKERS.contains(&kind)) {
                self.makers.entry(source).or_default().entry(host).or_default().put(at, true);
            }
            for host in facts.hosts.iter().filter(|_| kind == "unfence") {
                self.lifts.entry((source, host)).or_default().put(at, true);
            }
        }
        let starts = facts.starts || matches!(kind, "start" | "restart");
        let stops = kind == "stop" || (kind == "scale" && facts.holds);
        for service in facts.services.iter().filter(|_| starts || stops) {
            if kind == "start" || facts.starts {
                self.started.entry(service).or_default().put(at, true);
            }
            for host in &facts.hosts {
                let places = [(starts, &mut self.starters), (stops, &mut self.stops)];
                places.into_iter().filter(|(is, _)| *is).for_each(|(_, places)| {
                    places.entry((service, host)).or_default().put(at, true);
                });
            }
        }
        if kind != "check" && !CHANGERS.contains(&kind) {
            return;
        }
        for host in &facts.hosts {
            let Some(region) = estate.region_of(host) else { continue };
            if kind != "check" {
                self.changers.entry(region).or_default().put(at, true);
            } else if !plan.is_suspect(host, estate) {
                self.believed.entry(region).or_default().put(at, true);
            }
        }
    }

    /// Steps whose success what comes after them can count on.
    pub fn sure(&self) -> &Set {
        &self.sure
    }

    /// Steps of a kind.
    pub fn of_kind(&self, kind: &str) -> &Set {
        self.kinds.get(kind).unwrap_or(Set::EMPTY)
    }

    /// Steps of a kind of which nothing is known.
    pub fn unknown(&self, kind: &str) -> &Set {
        self.unknown.get(kind).unwrap_or(Set::EMPTY)
    }

    /// Steps of a kind that act on a source.
    pub fn of_source<'s>(&'s self, kind: &'static str, source: &'s Name) -> &'s Set {
        self.of_source.get(&(kind, source)).unwrap_or(Set::EMPTY)
    }

    /// The same, with those that may.
    pub fn may_be_of_source(&self, kind: &'static str, source: &Name) -> Set {
        self.of_source(kind, source).or(self.unknown(kind))
    }

    /// Hosts on which some step makes a source writable, and which steps do.
    pub fn makers<'s>(&'s self, source: &'s Name) -> impl Iterator<Item = (&'s HostName, &'s Set)> {
        self.makers.get(source).into_iter().flatten().map(|(host, steps)| (*host, steps))
    }

    /// Steps that lift a fence of a source from a host.
    pub fn lifts<'s>(&'s self, source: &'s Name, host: &'s HostName) -> &'s Set {
        self.lifts.get(&(source, host)).unwrap_or(Set::EMPTY)
    }

    /// Steps after which a service may run on a host.
    pub fn starters<'s>(&'s self, service: &'s Name, host: &'s HostName) -> &'s Set {
        self.starters.get(&(service, host)).unwrap_or(Set::EMPTY)
    }

    /// Steps that stop a service on a host, or scale it to nothing.
    pub fn stops<'s>(&'s self, service: &'s Name, host: &'s HostName) -> &'s Set {
        self.stops.get(&(service, host)).unwrap_or(Set::EMPTY)
    }

    /// Steps that bring a service up; a restart finds it running.
    pub fn started<'s>(&'s self, service: &'s Name) -> &'s Set {
        self.started.get(service).unwrap_or(Set::EMPTY)
    }

    /// Steps that change what runs in a region, with those that may.
    pub fn changers(&self, region: &Name) -> Set {
        let mut out = self.changers.get(region).cloned().unwrap_or_default();
        CHANGERS.iter().for_each(|kind| out.add(self.unknown(kind)));
        out
    }

    /// Checks that somebody in a region answers whose word is believed, with those that may.
    pub fn believed(&self, region: &Name) -> Set {
        self.believed.get(region).unwrap_or(Set::EMPTY).or(self.unknown("check"))
    }

    /// Steps that take data away for good.
    pub fn destroyers(&self) -> &Set {
        &self.destroyers
    }
}
