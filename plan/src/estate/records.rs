//! `records`: DNS record sets and their addresses in each region.

use super::Estate;
use super::dns::domain;
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{Noun, PLAIN, Type, may, need, read as by_table};
use crate::text::{At, Fields, Node, Span, values};
use model::Name;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Longest time to live.
const MAX_TTL: Duration = Duration::from_secs(7 * 86_400);

const VALUES: Type = Type::Table(&["region"], &Type::Many(&Type::Ip));
const TARGETS: Type = Type::Table(&["region"], &Type::Domain);

pub(crate) static NOUN: Noun = Noun {
    section: "records",
    name: "record",
    doc: "DNS record sets and what they say in each region; `cutover` moves them.",
    fields: &[
        need("name", Type::Domain, "Its full name in DNS."),
        need("in", Type::Of(&["dns zone"]), "The zone that it is in."),
        need("ttl", Type::Duration, "How long resolvers may keep it."),
        may("values", VALUES, "Its addresses in each region."),
        may("targets", TARGETS, "The name that it points at in each region: a CNAME or alias."),
    ],
    one_of: &["values", "targets"],
    ..PLAIN
};

/// A record set.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Its name in DNS.
    pub fqdn: At<String>,
    /// Its zone.
    pub zone: At<Name>,
    /// Time to live.
    pub ttl: Duration,
    /// Addresses in each region; empty where it points at names, which this version cannot write.
    pub values: Vec<(At<Name>, Vec<IpAddr>)>,
    /// Why it cannot be written yet.
    pub later: Option<String>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Record> {
    let mut fields =
        Fields::of(node, format!("record {:?}", name.as_str()), owner, sink)?.shaped(&[NOUN.fields]);
    let fqdn =
        fields.need("name", sink).and_then(|node| domain(node, sink).map(|name| At::new(name, node.span)));
    let zone = fields.need("in", sink).and_then(|node| values::reference(node, &["dns zone"], sink));
    let ttl = fields.need("ttl", sink).and_then(|node| {
        let ttl = values::duration(node, sink)?;
        if ttl > MAX_TTL || ttl.subsec_millis() != 0 {
            sink.push(&codes::OUT_OF_RANGE, node.span, "a TTL is whole seconds, at most 7d".to_string());
            return None;
        }
        Some(ttl)
    });
    let span = fields.span_of("targets");
    let targets = fields.get("targets").map(|node| by_table::admits(&TARGETS, node, span, sink));
    let values = match &targets {
        None => fields.need("values", sink).and_then(|node| addresses(node, sink)),
        Some(_) if fields.get("values").is_some() => {
            let message = "a record has exactly one of: values, targets".to_string();
            sink.push(&codes::EITHER_OR, span, message);
            None
        }
        Some(sound) => {
            sink.later(
                span,
                "records that point at names are only checked: writing them is still to come".into(),
            );
            sound.map(|()| Vec::new())
        }
    };
    fields.finish(sink);
    let later = targets.map(|_| "a record that points at a name".to_string());
    Some(Record { fqdn: fqdn?, zone: zone?, ttl: ttl?, values: values?, later })
}

fn addresses(node: &Node, sink: &mut Sink) -> Option<Vec<(At<Name>, Vec<IpAddr>)>> {
    let entries = values::entries(node, sink)?;
    if entries.is_empty() {
        sink.push(&codes::EMPTY, node.span, "a record needs its addresses in each region".to_string());
        return None;
    }
    let read: Vec<_> = entries
        .iter()
        .map(|entry| {
            let region = values::name_text(&entry.key, entry.key_span, sink);
            region.iter().for_each(|region| sink.refer(&["region"], region, entry.key_span));
            let addresses = values::list(&entry.value, true, sink, values::ip);
            if let Some(addresses) = &addresses
                && addresses.iter().any(IpAddr::is_ipv4)
                && addresses.iter().any(IpAddr::is_ipv6)
            {
                let message = "a record set holds addresses of one family; write two records".to_string();
                sink.push(&codes::ILL_FITTING, entry.value.span, message);
            }
            Some((At::new(region?, entry.key_span), addresses?))
        })
        .collect();
    read.into_iter().collect()
}

impl Record {
    /// Checks that it lies in its zone.
    pub fn check(&self, estate: &Estate, sink: &mut Sink) {
        let Some(zone) = estate.zones.get(&self.zone.value) else { return };
        let inside = self.fqdn.value == zone.zone || self.fqdn.value.ends_with(&format!(".{}", zone.zone));
        if !inside {
            let message = format!("{:?} is not in the zone {:?}", self.fqdn.value, zone.zone);
            sink.push(&codes::NOT_A_DNS_NAME, self.fqdn.span, message);
        }
    }

    /// The addresses as the model has them.
    pub fn addresses(&self) -> BTreeMap<Name, Vec<IpAddr>> {
        self.values.iter().map(|(region, addresses)| (region.value.clone(), addresses.clone())).collect()
    }
}
