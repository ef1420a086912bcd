//! `hosts`: machines with an agent, each in one region.

use crate::diagnostic::Sink;
use crate::text::{At, Fields, Node, Span, values};
use model::Name;

/// A host.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// Where it is.
    pub region: At<Name>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Host> {
    let mut fields = Fields::of(node, format!("host {:?}", name.as_str()), owner, sink)?;
    let region = fields.need("region", sink).and_then(|node| values::reference(node, &["region"], sink));
    fields.finish(sink);
    Some(Host { region: region? })
}
