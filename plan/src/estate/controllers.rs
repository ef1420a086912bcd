//! `controllers`: who drives runs, where they stand and how agents reach them; `witnesses`: who has a vote
//! and nothing else.

use super::services::flat;
use crate::diagnostic::Sink;
use crate::shape::{Field, Noun, PLAIN, Type, may, need};
use crate::text::{At, Fields, Node, Span, values};
use model::Name;

const JOURNAL: &[Field] = &[
    need(
        "kind",
        Type::One(&["sqlite", "postgres"]),
        "`sqlite`: a file beside the controller. `postgres`: a server that several controllers share.",
    ),
    may(
        "regions",
        Type::Many(&Type::Of(&["region"])),
        "Where copies of it stand that can take writes after a failover of that database.",
    ),
];

pub(crate) static NOUN: Noun = Noun {
    section: "controllers",
    name: "controller",
    doc: "Who drives runs. Agents and people dial them.",
    fields: &[
        need("region", Type::Of(&["region"]), "The failure domain that it stands in."),
        need("at", Type::Endpoint, "`host:port` for agents and people."),
        may("journal", Type::Fields(JOURNAL), "Where its journal lives; a file beside it when absent."),
    ],
    ..PLAIN
};

pub(crate) static WITNESS: Noun = Noun {
    section: "witnesses",
    name: "witness",
    doc: "A third vote where two sites cannot decide alone. It holds no data.",
    fields: &[
        need("region", Type::Of(&["region"]), "The failure domain that it stands in."),
        need("at", Type::Endpoint, "`host:port`."),
    ],
    ..PLAIN
};

/// A controller.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    /// In which failure domain it stands.
    pub region: At<Name>,
    /// `host:port` for agents and people.
    pub at: String,
    /// Regions of the shared journal database; its own region alone when absent.
    pub journal: Option<Vec<At<Name>>>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Controller> {
    let fields = Fields::of(node, format!("controller {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields]);
    let region = fields.need("region", sink).and_then(|node| values::reference(node, &["region"], sink));
    let at = fields.need("at", sink).and_then(|node| values::endpoint(node, sink));
    let span = fields.span_of("journal");
    let journal = fields.get("journal").map(|node| journal(node, span, sink));
    fields.finish(sink);
    Some(Controller { region: region?, at: at?, journal: flat(journal)?.flatten() })
}

/// The regions of a shared database; `None` inside for a file beside the controller.
fn journal(node: &Node, owner: Span, sink: &mut Sink) -> Option<Option<Vec<At<Name>>>> {
    const KINDS: [(&str, bool); 2] = [("sqlite", false), ("postgres", true)];
    let mut fields = Fields::of(node, "journal", owner, sink)?.shaped(&[JOURNAL]);
    let shared = fields.need("kind", sink).and_then(|node| values::word(node, &KINDS, sink));
    let regions = fields.get("regions").map(|node| values::references(node, &["region"], sink));
    fields.finish(sink);
    let regions = flat(regions)?;
    Some(if shared? { regions } else { None })
}

/// A witness: its region.
pub(crate) fn read_witness(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<At<Name>> {
    let fields = Fields::of(node, format!("witness {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[WITNESS.fields]);
    let region = fields.need("region", sink).and_then(|node| values::reference(node, &["region"], sink));
    fields.need("at", sink).and_then(|node| values::endpoint(node, sink));
    fields.finish(sink);
    sink.later(owner, "a witness is only checked: its vote is still to come".to_string());
    region
}
