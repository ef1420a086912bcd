//! Running cargo and other programs: the command is shown, its output is not touched.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{Failure, checkout};

/// The platform that is checked and shipped.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// A cargo command in the checkout, with the cargo that runs us.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(checkout::root());
    command
}

/// Shows a command, runs it, and wants it to succeed.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command.status().map_err(Failure::io(format!("start {line}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Program { program: line, status: status.to_string() })
    }
}

/// Whether a command can be started and succeeds, without any output.
pub fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The standard output of a command that succeeds.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let line = line(command);
    let output = command.output().map_err(Failure::io(format!("start {line}")))?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(Failure::Program { program: line, status: output.status.to_string() });
    }
    String::from_utf8(output.stdout)
        .map_err(|error| Failure::Output { program: line, why: error.to_string() })
}

/// What cargo knows of the workspace and its dependencies.
pub fn metadata(flags: &[&str]) -> Result<Value, Failure> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1", "--filter-platform", PLATFORM]).args(flags);
    let text = output(&mut command)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Output { program: "cargo metadata".to_owned(), why: error.to_string() })
}

/// A command as one would type it, near enough for a message.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// A program of a crate, built from the registry below `root` if it is not there.
pub fn installed(
    root: &Path,
    name: &str,
    version: &str,
    options: &[&str],
    program: &str,
) -> Result<PathBuf, Failure> {
    let path = root.join("bin").join(program);
    if !path.exists() {
        eprintln!("building {name} {version}: some minutes, once");
        let mut install = cargo();
        install.args(["install", name, "--version", version, "--locked", "--root"]).arg(root).args(options);
        run(&mut install)?;
    }
    Ok(path)
}
