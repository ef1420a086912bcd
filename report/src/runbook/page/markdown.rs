//! A page as Markdown: CommonMark, with tables and task lists as GitHub and GitLab read them.
//!
//! Texts are escaped so that no reader takes them for markup, at the beginning of a wrapped line, too.

use super::{Block, Item, Line, Page, Span};
use crate::layout::{clean, width};
use crate::runbook::MARK;

/// Widest line that is wrapped.
const COLUMNS: usize = 100;
/// Least room for text, however deep it is set in.
const LEAST: usize = 40;
pub fn render(page: &Page) -> String {
    let mut out = format!("{MARK}\n\n");
    out.push_str(&wrapped("# ", "", &Line::from(page.title.as_str()), usize::MAX));
    blocks(&page.blocks, "", &mut out);
    out
}

fn blocks(blocks: &[Block], indent: &str, out: &mut String) {
    for one in blocks {
        // Empty lines carry no blanks: editors and diffs do not like them.
        out.push_str(indent.trim_end());
        out.push('\n');
        block(one, indent, out);
    }
}

fn block(block: &Block, indent: &str, out: &mut String) {
    match block {
        Block::Heading(text) => {
            out.push_str(&wrapped(&format!("{indent}## "), indent, &Line::from(text.as_str()), usize::MAX));
        }
        Block::Text(line) => out.push_str(&wrapped(indent, indent, line, COLUMNS)),
        Block::Box(inner) => {
            let mut text = String::new();
            blocks(inner, &format!("{indent}> "), &mut text);
            // The first of its empty lines would stand before the first word.
            out.push_str(text.split_once('\n').map_or("", |(_, rest)| rest));
        }
        Block::Points(lines) => points(lines, &format!("{indent}- "), indent, 2, out),
        Block::Ticks(lines) => points(lines, &format!("{indent}- [ ] "), indent, 2, out),
        Block::Table { header, rows } => table(header, rows, indent, out),
        Block::Shell(lines) => shell(lines, indent, out),
        Block::Steps { first, items } => {
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push('\n');
                }
                step(first + number, item, indent, out);
            }
        }
    }
}

fn points(lines: &[Line], mark: &str, indent: &str, deeper: usize, out: &mut String) {
    let hang = format!("{indent}{}", " ".repeat(deeper));
    lines.iter().for_each(|line| out.push_str(&wrapped(mark, &hang, line, COLUMNS)));
}

fn step(number: usize, item: &Item, indent: &str, out: &mut String) {
    let mark = format!("{indent}{number}. ");
    let hang = " ".repeat(width(&mark));
    let mut title = Line::default().strong(item.name.as_str());
    if !item.summary.is_empty() {
        title = title.plain(format!(" – {}", item.summary));
    }
    out.push_str(&wrapped(&format!("{mark}[ ] "), &hang, &title, COLUMNS));
    blocks(&item.blocks, &hang, out);
}

fn table(header: &[&str], rows: &[Vec<Line>], indent: &str, out: &mut String) {
    out.push_str(&format!("{indent}| {} |\n", header.join(" | ")));
    out.push_str(&format!("{indent}|{}\n", " --- |".repeat(header.len())));
    for row in rows {
        let cells: Vec<String> = row.iter().map(cell).collect();
        out.push_str(&format!("{indent}| {} |\n", cells.join(" | ")));
    }
}

fn cell(line: &Line) -> String {
    // A bar inside code ends a cell as well, unless it is escaped.
    let word = |span: &Span| match span {
        Span::Code(text) => code(text).replace('|', "\\|"),
        other => words(other).concat(),
    };
    let text: String = line.0.iter().map(word).collect();
    text.trim().to_string()
}

/// Lines as they are, in a fence that none of them can close.
fn shell(lines: &[String], indent: &str, out: &mut String) {
    let longest = lines.iter().map(|line| longest_run(line)).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    out.push_str(&format!("{indent}{fence}sh\n"));
    for line in lines.iter().flat_map(|line| line.split('\n')) {
        out.push_str(format!("{indent}{line}").trim_end_matches(' '));
        out.push('\n');
    }
    out.push_str(&format!("{indent}{fence}\n"));
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A line in lines: `first` stands before the first one, `hang` before the others.
fn wrapped(first: &str, hang: &str, line: &Line, columns: usize) -> String {
    let columns = columns.max(width(hang).saturating_add(LEAST));
    let (mut out, mut column, mut begun) = (first.to_string(), width(first), false);
    let mut blank = false;
    for span in &line.0 {
        for word in words(span) {
            if word == " " {
                blank |= begun;
                continue;
            }
            if blank && column + 1 + width(&word) > columns {
                out.push('\n');
                out.push_str(hang);
                column = width(hang);
                begun = false;
            } else if blank {
                out.push(' ');
                column += 1;
            }
            let word = if begun { word } else { at_the_start(word, span) };
            column += width(&word);
            out.push_str(&word);
            (blank, begun) = (false, true);
        }
    }
    out.push('\n');
    out
}

/// Words of a span, escaped, with `" "` where a line may be broken.
fn words(span: &Span) -> Vec<String> {
    match span {
        Span::Code(text) => vec![code(text)],
        Span::Link(text, to) => vec![format!("[{}]({to})", escaped(text))],
        Span::Plain(text) => pieces(text, ""),
        Span::Strong(text) => pieces(text, "**"),
    }
}

/// Text in words, with the mark before the first and behind the last of them.
fn pieces(text: &str, mark: &str) -> Vec<String> {
    let text = clean(text);
    let mut words: Vec<String> = text.split_whitespace().map(escaped).collect();
    if let Some(first) = words.first_mut() {
        first.insert_str(0, mark);
    }
    if let Some(last) = words.last_mut() {
        last.push_str(mark);
    }
    let blank = || Some(" ".to_string());
    let mut out: Vec<String> = Vec::new();
    if words.is_empty() {
        out.extend(blank().filter(|_| !text.is_empty()));
        return out;
    }
    out.extend(blank().filter(|_| text.starts_with(char::is_whitespace)));
    for (number, word) in words.into_iter().enumerate() {
        out.extend(blank().filter(|_| number > 0));
        out.push(word);
    }
    out.extend(blank().filter(|_| text.ends_with(char::is_whitespace)));
    out
}

/// Text that Markdown takes as text wherever it stands in a line.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in clean(text).chars() {
        // `$` begins a formula at some hosts, `@` calls somebody.
        if "\\`*_[]<>|#&~$@".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A word that would begin a list, a heading or a rule where a line begins.
fn at_the_start(word: String, span: &Span) -> String {
    if !matches!(span, Span::Plain(_) | Span::Strong(_)) {
        return word;
    }
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let rest = word.get(digits..).unwrap_or_default();
    if digits > 0 && rest.starts_with(['.', ')']) {
        return format!("{}\\{rest}", word.get(..digits).unwrap_or_default());
    }
    if word.starts_with(['-', '+', '=']) { format!("\\{word}") } else { word }
}

/// Code in as many backticks as it needs.
fn code(text: &str) -> String {
    let text = clean(text);
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}
