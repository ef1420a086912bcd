//! The nouns of an estate: one file each, listed in [`NOUNS`].
//!
//! Reading and checking are two passes. The first reads every noun by itself and notes every declared
//! name and every reference, also of nouns that turn out to be broken; the second looks references up.
//! So a broken noun hides nothing, and is told once and not again at each reference to it.

pub(crate) mod channels;
pub(crate) mod check_fields;
pub(crate) mod checks;
pub(crate) mod contacts;
pub(crate) mod controllers;
pub(crate) mod dns;
pub(crate) mod drill;
pub(crate) mod hosts;
pub(crate) mod maintenance;
pub(crate) mod placement;
pub(crate) mod pools;
pub(crate) mod promised;
pub(crate) mod ready;
pub(crate) mod records;
pub(crate) mod regions;
pub(crate) mod repositories;
pub(crate) mod roles;
pub(crate) mod schedules;
pub(crate) mod secrets;
pub(crate) mod service_kinds;
pub(crate) mod service_levels;
pub(crate) mod services;
pub(crate) mod source_kinds;
pub(crate) mod sources;
mod specs;
pub(crate) mod stacks;

use crate::codes;
use crate::diagnostic::Sink;
use crate::estate_rules;
use crate::shape::Noun;
use crate::text::{At, Entry, Node, Span, Value, values};
use model::{Digest, HostName, Name};
use std::collections::{BTreeMap, BTreeSet};

/// Every noun, in the order of the reference.
pub(crate) static NOUNS: [&Noun; 19] = [
    &regions::NOUN,
    &hosts::NOUN,
    &controllers::NOUN,
    &controllers::WITNESS,
    &services::NOUN,
    &sources::NOUN,
    &checks::NOUN,
    &repositories::NOUN,
    &schedules::NOUN,
    &dns::NOUN,
    &records::NOUN,
    &pools::NOUN,
    &stacks::NOUN,
    &channels::NOUN,
    &roles::NOUN,
    &contacts::NOUN,
    &secrets::NOUN,
    &service_levels::NOUN,
    &maintenance::NOUN,
];

/// Everything that is declared, as far as it could be read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Estate {
    /// Failure domains.
    pub regions: BTreeMap<Name, regions::Region>,
    /// Machines.
    pub hosts: BTreeMap<HostName, hosts::Host>,
    /// Who drives runs.
    pub controllers: BTreeMap<Name, controllers::Controller>,
    /// What is started and stopped.
    pub services: BTreeMap<Name, services::Service>,
    /// Data.
    pub sources: BTreeMap<Name, sources::Source>,
    /// Questions.
    pub checks: BTreeMap<Name, checks::Check>,
    /// Where backups live.
    pub repositories: BTreeMap<Name, repositories::Repository>,
    /// What agents do by the clock.
    pub schedules: BTreeMap<Name, schedules::Schedule>,
    /// Plans that are drilled by the clock, by schedule.
    pub drills: BTreeMap<Name, At<Name>>,
    /// DNS zones.
    pub zones: BTreeMap<Name, dns::Zone>,
    /// DNS record sets.
    pub records: BTreeMap<Name, records::Record>,
    /// Where people are told.
    pub channels: BTreeMap<Name, channels::Channel>,
    /// Who may approve.
    pub roles: BTreeMap<Name, roles::Role>,
    /// Third votes: the region of each.
    pub witnesses: BTreeMap<Name, At<Name>>,
    /// What load balancers spread over.
    pub pools: BTreeMap<Name, pools::Pool>,
    /// What makes machines.
    pub stacks: BTreeMap<Name, stacks::Stack>,
    /// People.
    pub contacts: BTreeMap<Name, contacts::Contact>,
    /// How much of the time things work.
    pub levels: BTreeMap<Name, service_levels::Level>,
    /// Named secrets.
    pub secrets: BTreeMap<Name, secrets::Secret>,
    /// The named secrets that each noun needs, by noun and name.
    secret_uses: BTreeMap<(&'static str, Name), Vec<At<Name>>>,
    /// Stand-ins.
    pub drill: drill::Drill,
    /// Sources by the service that runs their servers.
    served: BTreeMap<Name, Vec<Name>>,
    /// Every declared name and its place, by noun.
    names: BTreeMap<&'static str, BTreeMap<String, Span>>,
    /// A digest of every noun's text, `source/app-db`.
    pub digests: BTreeMap<String, Digest>,
}

