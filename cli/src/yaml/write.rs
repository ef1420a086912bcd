//! The tree as text, in the one layout. The rules stand in the guide, in the section about `plan fmt`.

use super::tree::{Comment, Kind, Layout, Lines, Node, Part};
use super::{COLUMNS, scalar};
use report::layout::width;

/// Columns by which a block is set in.
const INDENT: usize = 2;

/// The whole document.
pub fn write(root: &Node) -> String {
    let mut writer = Writer { out: String::new(), lead: None, fresh: true };
    match root.parts() {
        [] => {
            if let Kind::List(..) | Kind::Map(..) = root.kind {
                writer.line(0, &inline(root));
            }
            writer.comments(&root.tail, 0);
        }
        _ => writer.collection(root, 0, Vec::new()),
    }
    writer.out
}

struct Writer {
    out: String,
    /// What the next line begins with instead of spaces: the dash of an item whose value follows on it.
    lead: Option<String>,
    /// Whether an empty line here would be the first of its block, or stands there already.
    fresh: bool,
}

impl Writer {
    fn line(&mut self, indent: usize, text: &str) {
        let lead = self.lead.take().unwrap_or_else(|| " ".repeat(indent));
        self.out.push_str(format!("{lead}{text}").trim_end_matches(' '));
        self.out.push('\n');
        self.fresh = false;
    }

    fn blank(&mut self, wanted: bool) {
        if wanted && !self.fresh {
            self.out.push('\n');
        }
    }

    fn comments(&mut self, comments: &[Comment], indent: usize) {
        for comment in comments {
            self.blank(comment.blank);
            self.line(indent, &comment.text);
        }
    }

    /// A collection an entry a line. `first` are comments that go above its first entry.
    fn collection(&mut self, node: &Node, indent: usize, mut first: Vec<Comment>) {
        self.fresh = true;
        for part in node.parts() {
            self.part(part, indent, std::mem::take(&mut first));
        }
        self.comments(&node.tail, indent);
    }

    fn part(&mut self, part: &Part, indent: usize, first: Vec<Comment>) {
        let Prepared { begin, shape, above, head, right } = prepare(part, indent);
        self.comments(&first, indent);
        self.comments(&above, indent);
        self.blank(part.blank);
        match shape {
            Shape::Inline(text) => {
                let text = if text.is_empty() { begin } else { format!("{begin} {text}") };
                self.line(indent, &behind(&text, right.as_ref()));
                self.comments(&part.inner, indent + INDENT);
            }
            Shape::Lines(marks, lines) => {
                self.line(indent, &behind(&format!("{begin} {marks}"), right.as_ref()));
                self.text(&lines, indent + INDENT, marks.contains('+'));
            }
            Shape::Block => {
                self.block(part, indent, begin, head);
                // It stood behind the closing bracket.
                self.comments(right.as_slice(), indent + INDENT);
            }
        }
    }

    /// A collection below its key or dash; an item's first entry stands behind the dash where nothing
    /// comes between.
    fn block(&mut self, part: &Part, indent: usize, begin: String, mut head: Vec<Comment>) {
        let node = &part.value;
        let clear = |first: &Part| prepare(first, indent + INDENT).above.is_empty();
        let behind_dash = part.key.is_none() && head.is_empty() && node.properties.is_empty();
        if behind_dash && node.parts().first().is_some_and(clear) {
            let lead = self.lead.take().unwrap_or_else(|| " ".repeat(indent));
            self.lead = Some(format!("{lead}{begin} "));
        } else {
            let first = if head.is_empty() { None } else { Some(head.remove(0)) };
            self.line(indent, &behind(&begin, first.as_ref()));
        }
        self.collection(node, indent + INDENT, head);
    }

    /// Lines behind `|` or `>`.
    fn text(&mut self, lines: &[String], indent: usize, keep: bool) {
        for line in lines {
            match line.is_empty() {
                true => self.out.push('\n'),
                // White space at the end is part of the text.
                false => self.out.push_str(&format!("{}{line}\n", " ".repeat(indent))),
            }
        }
        // With `+` an empty line more would be one more in the text.
        self.fresh = keep;
    }
}

/// An entry as it will be written.
struct Prepared {
    /// Key or dash, anchor and tag.
    begin: String,
    shape: Shape,
    /// Comments above it.
    above: Vec<Comment>,
    /// Comments between it and a block below.
    head: Vec<Comment>,
    /// The comment at the end of its line.
    right: Option<Comment>,
}

