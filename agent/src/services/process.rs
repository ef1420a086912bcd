//! A supervised process, for hosts that have neither systemd nor Docker.
//!
//! The process outlives the agent: it leads a process group of its own, its output goes to a file, and
//! nothing ties it to us. What we know of it is a record on disk with pid, start time and boot, written
//! right after the start; an agent that died in between finds the process by a marker in its
//! environment. A record whose process is gone means "ended by itself"; an orderly stop removes the
//! record. Start, stop and mask of one service exclude each other by a file lock, so a start that has
//! looked at the mask cannot slip past a fence.
//!
//! Stop asks the main process, gives it its grace, then kills the group and every descendant seen
//! before (a server's workers may lead groups of their own), and returns only when all are gone.

use super::alive::{self, Identity};
use super::users::{self, User};
use super::{ServiceManager, Status, group, masked};
use crate::jobs::{child, note};
use futures::future::BoxFuture;
use model::jobs::ServiceState;
use model::nouns::ProcessSpec;
use model::{Name, Problem};
use runtime::crash;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Environment variable that names the service in its processes.
const MARKER: &str = "LIFEBOAT_SERVICE";
/// How long a fresh process is watched: a wrong argument ends it at once.
const SETTLE: Duration = Duration::from_millis(300);
/// From KILL until we say that it cannot be killed.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// How long another start or stop of the same service is waited for.
const LOCK_LIMIT: Duration = Duration::from_secs(60);
/// A log larger than this is set aside at the next start.
const MAX_LOG_BYTES: u64 = 16 * 1024 * 1024;
/// The agent's own program, also after its file was replaced.
const OURSELVES: &str = "/proc/self/exe";
/// Bytes of the log's end that are shown.
const LOG_TAIL_BYTES: u64 = 4096;

/// What is known of a started process, on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    identity: Identity,
    boot: String,
    argv: Vec<String>,
}

/// One supervised process.
pub struct Process {
    name: Name,
    spec: ProcessSpec,
    folder: PathBuf,
    group: Option<PathBuf>,
}

impl Process {
    /// The process of a service. Its record, mask and log live in `state_dir/services/NAME`.
    pub fn new(name: &Name, spec: &ProcessSpec, state_dir: &Path) -> Result<Process, Problem> {
        let absolute = spec.argv.first().is_some_and(|program| program.starts_with('/'));
        if !absolute || alive::signal_named(&spec.stop_signal).is_none() {
            return Err(Problem::new(
                "LB2404",
                format!("service {name} needs an absolute program path and a known stop signal"),
                "Mend argv and stop-signal (TERM, INT, QUIT, HUP, KILL, USR1, USR2) in the estate.",
            ));
        }
        let folder = state_dir.join("services").join(name.as_str());
        Ok(Process { name: name.clone(), spec: spec.clone(), folder, group: None })
    }

    /// The same process, started inside this control group.
    pub fn in_group(self, group: Option<PathBuf>) -> Process {
        Process { group, ..self }
    }

    fn marker(&self) -> String {
        self.folder.display().to_string()
    }

    fn is_masked(&self) -> bool {
        self.folder.join("masked").exists()
    }

    /// The record of this boot. After a reboot nothing of it runs, and nobody stopped it by mistake.
    fn record(&self) -> Option<Record> {
        let record: Record =
            serde_json::from_slice(&std::fs::read(self.folder.join("record.json")).ok()?).ok()?;
        (record.boot == alive::boot_id()).then_some(record)
    }

    /// The main process: the recorded one, or one that was started and not recorded before a crash.
    fn leader(&self) -> Option<Identity> {
        match self.record() {
            Some(record) => Some(record.identity).filter(|one| alive::is_alive(*one)),
            None => {
                let leads = |one: &Identity| alive::stat(one.pid).is_some_and(|stat| stat.group == one.pid);
                self.marked().into_iter().find(leads)
            }
        }
    }

    /// Whoever inherited the service's mark, in whatever group.
    fn marked(&self) -> Vec<Identity> {
        alive::marked(&format!("{MARKER}={}", self.marker()))
    }

    /// Everybody of the service now: the family of its leader, what is left of its group, and whoever carries
    /// its mark. (Some servers overwrite their environment, so the mark alone would miss them.)
    fn everybody(&self) -> Vec<Identity> {
        let mut found = self.leader().map(alive::family).unwrap_or_default();
        let mut more = self.marked();
        if let Some(record) = self.record() {
            let group = record.identity.pid;
            // A pid that a later process leads is not ours any more, nor is its group.
            let reused = alive::stat(group).is_some_and(|stat| stat.identity != record.identity);
            if !reused {
                more.extend(alive::members(group));
            }
        }
        for one in more {
            if !found.contains(&one) {
                found.push(one);
            }
        }
        found
    }

