//! What a text says as a tree, aliases filled in and the order of keys forgotten.

use super::Refused;
use super::meaning::is_nothing;
use super::read::{options, refused};
use granit_parser::{Event, Parser, ScalarStyle};
use std::collections::{BTreeMap, HashMap};

/// A value. Numbers and truth values are texts here: who reads them decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Value {
    /// Nothing, `~` or `null`.
    #[default]
    Nothing,
    /// Anything single.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map; of a key that stands twice the last one.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Nothing | Value::List(_) | Value::Map(_) => None,
        }
    }
}

/// A collection that is being read.
struct Open {
    anchor: usize,
    value: Value,
    key: Option<String>,
}

/// Reads a text. Ask the check first: it bounds what aliases may grow to.
pub fn value(text: &str) -> Result<Value, Refused> {
    let mut anchors: HashMap<usize, Value> = HashMap::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut root = Value::Nothing;
    for event in Parser::new_from_str_with_options(text, options()) {
        let (event, _) = event.map_err(|error| refused(&error))?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let nothing = style == ScalarStyle::Plain && tag.is_none() && is_nothing(&text);
                (if nothing { Value::Nothing } else { Value::Text(text.into_owned()) }, anchor)
            }
            Event::Alias(id) => (anchors.get(&id).cloned().unwrap_or_default(), 0),
            Event::SequenceStart(_, anchor, _) => {
                stack.push(Open { anchor, value: Value::List(Vec::new()), key: None });
                continue;
            }
            Event::MappingStart(_, anchor, _) => {
                stack.push(Open { anchor, value: Value::Map(BTreeMap::new()), key: None });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(open) => (open.value, open.anchor),
                None => continue,
            },
            _ => continue,
        };
        if anchor != 0 {
            anchors.insert(anchor, value.clone());
        }
        match stack.last_mut() {
            Some(open) => put(open, value),
            None => root = value,
        }
    }
    Ok(root)
}

fn put(open: &mut Open, value: Value) {
    match (&mut open.value, open.key.take()) {
        (Value::List(items), _) => items.push(value),
        (Value::Map(entries), Some(key)) => {
            entries.insert(key, value);
        }
        (Value::Map(_), None) => open.key = Some(value.text().unwrap_or_default().to_string()),
        (Value::Nothing | Value::Text(_), _) => {}
    }
}
