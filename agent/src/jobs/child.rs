//! Child processes of jobs: argv arrays, bounded output, and killed whole.
//!
//! A child gets its own process group and a marker in its environment. On cancel the group and whoever
//! carries the marker (a script may fork twice, or call setsid) get TERM, a grace, then KILL until
//! nobody is left: only then is it "cancelled". When somebody stays alive in the kernel the end is
//! unknown. A future that is dropped kills the group as well, so no path leaves a child running.
//! A program that ends by itself may leave daemons behind on purpose; those are let live, and reading
//! their inherited output ends after a moment.

use super::{Context, End};
use crate::services::alive::{self, Identity};
use model::Problem;
use rustix::process::{Pid, Signal};
use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

/// Name of the environment variable that marks children.
pub const MARKER: &str = "LIFEBOAT_WORK";
/// From TERM to KILL.
const GRACE: Duration = Duration::from_secs(5);
/// From KILL until the end is called unknown.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// How long output is still read after the program ended: a daemon may have inherited it.
const LAST_OUTPUT: Duration = Duration::from_secs(1);
/// Longest line that is kept, in bytes; the rest of it is dropped.
const MAX_LINE_BYTES: usize = 4096;
/// Lines of output that are kept for reports.
const TAIL_LINES: usize = 64;

/// A program to run.
pub struct Program {
    /// Its path.
    pub path: PathBuf,
    /// Arguments, the program's name not among them. Never a secret.
    pub args: Vec<String>,
    /// Environment added to a minimal one.
    pub environment: Vec<(String, String)>,
    /// Where its input comes from.
    pub stdin: Stdio,
    /// Where its output goes; kept as lines when absent.
    pub stdout: Option<Stdio>,
}

/// How a program ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The last lines that it printed, oldest first.
    pub tail: Vec<String>,
}

impl Exit {
    /// In words: `exit code 3`, `killed by signal 9`.
    pub fn words(&self) -> String {
        match (self.code, self.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => "an unknown end".to_string(),
        }
    }
}

/// A running child.
pub struct Running {
    child: Child,
    leader: Identity,
    marker: String,
    readers: Vec<tokio::task::JoinHandle<()>>,
    tail: Arc<Mutex<VecDeque<String>>>,
    ended: bool,
}

/// Starts a program in a process group of its own.
pub fn start(context: &Context, program: Program) -> Result<Running, Problem> {
    let failed = |why: &dyn std::error::Error| {
        Problem::new(
            "LB2213",
            format!("cannot start {}", program.path.display()),
            "See that the program is installed and may be executed by the agent.",
        )
        .caused_by(why)
    };
    let piped = program.stdout.is_none();
    let mut command = Command::new(&program.path);
    command
        .args(&program.args)
        .env_clear()
        .envs(minimal_environment())
        .envs(program.environment.iter().map(|(key, value)| (key, value)))
        .env(MARKER, &context.marker)
        .stdin(program.stdin)
        .stdout(program.stdout.unwrap_or_else(Stdio::piped))
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    drop(command);
    let pid = child.id().unwrap_or_default();
    let leader = alive::stat(pid).map_or(Identity { pid, started_ticks: 0 }, |stat| stat.identity);
    let tail = Arc::new(Mutex::new(VecDeque::new()));
    let mut readers = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        readers.push(tokio::spawn(read_lines(stderr, tail.clone(), context.clone())));
    }
    if let (true, Some(stdout)) = (piped, child.stdout.take()) {
        readers.push(tokio::spawn(read_lines(stdout, tail.clone(), context.clone())));
    }
    Ok(Running { child, leader, marker: context.marker.clone(), readers, tail, ended: false })
}

impl Running {
    /// Waits for the program's end, or kills it whole when the job is cancelled.
    pub async fn wait(mut self, context: &Context) -> Result<Exit, End> {
        let waited = tokio::select! {
            biased;
            () = context.cancel.cancelled() => None,
            status = self.child.wait() => Some(status),
        };
        let Some(status) = waited else {
            return Err(match self.end().await {
                Ok(()) => End::Cancelled,
                Err(problem) => End::Unknown(problem),
            });
        };
        let status = status.map_err(|error| {
            End::Unknown(
                Problem::new("LB2214", "cannot learn how a program ended", "Look at the host's processes.")
                    .caused_by(&error),
            )
        })?;
        self.ended = true;
        let readers = std::mem::take(&mut self.readers);
        let aborts: Vec<_> = readers.iter().map(|reader| reader.abort_handle()).collect();
        if tokio::time::timeout(LAST_OUTPUT, futures::future::join_all(readers)).await.is_err() {
            aborts.iter().for_each(|reader| reader.abort());
        }
        Ok(Exit { code: status.code(), signal: status.signal(), tail: self.lines() })
    }

