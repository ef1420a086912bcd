//! The data directory of a PostgreSQL server that pgbench has filled, stopped cleanly.
//!
//! The server refuses to run as root, and its user may not enter every folder that root builds in. So the
//! directory is made below the system's folder for temporary files and copied from there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::Extent;
use crate::{Failure, cargo, packages};

const USER: &str = "postgres";
const PROGRAMS: &str = "/usr/lib/postgresql";
/// Transactions after the tables are filled, so that pages and the log look used.
const TRANSACTIONS: &str = "2000";

/// Makes the directory `folder`.
pub fn build(folder: &Path, extent: &Extent) -> Result<(), Failure> {
    if extent.pgbench_scale == 0 {
        return Ok(());
    }
    let scratch = Scratch(std::env::temp_dir().join(format!("lifeboat-bench-{}", std::process::id())));
    fs::create_dir_all(&scratch.0).map_err(Failure::io(format!("create {}", scratch.0.display())))?;
    let root = packages::root()?;
    if root {
        cargo::run(Command::new("chown").arg(USER).arg(&scratch.0))?;
    }
    let server = Server { programs: programs()?, home: scratch.0.clone(), root };
    server.fill(extent.pgbench_scale)?;
    cargo::run(Command::new("cp").arg("-a").arg(scratch.0.join("data")).arg(folder))
}

struct Server {
    programs: PathBuf,
    home: PathBuf,
    root: bool,
}

impl Server {
    fn fill(&self, scale: u64) -> Result<(), Failure> {
        let data = self.home.join("data");
        let log = self.home.join("log");
        let options = format!("-c listen_addresses= -c fsync=off -k {}", self.home.display());
        cargo::run(self.program("initdb").args(["--no-sync", "-A", "trust", "-D"]).arg(&data))?;
        let mut control = self.program("pg_ctl");
        cargo::run(
            control.arg("-w").arg("-D").arg(&data).arg("-l").arg(&log).arg("-o").arg(options).arg("start"),
        )?;
        let filled = cargo::run(self.bench().args(["-i", "-q", "-s", &scale.to_string()]))
            .and_then(|()| cargo::run(self.bench().args(["-t", TRANSACTIONS, "--random-seed=1"])));
        // Stopped also when it could not be filled: nothing that was started is left running.
        cargo::run(self.program("pg_ctl").arg("-w").arg("-D").arg(&data).args(["-m", "fast", "stop"]))?;
        filled
    }

    fn bench(&self) -> Command {
        let mut command = self.program("pgbench");
        command.arg("-h").arg(&self.home).env("PGDATABASE", "postgres");
        command
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if self.root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]).arg(program);
            command.env("PGUSER", USER);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.home).stdout(std::process::Stdio::null());
        command
    }
}

/// The folder with the programs of the newest release that is installed.
fn programs() -> Result<PathBuf, Failure> {
    let entries = fs::read_dir(PROGRAMS).map_err(Failure::io(format!("list {PROGRAMS}")))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path().join("bin")).collect();
    folders.retain(|folder| folder.join("initdb").exists());
    folders.sort();
    folders.pop().ok_or_else(|| Failure::Output {
        program: PROGRAMS.to_owned(),
        why: "it has no folder with initdb".to_owned(),
    })
}

/// A folder that is removed with all that is in it.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}
