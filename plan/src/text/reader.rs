//! Events of the YAML parser to a tree, within bounds.
//!
//! Everything that could grow out of a small text is bounded before it is built: bytes, depth, and the
//! number and length of nodes after aliases were expanded (a "billion laughs" text is refused at the alias that
//! would cross the bound, not after it was expanded).

use super::weight::Weight;
use super::{Entry, Node, Scalar, Span, Value};
use crate::codes;
use crate::diagnostic::Sink;
use granit_parser::{Event, Options, Parser, ScalarStyle, Span as ParserSpan};
use std::collections::{HashMap, HashSet};

/// Largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Largest estate with all its plans, in bytes.
pub const MAX_TOTAL_BYTES: usize = 4 * 1024 * 1024;
/// Most files.
pub const MAX_FILES: usize = 1_000;
/// Deepest nesting. The language itself needs 8.
pub const MAX_DEPTH: usize = 32;
/// Most nodes of all files together, aliases expanded. What has an anchor counts twice: it is kept for its aliases.
pub const MAX_NODES: usize = 400_000;
/// Most bytes of keys and values of all files together, in the same way.
pub const MAX_TEXT_BYTES: usize = 2 * MAX_TOTAL_BYTES;

/// Comments of a file that may give a reason: by file and line, what stands behind the `#`.
pub(crate) type Comments = HashMap<(u32, u32), String>;

/// Reads files one after another, under one budget of nodes.
pub(crate) struct Reader {
    left: Weight,
    comments: Comments,
}

/// A collection that is being read.
struct Frame {
    span: Span,
    anchor: usize,
    weight: Weight,
    kind: FrameKind,
}

enum FrameKind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashSet<String>, key: Option<Option<(String, Span)>> },
}

/// Why reading stopped.
struct Stop {
    code: &'static codes::Code,
    span: Span,
    message: String,
}

impl Reader {
    /// With the whole budget.
    pub fn new() -> Self {
        Self { left: Weight { nodes: MAX_NODES, bytes: MAX_TEXT_BYTES }, comments: Comments::new() }
    }

    /// The comments of the files that were read, as far as they mention why something is allowed.
    pub fn comments(&self) -> &Comments {
        &self.comments
    }

    /// The tree of one file; `None` when it is empty or cannot be read, which is then in the sink.
    pub fn read(&mut self, file: u32, text: &str, sink: &mut Sink) -> Option<Node> {
        let start = Span { file, line: 1, column: 1, end_column: 2 };
        if text.len() > MAX_FILE_BYTES {
            let message = format!("this file has {} bytes; at most {MAX_FILE_BYTES} are read", text.len());
            sink.push(&codes::TOO_LARGE, start, message);
            return None;
        }
        let mut build = Build {
            file,
            left: self.left,
            anchors: HashMap::new(),
            stack: Vec::new(),
            root: None,
            comments: Comments::new(),
        };
        let mut options = Options::default();
        // Only beside an `allow` has a comment a meaning.
        options.set_emit_comments(text.contains("allow"));
        options.max_buffered_comment_events = MAX_FILE_BYTES;
        let outcome = build.run(Parser::new_from_str_with_options(text, options), sink);
        self.left = build.left;
        self.comments.extend(std::mem::take(&mut build.comments));
        match outcome {
            Ok(()) => build.root,
            Err(stop) => {
                sink.push(stop.code, stop.span, stop.message);
                None
            }
        }
    }
}

/// The state of reading one file.
struct Build {
    file: u32,
    left: Weight,
    anchors: HashMap<usize, (Node, Weight)>,
    stack: Vec<Frame>,
    root: Option<Node>,
    comments: Comments,
}

