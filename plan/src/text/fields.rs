//! Reading a map key by key: what is missing and what is unknown is told with its place.

use super::nearest::nearest;
use super::{Entry, Node, Span, Value};
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{self, Field};

/// A map that is being read. Every key that is asked for counts as known.
pub(crate) struct Fields<'n> {
    what: String,
    owner: Span,
    entries: &'n [Entry],
    known: Vec<&'static str>,
    accepted: Vec<String>,
    later: &'static [&'static str],
    tables: Vec<&'static [Field]>,
    beside: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Takes a node as a map. `what` names it in messages ("service \"web\""), `owner` is where its key
    /// stands. Nothing counts as an empty map.
    pub fn of(node: &'n Node, what: impl Into<String>, owner: Span, sink: &mut Sink) -> Option<Self> {
        let what = what.into();
        let entries: &'n [Entry] = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            Value::Scalar(_) | Value::List(_) => {
                let message = format!("{what} is a map of fields, not {}", node.type_words());
                sink.push(&codes::WRONG_TYPE, node.span, message);
                return None;
            }
        };
        Some(Self {
            what,
            owner,
            entries,
            known: Vec::new(),
            accepted: Vec::new(),
            later: &[],
            tables: Vec::new(),
            beside: Vec::new(),
        })
    }

    /// Names keys that the language has and this version has not.
    pub fn later(mut self, keys: &'static [&'static str]) -> Self {
        self.later = keys;
        self
    }

    /// Names the tables that list all fields of this map. Their fields that are still to come need no
    /// reader: [`Fields::finish`] checks and tells them.
    pub fn shaped(mut self, tables: &[&'static [Field]]) -> Self {
        self.tables.extend_from_slice(tables);
        self
    }

    /// Adds a table once it is known which one holds: that of the kind.
    pub fn shape(&mut self, table: &'static [Field]) {
        self.tables.push(table);
    }

    /// Names fields that stand one level up, for the advice about unknown ones.
    pub fn beside(mut self, keys: &[&'static str]) -> Self {
        self.beside.extend_from_slice(keys);
        self
    }

    /// The keys that were asked for.
    pub fn asked(&self) -> &[&'static str] {
        &self.known
    }

    /// Says that a field is checked and passed over.
    pub fn tell_later(&self, key: &str, sink: &mut Sink) {
        let message = format!("{key:?} of {} is still to come; this version passes over it", self.what);
        sink.later(self.span_of(key), message);
    }

    /// What is being read, for messages.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where the map's own key stands.
    pub fn owner(&self) -> Span {
        self.owner
    }

    /// Where a key stands; the owner when it is not there.
    pub fn span_of(&self, key: &str) -> Span {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.owner, |entry| entry.key_span)
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// The value of a key, if it is there.
    pub fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        debug_assert!(
            self.tables.is_empty() || self.listed().any(|field| field.key == key),
            "{key:?} of {} is read and stands in no table",
            self.what
        );
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value of a key, without counting it as asked for.
    pub fn peek(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value of a key that must be there.
    pub fn need(&mut self, key: &'static str, sink: &mut Sink) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            sink.push(&codes::MISSING, self.owner, format!("{} needs the field {key:?}", self.what));
        }
        found
    }

    /// The value of `kind`, which says what else there may be. Nothing more is read without it, so a slip of the
    /// pen in it is told here.
    pub fn kind(&mut self, sink: &mut Sink) -> Option<&'n Node> {
        let found = self.need("kind", sink);
        let slip = self.entries.iter().find(|entry| nearest(&entry.key, ["kind"]).is_some());
        if let (None, Some(slip)) = (found, slip) {
            let message = format!("{} has no field {:?}", self.what, slip.key);
            sink.push_with(&codes::UNKNOWN_KEY, slip.key_span, message, "did you mean \"kind\"?".to_string());
        }
        found
    }

    /// Says that a key has been dealt with.
    pub fn accept(&mut self, key: &str) {
        self.accepted.push(key.to_string());
    }

    /// The entries that nobody asked for so far.
    pub fn rest(&self) -> Vec<&'n Entry> {
        let asked = |key: &str| self.known.contains(&key) || self.accepted.iter().any(|other| other == key);
        self.entries.iter().filter(|entry| !asked(&entry.key)).collect()
    }

    fn listed(&self) -> impl Iterator<Item = &'static Field> {
        self.tables.iter().flat_map(|table| table.iter())
    }

    /// Checks and tells the listed fields that are still to come.
    pub fn pass_over_later(&mut self, sink: &mut Sink) {
        let rest = self.rest();
        for field in self.listed().filter(|field| field.later).collect::<Vec<_>>() {
            self.known.push(field.key);
            if let Some(entry) = rest.iter().find(|entry| entry.key == field.key) {
                shape::read::admits(&field.holds, &entry.value, entry.key_span, sink);
                self.tell_later(field.key, sink);
            }
        }
    }

    /// Tells every key that nobody asked for.
    pub fn finish(mut self, sink: &mut Sink) {
        self.pass_over_later(sink);
        for entry in self.rest() {
            if self.later.contains(&entry.key.as_str()) {
                sink.later(entry.key_span, format!("{:?} of {} is still to come", entry.key, self.what));
                continue;
            }
            let message = format!("{} has no field {:?}", self.what, entry.key);
            let mut known: Vec<_> = self.known.iter().chain(&self.beside).copied().collect();
            known.sort_unstable();
            known.dedup();
            let help = match sink.near(&entry.key, known.iter().copied()) {
                Some(word) => format!("did you mean {word:?}?"),
                None => format!("it has: {}", known.join(", ")),
            };
            sink.push_with(&codes::UNKNOWN_KEY, entry.key_span, message, help);
        }
    }
}
