//! Dependencies that are built in more than one version: each costs time and size, and some hide a
//! mistake (two versions of one type that do not fit). Known ones stand in a list with their reason;
//! a line that is no longer true is a finding too, so that the list stays honest.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Finding;

/// Compares what is built with the list of known duplicates (`name: reason` lines, `#` comments).
pub fn check(metadata: &Value, known: &str, list: &str) -> Vec<Finding> {
    let found = duplicates(metadata);
    let mut findings = Vec::new();
    let mut listed = BTreeSet::new();
    for (index, line) in known.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = format!("{list}:{}", index + 1);
        let (name, reason) = line.split_once(':').unwrap_or((line, ""));
        if reason.trim().is_empty() {
            findings.push(Finding::new(&at, format!("{name} has no reason")));
        }
        if !found.contains_key(name) {
            findings.push(Finding::new(&at, format!("{name} is no longer built twice: remove the line")));
        }
        listed.insert(name.to_owned());
    }
    for (name, versions) in found.iter().filter(|(name, _)| !listed.contains(*name)) {
        let versions = versions.iter().cloned().collect::<Vec<_>>().join(", ");
        let what = format!(
            "is built in several versions ({versions}): bring them together, or list it with its reason in {list}"
        );
        findings.push(Finding::new(name, what));
    }
    findings
}

/// The names that are built for our platform in more than one version.
fn duplicates(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let built: BTreeSet<String> =
        array(&metadata["resolve"]["nodes"]).iter().map(|node| text(&node["id"])).collect();
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in array(&metadata["packages"]) {
        if built.contains(&text(&package["id"])) {
            versions.entry(text(&package["name"])).or_default().insert(text(&package["version"]));
        }
    }
    versions.retain(|_, versions| versions.len() > 1);
    versions
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Value {
        serde_json::json!({
            "packages": [{ "id": "a1", "name": "a", "version": "1.0.0" }, { "id": "a2", "name": "a", "version": "2.0.0" },
                         { "id": "b1", "name": "b", "version": "1.0.0" }, { "id": "b2", "name": "b", "version": "2.0.0" }],
            "resolve": { "nodes": [{ "id": "a1" }, { "id": "a2" }, { "id": "b1" }] },
        })
    }

    #[test]
    fn a_duplicate_has_to_be_listed_with_a_reason() {
        assert_eq!(check(&metadata(), "", "list").len(), 1);
        assert_eq!(check(&metadata(), "# why\na: the old one is used by c\n", "list"), []);
        assert_eq!(check(&metadata(), "a:", "list"), [Finding::new("list:1", "a has no reason")]);
    }

    #[test]
    fn a_line_that_is_no_longer_true_is_found() {
        let found = check(&metadata(), "a: x\nb: y\n", "list");
        assert_eq!(found, [Finding::new("list:2", "b is no longer built twice: remove the line")]);
    }
}
