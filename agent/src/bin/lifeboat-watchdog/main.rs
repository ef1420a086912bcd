//! `lifeboat-watchdog`: ends a server at its deadline, whatever became of the agent that set it.
//!
//! It holds the deadlines that the agent writes to it over a unix socket and does nothing else: no network,
//! no disk (its folder lies below /run, in memory), one thread, few pages, all that it uses locked. At a deadline
//! it removes the permit, so that nobody starts the server again, then freezes and kills the whole control
//! group: a killed main process leaves children that go on committing, a frozen group commits nothing. A
//! timer on the clock since boot wakes it, so neither a step of the wall clock nor a suspended host matters.
//! What it holds is written down before it is answered; when it is killed and started again it goes on.

mod desk;
mod group;
mod keep;

use desk::Desk;
use std::path::PathBuf;
use std::process::ExitCode;

/// The folder when the command line does not say.
const FOLDER: &str = "/run/lifeboat";

/// What the command line says.
struct Args {
    folder: PathBuf,
    reset_by: Option<PathBuf>,
}

/// Tells whoever reads the log: what, and what to do. A log that takes nothing is never waited for.
fn say(code: &str, message: impl std::fmt::Display, advice: &str) {
    note(&format!("{code}: {message}\n  what to do: {advice}"));
}

/// A line for the log.
fn note(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn main() -> ExitCode {
    let args = match args(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(why) => {
            say(
                "LB2450",
                format!("the command line is not understood: {why}"),
                "lifeboat-watchdog [--folder /run/lifeboat] [--reset-by /proc/sysrq-trigger]",
            );
            return ExitCode::from(2);
        }
    };
    let kept = match keep::Folder::open(&args.folder) {
        Ok(kept) => kept,
        Err(error) => {
            say(
                "LB2451",
                format!("the watchdog's folder {} cannot be used: {error}", args.folder.display()),
                "It lies in memory, below /run, and belongs to root.",
            );
            return ExitCode::from(1);
        }
    };
    stay();
    let opened = Desk::open(kept, args.reset_by);
    match opened.and_then(|mut desk| desk.rehearse().and_then(|()| desk.serve())) {
        Ok(never) => match never {},
        Err(error) => {
            say(
                "LB2452",
                format!("the watchdog cannot go on: {error}"),
                "Leases are asked for without it until it runs. If the file of its deadlines cannot be read, move it aside and start it again: the agent arms it anew.",
            );
            ExitCode::from(1)
        }
    }
}

fn args(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args { folder: PathBuf::from(FOLDER), reset_by: None };
    while let Some(word) = words.next() {
        let mut path = || words.next().map(PathBuf::from).filter(|path| path.is_absolute());
        match word.as_str() {
            "--folder" => args.folder = path().ok_or("--folder needs an absolute path")?,
            "--reset-by" => args.reset_by = Some(path().ok_or("--reset-by needs an absolute path")?),
            other => return Err(format!("{other:?} is not known")),
        }
    }
    Ok(args)
}

/// Nothing of it may be paged out, wait behind others, or be killed for memory. What is not allowed is told.
fn stay() {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    use rustix::mm::{MlockAllFlags, mlockall};
    // A log that is stuck must not hold a deadline up; without this it would.
    let stderr = std::io::stderr();
    let _ = fcntl_getfl(&stderr).and_then(|flags| fcntl_setfl(&stderr, flags | OFlags::NONBLOCK));
    // Each page as it is first used; a rehearsal uses those that a deadline needs.
    if let Err(error) = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT) {
        say(
            "LB2456",
            format!("the watchdog's memory is not locked: {error}"),
            "Give it LimitMEMLOCK=infinity and CAP_IPC_LOCK: a host short of memory may hold it up.",
        );
    }
    let first = rustix::process::setpriority_process(None, -20).is_ok();
    let spared = std::fs::write("/proc/self/oom_score_adj", "-1000").is_ok();
    if !first || !spared {
        say(
            "LB2457",
            "the watchdog has no right to go before others, or to be spared when memory runs out",
            "Start it by its unit, which gives it both.",
        );
    }
}
