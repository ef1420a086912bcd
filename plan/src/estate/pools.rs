//! `pools`: what a load balancer spreads over, by region. `switch` moves traffic from one region to another.

use crate::diagnostic::Sink;
use crate::text::{At, Fields, Node, Span, values};
use model::Name;

const KINDS: [(&str, ()); 1] = [("nginx", ())];

/// A pool. How it is switched is still to come.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    /// What it spreads over in each region.
    pub members: Vec<(At<Name>, Vec<String>)>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Pool> {
    let mut fields = Fields::of(node, format!("pool {:?}", name.as_str()), owner, sink)?;
    fields.need("kind", sink).and_then(|node| values::word(node, &KINDS, sink));
    fields.need("upstream", sink).and_then(|node| values::words(node, sink));
    let members = fields.need("members", sink).and_then(|node| members(node, sink));
    fields.finish(sink);
    Some(Pool { members: members? })
}

fn members(node: &Node, sink: &mut Sink) -> Option<Vec<(At<Name>, Vec<String>)>> {
    let read = values::entries(node, sink)?.iter().map(|entry| {
        let region = values::name_text(&entry.key, entry.key_span, sink)?;
        sink.refer(&["region"], &region, entry.key_span);
        Some((At::new(region, entry.key_span), values::list(&entry.value, true, sink, values::words)?))
    });
    read.collect::<Vec<_>>().into_iter().collect()
}
