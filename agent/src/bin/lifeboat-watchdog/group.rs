//! A control group (cgroup v2): every process of a server, those that it forked too.

use crate::say;
use rustix::process::{Pid, Signal, kill_process};
use std::io::ErrorKind;
use std::path::Path;

/// Whether this can be the group of one server: below a mounted hierarchy, never its root, and not ours.
pub fn check(group: &Path) -> Result<(), String> {
    let plain = group.is_absolute() && !group.components().any(|part| part.as_os_str() == "..");
    let there = group.ancestors().find(|path| path.exists());
    if !plain || !there.is_some_and(|path| path.join("cgroup.controllers").exists()) {
        return Err(format!("{} lies below no control group (cgroup v2)", group.display()));
    }
    if group.exists() && !group.join("cgroup.freeze").exists() {
        return Err(format!("{} cannot be frozen: it is the root of all groups", group.display()));
    }
    let own = std::process::id().to_string();
    let members = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let inside = members.lines().any(|line| line.trim() == own);
    match inside {
        true => Err(format!("{} holds the watchdog itself", group.display())),
        false => Ok(()),
    }
}

/// Stops every process of it where it is, then kills them all. May be repeated.
pub fn end(group: &Path) {
    // Frozen first: between two kills nobody forks or commits. A group that is gone has nobody.
    told(group, "frozen", std::fs::write(group.join("cgroup.freeze"), "1"));
    match std::fs::write(group.join("cgroup.kill"), "1") {
        // Kernels before 5.14 kill no group at once.
        Err(error) if error.kind() == ErrorKind::NotFound => each(group),
        done => told(group, "killed", done),
    }
}

fn each(group: &Path) {
    let members = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in members.lines().filter_map(|line| Pid::from_raw(line.trim().parse().ok()?)) {
        // One that ended meanwhile is what was wanted.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn told(group: &Path, what: &str, done: std::io::Result<()>) {
    match done {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            say(
                "LB2459",
                format!("the control group {} cannot be {what}: {error}", group.display()),
                "Does the watchdog run as root, and may it write there? Until then its lease is worth nothing.",
            );
        }
        Ok(()) | Err(_) => {}
    }
}

/// Whether no process of it is left. Then it may be used again.
pub fn is_empty(group: &Path) -> bool {
    let events = match std::fs::read_to_string(group.join("cgroup.events")) {
        Ok(events) => events,
        Err(error) => return error.kind() == ErrorKind::NotFound,
    };
    let empty = events.lines().any(|line| line.trim() == "populated 0");
    if empty {
        told(group, "thawed", std::fs::write(group.join("cgroup.freeze"), "0"));
    }
    empty
}
