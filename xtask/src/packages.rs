//! The Debian packages that the demo and the tests need, found by their programs.
//!
//! As root they are installed; else the exact command is printed. Nothing that is installed is
//! started: the demo and the tests run servers of their own, on their own ports. Debian starts a
//! server after its installation unless `/usr/sbin/policy-rc.d` says no, so that file is put there
//! for the time of the installation when it does not exist. PostgreSQL would also make a first
//! cluster; its settings file says no before the package comes.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, cargo};

/// One package and how to see that it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Its Debian name.
    name: &'static str,
    /// A program of it; `*` stands for one folder of any name.
    program: &'static str,
    /// What it is for.
    purpose: &'static str,
}

const POSTGRESQL: Package = Package {
    name: "postgresql",
    program: "/usr/lib/postgresql/*/bin/postgres",
    purpose: "the databases that are backed up and failed over",
};
const BIND: Package =
    Package { name: "bind9", program: "/usr/sbin/named", purpose: "the authoritative name server" };
const IPROUTE: Package = Package {
    name: "iproute2",
    program: "/usr/sbin/ip",
    purpose: "further loopback addresses for the name server",
};
const SETPRIV: Package = Package {
    name: "util-linux",
    program: "/usr/bin/setpriv",
    purpose: "servers that die with their test and do not run as root",
};
const DNSUTILS: Package = Package {
    name: "bind9-dnsutils",
    program: "/usr/bin/nsupdate",
    purpose: "changes to the zone made by somebody else",
};
const RESTIC: Package = Package {
    name: "restic",
    program: "/usr/bin/restic",
    purpose: "reading what our repository wrote, and the reverse",
};
const DOCKER: Package =
    Package { name: "docker.io", program: "/usr/sbin/dockerd", purpose: "services that are containers" };
const PYTHON: Package = Package {
    name: "python3-venv",
    program: "/usr/lib/*/ensurepip/__init__.py",
    purpose: "an S3 server of PyPI for the repository's tests",
};
const MAKE: Package =
    Package { name: "make", program: "/usr/bin/make", purpose: "building the agent's memory allocator" };
const PROCPS: Package =
    Package { name: "procps", program: "/usr/bin/pgrep", purpose: "seeing that nothing of a job is left" };
const BORG: Package =
    Package { name: "borgbackup", program: "/usr/bin/borg", purpose: "backups to measure ours beside" };
const TIME: Package =
    Package { name: "time", program: "/usr/bin/time", purpose: "the memory that a program needed at most" };

/// What the demo needs.
pub const DEMO: &[Package] = &[MAKE, POSTGRESQL, BIND, IPROUTE, SETPRIV];
/// What the tests need: the demo's and more.
pub const ALL: &[Package] =
    &[MAKE, POSTGRESQL, BIND, IPROUTE, SETPRIV, DNSUTILS, RESTIC, DOCKER, PYTHON, PROCPS];
/// What benchmarks need.
pub const BENCH: &[Package] = &[MAKE, POSTGRESQL, SETPRIV, BORG, TIME];

/// Tells Debian's service scripts to start nothing.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Tells Debian's PostgreSQL to make no cluster when it is installed.
const CLUSTERS: &str = "/etc/postgresql-common/createcluster.conf";

/// Installs what is missing of `wanted`, or says how.
pub fn ensure(wanted: &[Package]) -> Result<(), Failure> {
    let missing = missing(wanted, present);
    for package in wanted {
        let mark = if missing.contains(package) { "missing" } else { "present" };
        println!("{mark}  {:<15} {}", package.name, package.purpose);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if !root()? {
        let command =
            format!("apt-get update && apt-get install -y --no-install-recommends {}", names.join(" "));
        return Err(Failure::Packages { packages: names.into_iter().map(str::to_owned).collect(), command });
    }
    install(&names)
}

fn missing(wanted: &[Package], present: impl Fn(&str) -> bool) -> Vec<Package> {
    wanted.iter().filter(|package| !present(package.program)).copied().collect()
}

fn install(names: &[&str]) -> Result<(), Failure> {
    let _quiet = Quiet::begin()?;
    if names.contains(&POSTGRESQL.name) && !Path::new(CLUSTERS).exists() {
        let folder = Path::new(CLUSTERS).parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(Failure::io(format!("create {}", folder.display())))?;
        fs::write(CLUSTERS, "create_main_cluster = false\n")
            .map_err(Failure::io(format!("write {CLUSTERS}")))?;
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        // A question would wait for ever; a changed settings file of ours stays as it is.
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-o").arg("Dpkg::Options::=--force-confold");
        command
    };
    cargo::run(apt().args(["-qq", "update"]))?;
    cargo::run(apt().args(["-qq", "install", "-y", "--no-install-recommends"]).args(names))
}

/// Whether we run as root.
pub fn root() -> Result<bool, Failure> {
    Ok(cargo::output(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Whether a program is there; one folder of its path may be `*`.
fn present(program: &str) -> bool {
    let Some((before, after)) = program.split_once("/*/") else {
        return Path::new(program).exists();
    };
    let folders = fs::read_dir(before).into_iter().flatten().flatten();
    folders.map(|folder| folder.path().join(after)).any(|path| path.exists())
}

/// While it lives nothing that is installed is started.
struct Quiet(Option<PathBuf>);

impl Quiet {
    fn begin() -> Result<Self, Failure> {
        let path = Path::new(POLICY);
        if path.exists() {
            return Ok(Self(None));
        }
        fs::write(path, "#!/bin/sh\nexit 101\n").map_err(Failure::io(format!("write {POLICY}")))?;
        let quiet = Self(Some(path.to_path_buf()));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
            .map_err(Failure::io(format!("make {POLICY} executable")))?;
        Ok(quiet)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = fs::remove_file(path)
        {
            eprintln!(
                "cannot remove {}: {error}; services will not be started until it is gone",
                path.display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_found_by_its_program() {
        let there = |program: &str| program != "/usr/sbin/named";
        assert_eq!(missing(ALL, there), [BIND]);
        assert_eq!(missing(ALL, |_| true), []);
    }

    #[test]
    fn a_star_stands_for_one_folder() {
        assert!(present(concat!(env!("CARGO_MANIFEST_DIR"), "/*/main.rs")));
        assert!(!present(concat!(env!("CARGO_MANIFEST_DIR"), "/*/no-such-file")));
        assert!(!present("/no-such-folder/*/main.rs"));
    }

    #[test]
    fn the_tests_need_all_that_the_demo_needs() {
        assert!(DEMO.iter().all(|package| ALL.contains(package)));
    }
}
