//! The tools that stand side by side. One file each, and one line in `named`.

mod borg;
mod lifeboat;
mod restic;
mod rustic;
mod template;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

pub use template::Template;

use super::{files, s3};
use crate::{Failure, cargo};

/// The tool that is measured.
pub const OURS: &str = "lifeboat";
/// Those that it is measured beside.
pub const PEERS: &[&str] = &["restic", "rustic", "borg"];
/// No secret: what is encrypted here is generated.
const PASSWORD: &str = "benchmark";

/// A tool that makes backups.
pub trait Tool {
    /// Its name, as in `--peers`.
    fn name(&self) -> &'static str;
    /// The program.
    fn program(&self) -> &Path;
    /// Makes an empty repository.
    fn make(&self, place: &Place, template: &Template) -> Result<(), Failure>;
    /// Opens the repository and does next to nothing: what everything else costs at least.
    fn open(&self, place: &Place) -> Command;
    /// Backs up `source` as `name`.
    fn backup(&self, place: &Place, source: &Path, name: &str) -> Command;
    /// Restores all of the backup `name`, which is the newest, into the folder `target`.
    fn restore(&self, place: &Place, name: &str, target: &Path) -> Command;
    /// Checks everything, all data read.
    fn check(&self, place: &Place) -> Command;
    /// Whether it speaks S3, in the same format as ours.
    fn same_format(&self) -> bool {
        true
    }
    /// What it calls its version.
    fn version(&self) -> Result<String, Failure> {
        let text = cargo::output(Command::new(self.program()).arg("--version"))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }
}

/// The tool of a name, found or installed.
pub fn named(name: &str, lifeboat: Option<&Path>) -> Result<Box<dyn Tool>, Failure> {
    Ok(match name {
        OURS => Box::new(lifeboat::Lifeboat::find(lifeboat)?),
        "restic" => Box::new(restic::Restic::find()?),
        "rustic" => Box::new(rustic::Rustic::find()?),
        "borg" => Box::new(borg::Borg::find()),
        _ => {
            let why = format!("it is none of {}", PEERS.join(", "));
            return Err(Failure::Output { program: format!("--peers {name}"), why });
        }
    })
}

/// Where one tool works: its repository, and a home with its cache that no other tool sees.
#[derive(Debug, Clone)]
pub struct Place {
    /// Everything of it that is on this machine.
    pub folder: PathBuf,
    /// The repository.
    pub repository: Repository,
}

/// A repository.
#[derive(Debug, Clone)]
pub enum Repository {
    /// In this folder.
    Folder(PathBuf),
    /// Below a prefix of a bucket.
    Bucket {
        /// Address of the server, as the tool shall use it.
        endpoint: String,
        /// The prefix.
        prefix: String,
        /// Where the server keeps what is below it.
        folder: PathBuf,
    },
}

impl Place {
    /// An empty place below `scratch` with a repository in a folder.
    pub fn fresh(scratch: &Path, tool: &dyn Tool) -> Result<Self, Failure> {
        let folder = scratch.join("work").join(tool.name());
        files::remove(&folder)?;
        files::make(&folder.join("home"))?;
        let password = folder.join("password");
        std::fs::write(&password, PASSWORD).map_err(Failure::io(format!("write {}", password.display())))?;
        let repository = Repository::Folder(folder.join("repository"));
        Ok(Self { folder, repository })
    }

    /// The same place, its repository in a bucket.
    pub fn in_bucket(self, server: &s3::Server, port: u16, prefix: &str) -> Self {
        let (endpoint, folder) = (s3::endpoint(port), server.folder(prefix));
        let repository = Repository::Bucket { endpoint, prefix: prefix.to_owned(), folder };
        Self { repository, ..self }
    }

    /// The folder of the repository, if it is in one.
    pub fn repository_folder(&self) -> Option<&Path> {
        match &self.repository {
            Repository::Folder(folder) => Some(folder),
            Repository::Bucket { .. } => None,
        }
    }

    /// A command of `program` with a home of its own.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let home = self.folder.join("home");
        command.env("XDG_CACHE_HOME", home.join("cache")).env("XDG_CONFIG_HOME", home.join("config"));
        command.env("HOME", home);
        command.env("AWS_ACCESS_KEY_ID", s3::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", s3::SECRET_KEY);
        command.env("AWS_DEFAULT_REGION", s3::REGION).env("AWS_REGION", s3::REGION);
        command.current_dir(&self.folder);
        command
    }

    fn password_file(&self) -> PathBuf {
        self.folder.join("password")
    }
}
