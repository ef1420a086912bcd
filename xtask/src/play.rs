//! `cargo xtask demo`: packages, a build, and then the story itself, which is a program of its own
//! (`lifeboat-demo`) so that the same story is also a test.

use std::process::Command;

use crate::{
    Failure, cargo, checkout,
    packages::{self, DEMO},
};

/// Sets up what is needed and plays the story.
pub fn demo() -> Result<(), Failure> {
    packages::ensure(DEMO)?;
    build_programs()?;
    let program = checkout::target()?.join("debug").join("lifeboat-demo");
    cargo::run(&mut Command::new(program))
}

/// Builds every program of the workspace: the demo and the tests start them as they are shipped.
pub fn build_programs() -> Result<(), Failure> {
    cargo::run(cargo::cargo().args(["build", "--workspace", "--bins"]))
}
