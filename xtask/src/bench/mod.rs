//! `cargo xtask bench NAME`: figures beside peers or goals, shown as met or not, and never a test.

mod control;
mod plan;
mod repository;

use crate::Failure;

/// What can be measured.
#[derive(Debug, clap::Subcommand)]
pub enum Bench {
    /// Backup, restore and check beside restic, rustic and borg.
    Repository(repository::Arguments),
    /// The check of a large estate with its plans.
    Plan(plan::Arguments),
    /// The way from one step to the next: controller and agent with steps that do nothing.
    Control(control::Arguments),
}

/// Measures.
pub fn run(bench: &Bench) -> Result<(), Failure> {
    match bench {
        Bench::Repository(arguments) => repository::run(arguments),
        Bench::Plan(arguments) => plan::run(arguments),
        Bench::Control(arguments) => control::run(arguments),
    }
}
