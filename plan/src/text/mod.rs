//! YAML text to a tree in which every key and value knows its place.
//!
//! serde would stop at the first ill-fitting value; a tree lets the checks go on and tell everything at
//! once. The tree is typed only where it is read (see [`values`]), by the readers of the nouns and steps.

pub(crate) mod fields;
pub(crate) mod nearest;
pub(crate) mod reader;
pub(crate) mod sql;
pub(crate) mod values;
mod weight;

pub(crate) use fields::Fields;

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
        let mut text = Vec::new();
        self.write(&mut text);
        model::Digest::of_bytes(&text)
    }

    /// The value alone, without places. An input that is not known yet stands as its reference.
    pub fn canonical(&self) -> serde_json::Value {
        let mut text = Vec::new();
        self.write(&mut text);
        // What was just written as JSON is read back as such.
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Compact JSON with sorted keys; every scalar is a text.
    fn write(&self, out: &mut Vec<u8>) {
        match &self.value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Scalar(scalar) => quoted(&scalar.text, out),
            Value::List(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Value::Map(entries) => {
                let mut sorted: Vec<&Entry> = entries.iter().collect();
                sorted.sort_unstable_by(|a, b| a.key.cmp(&b.key));
                out.push(b'{');
                for (at, entry) in sorted.into_iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    quoted(&entry.key, out);
                    out.push(b':');
                    entry.value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// A text as JSON has it.
fn quoted(text: &str, out: &mut Vec<u8>) {
    // Writing a text to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::reader::Reader;
    use crate::diagnostic::Sink;

    #[test]
    fn a_digest_is_that_of_the_value_as_sorted_json() {
        let text = "b: [x, ~, \"a\\n\\\"\\t\\u0001é\"]\na: { z: 1, k: {}, \"\": [] }\n";
        let node = Reader::new().read(0, text, &mut Sink::default()).unwrap();
        let json =
            serde_json::json!({ "a": { "": [], "k": {}, "z": "1" }, "b": ["x", null, "a\n\"\t\u{1}é"] });
        assert_eq!(node.digest(), model::Digest::of_bytes(json.to_string().as_bytes()));
    }
}
