//! `drill`: what stands in for what is live.
//!
//! A host that stands in takes no part in live plans: services and sources that are declared on it are
//! those of the drill. So what a drill touches and what a live run touches never overlap.

use super::Estate;
use super::dns::domain;
use crate::codes;
use crate::diagnostic::Sink;
use crate::text::{At, Fields, Node, Span, values};
use model::{HostName, Name};
use std::collections::{BTreeMap, HashSet};

/// Stand-ins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drill {
    /// Whether the estate has a drill part at all.
    pub declared: bool,
    /// Live host to the host that stands in.
    pub hosts: BTreeMap<HostName, (Span, At<HostName>)>,
    /// The hosts that stand in.
    stand_ins: HashSet<HostName>,
    /// Record to the DNS name that stands in.
    pub records: BTreeMap<Name, (Span, At<String>)>,
    /// Channel to the channel that stands in.
    pub channels: BTreeMap<Name, (Span, At<Name>)>,
    /// Repository to the one that takes a drill's backups.
    pub repositories: BTreeMap<Name, (Span, At<Name>)>,
}

/// Reads it.
pub(crate) fn read(node: &Node, owner: Span, sink: &mut Sink) -> Option<Drill> {
    let mut fields = Fields::of(node, "drill", owner, sink)?;
    let hosts = fields.get("hosts").map(|node| pairs(node, sink, values::host));
    let records = fields
        .get("records")
        .map(|node| pairs(node, sink, |node, sink| domain(node, sink).map(|name| At::new(name, node.span))));
    let channels = fields.get("channels").map(|node| pairs(node, sink, values::name));
    let repositories = fields.get("repositories").map(|node| pairs(node, sink, values::name));
    fields.finish(sink);
    let hosts: BTreeMap<HostName, (Span, At<HostName>)> = hosts
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(live, pair)| Some((HostName::new(live.as_str()).ok()?, pair)))
        .collect();
    Some(Drill {
        declared: true,
        stand_ins: hosts.values().map(|(_, stand_in)| stand_in.value.clone()).collect(),
        hosts,
        records: records.unwrap_or_default(),
        channels: channels.unwrap_or_default(),
        repositories: repositories.unwrap_or_default(),
    })
}

fn pairs<T>(
    node: &Node,
    sink: &mut Sink,
    read: impl Fn(&Node, &mut Sink) -> Option<At<T>>,
) -> BTreeMap<Name, (Span, At<T>)> {
    let Some(entries) = values::entries(node, sink) else { return BTreeMap::new() };
    entries
        .iter()
        .filter_map(|entry| {
            let live = values::name_text(&entry.key, entry.key_span, sink)?;
            Some((live, (entry.key_span, read(&entry.value, sink)?)))
        })
        .collect()
}

impl Drill {
    /// Whether a host stands in for another one.
    pub fn stands_in(&self, host: &HostName) -> bool {
        self.stand_ins.contains(host)
    }

    /// Checks what it refers to.
    pub fn check(&self, estate: &Estate, sink: &mut Sink) {
        for (live, (span, stand_in)) in &self.hosts {
            estate.declared_host(&At::new(live.clone(), *span), sink);
            estate.declared_host(stand_in, sink);
            if self.hosts.contains_key(&stand_in.value) {
                let message = format!("{} is live itself: it has a stand-in", stand_in.value);
                sink.push(&codes::ILL_FITTING, stand_in.span, message);
            }
        }
        for (live, (span, stand_in)) in &self.records {
            if estate.declared("record", &At::new(live.clone(), *span), sink)
                && estate.records.values().any(|record| record.fqdn.value == stand_in.value)
            {
                let message = format!("{:?} is a live record", stand_in.value);
                sink.push(&codes::ILL_FITTING, stand_in.span, message);
            }
        }
        for (noun, map) in [("channel", &self.channels), ("repository", &self.repositories)] {
            for (live, (span, stand_in)) in map {
                estate.declared(noun, &At::new(live.clone(), *span), sink);
                estate.declared(noun, stand_in, sink);
            }
        }
    }
}
