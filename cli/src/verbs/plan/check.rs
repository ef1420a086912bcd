//! `lifeboat plan check`: an estate and its plans, offline, for people, programs and code hosts.

use crate::args::{Cli, Format};
use crate::failure::Failure;
use crate::{folder, screen};
use clap::ValueEnum;
use plan::{Diagnostic, Severity};
use runtime::lifecycle::Exit;
use std::path::PathBuf;

/// `plan check`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The estate's folder, or one file.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// How what was found is written. Without it: text, or json with `--output json`.
    #[arg(long, value_enum)]
    format: Option<Shape>,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// For people, on stderr.
    Text,
    /// Each finding with all its fields, on stdout.
    Json,
    /// SARIF 2.1.0, on stdout: for code hosts and editors.
    Sarif,
    /// Workflow commands of GitHub Actions, on stdout.
    Github,
}

/// Checks an estate offline.
pub fn check(cli: &Cli, args: &Args) -> Result<Exit, Failure> {
    let files = folder::read(&args.path)?;
    let checked = plan::check(&files);
    let found = &checked.diagnostics;
    let usual = if cli.output == Format::Json { Shape::Json } else { Shape::Text };
    match args.format.unwrap_or(usual) {
        Shape::Text => print(found),
        Shape::Json => screen::show(Format::Json, found, String::new),
        Shape::Sarif => {
            let log = report::sarif(&from_here(found, &args.path), env!("CARGO_PKG_VERSION"));
            screen::show(Format::Json, &log, String::new);
        }
        // Nothing found is no line, not an empty one.
        Shape::Github if found.is_empty() => {}
        Shape::Github => {
            screen::show(Format::Table, &(), || report::github(&from_here(found, &args.path)));
        }
    }
    let errors = count(found, Severity::Error);
    let warnings = count(found, Severity::Warning);
    let count = |number: usize, word: &str| report::units::count(number as u64, word, &format!("{word}s"));
    screen::say(format!(
        "{}: {}, {}",
        count(files.len(), "file"),
        count(errors, "error"),
        count(warnings, "warning")
    ));
    Ok(if errors == 0 { Exit::Done } else { Exit::No })
}

/// The findings with paths from where the command runs: a code host looks for them in the checkout.
fn from_here(found: &[Diagnostic], path: &std::path::Path) -> Vec<Diagnostic> {
    let mut found = found.to_vec();
    for one in &mut found {
        one.path = folder::from_here(path, &one.path);
    }
    found
}

/// Every diagnostic, as a good compiler shows them, on stderr; a reason is told once.
pub fn print(diagnostics: &[Diagnostic]) {
    let mut said = report::Said::default();
    for diagnostic in diagnostics {
        screen::say(said.next(diagnostic));
    }
}

/// How many of one severity.
pub fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}
