//! Reading a map key by key: what is missing and what is unknown is told with its place.

use super::nearest::nearest;
use super::{Entry, Node, Span, Value};
use crate::codes;
use crate::diagnostic::Sink;

/// A map that is being read. Every key that is asked for counts as known.
pub(crate) struct Fields<'n> {
    what: String,
    owner: Span,
    entries: &'n [Entry],
    known: Vec<&'static str>,
    accepted: Vec<String>,
    later: &'static [&'static str],
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
        Some(Self { what, owner, entries, known: Vec::new(), accepted: Vec::new(), later: &[] })
    }

    /// Names keys that the language has and this version has not.
    pub fn later(mut self, keys: &'static [&'static str]) -> Self {
        self.later = keys;
        self
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
        self.known.push(key);
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

    /// Says that a key has been dealt with.
    pub fn accept(&mut self, key: &str) {
        self.accepted.push(key.to_string());
    }

    /// The entries that nobody asked for so far.
    pub fn rest(&self) -> Vec<&'n Entry> {
        let asked = |key: &str| self.known.contains(&key) || self.accepted.iter().any(|other| other == key);
        self.entries.iter().filter(|entry| !asked(&entry.key)).collect()
    }

    /// Tells every key that nobody asked for.
    pub fn finish(self, sink: &mut Sink) {
        for entry in self.rest() {
            if self.later.contains(&entry.key.as_str()) {
                let message = format!("{:?} of {} is still to come", entry.key, self.what);
                sink.push(&codes::LATER, entry.key_span, message);
                continue;
            }
            let message = format!("{} has no field {:?}", self.what, entry.key);
            let help = match nearest(&entry.key, self.known.iter().copied()) {
                Some(word) => format!("did you mean {word:?}?"),
                None => {
                    let mut known: Vec<_> = self.known.clone();
                    known.sort_unstable();
                    known.dedup();
                    format!("it has: {}", known.join(", "))
                }
            };
            sink.push_with(&codes::UNKNOWN_KEY, entry.key_span, message, help);
        }
    }
}
