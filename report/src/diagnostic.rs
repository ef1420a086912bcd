//! What a check found, as a good compiler prints it.
//!
//! ```text
//! error[LB0201]: unknown host "dbx"
//!   --> estate.yaml:12:15
//!    |
//! 12 |     members: [dbx, db-2]
//!    |               ^^^
//!    = why: …
//!    = help: …
//! ```

use crate::layout::{COLUMNS, clean, width, wrap};
use crate::units::count;
use plan::diagnostic::{Diagnostic, Severity};
use std::collections::BTreeSet;

/// What stands before the spot in a line that is too long, in columns.
const BEFORE: usize = 24;

/// What was said about each code so far. A list of eighty findings tells a reason once, and each place.
#[derive(Debug, Default)]
pub struct Said(BTreeSet<(String, String)>);

impl Said {
    /// The next finding, in lines of at most 80 columns, without what was said of its code already.
    pub fn next(&mut self, found: &Diagnostic) -> String {
        let mut shown = found.clone();
        for text in [&mut shown.why, &mut shown.help] {
            if !self.0.insert((found.code.clone(), text.clone())) {
                text.clear();
            }
        }
        diagnostic(&shown)
    }
}

/// One finding, in lines of at most 80 columns.
pub fn diagnostic(found: &Diagnostic) -> String {
    let head = format!("{}[{}]: ", found.severity.as_str(), found.code);
    let number = found.line.to_string();
    let gutter = " ".repeat(number.len());
    // Set in by a fixed amount: hanging under the message would leave too little room.
    let mut lines = hang(&head, &found.message);
    lines.push(format!("{gutter}--> {}:{}:{}", clean(&found.path), found.line, found.column));
    if !found.excerpt.is_empty() {
        let room = COLUMNS.saturating_sub(number.len() + 3);
        let (shown, mark) = spot(found, room);
        lines.push(format!("{gutter} |"));
        lines.push(format!("{number} | {shown}").trim_end().to_string());
        lines.push(format!("{gutter} | {mark}"));
    }
    for (word, text) in [("why", &found.why), ("help", &found.help)] {
        if !text.is_empty() {
            lines.extend(wrap(&format!("{gutter} = {word}: "), text, COLUMNS));
        }
    }
    lines.join("\n")
}

/// All findings with an empty line between them, and a summary at the end.
pub fn diagnostics(found: &[Diagnostic]) -> String {
    let mut said = Said::default();
    let mut out: Vec<String> = found.iter().map(|one| said.next(one)).collect();
    out.push(summary(found));
    out.join("\n\n")
}

/// `2 errors and 1 warning in 2 files`, or `nothing to complain about`.
pub fn summary(found: &[Diagnostic]) -> String {
    let of = |severity| found.iter().filter(|one| one.severity == severity).count() as u64;
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let files: BTreeSet<&str> = found.iter().map(|one| one.path.as_str()).collect();
    let files = count(files.len() as u64, "file", "files");
    let (errors_text, warnings_text) =
        (count(errors, "error", "errors"), count(warnings, "warning", "warnings"));
    match (errors, warnings) {
        (0, 0) => "no errors, no warnings".to_string(),
        (0, _) => format!("{warnings_text} in {files}"),
        (_, 0) => format!("{errors_text} in {files}"),
        _ => format!("{errors_text} and {warnings_text} in {files}"),
    }
}

/// The first line with its rest set in by four.
fn hang(head: &str, message: &str) -> Vec<String> {
    let options = textwrap::Options::new(COLUMNS)
        .initial_indent(head)
        .subsequent_indent("    ")
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(clean(message).trim(), options).into_iter().map(|line| line.into_owned()).collect()
}