    fn lines(&self) -> Vec<String> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// TERM, grace, KILL of the whole group, confirmed gone.
    async fn end(&mut self) -> Result<(), Problem> {
        let (leader, marker) = (self.leader, self.marker.clone());
        let ended = end_all(move || whole(leader, &marker)).await;
        // Reaps the zombie; it is dead already.
        let _ = tokio::time::timeout(LAST_OUTPUT, self.child.wait()).await;
        self.ended = ended.is_ok();
        self.readers.iter().for_each(|reader| reader.abort());
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.readers.iter().for_each(|reader| reader.abort());
        if !self.ended {
            let group = i32::try_from(self.leader.pid).ok().and_then(Pid::from_raw);
            if let (Some(group), true) = (group, self.child.id().is_some()) {
                let _ = rustix::process::kill_process_group(group, Signal::KILL);
            }
        }
    }
}

/// Ends whatever an earlier life of this agent left running of this work. `Ok` means nobody is left.
pub async fn end_leftovers(context: &Context) -> Result<(), Problem> {
    let entry = format!("{MARKER}={}", context.marker);
    end_all(move || alive::marked(&entry)).await
}

/// Everybody of one child: its group and whoever carries its marker.
fn whole(leader: Identity, marker: &str) -> Vec<Identity> {
    let mut found = alive::members(leader.pid);
    for one in alive::marked(&format!("{MARKER}={marker}")) {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

async fn end_all(who: impl Fn() -> Vec<Identity>) -> Result<(), Problem> {
    for one in who() {
        alive::signal(one, Signal::TERM);
    }
    if alive::wait_gone(GRACE, &who).await.is_empty() {
        return Ok(());
    }
    let left = alive::kill(KILL_LIMIT, &who).await;
    if left.is_empty() {
        return Ok(());
    }
    let pids: Vec<String> = left.iter().map(|one| one.pid.to_string()).collect();
    Err(Problem::new(
        "LB2215",
        format!("processes {} were killed and are still there", pids.join(", ")),
        "They hang in the kernel, usually on storage that does not answer. Mend it, then settle the attempt.",
    ))
}

/// What programs find in their environment. Nothing of the agent's own is handed on: it may hold secrets.
pub fn minimal_environment() -> Vec<(&'static str, String)> {
    let mut environment = vec![
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_string()),
        ("LANG", "C.UTF-8".to_string()),
    ];
    for name in ["HOME", "TZ"] {
        if let Ok(value) = std::env::var(name) {
            environment.push((name, value));
        }
    }
    environment
}

/// Reads lines of any length and any bytes; keeps and forwards their beginnings.
async fn read_lines(mut from: impl AsyncRead + Unpin, tail: Arc<Mutex<VecDeque<String>>>, context: Context) {
    let mut buffer = [0u8; 8192];
    let mut line: Vec<u8> = Vec::new();
    let keep = |line: &mut Vec<u8>| {
        let text = String::from_utf8_lossy(line).trim_end().to_string();
        line.clear();
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(text.clone());
        drop(tail);
        context.say(text);
    };
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        for byte in &buffer[..count] {
            if *byte == b'\n' {
                keep(&mut line);
            } else if line.len() < MAX_LINE_BYTES {
                line.push(*byte);
            }
        }
    }
    if !line.is_empty() {
        keep(&mut line);
    }
}

/// Finds a program in a folder, in PATH's usual places, or under PostgreSQL's folders, newest first.
pub fn find(name: &str, folder: Option<&Path>) -> Result<PathBuf, Problem> {
    let mut places: Vec<PathBuf> = Vec::new();
    match folder {
        Some(folder) => places.push(folder.to_path_buf()),
        None => {
            let mut versions: Vec<PathBuf> = std::fs::read_dir(crate::policy::POSTGRES_PROGRAMS)
                .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
                .unwrap_or_default();
            versions.sort_by_key(|path| {
                let version = path.parent().and_then(|path| path.file_name()).and_then(|name| name.to_str());
                std::cmp::Reverse(version.and_then(|text| text.parse::<u32>().ok()).unwrap_or(0))
            });
            places.extend(versions);
            places.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from));
        }
    }
    places.iter().map(|place| place.join(name)).find(|path| path.is_file()).ok_or_else(|| {
        let looked: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        Problem::new(
            "LB2216",
            format!("the program {name} is not in {}", looked.join(", ")),
            "Install it (Debian: postgresql-client), or give its folder as `programs` of the source.",
        )
    })
}
