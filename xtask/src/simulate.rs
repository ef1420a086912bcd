//! `cargo xtask simulate`: seeds of the simulation, many more than the tests play.
//!
//! What is simulated, and what must hold, says `engine/tests/simulated/`. The last line counts seeds, simulated
//! time, what was seen and failures; a seed that fails is printed with the command that plays it again.

use std::process::Command;

use crate::{Failure, cargo, checkout};

/// What `cargo xtask simulate` can be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 500, conflicts_with = "seed")]
    seeds: u64,
    /// The first of them follows from this number.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// One seed alone: the same one gives the same trace.
    #[arg(long)]
    seed: Option<u64>,
    /// Print all that happens.
    #[arg(long, requires = "seed")]
    tell: bool,
}

/// Builds and plays.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    cargo::run(cargo::cargo().args([
        "build",
        "--release",
        "--package",
        "lifeboat-engine",
        "--example",
        "simulate",
    ]))?;
    let mut command = Command::new(checkout::target()?.join("release/examples/simulate"));
    match arguments.seed {
        Some(seed) => command.args(["--seed", &seed.to_string()]),
        None => {
            let (seeds, from) = (arguments.seeds.to_string(), arguments.from.to_string());
            command.args(["--seeds", &seeds, "--from", &from])
        }
    };
    if arguments.tell {
        command.arg("--tell");
    }
    cargo::run(&mut command)
}
