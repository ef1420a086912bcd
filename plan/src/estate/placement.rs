//! What stands on several hosts: settings for all, and what differs on each.
//!
//! `hosts: [a, b]` when nothing differs; `hosts: { a: {…}, b: {…} }` otherwise, where a host's own
//! settings win over those for all.

use crate::codes;
use crate::diagnostic::Sink;
use crate::text::{At, Entry, Fields, Node, Span, Value, values};
use model::HostName;

/// Something on one host.
#[derive(Debug, Clone)]
pub(crate) struct OnHost<T> {
    /// The host.
    pub host: At<HostName>,
    /// Whether the host has settings of its own.
    pub own: bool,
    /// The settings that hold there.
    pub value: T,
}

/// Reads the hosts under `key`, and with `read` what holds on each: the fields that nobody asked for
/// so far, overlaid with the host's own. Ask for every other field before.
pub(crate) fn read<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    sink: &mut Sink,
    read: impl Fn(Fields<'_>, &mut Sink) -> Option<T>,
) -> Option<Vec<OnHost<T>>> {
    let node = fields.need(key, sink);
    fields.pass_over_later(sink);
    let shared: Vec<&Entry> = fields.rest();
    let (what, owner) = (fields.what().to_string(), fields.owner());
    let Some(hosts) = node.and_then(|node| named_hosts(node, sink)) else {
        // Nobody has the settings, and what is wrong with them is told all the same.
        let alone = Node { span: owner, value: Value::Map(shared.into_iter().cloned().collect()) };
        let alone = Fields::of(&alone, what, owner, sink)?;
        read(alone.beside(fields.asked()), sink);
        return None;
    };
    let count = hosts.len();
    let mut out = Vec::with_capacity(count);
    let mut unread = shared.clone();
    for (at, (host, own)) in hosts.into_iter().enumerate() {
        let own_entries: &[Entry] = own.and_then(|node| values::entries(node, sink)).unwrap_or(&[]);
        let own_entries: Vec<&Entry> = own_entries.iter().collect();
        let (place, name) = match own_entries.is_empty() {
            true => (owner, what.clone()),
            false => (host.span, format!("{what} on {}", host.value)),
        };
        let settle = |entries: Vec<Entry>, sink: &mut Sink| {
            let merged = Node { span: place, value: Value::Map(entries) };
            let merged = Fields::of(&merged, name.clone(), place, sink)?;
            read(merged.beside(fields.asked()), sink)
        };
        unread.retain(|entry| has(&own_entries, entry));
        if at + 1 == count && !unread.is_empty() {
            // What each host replaces is held to the same: it counts for the next one.
            settle(overlaid(&own_entries, &shared), sink);
        }
        if let Some(value) = settle(overlaid(&shared, &own_entries), sink) {
            out.push(OnHost { host, own: !own_entries.is_empty(), value });
        }
    }
    Some(out)
}

fn has(entries: &[&Entry], wanted: &Entry) -> bool {
    entries.iter().any(|entry| entry.key == wanted.key)
}

/// The entries of both, those of `over` where both have one.
fn overlaid(under: &[&Entry], over: &[&Entry]) -> Vec<Entry> {
    let rest = under.iter().filter(|entry| !has(over, entry));
    rest.chain(over).map(|entry| (*entry).clone()).collect()
}

/// Host names of either form, with their own settings.
fn named_hosts<'n>(node: &'n Node, sink: &mut Sink) -> Option<Vec<(At<HostName>, Option<&'n Node>)>> {
    if let Value::Map(entries) = &node.value {
        if entries.is_empty() {
            sink.push(&codes::EMPTY, node.span, "no host is named".to_string());
            return None;
        }
        let named = entries.iter().filter_map(|entry| {
            let name = values::name_text(&entry.key, entry.key_span, sink)?;
            sink.refer(&["host"], &name, entry.key_span);
            let host = HostName::new(entry.key.as_str()).ok()?;
            Some((At::new(host, entry.key_span), Some(&entry.value)))
        });
        return Some(named.collect());
    }
    let names = values::references(node, &["host"], sink)?;
    let host =
        |name: At<model::Name>| Some((At::new(HostName::new(name.value.as_str()).ok()?, name.span), None));
    Some(names.into_iter().filter_map(host).collect())
}

/// Where something on a host was declared, for messages.
pub(crate) fn span_on<T>(placed: &[OnHost<T>], host: &HostName) -> Option<Span> {
    placed.iter().find(|on| on.host.value == *host).map(|on| on.host.span)
}
