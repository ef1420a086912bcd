//! `regions`: failure domains.

use crate::diagnostic::Sink;
use crate::shape::{Noun, PLAIN};
use crate::text::{Fields, Node, Span};
use model::Name;

pub(crate) static NOUN: Noun = Noun {
    section: "regions",
    name: "region",
    doc: "Failure domains: what is lost together. A region, a data centre, a rack.",
    ..PLAIN
};

/// A region. It has no fields yet.
#[derive(Debug, Clone)]
pub(crate) struct Region;

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Region> {
    let fields = Fields::of(node, format!("region {:?}", name.as_str()), owner, sink)?;
    fields.finish(sink);
    Some(Region)
}
