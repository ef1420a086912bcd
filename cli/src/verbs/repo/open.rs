//! Finding the repository and its password, and opening it.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use repository::storage::S3Options;
use repository::{
    Limits, Location, Monitor, Password, Repository, Storage, StorageOptions, archive, storage,
};

use super::Place;
use crate::args::Cli;
use crate::failure::Failure;
use crate::screen;

const PASSWORD_VARIABLE: &str = "LIFEBOAT_REPOSITORY_PASSWORD";
const MAX_PASSWORD_BYTES: u64 = 64 * 1024;

/// One command on one repository.
pub struct Job<'a> {
    pub cli: &'a Cli,
    pub place: &'a Place,
    pub monitor: &'a Arc<Monitor>,
}

impl Job<'_> {
    /// The storage, which need not hold a repository yet.
    pub fn storage(&self) -> Result<Arc<dyn Storage>, Failure> {
        let Some(text) = &self.place.repo else {
            return Err(Failure::usage(
                "LB4050",
                "it is not said which repository is meant",
                "Give --repo, or set LIFEBOAT_REPOSITORY.",
            ));
        };
        self.storage_at(text, self.place.deleted)
    }

    fn storage_at(&self, text: &str, see_deleted: bool) -> Result<Arc<dyn Storage>, Failure> {
        let s3 = S3Options {
            endpoint: self.place.s3_endpoint.clone(),
            region: self.place.s3_region.clone(),
            retention: self.place.retain.retention(),
            see_deleted,
            pack_class: self.place.pack_class,
            ..S3Options::default()
        };
        let text = archive::expand(text, jiff::Timestamp::now());
        Ok(storage::open(&Location::parse(&text)?, &StorageOptions { s3 })?)
    }

    /// The password: from a file, a program, the environment, or the terminal.
    pub fn password(&self) -> Result<Password, Failure> {
        if let Some(path) = &self.place.password_file {
            return from_file(path);
        }
        if let Some(command) = &self.place.password_command {
            return from_program(command);
        }
        if let Some(value) = std::env::var_os(PASSWORD_VARIABLE).filter(|value| !value.is_empty()) {
            return Ok(Password::new(value.into_encoded_bytes()));
        }
        if std::io::stdin().is_terminal() {
            return ask("password of the repository: ");
        }
        Err(Failure::usage(
            "LB4051",
            "the password of the repository is not given",
            "Set LIFEBOAT_REPOSITORY_PASSWORD_FILE, ..._COMMAND or LIFEBOAT_REPOSITORY_PASSWORD.",
        ))
    }

    /// The repository, open.
    pub fn open(&self) -> Result<Repository, Failure> {
        let storage = self.storage()?;
        Ok(Repository::open(storage, &self.password()?)?.with_limits(self.limits()))
    }

    /// Another repository, with the password of a file or else the same one.
    pub fn open_other(&self, at: &str, password: Option<&Path>) -> Result<Repository, Failure> {
        let password = password.map_or_else(|| self.password(), from_file)?;
        Ok(Repository::open(self.storage_at(at, false)?, &password)?.with_limits(self.limits()))
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        if let Some(bytes) = self.place.memory.and_then(|mib| usize::try_from(mib * 1024 * 1024).ok()) {
            limits.memory = bytes;
        }
        if let Some(threads) = self.place.threads.and_then(|count| usize::try_from(count).ok()) {
            limits.threads = threads;
        }
        limits.upload_per_second = self.place.limit_upload;
        limits.download_per_second = self.place.limit_download;
        limits
    }

    /// Asks before something that cannot be undone.
    pub fn confirm(&self, question: &str) -> Result<(), Failure> {
        if screen::ask(self.cli.yes, question) {
            return Ok(());
        }
        Err(Failure::no("LB4052", "not done: it was not confirmed", "Type yes, or give --yes."))
    }
}

/// A number of bytes with a binary unit.
pub fn bytes(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale: u64 = match unit.trim() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("write a number with KiB, MiB or GiB, as 10MiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "the number cannot be read".to_owned())?;
    number.checked_mul(scale).filter(|bytes| *bytes > 0).ok_or_else(|| "it is out of bounds".to_owned())
}

/// The first line of a file.
pub fn from_file(path: &Path) -> Result<Password, Failure> {
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(MAX_PASSWORD_BYTES).read_to_end(&mut bytes));
    read.map_err(|error| Failure::file("read the password file", path, &error))?;
    Ok(first_line(bytes))
}

fn from_program(command: &str) -> Result<Password, Failure> {
    let wrong = |what: String| {
        Failure::usage(
            "LB4053",
            format!("the password command {what}"),
            "Run the program by hand; its first line is the password.",
        )
    };
    let mut words = command.split_whitespace();
    let Some(program) = words.next() else {
        return Err(wrong("is empty".to_owned()));
    };
    let output = Command::new(program).args(words).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| wrong(format!("{program} did not run: {error}")))?;
    if !output.status.success() {
        return Err(wrong(format!("{program} ended with {}", output.status)));
    }
    Ok(first_line(output.stdout))
}

fn first_line(mut bytes: Vec<u8>) -> Password {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    bytes.truncate(end);
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Password::new(bytes)
}

/// A password typed on the terminal, without showing it.
pub fn ask(prompt: &str) -> Result<Password, Failure> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let failed = |error: std::io::Error| {
        Failure::usage("LB4056", format!("the terminal cannot be read: {error}"), "Give a password file.")
    };
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin).map_err(|error| failed(error.into()))?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    let _ = write!(std::io::stderr().lock(), "{prompt}");
    tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(|error| failed(error.into()))?;
    let mut line = String::new();
    let read = stdin.lock().take(MAX_PASSWORD_BYTES).read_line(&mut line);
    let restored = tcsetattr(&stdin, OptionalActions::Flush, &before);
    screen::say("");
    read.map_err(failed)?;
    restored.map_err(|error| failed(error.into()))?;
    Ok(first_line(line.into_bytes()))
}
