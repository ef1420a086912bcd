//! A document as it is laid out: values, and the comments that belong to each.

/// A comment, or the line of one, with its `#`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// From `#` to the end of the line, without blanks at the end.
    pub text: String,
    /// Whether an empty line stands before it.
    pub blank: bool,
}

/// A value and what is written with it.
#[derive(Debug)]
pub struct Node {
    /// Anchor and tag, as written.
    pub properties: String,
    /// The value.
    pub kind: Kind,
    /// Where its text begins, in characters of the whole.
    pub start: usize,
    /// Where its text ends.
    pub end: usize,
    /// Column of its entries, for a collection in lines of its own; of its text otherwise. From 0.
    pub column: usize,
    /// Comments after its last entry, in lines of their own.
    pub tail: Vec<Comment>,
}

/// What a value is.
#[derive(Debug)]
pub enum Kind {
    /// Nothing is written.
    Nothing,
    /// Text in one of the notations that fit on a line.
    Scalar(Scalar),
    /// Text in lines of its own, behind `|` or `>`.
    Lines(Lines),
    /// `*name`
    Alias(String),
    /// Items.
    List(Vec<Part>, Layout),
    /// Keys with values.
    Map(Vec<Part>, Layout),
}

/// How a collection was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// An entry a line.
    Block,
    /// In brackets or braces.
    Flow,
}

/// A single value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// Its value.
    pub text: String,
    /// As written.
    pub raw: String,
    /// The kind of its quotes.
    pub quotes: Quotes,
}

/// Quotes of a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotes {
    /// None.
    Plain,
    /// `'`
    Single,
    /// `"`
    Double,
}

/// Text behind `|` or `>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// `|` or `>`.
    pub mark: char,
    /// `-`, `+` or nothing: what happens to line breaks at the end.
    pub chomp: Option<char>,
    /// The lines without their indentation.
    pub lines: Vec<String>,
}

/// An entry of a map, or an item of a list.
#[derive(Debug)]
pub struct Part {
    /// Whether an empty line stands before it (after the comments above it).
    pub blank: bool,
    /// Comments above it, in lines of their own.
    pub above: Vec<Comment>,
    /// The key; none for an item.
    pub key: Option<Node>,
    /// Comments between the key, or the dash, and the value.
    pub head: Vec<Comment>,
    /// The value.
    pub value: Node,
    /// The comment at the end of the value's line.
    pub right: Option<Comment>,
    /// Comments below a value that is not written.
    pub inner: Vec<Comment>,
}

impl Node {
    /// Its entries or items.
    pub fn parts(&self) -> &[Part] {
        match &self.kind {
            Kind::List(parts, _) | Kind::Map(parts, _) => parts,
            Kind::Nothing | Kind::Scalar(_) | Kind::Lines(_) | Kind::Alias(_) => &[],
        }
    }

    /// The same, to be changed.
    pub fn parts_mut(&mut self) -> &mut [Part] {
        match &mut self.kind {
            Kind::List(parts, _) | Kind::Map(parts, _) => parts,
            Kind::Nothing | Kind::Scalar(_) | Kind::Lines(_) | Kind::Alias(_) => &mut [],
        }
    }

    /// Whether it is a collection with an entry a line.
    pub fn is_block(&self) -> bool {
        matches!(self.kind, Kind::List(_, Layout::Block) | Kind::Map(_, Layout::Block))
    }

    /// Whether a comment stands anywhere inside it.
    pub fn has_comments(&self) -> bool {
        let in_part = |part: &Part| {
            !part.above.is_empty()
                || !part.head.is_empty()
                || part.right.is_some()
                || !part.inner.is_empty()
                || part.value.has_comments()
        };
        !self.tail.is_empty() || self.parts().iter().any(in_part)
    }
}
