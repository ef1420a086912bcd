//! YAML text to a tree in which every key and value knows its place.
//!
//! serde would stop at the first ill-fitting value; a tree lets the checks go on and tell everything at
//! once. The tree is typed only where it is read (see [`values`]), by the readers of the nouns and steps.

pub(crate) mod fields;
pub(crate) mod nearest;
pub(crate) mod reader;
pub(crate) mod values;

pub(crate) use fields::Fields;

use std::collections::BTreeMap;

/// A stretch of one line of one file. Lines and columns are counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span {
    /// Index of the file.
    pub file: u32,
    /// Line.
    pub line: u32,
    /// First column.
    pub column: u32,
    /// The column after the last one.
    pub end_column: u32,
}

/// A value with its place: where it is used, also when it stands behind an alias.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where.
    pub span: Span,
    /// What.
    pub value: Value,
}

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text, number or truth value; which of them is decided by who reads it.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the text, without duplicate keys.
    Map(Vec<Entry>),
}

/// One scalar.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    /// As written, quotes and folding resolved.
    pub text: String,
    /// Set when it stands for an input of the plan.
    pub input: Option<FromInput>,
}

/// An input that a scalar stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FromInput {
    /// The type that it was declared with.
    pub kind: crate::inputs::InputType,
    /// Whether its value is known. The check of a plan goes on without those that have no default.
    pub known: bool,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> At<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl Node {
    /// The words for its type in messages.
    pub fn type_words(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// A digest of the value; places, comments, layout and the order of keys do not count.
    pub fn digest(&self) -> model::Digest {
        model::Digest::of_bytes(self.canonical().to_string().as_bytes())
    }

    /// The value alone, without places. An input that is not known yet stands as its reference.
    pub fn canonical(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Scalar(scalar) => serde_json::Value::String(scalar.text.clone()),
            Value::List(items) => serde_json::Value::Array(items.iter().map(Node::canonical).collect()),
            Value::Map(entries) => {
                let sorted: BTreeMap<_, _> =
                    entries.iter().map(|entry| (entry.key.clone(), entry.value.canonical())).collect();
                serde_json::Value::Object(sorted.into_iter().collect())
            }
        }
    }
}