impl Estate {
    /// Takes in the trees of all files: the named secrets first, since others say where theirs are by them.
    pub fn read(&mut self, roots: &[Node], sink: &mut Sink) {
        for root in roots {
            let Value::Map(entries) = &root.value else {
                let message = format!("an estate file is a map of sections, not {}", root.type_words());
                sink.push(&codes::WRONG_TYPE, root.span, message);
                continue;
            };
            entries.iter().filter(|entry| entry.key == "secrets").for_each(|entry| self.section(entry, sink));
        }
        for root in roots {
            let Value::Map(entries) = &root.value else { continue };
            entries.iter().filter(|entry| entry.key != "secrets").for_each(|entry| self.section(entry, sink));
        }
        for (name, source) in &self.sources {
            let Some(server) = &source.server else { continue };
            self.served.entry(server.value.clone()).or_default().push(name.clone());
        }
    }

    /// Notes the name of a plan, for what refers to plans.
    pub fn note_plan(&mut self, name: &At<Name>) {
        self.names.entry("plan").or_default().insert(name.value.to_string(), name.span);
    }

    fn section(&mut self, section: &Entry, sink: &mut Sink) {
        if section.key == "drill" {
            if self.drill.declared {
                sink.push(&codes::DUPLICATE, section.key_span, "a second `drill` part".to_string());
            } else if let Some(drill) = drill::read(&section.value, section.key_span, sink) {
                self.drill = drill;
                self.digest("drill", &section.value);
            }
            return;
        }
        let Some(noun) = NOUNS.iter().find(|noun| noun.section == section.key) else {
            let known = NOUNS.iter().map(|noun| noun.section).chain(["drill", "plan"]);
            unknown_section(section, known, sink);
            return;
        };
        let Some(entries) = values::entries(&section.value, sink) else { return };
        for entry in entries {
            self.noun(noun.name, entry, sink);
        }
    }

    fn noun(&mut self, noun: &'static str, entry: &Entry, sink: &mut Sink) {
        let Some(name) = values::name_text(&entry.key, entry.key_span, sink) else { return };
        let names = self.names.entry(noun).or_default();
        if let Some(first) = names.get(&entry.key) {
            let message = format!(
                "{noun} {:?} is declared twice; the other one is in line {} of {}",
                entry.key,
                first.line,
                sink.path(first.file)
            );
            sink.push(&codes::DUPLICATE, entry.key_span, message);
            return;
        }
        names.insert(entry.key.clone(), entry.key_span);
        self.digest(&format!("{noun}/{name}"), &entry.value);
        sink.take_used_secrets();
        self.take(noun, name.clone(), entry, sink);
        let used = sink.take_used_secrets();
        if !used.is_empty() {
            self.secret_uses.insert((noun, name), used);
        }
    }

    /// Reads one noun and keeps it.
    fn take(&mut self, noun: &str, name: Name, entry: &Entry, sink: &mut Sink) {
        let (node, span) = (&entry.value, entry.key_span);
        match noun {
            "region" => keep(&mut self.regions, name, |name| regions::read(name, node, span, sink)),
            "host" => {
                if let (Some(host), Ok(key)) =
                    (hosts::read(&name, node, span, sink), HostName::new(name.as_str()))
                {
                    self.hosts.insert(key, host);
                }
            }
            "controller" => {
                keep(&mut self.controllers, name, |name| controllers::read(name, node, span, sink))
            }
            "witness" => {
                keep(&mut self.witnesses, name, |name| controllers::read_witness(name, node, span, sink))
            }
            "source" => keep(&mut self.sources, name, |name| sources::read(name, node, span, sink)),
            "service" => keep(&mut self.services, name, |name| services::read(name, node, span, sink)),
            "check" => keep(&mut self.checks, name, |name| checks::read(name, node, span, sink)),
            "repository" => {
                keep(&mut self.repositories, name, |name| repositories::read(name, node, span, sink))
            }
            "schedule" if schedules::is_backup(node) => {
                keep(&mut self.schedules, name, |name| schedules::read(name, node, span, sink))
            }
            "schedule" => keep(&mut self.drills, name, |name| schedules::read_other(name, node, span, sink)),
            "dns zone" => keep(&mut self.zones, name, |name| dns::read(name, node, span, sink)),
            "record" => keep(&mut self.records, name, |name| records::read(name, node, span, sink)),
            "pool" => keep(&mut self.pools, name, |name| pools::read(name, node, span, sink)),
            "stack" => keep(&mut self.stacks, name, |name| stacks::read(name, node, span, sink)),
            "channel" => keep(&mut self.channels, name, |name| channels::read(name, node, span, sink)),
            "contact" => keep(&mut self.contacts, name, |name| contacts::read(name, node, span, sink)),
            "secret" => keep(&mut self.secrets, name, |name| secrets::read(name, node, span, sink)),
            "objective" => keep(&mut self.levels, name, |name| service_levels::read(name, node, span, sink)),
            "maintenance window" => maintenance::read(&name, node, span, sink),
            _ => keep(&mut self.roles, name, |name| roles::read(name, node, span, sink)),
        }
    }

