//! `drill`: what stands in for what is live.
//!
//! A host that stands in takes no part in live plans: services and sources that are declared on it are
//! those of the drill. So what a drill touches and what a live run touches never overlap.

use super::Estate;
use super::dns::domain;
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{Field, Type, may};
use crate::text::{At, Fields, Node, Span, values};
use model::{HostName, Name};
use std::collections::{BTreeMap, HashSet};

/// The fields of `drill`.
pub(crate) static FIELDS: &[Field] = &[
    may("hosts", Type::Table(&["host"], &Type::Of(&["host"])), "Live host: the host that stands in."),
    may("records", Type::Table(&["record"], &Type::Domain), "Record: the name in DNS that stands in."),
    may(
        "channels",
        Type::Table(&["channel"], &Type::Of(&["channel"])),
        "Channel: the one that stands in; it may be itself.",
    ),
    may(
        "repositories",
        Type::Table(&["repository"], &Type::Of(&["repository"])),
        "Repository: the one that takes a drill's backups.",
    ),
    may("pools", Type::Table(&["pool"], &Type::Of(&["pool"])), "Pool: the one that is switched in a drill."),
    may(
        "stacks",
        Type::Table(&["stack"], &Type::Of(&["stack"])),
        "Stack: the one that is applied in a drill.",
    ),
    may(
        "secrets",
        Type::Table(&["secret"], &Type::Of(&["secret"])),
        "Secret: the one that is changed in a drill.",
    ),
    may(
        "contacts",
        Type::Table(&["contact"], &Type::Of(&["contact"])),
        "Person: who is called in a drill; it may be themselves.",
    ),
];

/// Nouns whose stand-in is another noun of their kind, and which of them must not stand in for themselves.
const LIKE: [(&str, &str, bool); 6] = [
    ("channels", "channel", false),
    ("repositories", "repository", true),
    ("pools", "pool", true),
    ("stacks", "stack", true),
    ("secrets", "secret", true),
    ("contacts", "contact", false),
];

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
    /// By noun: each live one to the one that stands in.
    likes: BTreeMap<&'static str, BTreeMap<Name, (Span, At<Name>)>>,
}

/// Reads it.
pub(crate) fn read(node: &Node, owner: Span, sink: &mut Sink) -> Option<Drill> {
    let mut fields = Fields::of(node, "drill", owner, sink)?.shaped(&[FIELDS]);
    let hosts = fields.get("hosts").map(|node| pairs(node, sink, values::host));
    let records = fields
        .get("records")
        .map(|node| pairs(node, sink, |node, sink| domain(node, sink).map(|name| At::new(name, node.span))));
    let mut likes = BTreeMap::new();
    for (key, noun, _) in LIKE {
        if let Some(node) = fields.get(key) {
            likes.insert(noun, pairs(node, sink, values::name));
        }
    }
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
        likes,
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

    /// What stands in for a channel, repository, pool, stack, secret or contact.
    pub fn stand_in(&self, noun: &str, live: &Name) -> Option<&Name> {
        self.likes.get(noun)?.get(live).map(|(_, stand_in)| &stand_in.value)
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
        for (_, noun, other) in LIKE {
            for (live, (span, stand_in)) in self.likes.get(noun).into_iter().flatten() {
                estate.declared(noun, &At::new(live.clone(), *span), sink);
                estate.declared(noun, stand_in, sink);
                if other && stand_in.value == *live {
                    let message = format!("{noun} {:?} cannot stand in for itself", live.as_str());
                    sink.push(&codes::OWN_STAND_IN, stand_in.span, message);
                }
            }
        }
    }
}
