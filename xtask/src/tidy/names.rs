//! Names that say nothing: a module is called after what it is about.

use super::Finding;
use crate::checkout::TextFile;

/// Module names that collect what belongs elsewhere.
const REFUSED: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "shared"];

/// Checks the path of a file and the modules that it declares.
pub fn check(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let refuse =
        |name: &str| format!("a module called `{name}` says nothing: call it after what it is about");
    let path = file.path.trim_end_matches(".rs");
    if let Some(part) = path.split('/').find(|part| REFUSED.contains(part)) {
        findings.push(Finding::new(&file.path, refuse(part)));
    }
    for (index, line) in file.text.lines().enumerate() {
        let inline = declared(line).filter(|name| line.trim_end().ends_with('{') && REFUSED.contains(name));
        if let Some(name) = inline {
            findings.push(Finding::new(format!("{}:{}", file.path, index + 1), refuse(name)));
        }
    }
    findings
}

/// The module that a line declares: `mod x;`, `pub mod x {`, …
pub fn declared(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
    if words.next() != Some("mod") {
        return None;
    }
    Some(words.next()?.trim_end_matches([';', '{']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&TextFile { path: path.into(), text: text.into() }).len()
    }

    #[test]
    fn a_name_that_says_nothing_is_found_in_path_and_text() {
        assert_eq!(found("agent/src/utils.rs", ""), 1);
        assert_eq!(found("agent/src/common/mod.rs", ""), 1);
        assert_eq!(found("agent/src/jobs.rs", "    pub(crate) mod helpers {\n"), 1);
        assert_eq!(found("agent/src/jobs.rs", "mod tests {\nlet shared = 1;\n"), 0);
    }
}
