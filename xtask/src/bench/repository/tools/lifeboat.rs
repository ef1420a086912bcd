//! Ours, as `lifeboat repo` does it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{OURS, Place, Repository, Template, Tool};
use crate::{Failure, bench::repository::s3, cargo, checkout};

/// The program.
pub struct Lifeboat {
    program: PathBuf,
}

impl Lifeboat {
    /// The one at `given`, else it is built as it is shipped.
    pub fn find(given: Option<&Path>) -> Result<Self, Failure> {
        if let Some(program) = given {
            return Ok(Self { program: program.to_path_buf() });
        }
        cargo::run(cargo::cargo().args(["build", "--release", "--quiet", "-p", "lifeboat-cli"]))?;
        Ok(Self { program: checkout::target()?.join("release/lifeboat") })
    }

    fn command(&self, place: &Place, verb: &str) -> Command {
        let mut command = place.command(&self.program);
        match &place.repository {
            Repository::Folder(folder) => {
                command.env("LIFEBOAT_REPOSITORY", folder);
            }
            Repository::Bucket { endpoint, prefix, .. } => {
                command.env("LIFEBOAT_REPOSITORY", format!("s3://{}/{prefix}", s3::BUCKET));
                command.env("LIFEBOAT_S3_ENDPOINT", endpoint);
            }
        }
        command.env("LIFEBOAT_REPOSITORY_PASSWORD_FILE", place.password_file());
        command.args(["repo", verb]);
        command
    }
}

impl Tool for Lifeboat {
    fn name(&self) -> &'static str {
        OURS
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn make(&self, place: &Place, template: &Template) -> Result<(), Failure> {
        template.copy_to(place)
    }

    fn open(&self, place: &Place) -> Command {
        self.command(place, "snapshots")
    }

    fn backup(&self, place: &Place, source: &Path, name: &str) -> Command {
        let mut command = self.command(place, "backup");
        command.args(["--tag", name]).arg(source);
        command
    }

    fn restore(&self, place: &Place, name: &str, target: &Path) -> Command {
        let mut command = self.command(place, "restore");
        command.args(["latest", "--tag", name, "--target"]).arg(target);
        command
    }

    fn check(&self, place: &Place) -> Command {
        let mut command = self.command(place, "check");
        command.arg("--read-data");
        command
    }
}
