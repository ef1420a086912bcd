//! The checked-in JSON Schemas are those of the tables, and hold what the check holds: every text that the
//! check reads is valid, and one with a field that it does not know is not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use jsonschema::Validator;
use plan::{estate_schema, plan_schema};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

struct Schemas {
    estate: Validator,
    plan: Validator,
}

impl Schemas {
    fn new() -> Self {
        let made = |schema: Value| jsonschema::draft202012::new(&schema).expect("a schema is a schema");
        Self { estate: made(estate_schema()), plan: made(plan_schema()) }
    }

    /// What is wrong with a text, as an editor would say it.
    fn wrong(&self, path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        let value: Value = serde_saphyr::from_str(&text).unwrap_or(Value::Null);
        let schema = if value.get("plan").is_some() { &self.plan } else { &self.estate };
        schema.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }
}

/// The YAML files below a folder.
fn yaml(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(yaml(path.to_str().unwrap()));
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn the_schemas_are_those_that_are_checked_in() {
    for (name, schema) in [("estate.json", estate_schema()), ("plan.json", plan_schema())] {
        let path = root().join("docs/schema").join(name);
        let now = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &now).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == now, "docs/schema/{name} is stale: run `cargo xtask docs`");
    }
}

#[test]
fn what_the_check_reads_is_valid() {
    let schemas = Schemas::new();
    let mut wrong = Vec::new();
    let mut files = yaml("plan/testdata/demo");
    files.extend(yaml("plan/testdata/language"));
    files.push(root().join("plan/testdata/reference.yaml"));
    // What teams wrote as they wrote it may hold what is refused with its reason, like a lifecycle (LB0340).
    let written = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "as-written");
    files.extend(yaml("deploy/examples").into_iter().filter(|path| !written(path)));
    let good = |path: &PathBuf| path.to_string_lossy().ends_with(".good.yaml");
    files.extend(yaml("plan/testdata/rules").into_iter().filter(good));
    assert!(files.len() > 100);
    for path in files {
        wrong.extend(schemas.wrong(&path).into_iter().map(|error| format!("{}: {error}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_text_of_the_wrong_shape_is_not() {
    /// Codes that are about shape alone.
    const SHAPE: [&str; 9] =
        ["LB0102", "LB0108", "LB0110", "LB0112", "LB0115", "LB0116", "LB0140", "LB0142", "LB0340"];
    let schemas = Schemas::new();
    let mut passed = Vec::new();
    let mut tried = 0;
    for path in yaml("plan/testdata/rules") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".bad.yaml") && SHAPE.contains(&&name[..6]) {
            tried += 1;
            if schemas.wrong(&path).is_empty() {
                passed.push(name);
            }
        }
    }
    assert!(tried >= 10, "{tried}");
    assert!(passed.is_empty(), "{passed:#?}");
}

#[test]
fn every_field_is_described() {
    fn walk(at: &str, value: &Value, bare: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (key, field) in properties {
                let own =
                    ["const", "type"].iter().any(|word| field.get(*word).is_some()) && at.ends_with("then");
                if field.get("description").is_none() && key != "kind" && !own && !at.contains("/if") {
                    bare.push(format!("{at}/{key}"));
                }
            }
        }
        match value {
            Value::Object(map) => map.iter().for_each(|(key, one)| walk(&format!("{at}/{key}"), one, bare)),
            Value::Array(list) => list.iter().for_each(|one| walk(at, one, bare)),
            _ => {}
        }
    }
    let mut bare = Vec::new();
    walk("estate", &estate_schema(), &mut bare);
    walk("plan", &plan_schema(), &mut bare);
    assert!(bare.is_empty(), "{bare:#?}");
}
