//! Who is alive: processes by identity, group, descent, marker and working folder, read from /proc.
//!
//! A pid alone is no identity: it is used again. So a process is named by its pid *and* its start time
//! in clock ticks since boot, and is looked at again before each signal. A zombie counts as gone: it runs
//! no code and holds no file. Between the last look and the signal the kernel could in theory reuse a
//! pid; it hands pids out in a circle of at least 32,768, so this needs a full circle within microseconds.

use rustix::process::{Pid, Signal};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// How often a wait looks again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One process, never mistaken for a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// Start time, in clock ticks since boot.
    pub started_ticks: u64,
}

/// What /proc/PID/stat says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Who it is.
    pub identity: Identity,
    /// State letter, `Z` for a zombie.
    pub state: char,
    /// Parent's pid.
    pub parent: u32,
    /// Process group.
    pub group: u32,
}

impl Stat {
    /// Reads one line of /proc/PID/stat. The command name may hold anything, even `) R 1`, so the
    /// fields are counted from the last parenthesis.
    fn parse(text: &str) -> Option<Stat> {
        let pid = text.split_once(' ')?.0.parse().ok()?;
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Stat {
            identity: Identity { pid, started_ticks: fields.get(19)?.parse().ok()? },
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
        })
    }

    fn runs(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// The process with this pid, zombies included.
pub fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(&String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// Is exactly this process still running?
pub fn is_alive(identity: Identity) -> bool {
    stat(identity.pid).is_some_and(|stat| stat.identity == identity && stat.runs())
}

/// Every running process.
pub fn all() -> Vec<Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(stat)
        .filter(Stat::runs)
        .collect()
}

/// The running members of a process group.
pub fn members(group: u32) -> Vec<Identity> {
    all().into_iter().filter(|stat| stat.group == group).map(|stat| stat.identity).collect()
}

/// A process, its children, their children and so on.
pub fn family(root: Identity) -> Vec<Identity> {
    let all = all();
    let mut found: Vec<Identity> = all.iter().map(|stat| stat.identity).filter(|one| *one == root).collect();
    let mut next = 0;
    while next < found.len() {
        let parent = found[next].pid;
        found.extend(all.iter().filter(|stat| stat.parent == parent).map(|stat| stat.identity));
        next += 1;
    }
    found
}

/// Running processes whose environment at their start had exactly this `NAME=value`. A child inherits
/// it, so this finds those that left the process group as well.
pub fn marked(entry: &str) -> Vec<Identity> {
    let has = |pid: u32| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|one| one == entry.as_bytes()))
    };
    let own = std::process::id();
    all().into_iter().map(|stat| stat.identity).filter(|one| one.pid != own && has(one.pid)).collect()
}

/// A folder by device and inode. Its path is no name: in another mount namespace, a container's for
/// one, the same path means another folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folder {
    device: u64,
    inode: u64,
}

impl Folder {
    /// The folder at this path in our own mount namespace.
    pub fn at(path: &Path) -> std::io::Result<Folder> {
        std::fs::metadata(path).map(|found| Folder { device: found.dev(), inode: found.ino() })
    }

    /// The working folder of this process, when it runs the program of this name.
    pub fn of(pid: u32, program: &str) -> Option<Folder> {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        // The kernel resolves this link in the process's own namespace.
        (name.trim_end() == program).then(|| Folder::at(Path::new(&format!("/proc/{pid}/cwd"))).ok())?
    }
}

/// Running processes of a program name whose working folder is this one. PostgreSQL's processes all work in
/// their data folder, and each leads a process group of its own.
pub fn working_in(folder: Folder, program: &str) -> Vec<Identity> {
    let fits = |one: &Identity| Folder::of(one.pid, program) == Some(folder);
    all().into_iter().map(|stat| stat.identity).filter(fits).collect()
}

/// This boot's id: start times of another boot mean nothing.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_string())
        .unwrap_or_default()
}

/// Sends a signal to one process if it still is that process.
pub fn signal(identity: Identity, signal: Signal) {
    let pid = i32::try_from(identity.pid).ok().and_then(Pid::from_raw);
    if let (true, Some(pid)) = (is_alive(identity), pid) {
        // A process that ended meanwhile is what was wanted.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Waits until nobody of `who` runs, looking anew each time; gives whoever is left after `limit`.
pub async fn wait_gone(limit: Duration, who: impl Fn() -> Vec<Identity>) -> Vec<Identity> {
    let end = tokio::time::Instant::now() + limit;
    loop {
        let left = who();
        if left.is_empty() || tokio::time::Instant::now() >= end {
            return left;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Kills all of `who`, anew each time somebody is left (they may fork meanwhile), until nobody is left or
/// `limit` has passed. Gives whoever is left: they hang in the kernel.
pub async fn kill(limit: Duration, who: impl Fn() -> Vec<Identity>) -> Vec<Identity> {
    let end = tokio::time::Instant::now() + limit;
    loop {
        let left = who();
        if left.is_empty() || tokio::time::Instant::now() >= end {
            return left;
        }
        for one in &left {
            signal(*one, Signal::KILL);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The signal of this name, with or without `SIG`.
pub fn signal_named(name: &str) -> Option<Signal> {
    match name.strip_prefix("SIG").unwrap_or(name) {
        "TERM" => Some(Signal::TERM),
        "INT" => Some(Signal::INT),
        "QUIT" => Some(Signal::QUIT),
        "HUP" => Some(Signal::HUP),
        "KILL" => Some(Signal::KILL),
        "USR1" => Some(Signal::USR1),
        "USR2" => Some(Signal::USR2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_command_name_cannot_forge_the_fields() {
        let line = "42 (x) Z 1 1 (y) S 7 9 9 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.identity.pid, stat.state, stat.parent, stat.group), (42, 'S', 7, 9));
        assert_eq!(stat.identity.started_ticks, 98765);
    }

    #[test]
    fn a_later_process_with_the_same_pid_is_another_one() {
        let own = stat(std::process::id()).unwrap().identity;
        assert!(is_alive(own));
        assert!(!is_alive(Identity { started_ticks: own.started_ticks + 1, ..own }));
        assert!(family(own).contains(&own));
    }
}