impl Build {
    fn run<'t>(
        &mut self,
        parser: Parser<'t, impl granit_parser::BorrowedInput<'t>>,
        sink: &mut Sink,
    ) -> Result<(), Stop> {
        let mut documents = 0;
        for event in parser {
            let (event, place) = event.map_err(|error| {
                let mark = error.marker();
                let span = self.span_at(mark.line(), mark.col(), 1);
                Stop { code: &codes::SYNTAX, span, message: format!("this is not YAML: {}", error.info()) }
            })?;
            let span = self.span(&place);
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        let message = "a second document begins here; write one document a file".to_string();
                        return Err(Stop { code: &codes::SEVERAL_DOCUMENTS, span, message });
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let tagged = tag.as_ref().is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                    self.refuse_tag(tag.as_ref().is_some_and(|tag| !tag.is_yaml_core_schema()), span, sink);
                    let plain = style == ScalarStyle::Plain && !tagged;
                    self.scalar(text.into_owned(), plain, span, anchor, sink)?;
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.refuse_tag(tag.is_some_and(|tag| !tag.is_yaml_core_schema()), span, sink);
                    self.open(span, anchor, FrameKind::List(Vec::new()))?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.refuse_tag(tag.is_some_and(|tag| !tag.is_yaml_core_schema()), span, sink);
                    self.open(
                        span,
                        anchor,
                        FrameKind::Map { entries: Vec::new(), seen: HashSet::new(), key: None },
                    )?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(sink)?,
                Event::Alias(anchor) => self.alias(anchor, span, sink)?,
                Event::Comment(text, _) => {
                    self.comments.insert((self.file, span.line), text.trim().to_string());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn refuse_tag(&self, custom: bool, span: Span, sink: &mut Sink) {
        if custom {
            sink.push(&codes::SYNTAX, span, "YAML tags have no meaning here".to_string());
        }
    }

    fn spend(&mut self, weight: Weight, span: Span) -> Result<(), Stop> {
        match self.left.less(weight) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                let message = format!(
                    "more than {MAX_NODES} values, or {MAX_TEXT_BYTES} bytes in them, aliases expanded"
                );
                Err(Stop { code: &codes::TOO_LARGE, span, message })
            }
        }
    }

    fn scalar(
        &mut self,
        text: String,
        plain: bool,
        span: Span,
        anchor: usize,
        sink: &mut Sink,
    ) -> Result<(), Stop> {
        let weight = Weight::of(&text);
        self.spend(weight, span)?;
        let nothing = plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
        let value = if nothing { Value::Null } else { Value::Scalar(Scalar { text, input: None }) };
        self.place(Node { span, value }, weight, anchor, sink)
    }

    fn open(&mut self, span: Span, anchor: usize, kind: FrameKind) -> Result<(), Stop> {
        self.spend(Weight::of(""), span)?;
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} deep");
            return Err(Stop { code: &codes::TOO_LARGE, span, message });
        }
        self.stack.push(Frame { span, anchor, weight: Weight::of(""), kind });
        Ok(())
    }

    fn close(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let value = match frame.kind {
            FrameKind::List(items) => Value::List(items),
            FrameKind::Map { entries, .. } => Value::Map(entries),
        };
        self.place(Node { span: frame.span, value }, frame.weight, frame.anchor, sink)
    }

    fn alias(&mut self, anchor: usize, span: Span, sink: &mut Sink) -> Result<(), Stop> {
        let Some((node, weight)) = self.anchors.get(&anchor) else {
            let message = "this alias stands inside its own anchor".to_string();
            return Err(Stop { code: &codes::SYNTAX, span, message });
        };
        let weight = *weight;
        let depth = self.stack.len() + depth_of(node);
        if depth > MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} deep, aliases expanded");
            return Err(Stop { code: &codes::TOO_LARGE, span, message });
        }
        let value = self.left.less(weight).map(|_| node.value.clone());
        self.spend(weight, span)?;
        self.place(Node { span, value: value.unwrap_or(Value::Null) }, weight, 0, sink)
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Node, weight: Weight, anchor: usize, sink: &mut Sink) -> Result<(), Stop> {
        if anchor != 0 {
            self.spend(weight, node.span)?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.weight.add(weight);
        match &mut frame.kind {
            FrameKind::List(items) => items.push(node),
            FrameKind::Map { entries, seen, key } => match key.take() {
                None => *key = Some(key_of(node, sink)),
                Some(None) => {}
                Some(Some((name, key_span))) => {
                    if seen.insert(name.clone()) {
                        entries.push(Entry { key: name, key_span, value: node });
                    } else {
                        sink.push(&codes::DUPLICATE, key_span, format!("{name:?} stands twice in this map"));
                    }
                }
            },
        }
        Ok(())
    }

    fn span(&self, place: &ParserSpan) -> Span {
        let (line, column) = (place.start.line(), place.start.col());
        let length = if place.end.line() == line { place.end.col().saturating_sub(column) } else { 1 };
        self.span_at(line, column, length.max(1))
    }

    fn span_at(&self, line: usize, column: usize, length: usize) -> Span {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX - 1);
        let column = narrow(column).saturating_add(1);
        Span {
            file: self.file,
            line: narrow(line.max(1)),
            column,
            end_column: column.saturating_add(narrow(length)),
        }
    }
}

/// How deep a finished tree is.
fn depth_of(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar(_) => 0,
        Value::List(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|entry| depth_of(&entry.value)).max().unwrap_or(0),
    }
}

/// A key is a single value; anything else is told and its pair left out.
fn key_of(node: Node, sink: &mut Sink) -> Option<(String, Span)> {
    match node.value {
        Value::Scalar(scalar) => Some((scalar.text, node.span)),
        Value::Null | Value::List(_) | Value::Map(_) => {
            sink.push(&codes::WRONG_TYPE, node.span, format!("a key is a name, not {}", node.type_words()));
            None
        }
    }
}