    async fn lock(&self) -> Result<std::fs::File, Problem> {
        let path = self.folder.join("lock");
        let failed = |error: std::io::Error| self.failed("lock", "LB2405", &error);
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        let file = std::fs::File::create(&path).map_err(failed)?;
        let end = tokio::time::Instant::now() + LOCK_LIMIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::WouldBlock) if tokio::time::Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    fn failed(&self, what: &str, code: &str, error: &dyn std::error::Error) -> Problem {
        Problem::new(
            code,
            format!("cannot {what} service {}", self.name),
            format!("Look at {} and at the agent's rights.", self.folder.display()),
        )
        .caused_by(error)
    }

    async fn start_locked(&self) -> Result<(), Problem> {
        if self.is_masked() {
            return Err(masked(self.name.as_str()));
        }
        if self.leader().is_some() {
            return Ok(());
        }
        // What a dead main process left behind would hold its port or its files.
        self.end_all(self.everybody()).await?;
        let user = self.spec.user.as_deref().map(users::look_up).transpose()?;
        let log = self.open_log().map_err(|error| self.failed("open the log of", "LB2406", &error))?;
        let errors = log.try_clone().map_err(|error| self.failed("open the log of", "LB2406", &error))?;
        if let Some(group) = &self.group {
            group::make(group)?;
        }
        let mut command = self.command(user.as_ref());
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        // Dropping the handle does not end the process; tokio reaps it when it ends while we live.
        let child = command.spawn().map_err(|error| self.failed("start", "LB2407", &error))?;
        crash::point_of("service-started", &self.name);
        let pid = child.id().unwrap_or_default();
        let identity = alive::stat(pid).map_or(Identity { pid, started_ticks: 0 }, |stat| stat.identity);
        let record = Record { identity, boot: alive::boot_id(), argv: self.spec.argv.clone() };
        let written = serde_json::to_vec(&record)
            .map_err(std::io::Error::from)
            .and_then(|text| note::replace(&self.folder.join("record.json"), &text));
        if let Err(error) = written {
            self.end_all(alive::family(identity)).await?;
            return Err(self.failed("record", "LB2406", &error));
        }
        crash::point_of("service-recorded", &self.name);
        if alive::wait_gone(SETTLE, || alive::family(identity)).await.is_empty() || !alive::is_alive(identity)
        {
            return Err(Problem::new(
                "LB2408",
                format!("service {} ended right after its start", self.name),
                format!("Read {}, mend the cause, then retry.", self.folder.join("log").display()),
            )
            .with_log(self.log_tail()));
        }
        Ok(())
    }

    fn command(&self, user: Option<&User>) -> Command {
        let program = &self.spec.argv[0];
        let args = &self.spec.argv[1..];
        let setpriv = Path::new("/usr/bin/setpriv");
        let mut command = match (user, &self.group) {
            // The standard library can only clear supplementary groups; setpriv sets them and becomes the program.
            (Some(user), group) if group.is_some() || !user.groups.is_empty() && setpriv.exists() => {
                let mut command = self.first(setpriv);
                command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
                command.arg(supplementary(user)).arg("--").arg(program);
                command
            }
            (Some(user), _) => {
                let mut command = Command::new(program);
                command.uid(user.uid).gid(user.gid);
                command
            }
            (None, _) => self.first(Path::new(program)),
        };
        command.args(args).env_clear().envs(child::minimal_environment());
        if let (Some(user), Some(name)) = (user, &self.spec.user) {
            command.env("HOME", &user.home).env("USER", name).env("LOGNAME", name);
        }
        command
            .envs(&self.spec.environment)
            .env(MARKER, self.marker())
            .current_dir(self.spec.directory.as_deref().unwrap_or(Path::new("/")))
            .process_group(0);
        command
    }

    /// A command of this program; with a control group it begins as ourselves, which enters the group before
    /// it becomes the program: so no process of it is ever outside.
    fn first(&self, program: &Path) -> Command {
        let Some(group) = &self.group else { return Command::new(program) };
        let mut command = Command::new(OURSELVES);
        command.arg("within").arg(group).arg("--").arg(program);
        command
    }

