//! The newest restic that Debian has, beside the stable one that is installed.
//!
//! The stable release of Debian carries a restic that is years old; what people run, and what a benchmark or
//! a test of the format has to stand beside, is the newest. It is fetched by apt with a source list, lists
//! and a cache of its own below cargo's target folder, verified by Debian's keyring, and only unpacked: the
//! system's packages stay as they are, and root is not needed. The binary is a Go program that needs nothing
//! of its own release, so it runs here; where it does not, the suite before it is tried.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, cargo, checkout};

/// Where programs that we stand beside lie, below cargo's target folder.
const FOLDER: &str = "peers";
/// The suites of Debian, the newest first.
const SUITES: &[&str] = &["sid", "trixie"];
const MIRROR: &str = "http://deb.debian.org/debian";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The folder below which peers lie, made if it is not there: programs are in its `bin`.
pub fn peers() -> Result<PathBuf, Failure> {
    let folder = checkout::target()?.join(FOLDER);
    make(&folder.join("bin"))?;
    Ok(folder)
}

/// The program, fetched if it is not there yet.
pub fn ensure() -> Result<PathBuf, Failure> {
    let peers = peers()?;
    let program = peers.join("bin/restic");
    // Two commands at once must not unpack into the same folder.
    let lock = peers.join("restic.lock");
    let lock = File::create(&lock).map_err(Failure::io(format!("create {}", lock.display())))?;
    lock.lock().map_err(Failure::io("wait for another command that fetches restic"))?;
    if runs(&program) {
        return Ok(program);
    }
    let mut last = None;
    for suite in SUITES {
        let scratch = peers.join(format!("restic-{suite}"));
        match fetch(suite, &scratch, &program) {
            Ok(()) if runs(&program) => return Ok(program),
            Ok(()) => eprintln!("the restic of Debian {suite} does not run here"),
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_else(|| Failure::Program {
        program: program.display().to_string(),
        status: "an error for every suite of Debian".to_owned(),
    }))
}

fn runs(program: &Path) -> bool {
    program.exists() && cargo::succeeds(Command::new(program).arg("version"))
}

/// Downloads and unpacks the package of one suite, and puts its program in place by a rename, so that
/// `program` is whole whenever it is there.
fn fetch(suite: &str, scratch: &Path, program: &Path) -> Result<(), Failure> {
    for folder in ["lists/partial", "cache/archives/partial", "unpacked"] {
        make(&scratch.join(folder))?;
    }
    let list = scratch.join("sources.list");
    fs::write(&list, format!("deb [signed-by={KEYRING}] {MIRROR} {suite} main\n"))
        .map_err(Failure::io(format!("write {}", list.display())))?;
    cargo::run(apt(scratch).args(["-qq", "update"]))?;
    cargo::run(apt(scratch).args(["-qq", "download", "restic"]))?;
    let unpacked = scratch.join("unpacked");
    cargo::run(Command::new("dpkg").arg("-x").arg(package(scratch)?).arg(&unpacked))?;
    fs::rename(unpacked.join("usr/bin/restic"), program)
        .map_err(Failure::io(format!("put {} in place", program.display())))?;
    fs::remove_dir_all(scratch).map_err(Failure::io(format!("remove {}", scratch.display())))
}

/// `apt-get` with everything of its own, so that it neither needs root nor changes what the system knows.
fn apt(scratch: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.current_dir(scratch);
    let mut option = |name: &str, value: &Path| {
        command.arg("-o").arg(format!("{name}={}", value.display()));
    };
    option("Dir::Etc::SourceList", &scratch.join("sources.list"));
    option("Dir::Etc::SourceParts", Path::new("/dev/null"));
    option("Dir::State::Lists", &scratch.join("lists"));
    option("Dir::Cache", &scratch.join("cache"));
    // apt would drop to a user that cannot write below a target folder.
    option("APT::Sandbox::User", Path::new("root"));
    option("Acquire::Languages", Path::new("none"));
    command
}

/// The one package file in a folder.
fn package(folder: &Path) -> Result<PathBuf, Failure> {
    let entries = fs::read_dir(folder).map_err(Failure::io(format!("list {}", folder.display())))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.find(|path| path.extension().is_some_and(|extension| extension == "deb")).ok_or_else(|| {
        Failure::Output {
            program: "apt-get download restic".to_owned(),
            why: "it left no package".to_owned(),
        }
    })
}

fn make(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(Failure::io(format!("create {}", folder.display())))
}
