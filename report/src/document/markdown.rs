//! A document as Markdown, for a ticket, a wiki or a pull request.

use super::{Block, Document, Section};
use crate::layout::clean;

pub fn render(document: &Document) -> String {
    let mut out = format!("# {}\n", escaped(&document.title));
    for text in &document.lead {
        out.push_str(&format!("\n**{}**\n", escaped(text)));
    }
    for section in &document.sections {
        out.push_str(&self::section(section));
    }
    out
}

fn section(section: &Section) -> String {
    let mut out = String::new();
    if !section.title.is_empty() {
        out.push_str(&format!("\n## {}\n", escaped(&section.title)));
    }
    for block in &section.blocks {
        out.push('\n');
        out.push_str(&match block {
            Block::Facts(facts) => {
                let line =
                    |(label, value): &(String, String)| format!("- {}: {}\n", escaped(label), escaped(value));
                facts.iter().map(line).collect()
            }
            Block::Table { header, rows } => table(header, rows),
            Block::Quote(text) => format!("> {}\n", escaped(text)),
            Block::Lines(lines) => {
                let lines: String =
                    lines.iter().map(|line| format!("{}\n", clean(line).replace("```", "'''"))).collect();
                format!("```text\n{lines}```\n")
            }
        });
    }
    out
}

fn table(header: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut out = line(header);
    out.push_str(&format!("|{}\n", " --- |".repeat(header.len())));
    out.extend(rows.iter().map(|row| line(row)));
    out
}

/// Text that Markdown takes as text.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in clean(text).chars() {
        if "\\`*_[]<>|#".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_said_stays_text() {
        let mut section = Section::new("Steps");
        section.table(&["step", "said"], vec![vec!["x".into(), "a|b <script> *c*\nd".into()]]);
        section.blocks.push(Block::Lines(vec!["lifeboat retry 1 x".into()]));
        let text =
            Document { title: "A run".into(), lead: vec!["It failed".into()], sections: vec![section] }
                .markdown();
        let expected = "\
# A run

**It failed**

## Steps

| step | said |
| --- | --- |
| x | a\\|b \\<script\\> \\*c\\* d |

```text
lifeboat retry 1 x
```
";
        assert_eq!(text, expected);
    }
}
