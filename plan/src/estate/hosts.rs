//! `hosts`: machines with an agent, each in one region.

use crate::diagnostic::Sink;
use crate::shape::{Noun, PLAIN, Type, need};
use crate::text::{At, Fields, Node, Span, values};
use model::Name;

pub(crate) static NOUN: Noun = Noun {
    section: "hosts",
    name: "host",
    doc: "Machines with an agent. The name stands in the agent's certificate.",
    fields: &[need("region", Type::Of(&["region"]), "The failure domain that it stands in.")],
    ..PLAIN
};

/// A host.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// Where it is.
    pub region: At<Name>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Host> {
    let mut fields =
        Fields::of(node, format!("host {:?}", name.as_str()), owner, sink)?.shaped(&[NOUN.fields]);
    let region = fields.need("region", sink).and_then(|node| values::reference(node, &["region"], sink));
    fields.finish(sink);
    Some(Host { region: region? })
}