    async fn stop_locked(&self) -> Result<(), Problem> {
        let seen = self.everybody();
        crash::point_of("service-stopping", &self.name);
        if let (Some(leader), Some(signal)) = (self.leader(), alive::signal_named(&self.spec.stop_signal)) {
            alive::signal(leader, signal);
            alive::wait_gone(self.spec.stop_grace, || {
                if alive::is_alive(leader) { vec![leader] } else { Vec::new() }
            })
            .await;
        }
        self.end_all(seen).await?;
        crash::point_of("service-stopped", &self.name);
        match std::fs::remove_file(self.folder.join("record.json")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(self.failed("forget the process of", "LB2406", &error))
            }
            _ => Ok(()),
        }
    }

    /// Kills whoever is left of those seen and of the group, until nobody is.
    async fn end_all(&self, seen: Vec<Identity>) -> Result<(), Problem> {
        let left = alive::kill(KILL_LIMIT, || {
            let mut left: Vec<Identity> = seen.iter().copied().filter(|one| alive::is_alive(*one)).collect();
            left.extend(self.everybody().into_iter().filter(|one| !seen.contains(one)));
            left
        })
        .await;
        if left.is_empty() {
            return Ok(());
        }
        let pids: Vec<String> = left.iter().map(|one| one.pid.to_string()).collect();
        Err(Problem::new(
            "LB2409",
            format!("processes {} of service {} were killed and are still there", pids.join(", "), self.name),
            "They hang in the kernel, usually on storage. Do not count them as stopped; isolate or power off the host.",
        ))
    }

    fn open_log(&self) -> std::io::Result<std::fs::File> {
        let path = self.folder.join("log");
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_LOG_BYTES) {
            std::fs::rename(&path, self.folder.join("log.1"))?;
        }
        std::fs::OpenOptions::new().create(true).append(true).open(path)
    }

    fn log_tail(&self) -> Vec<String> {
        let Ok(file) = std::fs::File::open(self.folder.join("log")) else { return Vec::new() };
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        let mut tail = vec![0; usize::try_from(length.min(LOG_TAIL_BYTES)).unwrap_or(0)];
        if file.read_exact_at(&mut tail, length.saturating_sub(LOG_TAIL_BYTES)).is_err() {
            return Vec::new();
        }
        let lines: Vec<String> = String::from_utf8_lossy(&tail).lines().map(str::to_string).collect();
        lines[lines.len().saturating_sub(model::problem::MAX_LOG_LINES)..].to_vec()
    }

    fn status_now(&self) -> Status {
        let leader = self.leader();
        let masked = self.is_masked();
        let (state, detail) = match (leader, masked, self.record()) {
            (Some(leader), _, _) => (ServiceState::Running, format!("process {}", leader.pid)),
            (None, true, _) => (ServiceState::Masked, "masked".to_string()),
            (None, false, Some(record)) => {
                (ServiceState::Failed, format!("process {} ended by itself", record.identity.pid))
            }
            (None, false, None) => (ServiceState::Stopped, "no process".to_string()),
        };
        Status { state, pid: leader.map(|one| one.pid), masked, detail, log: self.log_tail() }
    }
}

/// The option that sets a user's supplementary groups.
fn supplementary(user: &User) -> String {
    if user.groups.is_empty() {
        return "--clear-groups".to_string();
    }
    let groups: Vec<String> = user.groups.iter().map(u32::to_string).collect();
    format!("--groups={}", groups.join(","))
}

impl ServiceManager for Process {
    fn start(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            let _lock = self.lock().await?;
            self.start_locked().await
        })
    }

    fn stop(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            let _lock = self.lock().await?;
            self.stop_locked().await
        })
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            let _lock = self.lock().await?;
            if self.is_masked() {
                return Err(masked(self.name.as_str()));
            }
            self.stop_locked().await?;
            self.start_locked().await
        })
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, Problem>> {
        Box::pin(async { Ok(self.status_now()) })
    }

    fn mask(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            let _lock = self.lock().await?;
            note::replace(&self.folder.join("masked"), b"masked by a fence\n")
                .map_err(|error| self.failed("mask", "LB2406", &error))
        })
    }

    fn unmask(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            let _lock = self.lock().await?;
            match std::fs::remove_file(self.folder.join("masked")) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(self.failed("unmask", "LB2406", &error))
                }
                _ => Ok(()),
            }
        })
    }

    fn group(&self) -> BoxFuture<'_, Result<PathBuf, Problem>> {
        let state_dir = self.folder.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        let group = self.group.clone().map_or_else(|| group::of_process(&self.name, state_dir), Ok);
        Box::pin(async { group })
    }

    fn waits_for<'a>(&'a self, _: &'a Path) -> BoxFuture<'a, Result<(), Problem>> {
        // Nobody but this agent starts it, and that by its permit.
        Box::pin(async { Ok(()) })
    }
}
