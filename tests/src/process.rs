//! Child processes that cannot outlive their test.
//!
//! Each child gets a process group of its own, a log file, and a parent-death signal: it is started
//! through `setpriv --pdeathsig KILL`, so that the kernel kills it even when this process is killed
//! by its runner. That signal is sent when the *thread* that forked ends, not the process, so all
//! forks are done by one thread that never ends. `setpriv` also changes the user where a server
//! refuses to be root.
//!
//! A server's helpers may leave its group (PostgreSQL's backends each make a session), and a
//! killed agent leaves the services that it supervised. So [`Process::kill`] collects all
//! descendants from /proc first and kills every one: that is what a dead machine looks like.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::Failure;

/// How many lines of a log stand in a failure.
const TAIL_LINES: usize = 25;
/// How much of a log's end is read for them, in bytes.
const TAIL_BYTES: u64 = 16 * 1024;
/// How long killed processes may take to disappear.
const REAP: Duration = Duration::from_secs(10);
/// How long to rest between two looks whether they are gone.
const STEP: Duration = Duration::from_millis(10);

/// A user of this machine that a server runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Numeric user id.
    pub uid: u32,
    /// Numeric group id.
    pub gid: u32,
}

impl Account {
    /// The account that a server called `name` must use: `Some` when we are root and it exists,
    /// `None` when it runs as ourselves.
    ///
    /// # Errors
    /// [`Failure`] when we are root and there is no such user.
    pub fn when_root(name: &str) -> Result<Option<Self>, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").map_err(Failure::io("read /etc/passwd"))?;
        passwd
            .lines()
            .find_map(|line| Self::parse(line, name))
            .map(Some)
            .ok_or_else(|| Failure::Missing { program: format!("user {name}") })
    }

    fn parse(line: &str, wanted: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| *name == wanted)?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Self { name: name.to_owned(), uid, gid })
    }

    /// The words before a command line that make it run as this account.
    #[must_use]
    pub fn prefix(&self) -> Vec<String> {
        vec![
            "setpriv".to_owned(),
            format!("--reuid={}", self.uid),
            format!("--regid={}", self.gid),
            "--init-groups".to_owned(),
        ]
    }
}

/// The full command line: `account`'s prefix, where there is one, then `argv`.
#[must_use]
pub fn as_account(account: Option<&Account>, argv: Vec<String>) -> Vec<String> {
    let mut line = account.map(Account::prefix).unwrap_or_default();
    line.extend(argv);
    line
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name in messages.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Environment on top of ours.
    pub env: Vec<(String, String)>,
    /// The user to run as, when not ourselves.
    pub account: Option<Account>,
    /// Where standard output and error go; appended to.
    pub log: PathBuf,
}

impl Spec {
    /// A command line that logs to `log`.
    pub fn new<S: Into<String>>(name: &str, log: PathBuf, argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            name: name.to_owned(),
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            account: None,
            log,
        }
    }

    /// The same, run as `account`.
    #[must_use]
    pub fn as_account(mut self, account: Option<Account>) -> Self {
        self.account = account;
        self
    }

    /// The same with one more variable in its environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl Into<String>) -> Self {
        self.env.push((key.to_owned(), value.into()));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// [`Failure`] when the log cannot be opened or the program cannot be started.
    pub fn start(self) -> Result<Process, Failure> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(Failure::io(format!("open {}", self.log.display())))?;
        let both = log.try_clone().map_err(Failure::io("share a log file"))?;
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=KILL");
        if let Some(account) = &self.account {
            command.args(account.prefix().into_iter().skip(1));
        }
        command.arg("--").args(&self.argv).envs(self.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(log).stderr(both).process_group(0);
        // A server must not hold on to a folder that its user may not read.
        command.current_dir("/");
        let child = fork(command).map_err(Failure::io(format!("start {}", self.name)))?;
        Ok(Process { name: self.name, log: self.log, child })
    }

    /// Starts it and waits until it ended well, at most `within`.
    ///
    /// # Errors
    /// [`Failure::Ended`] when it ended badly, [`Failure::TimedOut`] when it did not end (it is
    /// killed then).
    pub async fn run(self, within: Duration) -> Result<(), Failure> {
        let mut process = self.start()?;
        let status = process.ended(within).await?;
        if status.success() { Ok(()) } else { Err(process.failure(&status.to_string())) }
    }
}

