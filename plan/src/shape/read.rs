//! Reading by table alone: everything is checked, nothing is kept.

use super::{Field, Type, Variant};
use crate::codes;
use crate::diagnostic::Sink;
use crate::estate::dns::domain;
use crate::estate::ready::Ready;
use crate::estate::repositories::location;
use crate::estate::roles::user;
use crate::estate::schedules::cron;
use crate::estate::services::argv;
use crate::text::{Fields, Node, Span, Value, values};

/// Reads these fields of a map. `None` when one of them does not fit or is missing.
pub(crate) fn fields(list: &[Field], fields: &mut Fields<'_>, sink: &mut Sink) -> Option<()> {
    let mut sound = true;
    for field in list {
        let node = if field.needed { fields.need(field.key, sink) } else { fields.get(field.key) };
        let span = fields.span_of(field.key);
        sound &= match node {
            Some(node) => admits(&field.holds, node, span, sink).is_some(),
            None => !field.needed,
        };
        if field.later && node.is_some() {
            fields.tell_later(field.key, sink);
        }
    }
    sound.then_some(())
}

/// Reads a kind whose job is still to come, and tells so where its word stands.
pub(crate) fn later_kind<T>(
    kind: &Variant,
    of: &mut Fields<'_>,
    at: Span,
    what: &str,
    sink: &mut Sink,
) -> Option<Ready<T>> {
    fields(kind.fields, of, sink)?;
    sink.later(at, format!("{what} is only checked: its job is still to come"));
    Some(Ready::Later(what.to_string()))
}

/// Whether a value is of a type; tells what does not fit.
pub(crate) fn admits(holds: &Type, node: &Node, owner: Span, sink: &mut Sink) -> Option<()> {
    match *holds {
        Type::Any => Some(()),
        Type::Name => values::name(node, sink).map(drop),
        Type::Text => values::text(node, sink).map(drop),
        Type::Words => values::words(node, sink).map(drop),
        Type::One(words) => {
            let words: Vec<(&str, ())> = words.iter().map(|word| (*word, ())).collect();
            values::word(node, &words, sink)
        }
        Type::Of(nouns) => values::reference(node, nouns, sink).map(drop),
        Type::User => user(node, sink).map(drop),
        Type::Duration => values::duration(node, sink).map(drop),
        Type::Number(least, most) => values::number(node, least, most, sink).map(drop),
        Type::Size => values::bytes(node, sink).map(drop),
        Type::Share => values::share(node, sink).map(drop),
        Type::Truth => values::truth(node, sink).map(drop),
        Type::Path => values::path(node, sink).map(drop),
        Type::Url => values::url(node, sink).map(drop),
        Type::Endpoint => values::endpoint(node, sink).map(drop),
        Type::Server => values::server(node, sink).map(drop),
        Type::Ip => values::ip(node, sink).map(drop),
        Type::Domain => domain(node, sink).map(drop),
        Type::Location => location(node, sink).map(drop),
        Type::Cron => cron((values::words(node, sink), node.span), None, sink).map(drop),
        Type::Time => values::time(node, sink).map(drop),
        Type::Point => values::restore_point(node, sink).map(drop),
        Type::Digest => values::digest(node, sink).map(drop),
        Type::Secret => values::secret(node, owner, sink).map(drop),
        Type::Argv => argv(node, sink).map(drop),
        Type::List(item) => {
            let items = values::items(node, false, sink)?;
            all(items.iter().map(|one| admits(item, one, one.span, sink)))
        }
        Type::Many(item) => {
            values::list(node, true, sink, |one, sink| admits(item, one, one.span, sink)).map(drop)
        }
        Type::Map(item) => {
            let entries = values::entries(node, sink)?;
            all(entries.iter().map(|entry| admits(item, &entry.value, entry.key_span, sink)))
        }
        Type::Table(nouns, item) => table(nouns, item, node, sink),
        Type::Fields(list) => {
            let mut inner = Fields::of(node, "this part", owner, sink)?.shaped(&[list]);
            let sound = fields(list, &mut inner, sink);
            inner.finish(sink);
            sound
        }
        Type::Either(types) => admits(either(types, node), node, owner, sink),
    }
}

fn table(nouns: &'static [&'static str], item: &Type, node: &Node, sink: &mut Sink) -> Option<()> {
    let entries = values::entries(node, sink)?;
    if entries.is_empty() {
        sink.push(&codes::EMPTY, node.span, "an empty map".to_string());
        return None;
    }
    all(entries.iter().map(|entry| {
        let name = values::name_text(&entry.key, entry.key_span, sink);
        name.iter().for_each(|name| sink.refer(nouns, name, entry.key_span));
        let fits = admits(item, &entry.value, entry.key_span, sink);
        name.and(fits)
    }))
}

/// Every one is asked, so that everything is told.
fn all(read: impl Iterator<Item = Option<()>>) -> Option<()> {
    let read: Vec<Option<()>> = read.collect();
    read.into_iter().collect()
}

/// The type that looks like the value; the first one when none does.
fn either(types: &'static [Type], node: &Node) -> &'static Type {
    let looks = |holds: &&Type| match &node.value {
        Value::Map(_) | Value::Null => {
            matches!(holds, Type::Map(_) | Type::Table(..) | Type::Fields(_) | Type::Secret)
        }
        Value::List(_) => matches!(holds, Type::List(_) | Type::Many(_) | Type::Argv),
        Value::Scalar(_) => {
            !matches!(holds, Type::Map(_) | Type::Table(..) | Type::Fields(_) | Type::List(_) | Type::Argv)
        }
    };
    types.iter().find(looks).unwrap_or(&types[0])
}
