//! `objectives`: what is promised to users, of a service or a source.

use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{Field, Noun, PLAIN, Type, may, need, read as by_table};
use crate::text::{At, Fields, Node, Span, values};
use model::Name;
use std::time::Duration;

/// Over which time it is measured when it does not say.
const OVER: Duration = Duration::from_secs(30 * 86_400);

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

/// How much of the time something works. The rest of an objective is not kept: measuring it is still to come.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    /// Whose it is.
    pub of: Name,
    /// The share of the time, in millionths.
    pub availability: At<u32>,
    /// Over which time.
    pub over: Duration,
}

/// Reads one; `None` too where it says nothing about availability.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Level> {
    let what = format!("objective {:?}", name.as_str());
    let fields = Fields::of(node, what.as_str(), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields]);
    let sound = by_table::fields(NOUN.fields, &mut fields, sink);
    if !PROMISES.iter().any(|key| fields.peek(key).is_some()) {
        sink.push(&codes::MISSING, owner, format!("{what} promises nothing: {}", PROMISES.join(", ")));
    }
    let (of, availability) = (fields.peek("of"), fields.peek("availability"));
    let over = fields.peek("over");
    fields.finish(sink);
    sink.later(owner, "a service-level objective is only checked: measuring it is still to come".to_string());
    sound?;
    // The table has checked them.
    let of = of.and_then(|node| values::name(node, sink))?.value;
    let availability = At::new(values::share(availability?, sink)?, availability?.span);
    let over = over.map_or(Some(OVER), |node| values::duration(node, sink))?;
    Some(Level { of, availability, over })
}
