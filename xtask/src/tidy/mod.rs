//! `cargo xtask tidy`: the rules of the design that a compiler does not check.
//!
//! Each check is a pure function from what was read to findings; this file reads and prints.

mod arrows;
mod duplicates;
mod functions;
mod licences;
mod lines;
mod lints;
mod modules;
mod names;

use std::fmt;

use crate::{Failure, cargo, checkout, docs};

/// Known duplicate versions, each with its reason.
const DUPLICATES: &str = "xtask/duplicates.txt";

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where: a path, with a line where there is one, or a crate.
    at: String,
    /// What is wrong, and how to mend it.
    what: String,
}

impl Finding {
    fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.at, self.what)
    }
}

/// Runs every check and prints what it finds.
pub fn run() -> Result<(), Failure> {
    let root = checkout::root();
    let metadata = cargo::metadata(&[])?;
    let rust = checkout::rust_files()?;
    let manifests = checkout::files(&["Cargo.toml", "*/Cargo.toml"])?;
    let known =
        std::fs::read_to_string(root.join(DUPLICATES)).map_err(Failure::io(format!("read {DUPLICATES}")))?;

    let mut findings = Vec::new();
    findings.extend(arrows::check(&metadata));
    findings.extend(licences::check(&metadata));
    findings.extend(duplicates::check(&metadata, &known, DUPLICATES));
    findings.extend(lints::check(&manifests));
    findings.extend(modules::check(&rust));
    for file in &rust {
        findings.extend(lines::check(file));
        findings.extend(functions::check(file));
        findings.extend(names::check(file));
    }
    findings.extend(docs::stale(&rust)?.into_iter().map(|(at, what)| Finding::new(at, what)));
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files, {} finding(s)", rust.len() + manifests.len(), findings.len());
    if findings.is_empty() { Ok(()) } else { Err(Failure::Findings(findings.len())) }
}