    fn digest(&mut self, key: &str, node: &Node) {
        let key = key.replace("dns zone/", "dns/").replace("maintenance window/", "maintenance/");
        self.digests.insert(key, node.digest());
    }

    /// Checks every reference between nouns.
    pub fn check(&self, sink: &mut Sink) {
        for reference in sink.take_references() {
            if !reference.nouns.iter().any(|noun| self.has(noun, reference.name.as_str())) {
                self.unknown(reference.nouns, &reference.name, reference.span, sink);
            }
        }
        self.sources.values().for_each(|source| source.check(self, sink));
        self.checks.iter().for_each(|(name, check)| check.check(name, self, sink));
        self.schedules.values().for_each(|schedule| schedule.check(self, sink));
        self.records.values().for_each(|record| record.check(self, sink));
        self.pools.values().for_each(|pool| pool.check(self, sink));
        self.drill.check(self, sink);
        estate_rules::check(self, sink);
        crate::graph::needs_cycles(self, sink);
    }

    /// Whether a noun of that name is declared, readable or not.
    pub fn has(&self, noun: &str, name: &str) -> bool {
        self.names.get(noun).is_some_and(|names| names.contains_key(name))
    }

    /// Whether any noun of that kind is declared.
    pub fn declares(&self, noun: &str) -> bool {
        self.names.get(noun).is_some_and(|names| !names.is_empty())
    }

    /// Where a noun is declared.
    pub fn place(&self, noun: &str, name: &str) -> Option<Span> {
        self.names.get(noun)?.get(name).copied()
    }

    /// Whether what is referred to is declared; tells when it is not.
    pub fn declared(&self, noun: &'static str, at: &At<Name>, sink: &mut Sink) -> bool {
        let known = self.has(noun, at.value.as_str());
        if !known {
            self.unknown(&[noun], &at.value, at.span, sink);
        }
        known
    }

    /// The same for a host.
    pub fn declared_host(&self, at: &At<HostName>, sink: &mut Sink) -> bool {
        let known = self.has("host", at.value.as_str());
        if !known && let Ok(name) = Name::new(at.value.as_str()) {
            self.unknown(&["host"], &name, at.span, sink);
        }
        known
    }

    /// Tells that a name is unknown, with the nearest one that is known.
    pub fn unknown(&self, nouns: &[&'static str], name: &Name, span: Span, sink: &mut Sink) {
        let message = format!("no {} {:?} is declared", nouns.join(" or "), name.as_str());
        if sink.crowded() {
            sink.push(&codes::UNKNOWN, span, message);
            return;
        }
        let known: BTreeSet<&str> = nouns
            .iter()
            .filter_map(|noun| self.names.get(noun))
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let help = match sink.near(name.as_str(), known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None if known.is_empty() => format!("the estate declares no {} at all", nouns.join(" or ")),
            None => {
                let some: Vec<&str> = known.iter().copied().take(10).collect();
                let more = if known.len() > some.len() { ", …" } else { "" };
                format!("declared: {}{more}", some.join(", "))
            }
        };
        sink.push_with(&codes::UNKNOWN, span, message, help);
    }

    /// The sources whose servers a service runs.
    pub fn served_by(&self, service: &Name) -> impl Iterator<Item = &Name> {
        self.served.get(service).into_iter().flatten()
    }

    /// The named secrets that a noun needs.
    pub fn secrets_of(&self, noun: &'static str, name: &Name) -> &[At<Name>] {
        self.secret_uses.get(&(noun, name.clone())).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether nothing runs on a host until a plan starts it there.
    pub fn is_spare(&self, host: &HostName) -> bool {
        self.hosts.get(host).is_some_and(|host| host.spare)
    }

    /// The region of a host, by its name.
    pub fn region_of_name(&self, host: &Name) -> Option<&Name> {
        self.region_of(&HostName::new(host.as_str()).ok()?)
    }

    /// The region of a host.
    pub fn region_of(&self, host: &HostName) -> Option<&Name> {
        self.hosts.get(host).map(|host| &host.region.value)
    }
}

fn keep<T>(map: &mut BTreeMap<Name, T>, name: Name, read: impl FnOnce(&Name) -> Option<T>) {
    if let Some(value) = read(&name) {
        map.insert(name, value);
    }
}

fn unknown_section<'k>(section: &Entry, known: impl Iterator<Item = &'k str> + Clone, sink: &mut Sink) {
    let message = format!("an estate has no section {:?}", section.key);
    let help = match sink.near(&section.key, known.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("it has: {}", known.collect::<Vec<_>>().join(", ")),
    };
    sink.push_with(&codes::UNKNOWN_KEY, section.key_span, message, help);
}
