//! `controllers`: who drives runs, where they stand and how agents reach them.

use crate::diagnostic::Sink;
use crate::text::{At, Fields, Node, Span, values};
use model::Name;

/// A controller.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    /// In which failure domain it stands.
    pub region: At<Name>,
    /// `host:port` for agents and people.
    pub at: String,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Controller> {
    let mut fields = Fields::of(node, format!("controller {:?}", name.as_str()), owner, sink)?;
    let region = fields.need("region", sink).and_then(|node| values::reference(node, &["region"], sink));
    let at = fields.need("at", sink).and_then(|node| values::endpoint(node, sink));
    fields.finish(sink);
    Some(Controller { region: region?, at: at? })
}
