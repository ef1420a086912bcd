//! `cargo xtask bench NAME`: beside the peers in one go, in turns; the answer is a ratio, and never a test.

mod repository;

use crate::Failure;

/// What can be measured.
#[derive(Debug, clap::Subcommand)]
pub enum Bench {
    /// Backup, restore and check beside restic, rustic and borg.
    Repository(repository::Arguments),
}

/// Measures.
pub fn run(bench: &Bench) -> Result<(), Failure> {
    match bench {
        Bench::Repository(arguments) => repository::run(arguments),
    }
}
