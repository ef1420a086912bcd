//! The project's own commands: `cargo xtask demo | test | simulate | bench | docs | tidy | ci |
//! packages`.
//!
//! Everything a newcomer or a CI machine types is here, so that both run the same thing.

mod bench;
mod cargo;
mod checkout;
mod docs;
mod failure;
mod newest_restic;
mod packages;
mod play;
mod simulate;
mod suite;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Play the whole story on this machine, narrated: two regions, a backup, a failover, a restore.
    Demo,
    /// Run the test suite: every kind and every fault once.
    Test(suite::Arguments),
    /// Play the engine with a controller, agents and a network that fail, by seeds.
    Simulate(simulate::Arguments),
    /// Measure beside peers, in turns. Figures are ratios and never a test.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Write the generated references anew: a page for each error code.
    Docs,
    /// Check the rules of the design that a compiler does not.
    Tidy,
    /// All that must pass before a change is merged: what `.ci/run` runs.
    Ci,
    /// List the Debian packages that the demo and the tests need, and install what is missing (as root).
    Packages,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Verb::Demo => play::demo(),
        Verb::Test(arguments) => suite::run(&arguments),
        Verb::Simulate(arguments) => simulate::run(&arguments),
        Verb::Bench(bench) => bench::run(&bench),
        Verb::Docs => docs::write(),
        Verb::Tidy => tidy::run(),
        Verb::Ci => ci(),
        Verb::Packages => packages::ensure(packages::ALL),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            failure.exit_code()
        }
    }
}

fn ci() -> Result<(), Failure> {
    let script = checkout::root().join(".ci/run");
    cargo::run(&mut std::process::Command::new(script))
}
