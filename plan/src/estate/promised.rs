//! `objectives`: what is promised, of a plan, a source or a service, each with its place.

use super::services::flat;
use crate::diagnostic::Sink;
use crate::text::{At, Fields, Node, Span, values};
use model::nouns::Objectives;
use std::time::Duration;

/// What promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// A plan: `rto`, `rpo`.
    Plan,
    /// A service: `rto`; it holds no data.
    Service,
    /// A source: `rto`, `rpo`, `detection`, `proven`.
    Source,
}

/// What is promised.
#[derive(Debug, Clone, Default)]
pub(crate) struct Promised {
    /// How long recovery may take.
    pub rto: Option<At<Duration>>,
    /// How much data, in time, may be lost.
    pub rpo: Option<At<Duration>>,
    /// How long a bad write may stay unnoticed: backups from before it must still be there then.
    pub detection: Option<At<Duration>>,
    /// How old the newest proof may be, at most.
    pub proven: Option<At<Duration>>,
}

impl Promised {
    /// Without places, for the engine.
    pub fn objectives(&self) -> Objectives {
        let value = |at: &Option<At<Duration>>| at.as_ref().map(|at| at.value);
        Objectives { rto: value(&self.rto), rpo: value(&self.rpo) }
    }
}

/// Reads `objectives: { … }`.
pub(crate) fn read(node: &Node, owner: Span, of: Of, sink: &mut Sink) -> Option<Promised> {
    let mut fields = Fields::of(node, "objectives", owner, sink)?.later(&["slo"]);
    let mut one = |key: &'static str, has: bool, sink: &mut Sink| {
        let node = if has { fields.get(key) } else { None };
        node.map(|node| values::duration(node, sink).map(|value| At::new(value, node.span)))
    };
    let rto = one("rto", true, sink);
    let rpo = one("rpo", of != Of::Service, sink);
    let detection = one("detection", of == Of::Source, sink);
    let proven = one("proven", of == Of::Source, sink);
    fields.finish(sink);
    Some(Promised { rto: flat(rto)?, rpo: flat(rpo)?, detection: flat(detection)?, proven: flat(proven)? })
}
