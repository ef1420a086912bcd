//! The language as tables: every noun, kind and field with its type and what it means.
//!
//! One table serves three. Readers open a map with its table ([`crate::text::Fields::shaped`]), so that
//! they cannot ask for what it does not list; kinds and fields whose job this version lacks are read by
//! the table alone ([`read`]), completely; and the JSON Schemas for editors are made from it ([`schema`]).

pub(crate) mod plans;
pub(crate) mod read;
pub(crate) mod schema;

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Type {
    /// A name of the author's choice.
    Name,
    /// Any text.
    Text,
    /// A text that is not blank.
    Words,
    /// One of some words.
    One(&'static [&'static str]),
    /// The name of one of these nouns.
    Of(&'static [&'static str]),
    /// The name of a person.
    User,
    /// `15m`.
    Duration,
    /// A whole number within bounds.
    Number(i64, i64),
    /// `500MB`.
    Size,
    /// `99.9%`.
    Share,
    /// `true` or `false`.
    Truth,
    /// An absolute path.
    Path,
    /// `http://…` or `https://…`, without a secret in it.
    Url,
    /// `host:port`.
    Endpoint,
    /// An IP address, with or without a port.
    Server,
    /// An IP address.
    Ip,
    /// A full name in DNS.
    Domain,
    /// An absolute path or `s3://bucket/prefix`.
    Location,
    /// A cron expression.
    Cron,
    /// A time like `2026-11-20T21:04:05Z`.
    Time,
    /// `latest`, a snapshot id, a time.
    Point,
    /// A SHA-256 in hexadecimal digits.
    Digest,
    /// Where a secret is found.
    Secret,
    /// Program and arguments.
    Argv,
    /// A list, empty or not.
    List(&'static Type),
    /// A list that is not empty, or one of its items.
    Many(&'static Type),
    /// A map with keys of the author's choice.
    Map(&'static Type),
    /// A map whose keys are names of one of these nouns.
    Table(&'static [&'static str], &'static Type),
    /// A map of fields.
    Fields(&'static [Field]),
    /// One of these; which of them is told by whether it is a single value, a list or a map.
    Either(&'static [Type]),
    /// Checked by its reader alone.
    Any,
}

/// One field of a map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// Its key.
    pub key: &'static str,
    /// Whether it must be there.
    pub needed: bool,
    /// Whether its job is still to come. It is checked, told and passed over.
    pub later: bool,
    /// What it holds.
    pub holds: Type,
    /// What it means, for editors.
    pub doc: &'static str,
}

/// A field that must be there.
pub(crate) const fn need(key: &'static str, holds: Type, doc: &'static str) -> Field {
    Field { key, needed: true, later: false, holds, doc }
}

/// A field that may be there.
pub(crate) const fn may(key: &'static str, holds: Type, doc: &'static str) -> Field {
    Field { key, needed: false, later: false, holds, doc }
}

/// A field that may be there and whose job is still to come.
pub(crate) const fn later(key: &'static str, holds: Type, doc: &'static str) -> Field {
    Field { key, needed: false, later: true, holds, doc }
}

/// The field that names the kind of a noun.
pub(crate) const KIND: &[Field] =
    &[need("kind", Type::Any, "Which kind it is; the other fields follow from it.")];

/// One kind of a noun, `kind: postgres`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variant {
    /// The word.
    pub word: &'static str,
    /// Whether its job is still to come.
    pub later: bool,
    /// What it is, for editors.
    pub doc: &'static str,
    /// The fields that it has besides those of its noun.
    pub fields: &'static [Field],
}

/// A kind that this version can do something with.
pub(crate) const fn kind(word: &'static str, doc: &'static str, fields: &'static [Field]) -> Variant {
    Variant { word, later: false, doc, fields }
}

/// A kind whose job is still to come.
pub(crate) const fn later_kind(word: &'static str, doc: &'static str, fields: &'static [Field]) -> Variant {
    Variant { word, later: true, doc, fields }
}

/// One noun of an estate.
#[derive(Debug)]
pub(crate) struct Noun {
    /// The top-level key under which it is declared.
    pub section: &'static str,
    /// Its word in messages.
    pub name: &'static str,
    /// What it is, for editors.
    pub doc: &'static str,
    /// Fields that it has whatever its kind.
    pub fields: &'static [Field],
    /// Exactly one of these fields must be there; empty when there is no such choice.
    pub one_of: &'static [&'static str],
    /// Its kinds; empty when it has none.
    pub kinds: &'static [Variant],
    /// The field that names its hosts, each of which may have settings of its own.
    pub placed: Option<&'static str>,
}

/// A noun without kinds and choices, to build on.
pub(crate) const PLAIN: Noun =
    Noun { section: "", name: "", doc: "", fields: &[], one_of: &[], kinds: &[], placed: None };

impl Noun {
    /// The words of its kinds, each with its table, for [`crate::text::values::word`].
    pub fn words(&self) -> Vec<(&'static str, &'static Variant)> {
        self.kinds.iter().map(|kind| (kind.word, kind)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::diagnostic::{Severity, Sink};
    use crate::estate::{NOUNS, drill};
    use crate::text::reader::Reader;
    use crate::text::{Node, Value};
    use crate::{SourceFile, steps};
    use std::collections::BTreeSet;

    const ESTATE: &str = include_str!("../../testdata/language/estate.yaml");
    const PLAN: &str = include_str!("../../testdata/language/move.yaml");

    fn files() -> Vec<SourceFile> {
        let file = |path: &str, text: &str| SourceFile { path: path.to_string(), text: text.to_string() };
        vec![file("estate.yaml", ESTATE), file("move.yaml", PLAN)]
    }

    fn inside<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
        let Value::Map(entries) = &node.value else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    fn each(node: &Node) -> Vec<&Node> {
        match &node.value {
            Value::Map(entries) => entries.iter().map(|entry| &entry.value).collect(),
            Value::List(items) => items.iter().collect(),
            Value::Null | Value::Scalar(_) => Vec::new(),
        }
    }

    /// Fields of a table that none of these maps has, those of tables inside it included.
    fn unused(at: &str, table: &[Field], maps: &[&Node], out: &mut BTreeSet<String>) {
        for field in table {
            let found: Vec<&Node> = maps.iter().filter_map(|map| inside(map, field.key)).collect();
            if found.is_empty() {
                out.insert(format!("{at}.{}", field.key));
            }
            below(&format!("{at}.{}", field.key), &field.holds, &found, out);
        }
    }

    fn below(at: &str, holds: &Type, nodes: &[&Node], out: &mut BTreeSet<String>) {
        let inner = || nodes.iter().flat_map(|node| each(node)).collect::<Vec<_>>();
        match holds {
            Type::Fields(table) if !nodes.is_empty() => unused(at, table, nodes, out),
            Type::Many(item) | Type::List(item) | Type::Map(item) | Type::Table(_, item) => {
                below(at, item, &inner(), out);
            }
            Type::Either(types) => types.iter().for_each(|holds| below(at, holds, nodes, out)),
            _ => {}
        }
    }

    #[test]
    fn a_text_that_uses_every_field_of_every_noun_is_read_without_an_error() {
        let checked = crate::check(&files());
        let wrong: Vec<String> = checked
            .diagnostics
            .iter()
            .filter(|one| one.severity == Severity::Error || one.code != "LB0125")
            .map(ToString::to_string)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn that_text_uses_every_field_of_every_noun() {
        let root = Reader::new().read(0, ESTATE, &mut Sink::new(&files())).unwrap();
        let mut out = BTreeSet::new();
        for noun in NOUNS {
            let all = each(inside(&root, noun.section).unwrap());
            unused(noun.section, noun.fields, &all, &mut out);
            for kind in noun.kinds {
                let word = |node: &&&Node| matches!(inside(node, "kind").map(|node| &node.value), Some(Value::Scalar(scalar)) if scalar.text == kind.word);
                let of_kind: Vec<&Node> = all.iter().filter(word).copied().collect();
                unused(&format!("{}/{}", noun.section, kind.word), kind.fields, &of_kind, &mut out);
            }
        }
        unused("drill", drill::FIELDS, &[inside(&root, "drill").unwrap()], &mut out);
        assert!(out.is_empty(), "{out:#?}");
    }

    #[test]
    fn every_step_kind_has_its_table() {
        let listed: BTreeSet<&str> = plans::KINDS.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(listed.len(), plans::KINDS.len());
        let missing: Vec<&str> =
            steps::reference().map(|(kind, _, _)| kind).filter(|kind| !listed.contains(kind)).collect();
        assert!(missing.is_empty(), "no table of {missing:?} in shape/plans.rs");
    }
}
