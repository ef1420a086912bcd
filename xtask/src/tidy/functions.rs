//! Functions that do not fit on a screen.
//!
//! The files are formatted by rustfmt, so a body ends at the first line that closes at the
//! indentation of its `fn`. That is rough (a raw string could fool it) and needs no parser; clippy's
//! `too_many_lines` counts exactly, but leaves comments out.

use super::Finding;
use crate::checkout::TextFile;

/// Lines of a function at most, from its name to its closing brace.
const LONGEST: usize = 100;

/// Words that may stand before `fn`.
const QUALIFIERS: &[&str] = &["pub", "async", "const", "extern", "default"];

/// Checks the functions of one file.
pub fn check(file: &TextFile) -> Vec<Finding> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function(line) else { continue };
        let length = length(&lines[index..]);
        if length > LONGEST {
            let what = format!("{name} has {length} lines, more than {LONGEST}: name its parts");
            findings.push(Finding::new(format!("{}:{}", file.path, index + 1), what));
        }
    }
    findings
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    while let Some((word, after)) = rest.split_once(' ') {
        if word == "fn" {
            return after.split(['(', '<']).next();
        }
        if !QUALIFIERS.contains(&word) && !word.starts_with("pub(") {
            return None;
        }
        rest = after;
    }
    None
}

/// How many lines a function takes; one without a body takes its signature's.
fn length(lines: &[&str]) -> usize {
    let indentation = lines[0].len() - lines[0].trim_start().len();
    let end = format!("{}}}", " ".repeat(indentation));
    for (index, line) in lines.iter().enumerate() {
        let body_elsewhere =
            line.ends_with(';') || line.ends_with("{}") || (index == 0 && line.ends_with('}'));
        let in_signature = !lines[..index].iter().any(|before| before.ends_with('{'));
        if *line == end || (in_signature && body_elsewhere) {
            return index + 1;
        }
    }
    lines.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&TextFile { path: "a.rs".into(), text: text.into() }).len()
    }

    fn long(signature: &str, body: usize) -> String {
        format!("{signature} {{\n{}}}\n", "    x();\n".repeat(body))
    }

    #[test]
    fn a_function_longer_than_a_screen_is_found() {
        assert_eq!(found(&long("fn a()", LONGEST - 2)), 0);
        assert_eq!(found(&long("fn a()", LONGEST - 1)), 1);
        assert_eq!(found(&long("pub(crate) async fn a<T>()", LONGEST - 1)), 1);
    }

    #[test]
    fn what_follows_a_function_without_a_body_is_not_counted() {
        let text = format!("fn a(\n    b: u8,\n);\nfn c() {{ d() }}\n{}", "// x\n".repeat(2 * LONGEST));
        assert_eq!(found(&text), 0);
    }

    #[test]
    fn a_word_that_looks_like_a_function_is_none() {
        assert_eq!(function("    // fn a()"), None);
        assert_eq!(function("let fn_a = 1;"), None);
        assert_eq!(function("    pub const fn a(&self)"), Some("a"));
    }
}