/// The part of the line around the spot that fits, and the mark below it.
fn spot(found: &Diagnostic, room: usize) -> (String, String) {
    let line: Vec<char> = clean(&found.excerpt).chars().collect();
    let column = (found.column.max(1) as usize - 1).min(line.len());
    let end = (found.end_column as usize).saturating_sub(1).clamp(column, line.len());
    let text = |from: usize, to: usize| line[from..to].iter().collect::<String>();
    let whole = text(0, line.len());
    let (start, lead) = match width(whole.trim_end()) <= room {
        true => (0, ""),
        false => (column.saturating_sub(BEFORE), if column > BEFORE { "…" } else { "" }),
    };
    let shown = crate::layout::cut(&format!("{lead}{}", text(start, line.len()).trim_end()), room);
    let before = width(lead) + width(&text(start, column));
    let length = width(&text(column, end)).clamp(1, room.saturating_sub(before).max(1));
    (shown, format!("{}{}", " ".repeat(before), "^".repeat(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(excerpt: &str, column: u32, end_column: u32) -> Diagnostic {
        Diagnostic {
            code: "LB0201".into(),
            severity: Severity::Error,
            path: "estate.yaml".into(),
            line: 12,
            column,
            end_column,
            excerpt: excerpt.into(),
            message: "unknown host \"dbx\"".into(),
            why: "A step on a host that nobody declared would never find its agent, and the run would stand still in the middle.".into(),
            help: "did you mean \"db-1\"?".into(),
        }
    }

    #[test]
    fn the_spot_is_underlined() {
        let expected = "\
error[LB0201]: unknown host \"dbx\"
  --> estate.yaml:12:15
   |
12 |     members: [dbx, db-2]
   |               ^^^
   = why: A step on a host that nobody declared would never find its agent, and
          the run would stand still in the middle.
   = help: did you mean \"db-1\"?";
        assert_eq!(diagnostic(&found("    members: [dbx, db-2]", 15, 18)), expected);
    }

    #[test]
    fn a_reason_is_told_once_and_an_advice_when_it_is_another() {
        let (one, mut other) = (found("a", 1, 2), found("b", 1, 2));
        other.help = "declare it".into();
        let text = diagnostics(&[one.clone(), one.clone(), other, one]);
        assert_eq!(text.matches("= why:").count(), 1, "{text}");
        assert_eq!(text.matches("= help:").count(), 2, "{text}");
        assert_eq!(text.matches("--> estate.yaml:12:1").count(), 4, "{text}");
    }

    #[test]
    fn wide_letters_and_tabs_keep_the_mark_in_place() {
        let text = diagnostic(&found("\t日本: dbx", 6, 9));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[3], "12 |  日本: dbx");
        assert_eq!(lines[4], "   |        ^^^");
    }

    #[test]
    fn a_long_line_is_shown_around_the_spot() {
        let line = format!("{}dbx{}", "x".repeat(200), "y".repeat(100));
        let text = diagnostic(&found(&line, 201, 204));
        assert!(text.lines().all(|line| width(line) <= COLUMNS), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let at = lines[4].find('^').unwrap_or(0);
        let under: String = lines[3].chars().skip(at).take(3).collect();
        assert_eq!(under, "dbx");
    }

    #[test]
    fn a_place_behind_the_end_is_marked_and_nothing_panics() {
        assert!(diagnostic(&found("ab", 9, 10)).contains("12 | ab\n   |   ^"));
        assert!(!diagnostic(&found("", 500, 501)).contains('^'));
        assert!(diagnostic(&found("ab", 0, 0)).contains('^'));
    }

    #[test]
    fn the_summary_counts() {
        let mut warning = found("a", 1, 2);
        warning.severity = Severity::Warning;
        warning.path = "other.yaml".into();
        assert_eq!(summary(&[]), "no errors, no warnings");
        assert_eq!(summary(&[found("a", 1, 2)]), "1 error in 1 file");
        let both = [found("a", 1, 2), found("b", 1, 2), warning];
        assert_eq!(summary(&both), "2 errors and 1 warning in 2 files");
        assert!(diagnostics(&both).ends_with("\n\n2 errors and 1 warning in 2 files"));
    }
}
