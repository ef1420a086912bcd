//! A tree as YAML, in a random style: lines or braces, quotes or none, comments, empty lines, other orders of
//! keys. It remembers on which lines each node ended up.

use crate::tree::{Path, Tree};
use fastrand::Rng;
use std::collections::BTreeMap;

/// First and last line of each node with its key, from 1.
pub type Lines = BTreeMap<Path, (u32, u32)>;

/// Maps whose order has a meaning: the first member is the one that is asked.
const ORDERED: [&str; 2] = ["hosts", "members"];

/// Puts the keys of every map into a random order, where order means nothing.
pub fn shuffled(tree: &Tree, key: &str, rng: &mut Rng) -> Tree {
    match tree {
        Tree::Text(text) => Tree::Text(text.clone()),
        Tree::List(items) => Tree::List(items.iter().map(|item| shuffled(item, "", rng)).collect()),
        Tree::Map(pairs) => {
            let mut pairs: Vec<(String, Tree)> =
                pairs.iter().map(|(key, value)| (key.clone(), shuffled(value, key, rng))).collect();
            if !ORDERED.contains(&key) {
                rng.shuffle(&mut pairs);
            }
            Tree::Map(pairs)
        }
    }
}

/// Writes a tree; gives its text and where each node stands.
pub fn write(tree: &Tree, rng: &mut Rng) -> (String, Lines) {
    let mut writer = Writer { rng, out: String::new(), line: 1, lines: Lines::new() };
    if writer.rng.u8(0..10) == 0 {
        writer.end_line("---");
    }
    writer.block(tree, 0, &Path::new());
    (writer.out, writer.lines)
}

struct Writer<'r> {
    rng: &'r mut Rng,
    out: String,
    line: u32,
    lines: Lines,
}

impl Writer<'_> {
    fn end_line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
        self.line += 1;
    }

    /// Every pair or item on lines of its own.
    fn block(&mut self, tree: &Tree, indent: usize, path: &Path) {
        let space = " ".repeat(indent);
        let entries: Vec<(String, String, &Tree)> = match tree {
            Tree::Text(_) => Vec::new(),
            Tree::List(items) => {
                items.iter().enumerate().map(|(at, item)| (at.to_string(), "-".to_string(), item)).collect()
            }
            Tree::Map(pairs) => pairs
                .iter()
                .map(|(key, value)| (key.clone(), format!("{}:", self.scalar(key, true)), value))
                .collect(),
        };
        for (key, begin, value) in entries {
            match self.rng.u8(0..30) {
                0 => self.end_line(""),
                1 => self.end_line(&format!("{space}# what follows was looked at last year")),
                _ => {}
            }
            let first = self.line;
            let mut own = path.clone();
            own.push(key);
            let list = matches!(tree, Tree::List(_));
            if self.inline(value, indent, list) {
                let text = self.flow(value, &own);
                self.end_line(&format!("{space}{begin} {text}"));
            } else {
                self.end_line(&format!("{space}{begin}"));
                let deeper = self.rng.usize(1..=3);
                self.block(value, indent + deeper, &own);
            }
            // A key that stands twice keeps its last place, which is the one that is told.
            self.lines.insert(own, (first, self.line - 1));
        }
    }

    fn inline(&mut self, value: &Tree, indent: usize, in_list: bool) -> bool {
        let (empty, size) = match value {
            Tree::Text(_) => return true,
            Tree::List(items) => (items.is_empty(), size(value)),
            Tree::Map(pairs) => (pairs.is_empty(), size(value)),
        };
        empty || in_list || indent > 0 && size < 40 && self.rng.u8(0..100) < 70
    }

    /// All on one line; its children stand on the line that is being written.
    fn flow(&mut self, tree: &Tree, path: &Path) -> String {
        let line = self.line;
        let mut child = |key: String| {
            let mut own = path.clone();
            own.push(key);
            self.lines.insert(own.clone(), (line, line));
            own
        };
        match tree {
            Tree::Text(text) => self.scalar(text, false),
            Tree::List(items) => {
                let paths: Vec<Path> = (0..items.len()).map(|at| child(at.to_string())).collect();
                let texts: Vec<String> =
                    items.iter().zip(&paths).map(|(item, path)| self.flow(item, path)).collect();
                format!("[{}]", texts.join(", "))
            }
            Tree::Map(pairs) => {
                let paths: Vec<Path> = pairs.iter().map(|(key, _)| child(key.clone())).collect();
                let mut texts = Vec::with_capacity(pairs.len());
                for ((key, value), path) in pairs.iter().zip(&paths) {
                    let key = self.scalar(key, true);
                    texts.push(format!("{key}: {}", self.flow(value, path)));
                }
                if texts.is_empty() { "{}".to_string() } else { format!("{{ {} }}", texts.join(", ")) }
            }
        }
    }

    /// A value, quoted where it must be and sometimes where it need not.
    fn scalar(&mut self, text: &str, key: bool) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._/-%".contains(c);
        let bare = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
            && text.chars().all(|c| plain(c) || c == ' ' && !key)
            && !text.ends_with(' ')
            && !["null", "Null", "NULL"].contains(&text);
        match (bare, self.rng.u8(0..10)) {
            (true, 1..) => text.to_string(),
            (_, 0..5) if !text.contains(['\'', '\n']) => format!("'{text}'"),
            _ => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")),
        }
    }
}

/// How many nodes a tree has.
fn size(tree: &Tree) -> usize {
    match tree {
        Tree::Text(_) => 1,
        Tree::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Tree::Map(pairs) => 1 + pairs.iter().map(|(_, value)| size(value)).sum::<usize>(),
    }
}
