//! The licences of all dependencies, as SPDX expressions.

use serde_json::Value;

use super::Finding;

/// Licences that a work under Apache-2.0 may carry.
const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "MIT-0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unlicense",
    "Unicode-3.0",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
];

/// Checks each package that is built for our platform.
pub fn check(metadata: &Value) -> Vec<Finding> {
    let built: Vec<&str> = nodes(metadata).collect();
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if !package["id"].as_str().is_some_and(|id| built.contains(&id)) {
            continue;
        }
        let name = package["name"].as_str().unwrap_or_default();
        let version = package["version"].as_str().unwrap_or_default();
        let at = format!("{name} {version}");
        match package["license"].as_str() {
            Some(licence) if allowed(licence) => {}
            Some(licence) => findings.push(Finding::new(at, format!("its licence {licence} is not allowed"))),
            None => findings.push(Finding::new(at, "names no licence")),
        }
    }
    findings
}

fn nodes(metadata: &Value) -> impl Iterator<Item = &str> {
    metadata["resolve"]["nodes"].as_array().into_iter().flatten().filter_map(|node| node["id"].as_str())
}

/// Whether we may choose, of each alternative that an expression offers, one that is allowed.
fn allowed(expression: &str) -> bool {
    // An older way to write OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    any(&mut rest) == Some(true) && rest.is_empty()
}

/// `term OR term …`; `None` when it cannot be read.
fn any(words: &mut &[&str]) -> Option<bool> {
    let mut answer = all(words)?;
    while take(words, "OR") {
        // Not short-circuited: the words have to be read in any case.
        answer |= all(words)?;
    }
    Some(answer)
}

/// `term AND term …`, which binds stronger than OR.
fn all(words: &mut &[&str]) -> Option<bool> {
    let mut answer = term(words)?;
    while take(words, "AND") {
        answer &= term(words)?;
    }
    Some(answer)
}

/// A licence, with its exception if it has one, or an expression in parentheses.
fn term(words: &mut &[&str]) -> Option<bool> {
    if take(words, "(") {
        let answer = any(words)?;
        return take(words, ")").then_some(answer);
    }
    let name = next(words)?;
    if take(words, "WITH") {
        let exception = next(words)?;
        return Some(ALLOWED.contains(&format!("{name} WITH {exception}").as_str()));
    }
    Some(ALLOWED.contains(&name))
}

fn next<'a>(words: &mut &[&'a str]) -> Option<&'a str> {
    let (word, rest) = words.split_first()?;
    *words = rest;
    Some(word)
}

fn take(words: &mut &[&str], wanted: &str) -> bool {
    match words.split_first() {
        Some((word, rest)) if *word == wanted => {
            *words = rest;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_allowed_alternative_is_enough() {
        assert!(allowed("MIT OR GPL-3.0"));
        assert!(allowed("GPL-3.0/MIT"));
        assert!(allowed("Apache-2.0 WITH LLVM-exception OR GPL-3.0"));
    }

    #[test]
    fn all_parts_of_a_conjunction_must_be_allowed() {
        assert!(allowed("(MIT OR GPL-3.0) AND Unicode-3.0"));
        assert!(!allowed("MIT AND GPL-3.0"));
        assert!(!allowed("(MIT AND GPL-3.0) OR AGPL-3.0"));
    }

    #[test]
    fn what_is_unknown_or_malformed_is_not_allowed() {
        for expression in
            ["", "GPL-3.0", "(MIT", "MIT)", "MIT OR", "MIT ISC", "MIT WITH", "Apache-2.0 WITH x"]
        {
            assert!(!allowed(expression), "{expression}");
        }
    }

    #[test]
    fn a_package_without_a_licence_is_found_when_it_is_built() {
        let metadata = serde_json::json!({
            "packages": [{ "id": "a", "name": "a", "version": "1", "license": null },
                         { "id": "b", "name": "b", "version": "1", "license": null }],
            "resolve": { "nodes": [{ "id": "a" }] },
        });
        assert_eq!(check(&metadata), [Finding::new("a 1", "names no licence")]);
    }
}
