//! Events of the parser to a tree of values with their places, and their comments to where they belong.

use super::remarks::{Remark, attach};
use super::tree::{Kind, Layout, Lines, Node, Part, Quotes, Scalar};
use super::{MAX_DEPTH, Refused};
use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle};
use std::collections::HashMap;

/// Comments that may stand one after another.
const MAX_COMMENTS: usize = 100_000;

/// The document, or why it is not laid out.
pub fn read(text: &str) -> Result<Node, Refused> {
    let source: Vec<char> = text.chars().collect();
    let events: Result<Vec<_>, _> = Parser::new_from_str_with_options(text, options()).collect();
    let events = events.map_err(|error| refused(&error))?;
    // First, for the comment behind a `|` is told after the text below it.
    let remarks = remarks(&events, &source);
    let mut build = Build {
        text,
        source: &source,
        remarks: &remarks,
        names: HashMap::new(),
        stack: Vec::new(),
        root: None,
        documents: 0,
        begin: 0,
    };
    for (event, span) in events {
        build.event(event, &span)?;
    }
    let begin = build.begin;
    let mut root = build.root.unwrap_or_else(|| nothing(0));
    if !matches!(root.kind, Kind::Nothing | Kind::List(..) | Kind::Map(..)) || !root.properties.is_empty() {
        return Err(Refused::new(1, "a file that is neither a map nor a list is not laid out"));
    }
    attach(&mut root, begin, &source, remarks);
    Ok(root)
}

