//! `lifeboat plan init`: a draft of an estate from what a team has already.
//!
//! ```text
//! compose file | units of systemd | manifests ─► Draft ─text─► YAML, laid out and checked
//! ```
//!
//! Nothing that could be a secret is copied: of environments only the names of databases and users are
//! read, and where a password is needed the draft has the place where it belongs.

mod compose;
mod draft;
mod kinds;
mod kubernetes;
mod read;
mod secrets;
mod systemd;
#[cfg(test)]
mod tests;

use super::check::{count, print};
use crate::args::{Cli, Format};
use crate::failure::Failure;
use crate::{screen, yaml};
use draft::Draft;
use plan::{Severity, SourceFile};
use runtime::lifecycle::Exit;
use std::path::{Path, PathBuf};

/// The file that a draft is written to.
const FILE: &str = "estate.yaml";

/// `plan init`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A compose file, a folder with Kubernetes manifests, or the word `systemd`.
    #[arg(long)]
    from: String,
    /// With `systemd`: where the machine's file system is.
    #[arg(long, default_value = "/")]
    root: PathBuf,
    /// Write the draft into this folder; it may not hold an estate.yaml. Without it, to stdout.
    #[arg(long)]
    into: Option<PathBuf>,
}

/// Drafts an estate and checks it.
pub fn init(_: &Cli, args: &Args) -> Result<Exit, Failure> {
    let draft = match Path::new(&args.from) {
        _ if args.from == "systemd" => systemd::draft(&args.root)?,
        path if path.is_dir() => kubernetes::draft(path)?,
        path => compose::draft(path)?,
    };
    if draft.is_empty() {
        let message = format!("nothing to draft an estate from was found in {}", args.from);
        return Err(Failure::usage(
            "LB4063",
            message,
            "Give a compose file, a folder with manifests, or systemd.",
        ));
    }
    let text = draft.text();
    let text = yaml::canonical(&text).unwrap_or(text);
    let checked = plan::check(&[SourceFile { path: FILE.to_string(), text: text.clone() }]);
    match &args.into {
        None => screen::show(Format::Table, &(), || text),
        Some(folder) => write(folder, &text)?,
    }
    say(&draft);
    print(&checked.diagnostics);
    // Places to fill in are comments; an error here is something that the draft could not know.
    Ok(if count(&checked.diagnostics, Severity::Error) == 0 { Exit::Done } else { Exit::Incomplete })
}

fn write(folder: &Path, text: &str) -> Result<(), Failure> {
    let path = folder.join(FILE);
    std::fs::create_dir_all(folder).map_err(|error| Failure::file("make", folder, &error))?;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| Failure::file("write", &path, &error))?;
    screen::say(format!("written: {}", path.display()));
    Ok(())
}

/// What the draft has, what it has not, and where secrets belong.
fn say(draft: &Draft) {
    let count = |number: usize, word: &str| report::units::count(number as u64, word, &format!("{word}s"));
    let found = format!(
        "found: {}, {}, {}. Read each line of the draft, and replace what is marked FILL IN",
        count(draft.services.len(), "service"),
        count(draft.sources.len(), "source"),
        count(draft.checks.len(), "check")
    );
    for note in [&found].into_iter().chain(&draft.notes).chain(&draft.secrets) {
        screen::say(screen::wrapped(note));
    }
}
