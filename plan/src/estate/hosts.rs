//! `hosts`: machines with an agent, each in one region.

use super::services::flat;
use crate::diagnostic::Sink;
use crate::shape::{Noun, PLAIN, Type, may, need};
use crate::text::{At, Fields, Node, Span, values};
use model::Name;

pub(crate) static NOUN: Noun = Noun {
    section: "hosts",
    name: "host",
    doc: "Machines with an agent. The name stands in the agent's certificate.",
    fields: &[
        need("region", Type::Of(&["region"]), "The failure domain that it stands in."),
        may(
            "spare",
            Type::Truth,
            "Nothing runs and no data lies on it until a plan brings it: a machine that stands idle or is made then.",
        ),
        may(
            "pausable",
            Type::Truth,
            "A virtual machine that somebody may pause: its clock stands still then, so the end of its lease proves nothing.",
        ),
        may(
            "at",
            Type::Endpoint,
            "`host:port` where its agent listens for the other members of a leased source, which ask it for more time when no controller answers. Off when absent.",
        ),
    ],
    ..PLAIN
};

/// A host.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// Where it is.
    pub region: At<Name>,
    /// Whether nothing runs on it until a plan starts it there.
    pub spare: bool,
    /// Whether its clock may stand still while others go on.
    pub pausable: bool,
    /// Where its agent listens for other members.
    pub at: Option<String>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Host> {
    let mut fields =
        Fields::of(node, format!("host {:?}", name.as_str()), owner, sink)?.shaped(&[NOUN.fields]);
    let region = fields.need("region", sink).and_then(|node| values::reference(node, &["region"], sink));
    let spare = fields.get("spare").map_or(Some(false), |node| values::truth(node, sink));
    let pausable = fields.get("pausable").map_or(Some(false), |node| values::truth(node, sink));
    let at = fields.get("at").map(|node| values::endpoint(node, sink));
    fields.finish(sink);
    Some(Host { region: region?, spare: spare?, pausable: pausable?, at: flat(at)? })
}