/// The comments in the order of the text.
fn remarks(events: &[(Event<'_>, Span)], source: &[char]) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = Vec::new();
    for (event, span) in events {
        let Event::Comment(text, _) = event else { continue };
        let start = span.start.index();
        remarks.push(Remark {
            start,
            column: span.start.col(),
            own: source[line_begin(source, start)..start].iter().all(|c| c.is_whitespace()),
            text: format!("#{}", text.trim_end()),
        });
    }
    remarks.sort_by_key(|remark| remark.start);
    remarks
}

/// How the parser is asked, here and where meanings are compared.
pub fn options() -> Options {
    let mut options = Options::default();
    options.emit_anchor_events = true;
    options.max_buffered_comment_events = MAX_COMMENTS;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    options
}

/// What the parser refuses.
pub fn refused(error: &granit_parser::ScanError) -> Refused {
    Refused::new(error.marker().line(), format!("this is not YAML: {}", error.info()))
}

/// A value that is not written.
fn nothing(at: usize) -> Node {
    Node { properties: String::new(), kind: Kind::Nothing, start: at, end: at, column: 0, tail: Vec::new() }
}

struct Build<'t> {
    text: &'t str,
    source: &'t [char],
    remarks: &'t [Remark],
    names: HashMap<usize, String>,
    stack: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    begin: usize,
}

/// A collection that is being read.
struct Open {
    node: Node,
    key: Option<Node>,
}

impl Build<'_> {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Refused> {
        let line = span.start.line();
        match event {
            Event::DocumentStart(explicit, version) => {
                self.documents += 1;
                self.begin = if explicit { span.end.index() } else { 0 };
                if self.documents > 1 {
                    return Err(Refused::new(
                        line,
                        "a second document begins here; write one document a file",
                    ));
                }
                if version.is_some() || self.text.lines().any(|line| line.starts_with('%')) {
                    return Err(Refused::new(line, "a file with directives (%) is not laid out"));
                }
            }
            Event::Anchor(id, name) => {
                self.names.insert(id, name.to_string());
                self.anchored(&name);
            }
            Event::Scalar(text, style, _, _) => {
                let node = self.scalar(&text, style, span)?;
                self.place(node)?;
            }
            Event::Alias(id) => {
                let name = self.names.get(&id).cloned().unwrap_or_default();
                let node = self.node(Kind::Alias(name), span);
                self.place(node)?;
            }
            Event::SequenceStart(style, _, _) => {
                let node = self.node(Kind::List(Vec::new(), layout(style)), span);
                self.stack.push(Open { node, key: None });
            }
            Event::MappingStart(style, _, _) => {
                let node = self.node(Kind::Map(Vec::new(), layout(style)), span);
                self.stack.push(Open { node, key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            _ => {}
        }
        Ok(())
    }

    /// The tag is known with the event; the anchor comes right after it.
    fn node(&self, kind: Kind, span: &Span) -> Node {
        let tag = span.tag_span().and_then(|tag| tag.slice(self.text)).unwrap_or_default();
        Node {
            properties: tag.to_string(),
            kind,
            start: span.start.index(),
            end: span.end.index(),
            column: span.start.col(),
            tail: Vec::new(),
        }
    }

    /// The anchor belongs to what was read last: an open collection without entries, or a finished value.
    fn anchored(&mut self, name: &str) {
        let name = format!("&{name}");
        let Some(open) = self.stack.last_mut() else {
            if let Some(root) = &mut self.root {
                root.properties = join(&name, &root.properties);
            }
            return;
        };
        let fresh = open.key.is_none() && open.node.parts().is_empty();
        let node = match &mut open.key {
            Some(key) => key,
            None if fresh => &mut open.node,
            None => match open.node.parts_mut().last_mut() {
                Some(part) => &mut part.value,
                None => return,
            },
        };
        node.properties = join(&name, &node.properties);
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: &Span) -> Result<Node, Refused> {
        let raw = span.slice(self.text).unwrap_or_default();
        let quotes = match style {
            ScalarStyle::SingleQuoted => Quotes::Single,
            ScalarStyle::DoubleQuoted => Quotes::Double,
            ScalarStyle::Plain => Quotes::Plain,
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let mark = if style == ScalarStyle::Literal { '|' } else { '>' };
                return self.lines(mark, text, span);
            }
        };
        if quotes == Quotes::Plain && raw.is_empty() {
            return Ok(self.node(Kind::Nothing, span));
        }
        Ok(self.node(Kind::Scalar(Scalar { text: text.to_string(), raw: raw.to_string(), quotes }), span))
    }

    /// The lines behind `|` or `>`. The parser gives where the content begins; the marks stand in the last
    /// line before it that is not empty, perhaps with a comment behind them.
    fn lines(&self, mark: char, text: &str, span: &Span) -> Result<Node, Refused> {
        let source = self.source;
        let (start, end) = (span.start.index().min(source.len()), span.end.index().min(source.len()));
        let mut header_end = source[..start].iter().rposition(|c| *c == '\n').unwrap_or(0);
        while header_end > 0
            && source[line_begin(source, header_end)..header_end].iter().all(|c| c.is_whitespace())
        {
            header_end = line_begin(source, header_end).saturating_sub(1);
        }
        let begin = line_begin(source, header_end);
        let first = self.remarks.partition_point(|remark| remark.start < begin);
        let comment = self.remarks.get(first).filter(|remark| remark.start < header_end);
        let marks_end = comment.map_or(header_end, |remark| remark.start);
        let header: String = source[begin..marks_end].iter().collect();
        let at =
            header.rfind(mark).ok_or_else(|| Refused::new(span.start.line(), "this text is not laid out"))?;
        let written: String = source[(header_end + 1).min(end)..end].iter().collect();
        let mut chomp = header[at..].chars().find(|c| "+-".contains(*c));
        if chomp.is_none() && !text.ends_with('\n') {
            // The file ends with it, without a line break.
            chomp = Some('-');
        }
        let lines = dedented(&written, text, chomp == Some('+'));
        let mut node = self.node(Kind::Lines(Lines { mark, chomp, lines }), span);
        if text.trim().is_empty() {
            // Without content there is no indentation to tell; in quotes it is plain to see.
            let scalar = Scalar { text: text.to_string(), raw: "\n".to_string(), quotes: Quotes::Double };
            node.kind = Kind::Scalar(scalar);
        }
        Ok(node)
    }

    fn place(&mut self, node: Node) -> Result<(), Refused> {
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.kind {
            Kind::List(parts, _) => parts.push(part(None, node)),
            Kind::Map(parts, _) => match open.key.take() {
                None if matches!(node.kind, Kind::Scalar(_) | Kind::Alias(_)) => open.key = Some(node),
                None => {
                    let text = self.source[..node.start.min(self.source.len())].iter();
                    let line = text.filter(|c| **c == '\n').count() + 1;
                    return Err(Refused::new(line, "a key that is not a single name is not laid out"));
                }
                Some(key) => parts.push(part(Some(key), node)),
            },
            Kind::Nothing | Kind::Scalar(_) | Kind::Lines(_) | Kind::Alias(_) => {}
        }
        Ok(())
    }

    fn close(&mut self, span: &Span) -> Result<(), Refused> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let mut node = open.node;
        let last = node.parts().last().map(|part| part.value.end);
        // What has no closing mark ends with its last value; its column is that of its first entry.
        node.end = match node.is_block() || span.end.index() == span.start.index() {
            true => last.unwrap_or(node.end),
            false => span.end.index(),
        };
        self.place(node)
    }
}

fn join(first: &str, second: &str) -> String {
    format!("{first} {second}").trim().to_string()
}

fn layout(style: StructureStyle) -> Layout {
    match style {
        StructureStyle::Block => Layout::Block,
        StructureStyle::Flow => Layout::Flow,
    }
}

fn part(key: Option<Node>, value: Node) -> Part {
    Part { blank: false, above: Vec::new(), key, head: Vec::new(), value, right: None, inner: Vec::new() }
}

/// Where the line of a place begins.
fn line_begin(source: &[char], at: usize) -> usize {
    source[..at.min(source.len())].iter().rposition(|c| *c == '\n').map_or(0, |before| before + 1)
}

/// Written lines without the indentation that their value does not have.
fn dedented(written: &str, value: &str, keep: bool) -> Vec<String> {
    let blanks = |line: &str| line.chars().take_while(|c| *c == ' ').count();
    let first = |text: &str| text.lines().find(|line| !line.trim().is_empty()).map_or(0, blanks);
    let indent = first(written).saturating_sub(first(value));
    let mut lines: Vec<String> =
        written.lines().map(|line| line.chars().skip(indent.min(blanks(line))).collect()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    if keep {
        let breaks = value.chars().rev().take_while(|c| *c == '\n').count();
        lines.extend(std::iter::repeat_n(String::new(), breaks.saturating_sub(1)));
    }
    lines
}