/// How a value is laid out.
enum Shape {
    /// Behind its key.
    Inline(String),
    /// Marks behind its key, and lines below.
    Lines(String, Vec<String>),
    /// Entries below.
    Block,
}

fn prepare(part: &Part, indent: usize) -> Prepared {
    let mark = match &part.key {
        Some(key) => format!("{}:", key_text(key)),
        None => "-".to_string(),
    };
    let begin = format!("{mark} {}", part.value.properties).trim_end().to_string();
    let shape = shape(&part.value, COLUMNS.saturating_sub(indent + width(&begin) + 1), indent);
    let mut above = part.above.clone();
    let mut head = part.head.clone();
    let mut right = part.right.clone();
    if !matches!(shape, Shape::Block) {
        // What stands between key and value goes behind a value on one line when there is room for it.
        head.extend(part.value.tail.iter().cloned());
        if right.is_none() && head.len() == 1 {
            right = head.pop();
        }
        above.append(&mut head);
    }
    Prepared { begin, shape, above, head, right }
}

/// How a value is laid out with so many columns left behind its key.
fn shape(value: &Node, room: usize, indent: usize) -> Shape {
    match &value.kind {
        Kind::Nothing => Shape::Inline(String::new()),
        Kind::Alias(_) => Shape::Inline(inline(value)),
        Kind::Lines(lines) => {
            let (marks, lines) = block_text(lines);
            Shape::Lines(marks, lines)
        }
        Kind::Scalar(scalar) => {
            let text = scalar::inline(scalar);
            if width(&text) <= room {
                return Shape::Inline(text);
            }
            match scalar::folded(scalar, COLUMNS - INDENT - indent.min(COLUMNS / 2)) {
                Some(lines) => Shape::Lines(">-".to_string(), lines),
                None => Shape::Inline(text),
            }
        }
        Kind::List(parts, _) | Kind::Map(parts, _) if parts.is_empty() => Shape::Inline(inline(value)),
        Kind::List(_, Layout::Block) | Kind::Map(_, Layout::Block) => Shape::Block,
        Kind::List(..) | Kind::Map(..) if value.has_comments() => Shape::Block,
        Kind::List(..) | Kind::Map(..) => {
            let text = inline(value);
            if width(&text) <= room { Shape::Inline(text) } else { Shape::Block }
        }
    }
}

/// A line with its comment, two columns behind.
fn behind(text: &str, comment: Option<&Comment>) -> String {
    match comment {
        Some(comment) => format!("{text}  {}", comment.text),
        None => text.to_string(),
    }
}

/// A key; behind an alias a `:` would be part of its name.
fn key_text(key: &Node) -> String {
    let text = with_properties(key);
    match key.kind {
        Kind::Alias(_) => format!("{text} "),
        _ => text,
    }
}

fn with_properties(node: &Node) -> String {
    format!("{} {}", node.properties, inline(node)).trim().to_string()
}

/// A value on one line, without its own properties.
fn inline(node: &Node) -> String {
    match &node.kind {
        Kind::Nothing => "null".to_string(),
        Kind::Scalar(scalar) => scalar::inline(scalar),
        Kind::Alias(name) => format!("*{name}"),
        // In brackets nobody can write it.
        Kind::Lines(lines) => lines.lines.join(" "),
        Kind::List(parts, _) => format!("[{}]", joined(parts)),
        Kind::Map(parts, _) if parts.is_empty() => "{}".to_string(),
        Kind::Map(parts, _) => format!("{{ {} }}", joined(parts)),
    }
}

fn joined(parts: &[Part]) -> String {
    let entry = |part: &Part| {
        let value = with_properties(&part.value);
        match &part.key {
            Some(key) => format!("{}: {value}", key_text(key)),
            None => value,
        }
    };
    parts.iter().map(entry).collect::<Vec<_>>().join(", ")
}

/// Marks and lines. A first line that begins with a space needs its indentation told.
fn block_text(lines: &Lines) -> (String, Vec<String>) {
    let first = lines.lines.iter().find(|line| !line.trim_matches(' ').is_empty());
    let spaced = first.is_some_and(|line| line.starts_with(' '))
        || lines
            .lines
            .iter()
            .take_while(|line| line.trim_matches(' ').is_empty())
            .any(|line| !line.is_empty());
    let indent = if spaced { INDENT.to_string() } else { String::new() };
    let chomp = lines.chomp.map(String::from).unwrap_or_default();
    (format!("{}{indent}{chomp}", lines.mark), lines.lines.clone())
}
