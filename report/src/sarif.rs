//! What a check found as SARIF 2.1.0, the format that code hosts and editors read: one run, each code
//! that was found as a rule, each finding as a result with its region.
//!
//! The format: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>. Columns are counted in
//! characters, as [`Diagnostic`] does, and `columnKind` says so.

use plan::codes::{self, Code};
use plan::diagnostic::{Diagnostic, Severity};
use serde_json::{Value, json};

/// Where the format's schema stands, as the standard gives it.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The log of one check. Paths are taken to be relative to the root of the checkout unless they are
/// absolute; `version` is that of the program which checked.
pub fn sarif(found: &[Diagnostic], version: &str) -> Value {
    let mut rules: Vec<&str> = found.iter().map(|one| one.code.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<Value> = found.iter().map(|one| result(one, &rules)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "lifeboat",
                    "version": version,
                    "rules": rules.iter().map(|code| rule(code, found)).collect::<Vec<_>>(),
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A code with its heading, its reason and its mending. One that this version does not list, as another
/// version of the controller may send it, has what its first finding says.
fn rule(code: &str, found: &[Diagnostic]) -> Value {
    let first = found.iter().find(|one| one.code == code);
    let known = codes::ALL.iter().find(|known| known.code == code);
    let of = |listed: fn(&Code) -> &'static str, told: fn(&Diagnostic) -> &str| {
        known.map(|code| listed(code)).or(first.map(told)).unwrap_or_default().to_string()
    };
    let severity = known.map(|code| code.severity).or(first.map(|one| one.severity));
    json!({
        "id": code,
        "shortDescription": { "text": of(|code| code.title, |one| &one.message) },
        "fullDescription": { "text": of(|code| code.why, |one| &one.why) },
        "help": { "text": of(|code| code.mend, |one| &one.help) },
        "defaultConfiguration": { "level": level(severity.unwrap_or(Severity::Error)) },
    })
}

fn result(one: &Diagnostic, rules: &[&str]) -> Value {
    let mut region = json!({ "startLine": one.line, "startColumn": one.column, "endColumn": one.end_column });
    if !one.excerpt.is_empty() {
        region["snippet"] = json!({ "text": one.excerpt });
    }
    json!({
        "ruleId": one.code,
        "ruleIndex": rules.iter().position(|code| *code == one.code),
        "level": level(one.severity),
        "message": { "text": message(one) },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": uri(&one.path) }, "region": region },
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// The message, and the advice where it is about this very spot: the rule has the usual one.
fn message(one: &Diagnostic) -> String {
    let usual = codes::ALL.iter().any(|code| code.code == one.code && code.mend == one.help);
    match usual || one.help.is_empty() {
        true => one.message.clone(),
        false => format!("{}\n{}", one.message, one.help),
    }
}

/// A path as a URI reference (RFC 3986): what has a meaning in one is percent-encoded.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    match path.starts_with('/') {
        true => format!("file://{out}"),
        false => out,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(path: &str, text: &str) -> Vec<Diagnostic> {
        plan::check(&[plan::SourceFile { path: path.into(), text: text.into() }]).diagnostics
    }

    fn broken() -> Vec<Diagnostic> {
        found(
            "my estate/ä.yaml",
            "hosts:\n  a: { region: eas }\n  b: { region: east }\nregions: { east: {} }\nhots: {}\n",
        )
    }

    #[test]
    fn a_log_has_every_field_that_the_standard_demands() {
        let log = sarif(&broken(), "1.2.3");
        assert_eq!(log["version"], "2.1.0");
        assert!(log["$schema"].as_str().unwrap().ends_with("sarif-schema-2.1.0.json"));
        let runs = log["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0]["columnKind"], "unicodeCodePoints");
        let driver = &runs[0]["tool"]["driver"];
        assert_eq!((driver["name"].as_str(), driver["version"].as_str()), (Some("lifeboat"), Some("1.2.3")));
        let rules = driver["rules"].as_array().unwrap();
        for rule in rules {
            assert!(rule["id"].as_str().unwrap().starts_with("LB"));
            for text in ["shortDescription", "fullDescription", "help"] {
                assert!(!rule[text]["text"].as_str().unwrap().is_empty(), "{rule}");
            }
            assert_eq!(rule["defaultConfiguration"]["level"], "error");
        }
        let results = runs[0]["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert_eq!(result["level"], "error");
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uri"], "my%20estate/%C3%A4.yaml");
        }
    }

    #[test]
    fn a_result_stands_where_the_finding_stands_and_says_what_it_says() {
        let log = sarif(&broken(), "0");
        let result = &log["runs"][0]["results"][0];
        assert_eq!(result["ruleId"], "LB0201");
        assert_eq!(result["message"]["text"], "no region \"eas\" is declared\ndid you mean \"east\"?");
        let region = &result["locations"][0]["physicalLocation"]["region"];
        let expected = json!({
            "startLine": 2, "startColumn": 16, "endColumn": 19,
            "snippet": { "text": "  a: { region: eas }" },
        });
        assert_eq!(*region, expected);
    }

    #[test]
    fn each_code_is_one_rule_however_often_it_was_found() {
        let log = sarif(&found("a.yaml", "hosts: { a: { region: x }, b: { region: y } }\n"), "0");
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().len(), 1);
        assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_clean_check_is_a_log_without_results_and_not_an_empty_text() {
        let log = sarif(&[], "0");
        assert_eq!(log["runs"][0]["results"], json!([]));
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"], json!([]));
    }

    #[test]
    fn a_code_of_another_version_has_what_its_finding_says() {
        let mut one = found("a.yaml", "hots: {}\n").remove(0);
        one.code = "LB0999".into();
        let log = sarif(&[one.clone()], "0");
        let rule = &log["runs"][0]["tool"]["driver"]["rules"][0];
        assert_eq!(rule["shortDescription"]["text"], one.message.as_str());
        assert_eq!(rule["help"]["text"], one.help.as_str());
    }

    #[test]
    fn a_path_with_marks_of_a_uri_is_encoded() {
        assert_eq!(uri("a%b,c:d?e#f g.yaml"), "a%25b%2Cc%3Ad%3Fe%23f%20g.yaml");
        assert_eq!(uri("/srv/a b.yaml"), "file:///srv/a%20b.yaml");
    }
}
