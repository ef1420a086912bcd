//! Every rule has a text that breaks it alone and one that just does not, each beside the demo's estate.
//!
//! `testdata/rules/CODE-what.bad.yaml` and `.good.yaml` (and `.estate.yaml` and `.plan.yaml` for both), with what is told
//! in `.expected`. `UPDATE=1 cargo test` records anew; read the difference like code.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use plan::{Diagnostic, Severity, SourceFile, check, codes};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Codes that need no file of their own, with the test that has them.
const ELSEWHERE: [&str; 2] = [
    "LB0107", // texts beyond the bounds: tests/bounds.rs
    "LB0203", // an unknown plan: tests/runs.rs
];

/// What may stand beside any rule: a noun or step whose job is still to come, and that so small a plan checks
/// nothing and is backed up by nobody. And that the demo's estate has two sites and no third voice.
const BESIDE: [&str; 8] = ["LB0125", "LB0128", "LB0329", "LB0361", "LB0364", "LB0371", "LB0422", "LB0461"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/rules")
}

fn read(path: PathBuf) -> Option<SourceFile> {
    let name = path.file_name()?.to_str()?.to_string();
    Some(SourceFile { path: name, text: std::fs::read_to_string(path).ok()? })
}

fn cases() -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(".bad.yaml").map(str::to_string)).collect()
}

fn run(case: &str, which: &str) -> Vec<Diagnostic> {
    let mut files = vec![read(folder().join("../demo/estate.yaml")).unwrap()];
    files.extend(read(folder().join(format!("{case}.estate.yaml"))));
    files.extend(read(folder().join(format!("{case}.plan.yaml"))));
    files.push(read(folder().join(format!("{case}.{which}.yaml"))).unwrap());
    let checked = check(&files);
    assert_eq!(checked.estate.is_some(), checked.errors() == 0, "{case}");
    checked.diagnostics
}

fn told(found: &[Diagnostic]) -> String {
    let mut out = String::new();
    for one in found {
        let width = (one.end_column - one.column) as usize;
        let mark = format!("{}{}", " ".repeat(one.column as usize - 1), "^".repeat(width));
        out.push_str(&format!("{one}\n  {}\n  {mark}\n  help: {}\n", one.excerpt, one.help));
    }
    out
}

#[test]
fn every_bad_text_breaks_its_rule_alone_and_is_told_as_recorded() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found = run(&case, "bad");
        let now = told(&found);
        let path = folder().join(format!("{case}.expected"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &now).unwrap();
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != now {
            wrong.push(format!("{case}: not as recorded:\n{now}"));
        }
        let own = |one: &&Diagnostic| one.code == case[..6];
        let strange = |one: &&Diagnostic| !own(one) && !BESIDE.contains(&one.code.as_str());
        if !found.iter().any(|one| own(&one)) || found.iter().any(|one| strange(&one)) {
            wrong.push(format!("{case}: not alone:\n{now}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_good_text_passes() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found = run(&case, "good");
        if found.iter().any(|one| one.severity == Severity::Error || one.code == case[..6]) {
            wrong.push(format!("{case}:\n{}", told(&found)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_has_a_case_and_they_are_in_order() {
    let all: Vec<&str> = codes::ALL.iter().map(|code| code.code).collect();
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
    let held: BTreeSet<String> = cases().iter().map(|case| case[..6].to_string()).collect();
    let missing: Vec<&&str> =
        all.iter().filter(|code| !held.contains(**code) && !ELSEWHERE.contains(code)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn every_code_says_why_and_how_to_mend() {
    for code in codes::ALL {
        assert!(!code.title.is_empty() && code.why.ends_with('.') && code.mend.len() > 10, "{code:?}");
    }
}
