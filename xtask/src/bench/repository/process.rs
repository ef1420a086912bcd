//! One program run and measured: its time by our clock, its peak memory by the kernel (GNU `time` asks
//! `wait4` for it, which we may not without unsafe code).

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::{Failure, cargo, packages};

const TIME: &str = "/usr/bin/time";
const CACHES: &str = "/proc/sys/vm/drop_caches";
/// Lines of a failed program's output that are shown.
const LINES_SHOWN: usize = 20;

/// What a run cost.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// From its start to its end.
    pub seconds: f64,
    /// The largest resident set.
    pub peak_mib: f64,
}

/// Runs `command` to its end. Its output goes to a file in `folder` and is shown when it fails.
pub fn timed(command: &Command, folder: &Path) -> Result<Spent, Failure> {
    let peak = folder.join("peak");
    let mut wrapped = Command::new(TIME);
    wrapped.args(["-q", "-f", "%M", "-o"]).arg(&peak).arg(command.get_program()).args(command.get_args());
    alike(command, &mut wrapped);
    let begun = Instant::now();
    let status = spawn(&mut wrapped, folder)?.wait().map_err(Failure::io("wait for a program"))?;
    let seconds = begun.elapsed().as_secs_f64();
    if !status.success() {
        show(&log(folder));
        return Err(Failure::Program { program: cargo::line(command), status: status.to_string() });
    }
    let text = fs::read_to_string(&peak).map_err(Failure::io(format!("read {}", peak.display())))?;
    let kibibytes: f64 = text
        .trim()
        .parse()
        .map_err(|_| Failure::Output { program: TIME.to_owned(), why: format!("{text:?} is no number") })?;
    Ok(Spent { seconds, peak_mib: kibibytes / 1024.0 })
}

/// Starts a program whose output goes to a file in `folder`.
pub fn spawn(command: &mut Command, folder: &Path) -> Result<Child, Failure> {
    let path = log(folder);
    let output = File::create(&path).map_err(Failure::io(format!("create {}", path.display())))?;
    let errors = output.try_clone().map_err(Failure::io(format!("open {}", path.display())))?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    command.spawn().map_err(Failure::io(format!("start {}", cargo::line(command))))
}

/// Whether caches can be dropped before each run.
pub fn can_be_cold() -> Result<bool, Failure> {
    Ok(packages::root()? && File::options().write(true).open(CACHES).is_ok())
}

/// Writes out what is not on disk yet, so that nobody pays for the one before, and forgets what was read.
pub fn begin_alike(cold: bool) -> Result<(), Failure> {
    quiet(&mut Command::new("sync"))?;
    if cold {
        fs::write(CACHES, "3").map_err(Failure::io(format!("write {CACHES}")))?;
    }
    Ok(())
}

/// How long it takes until all that was written to the file system of `path` is on disk.
pub fn until_on_disk(path: &Path) -> Result<f64, Failure> {
    let begun = Instant::now();
    quiet(Command::new("sync").arg("-f").arg(path))?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Runs a program that has nothing to say when it succeeds.
pub fn quiet(command: &mut Command) -> Result<(), Failure> {
    cargo::output(command).map(drop)
}

fn alike(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
    if let Some(folder) = from.get_current_dir() {
        to.current_dir(folder);
    }
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn show(log: &Path) {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    for line in lines.iter().skip(lines.len().saturating_sub(LINES_SHOWN)) {
        eprintln!("  {line}");
    }
}
