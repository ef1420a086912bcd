//! Checked plans that earlier versions stored keep loading, and lose nothing of what was stored.
//!
//! `testdata/stored/DATE/` holds plans as the program of that day stored them. They are never changed. When a
//! change touches what is stored (see `FORMAT` in `checked.rs`), record a new folder before it is merged:
//! `STORE=2026-11-27 cargo test -p lifeboat-plan --test stored`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use model::{Mode, Name};
use plan::checked::FORMAT;
use plan::{CheckedPlan, SourceFile, check};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/stored")
}

/// What this version stores, by file name.
fn now() -> BTreeMap<String, String> {
    let names = ["../demo/estate.yaml", "../demo/region-failover.yaml", "../demo/region-return.yaml"];
    let names = names.iter().chain(&["forward.yaml", "back.yaml", "hold.yaml"]);
    let file = |name: &&str| SourceFile {
        path: name.to_string(),
        text: std::fs::read_to_string(folder().join(name)).unwrap(),
    };
    let checked = check(&names.map(file).collect::<Vec<_>>());
    let found: Vec<String> = checked.diagnostics.iter().map(ToString::to_string).collect();
    let estate = checked.estate.unwrap_or_else(|| panic!("{found:#?}"));
    let mut out = BTreeMap::new();
    for name in ["region-failover", "region-return", "forward", "back"] {
        for mode in [Mode::Live, Mode::Preview] {
            let mut inputs = BTreeMap::new();
            if name == "back" {
                inputs.insert("point".to_string(), "2026-11-20T20:00:00Z".to_string());
            }
            let plan = estate.compile(&Name::new(name).unwrap(), mode, &inputs).unwrap();
            let text = serde_json::to_string_pretty(&plan).unwrap() + "\n";
            out.insert(format!("{name}-{mode}.json"), text);
        }
    }
    out
}

/// Every stored plan.
fn stored() -> Vec<PathBuf> {
    let list = |path: PathBuf| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let days = list(folder()).filter(|path| path.is_dir());
    let mut all: Vec<PathBuf> = days.flat_map(list).collect();
    all.sort();
    all
}

/// What is in the first value and not in the second: a field that is no longer read is lost without a word.
fn lost(old: &Value, new: &Value, at: &str, out: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                let at = format!("{at}/{key}");
                match new.get(key) {
                    Some(other) => lost(value, other, &at, out),
                    // What is absent by default need not be written again.
                    None if value.is_null() => {}
                    None => out.push(at),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (number, (value, other)) in old.iter().zip(new).enumerate() {
                lost(value, other, &format!("{at}/{number}"), out);
            }
        }
        (old, new) if old != new => out.push(format!("{at}: {old} became {new}")),
        _ => {}
    }
}

#[test]
fn what_was_ever_stored_loads_and_loses_nothing() {
    if let Some(day) = std::env::var_os("STORE") {
        let day = folder().join(day);
        assert!(!day.exists(), "what is stored is never changed");
        std::fs::create_dir(&day).unwrap();
        now().iter().for_each(|(name, text)| std::fs::write(day.join(name), text).unwrap());
    }
    let all = stored();
    assert!(all.len() >= 8, "{all:?}");
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        let plan: CheckedPlan =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(plan.format <= FORMAT && !plan.steps.is_empty(), "{}", path.display());
        let again = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<CheckedPlan>(&again).unwrap(), plan);
        let (old, new) = (serde_json::from_str(&text).unwrap(), serde_json::from_str(&again).unwrap());
        let mut gone = Vec::new();
        lost(&old, &new, "", &mut gone);
        assert!(gone.is_empty(), "{}: {gone:#?}", path.display());
    }
}

#[test]
fn every_field_that_this_version_stores_is_in_a_stored_plan() {
    let mut known = BTreeSet::new();
    for path in stored() {
        fields(&serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap(), "", &mut known);
    }
    let mut used = BTreeSet::new();
    now().values().for_each(|text| fields(&serde_json::from_str(text).unwrap(), "", &mut used));
    let new: Vec<&String> = used.difference(&known).collect();
    assert!(new.is_empty(), "record a new folder, see the top of this file: {new:#?}");
}

/// The paths of all fields, whatever they hold.
fn fields(value: &Value, at: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| fields(value, &format!("{at}/{key}"), out)),
        Value::Array(items) => items.iter().for_each(|item| fields(item, at, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.insert(at.to_string());
        }
    }
}
