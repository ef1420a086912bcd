//! What a file as a whole looks like: its length, its documentation at the top, and words that may
//! not be committed.

use super::Finding;
use crate::checkout::TextFile;

/// A file longer than this is two files.
const LONGEST: usize = 600;

/// Beginnings of lines that may not be committed, and why.
const REFUSED: &[(&str, &str)] = &[
    ("#[ignore", "a test that does not run proves nothing: make it fast, or let it read LIFEBOAT_FULL"),
    ("#![allow(warnings", "mend what is warned about"),
    ("#![allow(unused", "what is not used is removed"),
];

/// Checks one Rust file.
pub fn check(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let count = file.text.lines().count();
    if count > LONGEST {
        findings.push(Finding::new(
            &file.path,
            format!("has {count} lines, more than {LONGEST}: split it by what it is about"),
        ));
    }
    let first = file.text.lines().find(|line| !line.starts_with("#!["));
    // A module's own tests say what they are for by where they are.
    let says = file.path.contains("/src/") && file.path.ends_with("/tests.rs");
    if !says && !first.is_some_and(|line| line.starts_with("//!")) {
        findings.push(Finding::new(&file.path, "does not begin with `//!`: say first what this file is for"));
    }
    for (index, line) in file.text.lines().enumerate() {
        for (refused, why) in REFUSED.iter().filter(|(refused, _)| line.trim_start().starts_with(refused)) {
            findings.push(Finding::new(format!("{}:{}", file.path, index + 1), format!("{refused}: {why}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let file = TextFile { path: "a.rs".into(), text: text.into() };
        check(&file).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn a_file_says_first_what_it_is_for() {
        assert_eq!(found("//! A thing.\n"), [""; 0]);
        assert_eq!(found("#![allow(clippy::unwrap_used)]\n//! A thing.\n"), [""; 0]);
        assert_eq!(found("use std::fs;\n//! Late.\n").len(), 1);
    }

    #[test]
    fn the_tests_of_a_module_need_no_word_of_their_own() {
        let at = |path: &str| check(&TextFile { path: path.into(), text: "use super::*;\n".into() }).len();
        assert_eq!((at("agent/src/spool/tests.rs"), at("agent/src/tests/spool.rs")), (0, 1));
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(found(&"//! x\n".repeat(LONGEST)), [""; 0]);
        assert_eq!(found(&"//! x\n".repeat(LONGEST + 1)).len(), 1);
    }

    #[test]
    fn a_test_that_does_not_run_is_found() {
        let text = format!("//! x\n    {}]\n", concat!("#[", "ignore"));
        assert_eq!(found(&text).len(), 1);
        assert!(found(&text)[0].starts_with("a.rs:2: "));
    }
}
