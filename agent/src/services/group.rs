//! Control groups (cgroup v2): where every process of a server is found and ended together.

use model::{Digest, Name, Problem};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a group that is being ended is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Rounds in which processes outside of a group are brought in: each fork may slip out of one.
const ROUNDS: usize = 5;

/// The group of a supervised process: below the agent's own, named after the service and this agent's state.
pub fn of_process(service: &Name, state_dir: &Path) -> Result<PathBuf, Problem> {
    let (root, own) = mounted()?;
    let digest = Digest::of(&state_dir.display().to_string()).map(|it| it.as_str().to_string());
    let short: String = digest.unwrap_or_default().chars().take(8).collect();
    Ok(root.join(own.trim_start_matches('/')).join(format!("lifeboat-{service}-{short}")))
}

/// A group by the path that a service manager or /proc gives for it.
pub fn at(path: &str) -> Result<PathBuf, Problem> {
    Ok(mounted()?.0.join(path.trim_start_matches('/')))
}

/// Where the hierarchy is mounted, and the agent's own group in it.
fn mounted() -> Result<(PathBuf, String), Problem> {
    let missing = || {
        Problem::new(
            "LB2434",
            "this host has no control groups (cgroup v2), so no lease is asked for",
            "Mount cgroup2, on most systems at /sys/fs/cgroup. A server that cannot be ended as a whole cannot be leased.",
        )
    };
    let mounts = std::fs::read_to_string("/proc/self/mounts").map_err(|error| missing().caused_by(&error))?;
    let mount = mounts.lines().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (words.get(2) == Some(&"cgroup2")).then(|| PathBuf::from(words[1]))
    });
    Ok((mount.ok_or_else(missing)?, of("self").unwrap_or_default()))
}

/// The group of a process, `/system.slice/x.service`.
fn of(pid: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_string)
}

/// Makes a group, where it is missing.
pub fn make(group: &Path) -> Result<(), Problem> {
    std::fs::create_dir_all(group).map_err(|error| failed(group, "made", &error))
}

/// Moves this process into a group.
pub fn enter(group: &Path) -> std::io::Result<()> {
    std::fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}

/// Brings processes into a group, and those that they fork meanwhile. Gives whether all are in it.
pub fn take_in(group: &Path, who: impl Fn() -> Vec<u32>) -> Result<bool, Problem> {
    let (root, _) = mounted()?;
    let path = group.strip_prefix(&root).unwrap_or(group);
    let outside = || {
        let out = |pid: &u32| {
            of(&pid.to_string()).is_some_and(|found| Path::new(found.trim_start_matches('/')) != path)
        };
        who().into_iter().filter(out).collect::<Vec<u32>>()
    };
    for _ in 0..ROUNDS {
        let left = outside();
        if left.is_empty() {
            return Ok(true);
        }
        for pid in left {
            // One that ended meanwhile needs no group; one that cannot be moved is still outside.
            let _ = std::fs::write(group.join("cgroup.procs"), pid.to_string());
        }
    }
    Ok(outside().is_empty())
}

/// Freezes and kills everybody of a group, and waits until nobody is left or `limit` has passed.
pub async fn end(group: &Path, limit: Duration) -> Result<(), Problem> {
    if !group.exists() {
        return Ok(());
    }
    let write = |file: &str, text: &str| {
        std::fs::write(group.join(file), text).map_err(|error| failed(group, "ended", &error))
    };
    write("cgroup.freeze", "1")?;
    write("cgroup.kill", "1")?;
    let until = tokio::time::Instant::now() + limit;
    while !is_empty(group) {
        if tokio::time::Instant::now() >= until {
            let error = std::io::Error::other("processes are left");
            return Err(failed(group, "ended", &error));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    write("cgroup.freeze", "0")
}

fn is_empty(group: &Path) -> bool {
    std::fs::read_to_string(group.join("cgroup.events"))
        .map_or(true, |events| events.lines().any(|line| line.trim() == "populated 0"))
}

fn failed(group: &Path, what: &str, error: &std::io::Error) -> Problem {
    Problem::new(
        "LB2435",
        format!("the control group {} cannot be {what}", group.display()),
        "Does the agent run as root, and may it write there? Its unit needs Delegate=yes.",
    )
    .caused_by(error)
}
