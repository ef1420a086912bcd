//! The nouns of an estate: one file each, listed in [`SECTIONS`].
//!
//! Reading and checking are two passes. The first reads every noun by itself and notes every declared
//! name and every reference, also of nouns that turn out to be broken; the second looks references up.
//! So a broken noun hides nothing, and is told once and not again at each reference to it.

pub(crate) mod channels;
pub(crate) mod checks;
pub(crate) mod controllers;
pub(crate) mod dns;
pub(crate) mod drill;
pub(crate) mod hosts;
pub(crate) mod placement;
pub(crate) mod pools;
pub(crate) mod promised;
pub(crate) mod records;
pub(crate) mod regions;
pub(crate) mod repositories;
pub(crate) mod roles;
pub(crate) mod schedules;
pub(crate) mod secrets;
pub(crate) mod services;
pub(crate) mod sources;
mod specs;
pub(crate) mod stacks;

use crate::codes;
use crate::diagnostic::Sink;
use crate::text::nearest::nearest;
use crate::text::{At, Entry, Node, Span, Value, values};
use model::{Digest, HostName, Name, SecretRef};
use std::collections::{BTreeMap, BTreeSet};

/// Top-level keys of an estate file and the noun that each declares.
pub(crate) const SECTIONS: [(&str, &str); 15] = [
    ("regions", "region"),
    ("hosts", "host"),
    ("controllers", "controller"),
    ("sources", "source"),
    ("services", "service"),
    ("checks", "check"),
    ("repositories", "repository"),
    ("schedules", "schedule"),
    ("dns", "dns zone"),
    ("records", "record"),
    ("channels", "channel"),
    ("roles", "role"),
    ("pools", "pool"),
    ("stacks", "stack"),
    ("secrets", "secret"),
];
/// Parts of the language that this version does not have.
const LATER: [&str; 3] = ["contacts", "objectives", "maintenance"];

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
    /// DNS zones.
    pub zones: BTreeMap<Name, dns::Zone>,
    /// DNS record sets.
    pub records: BTreeMap<Name, records::Record>,
    /// Where people are told.
    pub channels: BTreeMap<Name, channels::Channel>,
    /// Who may approve.
    pub roles: BTreeMap<Name, roles::Role>,
    /// What load balancers spread over.
    pub pools: BTreeMap<Name, pools::Pool>,
    /// What makes machines and networks.
    pub stacks: BTreeMap<Name, stacks::Stack>,
    /// Where secrets are found.
    pub secrets: BTreeMap<Name, SecretRef>,
    /// Stand-ins.
    pub drill: drill::Drill,
    /// Every declared name and its place, by noun.
    names: BTreeMap<&'static str, BTreeMap<String, Span>>,
    /// A digest of every noun's text, `source/app-db`.
    pub digests: BTreeMap<String, Digest>,
}

impl Estate {
    /// Takes in one file's tree.
    pub fn read(&mut self, root: &Node, sink: &mut Sink) {
        let Value::Map(entries) = &root.value else {
            let message = format!("an estate file is a map of sections, not {}", root.type_words());
            sink.push(&codes::WRONG_TYPE, root.span, message);
            return;
        };
        for section in entries {
            self.section(section, sink);
        }
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
        let Some((_, noun)) = SECTIONS.iter().find(|(key, _)| *key == section.key) else {
            let known = SECTIONS.iter().map(|(key, _)| *key).chain(["drill", "plan"]);
            unknown_section(section, known, sink);
            return;
        };
        let Some(entries) = values::entries(&section.value, sink) else { return };
        for entry in entries {
            self.noun(noun, entry, sink);
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
            "source" => keep(&mut self.sources, name, |name| sources::read(name, node, span, sink)),
            "service" => keep(&mut self.services, name, |name| services::read(name, node, span, sink)),
            "check" => keep(&mut self.checks, name, |name| checks::read(name, node, span, sink)),
            "repository" => {
                keep(&mut self.repositories, name, |name| repositories::read(name, node, span, sink))
            }
            "schedule" => keep(&mut self.schedules, name, |name| schedules::read(name, node, span, sink)),
            "dns zone" => keep(&mut self.zones, name, |name| dns::read(name, node, span, sink)),
            "record" => keep(&mut self.records, name, |name| records::read(name, node, span, sink)),
            "channel" => keep(&mut self.channels, name, |name| channels::read(name, node, span, sink)),
            "pool" => keep(&mut self.pools, name, |name| pools::read(name, node, span, sink)),
            "stack" => keep(&mut self.stacks, name, |name| stacks::read(name, node, span, sink)),
            "secret" => keep(&mut self.secrets, name, |name| secrets::read(name, node, span, sink)),
            _ => keep(&mut self.roles, name, |name| roles::read(name, node, span, sink)),
        }
    }

    fn digest(&mut self, key: &str, node: &Node) {
        self.digests.insert(key.replace("dns zone/", "dns/"), node.digest());
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
        self.drill.check(self, sink);
        crate::graph::needs_cycles(self, sink);
    }

    /// Whether a noun of that name is declared, readable or not.
    pub fn has(&self, noun: &str, name: &str) -> bool {
        self.names.get(noun).is_some_and(|names| names.contains_key(name))
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
        let help = match nearest(name.as_str(), known.iter().copied()) {
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
    if LATER.contains(&section.key.as_str()) {
        sink.push(&codes::LATER, section.key_span, format!("the section {:?} is still to come", section.key));
        return;
    }
    let message = format!("an estate has no section {:?}", section.key);
    let help = match nearest(&section.key, known.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("it has: {}", known.collect::<Vec<_>>().join(", ")),
    };
    sink.push_with(&codes::UNKNOWN_KEY, section.key_span, message, help);
}
