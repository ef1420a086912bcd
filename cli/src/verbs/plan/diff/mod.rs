//! `lifeboat plan diff`: what differs between two estates, by meaning.
//!
//! ```text
//! files ─nouns─► nouns, plans, steps, edges ─compare─► changes ─show─► lines | JSON
//! ```

mod compare;
mod fields;
mod nouns;
mod show;
#[cfg(test)]
mod tests;

use super::unreadable;
use crate::args::Cli;
use crate::failure::Failure;
use crate::{folder, screen};
use runtime::lifecycle::Exit;
use std::path::{Path, PathBuf};

/// `plan diff`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The one: a folder or a file.
    a: PathBuf,
    /// The other.
    b: PathBuf,
}

/// Shows what differs, and exits with 1 when something does.
pub fn diff(cli: &Cli, args: &Args) -> Result<Exit, Failure> {
    let changes = compare::compare(&read(&args.a)?, &read(&args.b)?);
    let value = serde_json::json!({ "equal": changes.is_empty(), "changes": changes });
    screen::show(cli.output, &value, || show::text(&changes));
    Ok(if changes.is_empty() { Exit::Done } else { Exit::No })
}

fn read(path: &Path) -> Result<nouns::Nouns, Failure> {
    let mut files = folder::read(path)?;
    for file in &mut files {
        file.path = folder::from_here(path, &file.path);
    }
    unreadable::refuse(&unreadable::found(&files), "nothing was compared")?;
    nouns::read(&files)
}
