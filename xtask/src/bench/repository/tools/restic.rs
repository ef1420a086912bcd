//! restic, the newest that Debian has. Compression `auto` is its default: zstd level 3.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{Place, Repository, Template, Tool};
use crate::{Failure, bench::repository::s3, newest_restic};

/// The program.
pub struct Restic {
    program: PathBuf,
}

impl Restic {
    /// Fetched if it is not there.
    pub fn find() -> Result<Self, Failure> {
        Ok(Self { program: newest_restic::ensure()? })
    }

    /// Makes a repository of its own.
    pub fn init(&self, place: &Place) -> Command {
        let mut command = self.command(place);
        command.arg("init");
        command
    }

    fn command(&self, place: &Place) -> Command {
        let mut command = place.command(&self.program);
        let repository = match &place.repository {
            Repository::Folder(folder) => folder.display().to_string(),
            Repository::Bucket { endpoint, prefix, .. } => format!("s3:{endpoint}/{}/{prefix}", s3::BUCKET),
        };
        command.env("RESTIC_REPOSITORY", repository).env("RESTIC_PASSWORD_FILE", place.password_file());
        command.env("RESTIC_CACHE_DIR", place.folder.join("home/cache/restic"));
        command
    }
}

impl Tool for Restic {
    fn name(&self) -> &'static str {
        "restic"
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn make(&self, place: &Place, template: &Template) -> Result<(), Failure> {
        template.copy_to(place)
    }

    fn open(&self, place: &Place) -> Command {
        let mut command = self.command(place);
        command.args(["cat", "config"]);
        command
    }

    fn backup(&self, place: &Place, source: &Path, name: &str) -> Command {
        let mut command = self.command(place);
        command.args(["backup", "--compression", "auto", "--tag", name]).arg(source);
        command
    }

    fn restore(&self, place: &Place, name: &str, target: &Path) -> Command {
        let mut command = self.command(place);
        command.args(["restore", "latest", "--tag", name, "--target"]).arg(target);
        command
    }

    fn check(&self, place: &Place) -> Command {
        let mut command = self.command(place);
        command.args(["check", "--read-data"]);
        command
    }

    fn version(&self) -> Result<String, Failure> {
        crate::cargo::output(Command::new(&self.program).arg("version")).map(|text| text.trim().to_owned())
    }
}
