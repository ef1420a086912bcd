//! `lifeboat plan check`: an estate and its plans, offline.

use crate::args::{Cli, Format};
use crate::failure::Failure;
use crate::{folder, screen};
use plan::{Diagnostic, Severity};
use runtime::lifecycle::Exit;
use std::path::Path;

/// Checks an estate offline.
pub fn check(cli: &Cli, path: &Path) -> Result<Exit, Failure> {
    let files = folder::read(path)?;
    let checked = plan::check(&files);
    match cli.output {
        Format::Json => screen::show(cli.output, &checked.diagnostics, String::new),
        Format::Table => print(&checked.diagnostics),
    }
    let errors = count(&checked.diagnostics, Severity::Error);
    let warnings = count(&checked.diagnostics, Severity::Warning);
    let count = |number: usize, word: &str| report::units::count(number as u64, word, &format!("{word}s"));
    screen::say(format!(
        "{}: {}, {}",
        count(files.len(), "file"),
        count(errors, "error"),
        count(warnings, "warning")
    ));
    Ok(if errors == 0 { Exit::Done } else { Exit::No })
}

/// Every diagnostic, as a good compiler shows them, on stderr.
pub fn print(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        screen::say(report::diagnostic(diagnostic));
    }
}

/// How many of one severity.
pub fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}
