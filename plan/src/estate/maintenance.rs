//! `maintenance`: times at which work is announced and alarms are quiet.

use super::schedules::cron;
use crate::diagnostic::Sink;
use crate::shape::{Noun, PLAIN, Type, may, need, read as by_table};
use crate::text::{Fields, Node, Span, values};
use model::Name;

pub(crate) static NOUN: Noun = Noun {
    section: "maintenance",
    name: "maintenance window",
    doc: "Times at which work is announced and alarms are quiet.",
    fields: &[
        need("at", Type::Cron, "When it begins: minute, hour, day, month, weekday."),
        may("zone", Type::Words, "The time zone of `at`; UTC when absent."),
        need("for", Type::Duration, "How long it is."),
        may(
            "of",
            Type::Many(&Type::Of(&["service", "source", "host", "region"])),
            "What it is about; everything when absent.",
        ),
        may("notice", Type::Duration, "How long before it is announced."),
        may("tell", Type::Many(&Type::Of(&["channel"])), "Channels that announce it."),
    ],
    ..PLAIN
};

/// Reads one. Keeping quiet in it is still to come, so nothing of it is kept.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) {
    let what = format!("maintenance window {:?}", name.as_str());
    let Some(fields) = Fields::of(node, what, owner, sink) else { return };
    let mut fields = fields.shaped(&[NOUN.fields]);
    by_table::fields(NOUN.fields, &mut fields, sink);
    let zone = fields.peek("zone").map(|node| (values::words(node, sink), node.span));
    // The expression was read above; this looks at the zone.
    if let Some(at) = fields.peek("at").filter(|_| zone.is_some()) {
        cron((values::words(at, sink), at.span), zone, sink);
    }
    fields.finish(sink);
    sink.later(
        owner,
        "a maintenance window is only checked: keeping quiet in it is still to come".to_string(),
    );
}
