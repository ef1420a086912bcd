//! A document as plain text of at most 80 columns.

use super::{Block, Document, Section};
use crate::layout::{COLUMNS, clean, fit, width, wrap};

/// Widest column of a table but the last.
const WIDEST: usize = 24;
/// Least room of the last column.
const LEAST: usize = 20;
/// What stands before everything in a section.
const INDENT: &str = "  ";

pub fn render(document: &Document) -> String {
    let mut lines = wrap("", &document.title, COLUMNS);
    let longest = lines.iter().map(|line| width(line)).max().unwrap_or(0);
    lines.push("=".repeat(longest));
    for text in &document.lead {
        lines.extend(wrap("", text, COLUMNS));
    }
    for section in &document.sections {
        lines.push(String::new());
        lines.extend(self::section(section));
    }
    lines.join("\n")
}

fn section(section: &Section) -> Vec<String> {
    let mut lines = Vec::new();
    if !section.title.is_empty() {
        lines.extend(wrap("", &section.title, COLUMNS));
    }
    for block in &section.blocks {
        lines.extend(match block {
            Block::Facts(facts) => self::facts(facts),
            Block::Table { header, rows } => table(header, rows),
            Block::Quote(text) => wrap(&format!("{INDENT}> "), text, COLUMNS)
                .into_iter()
                .enumerate()
                .map(|(number, line)| if number == 0 { line } else { line.replacen("    ", "  > ", 1) })
                .collect(),
            Block::Lines(lines) => lines.iter().map(|line| format!("{INDENT}{}", clean(line))).collect(),
        });
    }
    lines
}

fn facts(facts: &[(String, String)]) -> Vec<String> {
    let longest = facts.iter().map(|(label, _)| width(label)).max().unwrap_or(0).min(WIDEST);
    let one = |(label, value): &(String, String)| {
        wrap(&format!("{INDENT}{}  ", fit(label, longest)), value, COLUMNS)
    };
    facts.iter().flat_map(one).collect()
}

fn table(header: &[String], rows: &[Vec<String>]) -> Vec<String> {
    let last = header.len().saturating_sub(1);
    let widths: Vec<usize> = (0..last)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).chain(header.get(column));
            cells.map(|cell| width(cell)).max().unwrap_or(0).min(WIDEST)
        })
        .collect();
    let titled = header.iter().any(|title| !title.is_empty());
    let titles = titled.then_some(header).into_iter().flat_map(|titles| row(titles, &widths));
    titles.chain(rows.iter().flat_map(|cells| row(cells, &widths))).collect()
}

fn row(cells: &[String], widths: &[usize]) -> Vec<String> {
    let mut lead = INDENT.to_string();
    for (cell, width) in cells.iter().zip(widths) {
        lead.push_str(&format!("{}  ", fit(&clean(cell), *width)));
    }
    let room = COLUMNS.max(width(&lead) + LEAST);
    match cells.last().filter(|_| cells.len() > widths.len()) {
        Some(text) if !text.trim().is_empty() => wrap(&lead, text, room),
        _ => vec![lead.trim_end().to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_column_is_wrapped_under_itself() {
        let mut section = Section::new("steps");
        section.table(
            &["step", "time", "outcome"],
            vec![
                vec![
                    "fence".into(),
                    "3.0 s".into(),
                    "east-1 did not answer and nothing but its silence says that it is dead".into(),
                ],
                vec!["told".into(), String::new(), String::new()],
            ],
        );
        let document = Document { title: "A run".into(), lead: vec![], sections: vec![section] };
        let expected = "\
A run
=====

steps
  step   time   outcome
  fence  3.0 s  east-1 did not answer and nothing but its silence says that it
                is dead
  told";
        assert_eq!(document.text(), expected);
    }

    #[test]
    fn a_quote_is_marked_on_each_line() {
        let mut section = Section::new("");
        section.blocks.push(Block::Quote("word ".repeat(40)));
        let text = Document { title: "x".into(), lead: vec![], sections: vec![section] }.text();
        let quoted: Vec<&str> = text.lines().skip(3).collect();
        assert!(quoted.len() > 2 && quoted.iter().all(|line| line.starts_with("  > word")), "{text}");
    }
}
