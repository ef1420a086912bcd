//! `objectives`: what is promised to users, of a service or a source.

use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{Field, Noun, PLAIN, Type, may, need, read as by_table};
use crate::text::{Fields, Node, Span};
use model::Name;

const LATENCY: &[Field] = &[
    need("within", Type::Duration, "How long an answer may take."),
    need("share", Type::Share, "How many answers hold it: `95%`."),
];

/// One of these it must have.
const PROMISES: [&str; 5] = ["availability", "durability", "latency", "errors", "backups"];

pub(crate) static NOUN: Noun = Noun {
    section: "objectives",
    name: "objective",
    doc: "Service-level objectives: what is promised to users, of a service or a source.",
    fields: &[
        need("of", Type::Of(&["service", "source"]), "Whose it is."),
        may("availability", Type::Share, "How much of the time it works: `99.9%`."),
        may("durability", Type::Share, "How much of the data is still there: `99.99%`."),
        may("latency", Type::Fields(LATENCY), "How fast it answers."),
        may("errors", Type::Share, "How many requests may fail."),
        may("backups", Type::Share, "How many backups succeed."),
        may("over", Type::Duration, "Over which time it is measured; 30d when absent."),
        may("measured-by", Type::Of(&["check"]), "The check whose answers count."),
    ],
    ..PLAIN
};

/// Reads one. Measuring it is still to come, so nothing of it is kept.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) {
    let what = format!("objective {:?}", name.as_str());
    let Some(fields) = Fields::of(node, what.as_str(), owner, sink) else { return };
    let mut fields = fields.shaped(&[NOUN.fields]);
    by_table::fields(NOUN.fields, &mut fields, sink);
    if !PROMISES.iter().any(|key| fields.peek(key).is_some()) {
        sink.push(&codes::MISSING, owner, format!("{what} promises nothing: {}", PROMISES.join(", ")));
    }
    fields.finish(sink);
    sink.later(owner, "a service-level objective is only checked: measuring it is still to come".to_string());
}
