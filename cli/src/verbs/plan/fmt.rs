//! `lifeboat plan fmt`: files in the one canonical layout, see `yaml`.

use super::unreadable;
use crate::args::Cli;
use crate::failure::Failure;
use crate::yaml::{self, Refused};
use crate::{atomic, folder, screen};
use plan::{Diagnostic, Severity, SourceFile};
use runtime::lifecycle::Exit;
use std::path::{Path, PathBuf};

/// `plan fmt`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders of estates, or files.
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Change nothing; name the files that would change and exit with 1.
    #[arg(long)]
    check: bool,
}

/// Lays files out. Nothing is written when one of them cannot be read.
pub fn fmt(cli: &Cli, args: &Args) -> Result<Exit, Failure> {
    let mut changed: Vec<(PathBuf, String)> = Vec::new();
    let mut refused = Vec::new();
    let mut files = 0;
    for path in &args.paths {
        for file in folder::read(path)? {
            files += 1;
            let place = PathBuf::from(folder::from_here(path, &file.path));
            match laid_out(&file, &place) {
                Ok(text) if text != file.text && !changed.iter().any(|(known, _)| *known == place) => {
                    changed.push((place, text));
                }
                Ok(_) => {}
                Err(found) => refused.extend(found),
            }
        }
    }
    unreadable::refuse(&refused, "nothing was written")?;
    if !args.check {
        for (place, text) in &changed {
            atomic::replace(place, text).map_err(|error| Failure::file("write", place, &error))?;
        }
    }
    let names: Vec<String> = changed.iter().map(|(place, _)| place.display().to_string()).collect();
    if !names.is_empty() || cli.output == crate::args::Format::Json {
        screen::show(cli.output, &serde_json::json!({ "changed": names, "files": files }), || {
            names.join("\n")
        });
    }
    let verb = if args.check { "would change" } else { "changed" };
    let all = report::units::count(files, "file", "files");
    screen::say(format!("{all}: {} {verb}", names.len()));
    Ok(if args.check && !names.is_empty() { Exit::No } else { Exit::Done })
}

/// The text in its layout, or what stands in the way.
fn laid_out(file: &SourceFile, place: &Path) -> Result<String, Vec<Diagnostic>> {
    let shown = SourceFile { path: place.display().to_string(), text: file.text.clone() };
    let found = unreadable::found(std::slice::from_ref(&shown));
    if !found.is_empty() {
        return Err(found);
    }
    yaml::canonical(&file.text).map_err(|refused| vec![diagnostic(&shown, &refused)])
}

/// What the layout refuses, shown like what the check refuses.
fn diagnostic(file: &SourceFile, refused: &Refused) -> Diagnostic {
    let line = u32::try_from(refused.line).unwrap_or(u32::MAX);
    let excerpt = file.text.lines().nth(refused.line.saturating_sub(1)).unwrap_or_default();
    Diagnostic {
        code: "LB4061".to_string(),
        severity: Severity::Error,
        path: file.path.clone(),
        line,
        column: 1,
        end_column: 2,
        excerpt: excerpt.chars().take(plan::diagnostic::MAX_EXCERPT).collect(),
        message: refused.what.clone(),
        why: "Where the layout could change what a file says, or lose a comment, the file is left alone."
            .to_string(),
        help: "write this part in a simpler way, or lay the file out by hand".to_string(),
    }
}
