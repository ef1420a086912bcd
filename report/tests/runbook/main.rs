//! Runbooks as people read and paste them. `UPDATE=1 cargo test` records anew; read the difference like code.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod hostile;
mod looks;
mod shells;

use model::{Mode, Name};
use plan::{CheckedEstate, SourceFile, explainable};
use report::runbook::{Page, runbook};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The version that stands in recorded runbooks: a new one of the program changes none of them.
const VERSION: &str = "VERSION";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// An estate of these files, with paths as a person would have them.
fn estate(files: &[PathBuf]) -> CheckedEstate {
    let file = |path: &PathBuf| SourceFile {
        path: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: std::fs::read_to_string(path).unwrap(),
    };
    of_texts(&files.iter().map(file).collect::<Vec<_>>())
}

fn of_texts(files: &[SourceFile]) -> CheckedEstate {
    let checked = explainable(files);
    checked.estate.unwrap_or_else(|| panic!("{}", report::diagnostics(&checked.diagnostics)))
}

/// The shipped example.
fn example() -> CheckedEstate {
    let folder = root().join("deploy/examples/region-failover");
    estate(&["estate.yaml", "region-failover.yaml", "region-return.yaml"].map(|name| folder.join(name)))
}

/// Every noun and every step kind.
fn everything() -> CheckedEstate {
    let (language, own) = (root().join("plan/testdata/language"), root().join("report/testdata/runbook"));
    estate(&[
        language.join("estate.yaml"),
        language.join("move.yaml"),
        own.join("everything.yaml"),
        own.join("aftermath.yaml"),
        own.join("called-off.yaml"),
    ])
}

fn page(estate: &CheckedEstate, plan: &str, mode: Mode) -> Page {
    let shown = estate.show(&Name::new(plan).unwrap(), mode, &BTreeMap::new());
    let shown = shown.unwrap_or_else(|found| panic!("{}", report::diagnostics(&found)));
    runbook(estate, &estate.nouns_as_written(), &shown, VERSION)
}
