//! borg, Debian's. Its format is another one and its keys are derived by PBKDF2 at a cost of its own.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{PASSWORD, Place, Template, Tool};
use crate::{Failure, bench::repository::process};

/// The program.
pub struct Borg {
    program: PathBuf,
}

impl Borg {
    /// It is among the packages that are installed before.
    pub fn find() -> Self {
        Self { program: PathBuf::from("/usr/bin/borg") }
    }

    fn command(&self, place: &Place) -> Command {
        let mut command = place.command(&self.program);
        command.env("BORG_REPO", place.folder.join("repository")).env("BORG_PASSPHRASE", PASSWORD);
        command.env("BORG_BASE_DIR", place.folder.join("home"));
        command
    }
}

impl Tool for Borg {
    fn name(&self) -> &'static str {
        "borg"
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn make(&self, place: &Place, _: &Template) -> Result<(), Failure> {
        let mut command = self.command(place);
        process::timed(command.args(["init", "-e", "repokey-blake2"]), &place.folder).map(drop)
    }

    fn open(&self, place: &Place) -> Command {
        let mut command = self.command(place);
        command.arg("list");
        command
    }

    fn backup(&self, place: &Place, source: &Path, name: &str) -> Command {
        let mut command = self.command(place);
        command.args(["create", "-C", "zstd,3", &format!("::{name}")]).arg(source);
        command
    }

    fn restore(&self, place: &Place, name: &str, target: &Path) -> Command {
        let mut command = self.command(place);
        command.args(["extract", "--numeric-ids", &format!("::{name}")]).current_dir(target);
        command
    }

    fn check(&self, place: &Place) -> Command {
        let mut command = self.command(place);
        command.args(["check", "--verify-data"]);
        command
    }

    fn same_format(&self) -> bool {
        false
    }
}
