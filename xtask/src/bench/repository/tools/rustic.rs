//! rustic, from the registry of Rust crates. It compresses with zstd level 3 when nothing else is set.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{Place, Repository, Template, Tool};
use crate::{Failure, bench::repository::s3, cargo, newest_restic};

const CRATE: &str = "rustic-rs";
const VERSION: &str = "0.11.4";

/// The program.
pub struct Rustic {
    program: PathBuf,
}

impl Rustic {
    /// Built if it is not there, which takes about ten minutes, once.
    pub fn find() -> Result<Self, Failure> {
        Ok(Self { program: cargo::installed(&newest_restic::peers()?, CRATE, VERSION, &[], "rustic")? })
    }

    fn command(&self, place: &Place) -> Command {
        let mut command = place.command(&self.program);
        match &place.repository {
            Repository::Folder(folder) => {
                command.env("RUSTIC_REPOSITORY", folder);
            }
            Repository::Bucket { endpoint, prefix, .. } => {
                let options = [
                    ("BUCKET", s3::BUCKET),
                    ("ROOT", &format!("/{prefix}")),
                    ("ENDPOINT", endpoint),
                    ("REGION", s3::REGION),
                    ("ACCESS_KEY_ID", s3::ACCESS_KEY),
                    ("SECRET_ACCESS_KEY", s3::SECRET_KEY),
                ];
                command.env("RUSTIC_REPOSITORY", "opendal:s3");
                command
                    .envs(options.map(|(name, value)| (format!("RUSTIC_REPO_OPT_{name}"), value.to_owned())));
            }
        }
        command.env("RUSTIC_PASSWORD_FILE", place.password_file()).env("RUSTIC_NO_PROGRESS", "true");
        command.env("RUSTIC_CACHE_DIR", place.folder.join("home/cache/rustic"));
        command
    }
}

impl Tool for Rustic {
    fn name(&self) -> &'static str {
        "rustic"
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
        command.args(["backup", "--tag", name]).arg(source);
        command
    }

    fn restore(&self, place: &Place, _: &str, target: &Path) -> Command {
        let mut command = self.command(place);
        command.args(["restore", "latest"]).arg(target);
        command
    }

    fn check(&self, place: &Place) -> Command {
        let mut command = self.command(place);
        command.args(["check", "--read-data"]);
        command
    }
}
