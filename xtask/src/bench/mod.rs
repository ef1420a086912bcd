//! `cargo xtask bench NAME`: beside the peers in one go, in turns; the answer is a ratio, and never a test.

use std::path::PathBuf;

use crate::{Failure, newest_restic};

/// What can be measured.
#[derive(Debug, clap::Subcommand)]
pub enum Bench {
    /// Backup, restore and check beside restic, rustic and borg.
    Repository,
}

/// Measures.
pub fn run(bench: &Bench) -> Result<(), Failure> {
    match bench {
        Bench::Repository => {
            let restic: PathBuf = newest_restic::ensure()?;
            println!("{}", restic.display());
            Ok(())
        }
    }
}