/// A running child, killed with all its descendants when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Its process id, which is also its group.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still there.
    pub fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// `Ok` while it runs; the failure with its last log lines once it ended.
    ///
    /// # Errors
    /// [`Failure::Ended`].
    pub fn alive(&mut self) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failure(&status.to_string())),
            Err(source) => Err(Failure::Io { what: format!("look after {}", self.name), source }),
        }
    }

    /// Waits until it ended by itself.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] with its last log lines.
    pub async fn ended(&mut self, within: Duration) -> Result<ExitStatus, Failure> {
        let deadline = Instant::now() + within;
        loop {
            let seen = self.child.try_wait().map_err(Failure::io(format!("wait for {}", self.name)))?;
            match seen {
                Some(status) => return Ok(status),
                None if Instant::now() > deadline => {
                    let (what, last) = (format!("the end of {}", self.name), tail(&self.log));
                    return Err(Failure::TimedOut { what, within, last });
                }
                None => tokio::time::sleep(crate::polling::PAUSE).await,
            }
        }
    }

    /// Sends one signal to the process itself.
    pub fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// Stops every thread of it where it stands, and waits until they do: the signal alone may
    /// overtake nothing, and a thread on another core may still answer.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let deadline = Instant::now() + REAP;
        while Instant::now() < deadline && !stands_still(self.child.id()) {
            std::thread::sleep(STEP);
        }
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks it to end with `signal`, waits `grace`, then kills what is left.
    pub async fn stop(mut self, signal: Signal, grace: Duration) {
        self.signal(signal);
        let _ = self.ended(grace).await;
        self.kill();
    }

    /// Kills the process itself with SIGKILL and leaves what it started, as when one program dies.
    pub fn kill_alone(&mut self) {
        if self.running() {
            send(self.child.id(), Signal::KILL);
            let _ = self.child.wait();
        }
    }

    /// Kills it and every descendant at once with SIGKILL, and waits until all are gone: what a
    /// machine that lost its power looks like from outside.
    pub fn kill(&mut self) {
        if !self.running() {
            // Collected already: its number may belong to somebody else by now.
            return;
        }
        let mut family = descendants(self.child.id());
        // A stopped parent forks no more while its children are collected and killed.
        send(self.child.id(), Signal::STOP);
        family.extend(descendants(self.child.id()));
        send(self.child.id(), Signal::KILL);
        for member in &family {
            send(*member, Signal::KILL);
        }
        let _ = self.child.wait();
        let deadline = Instant::now() + REAP;
        while Instant::now() < deadline && family.iter().any(|member| alive(*member)) {
            std::thread::sleep(STEP);
        }
    }

    /// A failure that carries the last log lines.
    #[must_use]
    pub fn failure(&self, status: &str) -> Failure {
        Failure::Ended {
            program: self.name.clone(),
            status: status.to_owned(),
            log: self.log.clone(),
            tail: tail(&self.log),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last lines of a log, for a failure.
#[must_use]
pub fn tail(log: &Path) -> String {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_else(|error| format!("(no log: {error})"));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// All processes below `root`, by the parent ids in /proc, however deep.
#[must_use]
pub fn descendants(root: u32) -> Vec<u32> {
    let parent = |pid: u32| Some((pid, stat(pid)?.0));
    let parents: Vec<(u32, u32)> = processes().into_iter().filter_map(parent).collect();
    let mut found: Vec<u32> = Vec::new();
    let mut next = vec![root];
    while let Some(above) = next.pop() {
        for (pid, _) in parents.iter().filter(|(_, parent)| *parent == above) {
            if !found.contains(pid) {
                found.push(*pid);
                next.push(*pid);
            }
        }
    }
    found
}

/// Kills a process that is not our child, and all below it. For what a supervisor of ours started.
pub fn kill_tree(root: u32) {
    let family = descendants(root);
    send(root, Signal::KILL);
    for member in family {
        send(member, Signal::KILL);
    }
}

/// Kills every service that an agent supervises below `folder`, with all that it started, and waits
/// until they are gone. Such services outlive their agent on purpose; the agent marks them in their
/// environment with the folder of its records.
pub fn kill_services_below(folder: &Path) {
    let marker = format!("LIFEBOAT_SERVICE={}/", folder.display());
    let marked = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(marker.as_bytes()))
    };
    let deadline = Instant::now() + REAP;
    loop {
        let left: Vec<u32> = processes().into_iter().filter(|pid| alive(*pid)).filter(marked).collect();
        if left.is_empty() || Instant::now() > deadline {
            return;
        }
        left.into_iter().for_each(kill_tree);
        std::thread::sleep(STEP);
    }
}

/// The ids of all processes that we can see.
fn processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a process exists and is not merely waiting to be collected.
#[must_use]
pub fn alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(_, state)| state != 'Z')
}

/// Whether all threads of a process are stopped.
fn stands_still(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    threads.is_ok_and(|threads| {
        threads
            .flatten()
            .all(|thread| stat_at(&thread.path().join("stat")).is_none_or(|(_, state)| state == 'T'))
    })
}

fn stat(pid: u32) -> Option<(u32, char)> {
    stat_at(&PathBuf::from(format!("/proc/{pid}/stat")))
}

/// Parent and state letter of a process or thread, from the fields after its name.
fn stat_at(path: &Path) -> Option<(u32, char)> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may be gone already; that is what is wanted.
        let _ = kill_process(pid, signal);
    }
}

type Forked = std::io::Result<Child>;

/// Forks in the one thread that lives as long as this process.
fn fork(command: Command) -> Forked {
    static FORKER: OnceLock<mpsc::Sender<(Command, mpsc::Sender<Forked>)>> = OnceLock::new();
    let forker = FORKER.get_or_init(|| {
        let (send, receive) = mpsc::channel::<(Command, mpsc::Sender<Forked>)>();
        std::thread::spawn(move || {
            for (mut command, answer) in receive {
                let _ = answer.send(command.spawn());
            }
        });
        send
    });
    let gone = || std::io::Error::other("the thread that starts processes is gone");
    let (send, receive) = mpsc::channel();
    forker.send((command, send)).map_err(|_| gone())?;
    receive.recv().map_err(|_| gone())?
}
