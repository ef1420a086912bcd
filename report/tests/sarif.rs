//! What is written as SARIF is SARIF: the standard's own schema says so. `testdata/sarif-2.1.0-rtm.5.json` is
//! the schema of the published standard, as the npm package `@microsoft/jest-sarif` (MIT) carries it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use plan::{Diagnostic, SourceFile};
use std::path::Path;

fn schema() -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sarif-2.1.0-rtm.5.json");
    let mut schema: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    // As published, this pattern of two fields that we do not write is no regular expression: `…]?$`.
    for definition in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][definition]["properties"]["language"];
        assert!(language.as_object_mut().unwrap().remove("pattern").is_some());
    }
    jsonschema::draft4::new(&schema).unwrap()
}

/// What the check finds in each of its own bad texts.
fn all_findings() -> Vec<Diagnostic> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plan/testdata/rules");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".bad.yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.extend(plan::check(&[SourceFile { path: format!("rules/{name}"), text }]).diagnostics);
        }
    }
    found
}

#[test]
fn a_log_of_every_finding_and_one_of_none_fit_the_schema() {
    let schema = schema();
    let found = all_findings();
    assert!(found.len() > 100, "{}", found.len());
    for found in [&found[..], &[]] {
        let log = report::sarif(found, env!("CARGO_PKG_VERSION"));
        let wrong: Vec<String> =
            schema.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn the_schema_refuses_what_is_no_log() {
    let mut log = report::sarif(&all_findings()[..1], "0");
    assert!(schema().is_valid(&log));
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0.into();
    assert!(!schema().is_valid(&log));
}
