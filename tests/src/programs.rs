//! The lifeboat programs themselves, as they are built: `lifeboat-controller`, `lifeboat-agent` and
//! `lifeboat`, started with settings written for them.
//!
//! They are found beside the program that runs (a test, or the demo), where `cargo build
//! --workspace --bins` puts them.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    Failure,
    polling::until,
    process::{Process, Spec, kill_services_below},
    scratch::Scratch,
};

/// The bound of starting, enrolling, stopping.
const SETUP: Duration = Duration::from_secs(30);
/// How long a program may take to stop in good order.
const GRACE: Duration = Duration::from_secs(15);
/// How often agents say that they live, in these tests: silence is noticed fast.
const HEARTBEAT: &str = "300ms";

/// The path of one of our programs.
///
/// # Errors
/// [`Failure::Missing`] when it has not been built.
pub fn program(name: &str) -> Result<PathBuf, Failure> {
    let here = std::env::current_exe().map_err(Failure::io("find this program"))?;
    // A test lies in `deps`, one below the programs.
    let found = here.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::Unexpected(format!("{name} is not built: run `cargo build --workspace --bins`"))
    })
}

/// A controller with its embedded store.
#[derive(Debug)]
pub struct Controller {
    address: SocketAddr,
    data: PathBuf,
    settings: PathBuf,
    log: PathBuf,
    environment: Vec<(String, String)>,
    process: Option<Process>,
}

impl Controller {
    /// Writes its settings; it is not started. `more` is appended to the settings file.
    ///
    /// # Errors
    /// [`Failure::Io`] when the settings cannot be written.
    pub fn prepare(scratch: &Scratch, address: SocketAddr, more: &str) -> Result<Self, Failure> {
        Self::named(scratch, "main", "controller", address, more)
    }

    /// The same with a name of its own, and a folder and files that are called `file`.
    ///
    /// # Errors
    /// [`Failure::Io`] when the settings cannot be written.
    pub fn named(
        scratch: &Scratch,
        name: &str,
        file: &str,
        address: SocketAddr,
        more: &str,
    ) -> Result<Self, Failure> {
        let data = scratch.path().join(file);
        let settings = format!(
            "name: {name}\ndata: {data}\nlisten: \"{address}\"\nnames: [\"{ip}\"]\nheartbeat: {HEARTBEAT}\nadmin-token-file: true\n{more}",
            data = data.display(),
            ip = address.ip(),
        );
        let settings = scratch.write(&format!("{file}.yaml"), &settings)?;
        let log = scratch.log(file);
        Ok(Self { address, data, settings, log, environment: Vec::new(), process: None })
    }

    /// Sets a variable of its environment for the next starts; an empty value takes it away.
    pub fn set(&mut self, key: &str, value: &str) {
        self.environment.retain(|(known, _)| known != key);
        if !value.is_empty() {
            self.environment.push((key.to_owned(), value.to_owned()));
        }
    }

    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// [`Failure::Ended`] with its log when it does not come up.
    pub async fn start(&mut self) -> Result<(), Failure> {
        let argv = [program("lifeboat-controller")?, "--config".into(), self.settings.clone()];
        let argv = argv.iter().map(|word| word.display().to_string());
        let mut spec = Spec::new("controller", self.log.clone(), argv);
        spec.env.clone_from(&self.environment);
        let process = self.process.insert(spec.start()?);
        let address = self.address;
        let listens = until("a listening controller", SETUP, async || {
            process.alive().map_err(|failure| failure.chain())?;
            tokio::net::TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
        // Its own words are better than our time-out.
        process.alive()?;
        listens
    }

    /// The admin token of its first start.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] when it wrote none.
    pub async fn admin_token(&self) -> Result<String, Failure> {
        let path = self.data.join("admin-token-once");
        until("the admin token", SETUP, || async {
            std::fs::read_to_string(&path)
                .map(|text| text.trim().to_owned())
                .map_err(|error| error.to_string())
        })
        .await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder of its store.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The id of its process, 0 while there is none.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().map_or(0, Process::id)
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Stops it in good order.
    pub async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::TERM, GRACE).await;
        }
    }

    /// Waits until it ended by itself (at a crash point).
    ///
    /// # Errors
    /// [`Failure::TimedOut`] when it goes on.
    pub async fn wait_until_it_ends(&mut self, within: Duration) -> Result<(), Failure> {
        match self.process.as_mut() {
            Some(process) => process.ended(within).await.map(drop),
            None => Ok(()),
        }
    }

    /// Freezes it, as a machine that hangs.
    pub fn freeze(&self) {
        if let Some(process) = &self.process {
            process.freeze();
        }
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        if let Some(process) = &self.process {
            process.thaw();
        }
    }
}

/// An agent of one host.
#[derive(Debug)]
pub struct Agent {
    host: String,
    controller: SocketAddr,
    state: PathBuf,
    settings: PathBuf,
    log: PathBuf,
    environment: Vec<(String, String)>,
    process: Option<Process>,
}

impl Agent {
    /// Writes settings and policy of `host`; it is neither enrolled nor started. `more` is appended
    /// to the settings file.
    ///
    /// # Errors
    /// [`Failure::Io`] when they cannot be written.
    pub fn prepare(
        scratch: &Scratch,
        host: &str,
        controller: SocketAddr,
        policy: &str,
        more: &str,
    ) -> Result<Self, Failure> {
        let state = scratch.folder(&format!("agent-{host}"))?;
        let policy = scratch.write(&format!("agent-{host}-policy.yaml"), policy)?;
        let settings = format!(
            "host: {host}\ncontrollers: [\"{controller}\"]\nstate: {state}\npolicy: {policy}\n{more}",
            state = state.display(),
            policy = policy.display(),
        );
        let settings = scratch.write(&format!("agent-{host}.yaml"), &settings)?;
        let log = scratch.log(&format!("agent-{host}"));
        let host = host.to_owned();
        Ok(Self { host, controller, state, settings, log, environment: Vec::new(), process: None })
    }

    /// Another machine with a copy of all its files, not started: what comes of cloning a disk.
    ///
    /// # Errors
    /// [`Failure`] when they cannot be copied.
    pub fn copied(&self, scratch: &Scratch) -> Result<Self, Failure> {
        let state = scratch.path().join(format!("copy-of-{}", self.host));
        let copied = std::process::Command::new("cp").arg("-a").arg(&self.state).arg(&state).status();
        if !copied.is_ok_and(|status| status.success()) {
            return Err(Failure::Unexpected(format!("{} was not copied", self.state.display())));
        }
        let settings = std::fs::read_to_string(&self.settings).unwrap_or_default();
        // The whole line: names of other files begin in the same way.
        let line = |state: &Path| format!("state: {}\n", state.display());
        let settings = settings.replace(&line(&self.state), &line(&state));
        let settings = scratch.write(&format!("copy-of-{}.yaml", self.host), &settings)?;
        let (host, log) = (self.host.clone(), scratch.log(&format!("copy-of-{}", self.host)));
        let environment = self.environment.clone();
        Ok(Self { host, controller: self.controller, state, settings, log, environment, process: None })
    }

    /// Sets a variable of its environment for the next starts; an empty value takes it away.
    pub fn set(&mut self, key: &str, value: &str) {
        self.environment.retain(|(known, _)| known != key);
        if !value.is_empty() {
            self.environment.push((key.to_owned(), value.to_owned()));
        }
    }

    /// Gets its certificate for a one-time token.
    ///
    /// # Errors
    /// [`Failure::Ended`] with the agent's words when it is refused.
    pub async fn enrol(&self, scratch: &Scratch, token: &str) -> Result<(), Failure> {
        let file = scratch.write_secret(&format!("agent-{}-token", self.host), token)?;
        let controller = self.controller.to_string();
        let mut argv = self.argv("enrol")?;
        argv.extend([
            "--controller".to_owned(),
            controller,
            "--token-file".to_owned(),
            file.display().to_string(),
        ]);
        Spec::new(&format!("enrolment of {}", self.host), self.log.clone(), argv).run(SETUP).await
    }

    /// Starts it. Whether it is connected is the controller's to say.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be started.
    pub fn start(&mut self) -> Result<(), Failure> {
        let mut spec = Spec::new(&format!("agent {}", self.host), self.log.clone(), self.argv("run")?);
        spec.env.clone_from(&self.environment);
        self.process = Some(spec.start()?);
        Ok(())
    }

    fn argv(&self, verb: &str) -> Result<Vec<String>, Failure> {
        let program = program("lifeboat-agent")?.display().to_string();
        Ok(vec![program, verb.to_owned(), "--config".to_owned(), self.settings.display().to_string()])
    }

    /// `Ok` while it runs.
    ///
    /// # Errors
    /// [`Failure::Ended`] with its last log lines.
    pub fn alive(&mut self) -> Result<(), Failure> {
        match self.process.as_mut() {
            Some(process) => process.alive(),
            None => Err(Failure::Unexpected(format!("the agent of {} was not started", self.host))),
        }
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Kills the agent alone with SIGKILL: the services that it supervises go on.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_alone();
        }
    }

    /// Kills the agent and all services of its host with SIGKILL: the machine is gone.
    pub fn kill_host(&mut self) {
        self.process = None;
        kill_services_below(&self.state);
    }

    /// Stops it in good order.
    pub async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::TERM, GRACE).await;
        }
    }

    /// Waits until it ended by itself (at a crash point).
    ///
    /// # Errors
    /// [`Failure::TimedOut`] when it goes on.
    pub async fn wait_until_it_ends(&mut self, within: Duration) -> Result<(), Failure> {
        match self.process.as_mut() {
            Some(process) => process.ended(within).await.map(drop),
            None => Ok(()),
        }
    }

    /// Freezes it, as a machine that hangs; its services go on.
    pub fn freeze(&self) {
        if let Some(process) = &self.process {
            process.freeze();
        }
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        if let Some(process) = &self.process {
            process.thaw();
        }
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The folder of its durable state.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill_host();
    }
}

/// The watchdog of one host.
#[derive(Debug)]
pub struct Watchdog {
    folder: PathBuf,
    log: PathBuf,
    process: Option<Process>,
}

impl Watchdog {
    /// One that shares `folder` with its agent; not started.
    #[must_use]
    pub fn prepare(scratch: &Scratch, host: &str, folder: &Path) -> Self {
        Self { folder: folder.to_owned(), log: scratch.log(&format!("watchdog-{host}")), process: None }
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// [`Failure`] when it does not come up.
    pub async fn start(&mut self) -> Result<(), Failure> {
        let program = program("lifeboat-watchdog")?.display().to_string();
        let argv = [program, "--folder".to_owned(), self.folder.display().to_string()];
        self.process = Some(Spec::new("watchdog", self.log.clone(), argv).start()?);
        let socket = self.folder.join("watchdog.sock");
        until("a watchdog", SETUP, async || {
            tokio::net::UnixStream::connect(&socket).await.map(drop).map_err(|error| error.to_string())
        })
        .await
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }
}

/// What a command of the CLI answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its exit code; -1 when it was killed.
    pub code: i32,
    /// Standard output: data.
    pub stdout: String,
    /// Standard error: everything else.
    pub stderr: String,
    /// The command line, for failures.
    pub line: String,
}

impl Answer {
    /// The answer when its exit code is `code`.
    ///
    /// # Errors
    /// [`Failure::Unexpected`] with all that it said when it is another.
    pub fn expect_code(self, code: i32) -> Result<Self, Failure> {
        if self.code == code {
            return Ok(self);
        }
        let mut text = format!("`{}` ended with code {}, not {code}", self.line, self.code);
        let _ = write!(text, "\n{}\n{}", self.stdout, self.stderr);
        Err(Failure::Unexpected(text))
    }

    /// Standard output as JSON.
    ///
    /// # Errors
    /// [`Failure::Unexpected`] when it is none.
    pub fn json(&self) -> Result<serde_json::Value, Failure> {
        serde_json::from_str(&self.stdout).map_err(|error| {
            Failure::Unexpected(format!("`{}` printed no JSON ({error}): {}", self.line, self.stdout))
        })
    }
}

/// The `lifeboat` command with a configuration of its own.
#[derive(Debug, Clone)]
pub struct Cli {
    config: PathBuf,
    environment: Vec<(String, String)>,
}

impl Cli {
    /// A command whose profile lies in the scratch folder under `name`.
    ///
    /// # Errors
    /// [`Failure::Io`] when the folder cannot be made.
    pub fn new(scratch: &Scratch, name: &str) -> Result<Self, Failure> {
        let config = scratch.folder(&format!("cli-{name}"))?;
        Ok(Self { config, environment: Vec::new() })
    }

    /// The same with one more variable in its environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// The folder of its profile, as `LIFEBOAT_CONFIG`.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// A prepared command: to be run in a terminal, or with input of its own.
    ///
    /// # Errors
    /// [`Failure`] when the program is not built.
    pub fn command(&self, arguments: &[&str]) -> Result<tokio::process::Command, Failure> {
        let mut command = tokio::process::Command::new(program("lifeboat")?);
        command.args(arguments).env("LIFEBOAT_CONFIG", &self.config).envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    /// Runs a verb to its end, at most `within`.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] when it does not end; it is killed then.
    pub async fn run(&self, arguments: &[&str], within: Duration) -> Result<Answer, Failure> {
        let line = format!("lifeboat {}", arguments.join(" "));
        let output = self.command(arguments)?.output();
        let timed_out = |_| Failure::TimedOut { what: line.clone(), within, last: "no end".to_owned() };
        let output = tokio::time::timeout(within, output).await.map_err(timed_out)?;
        let output = output.map_err(Failure::io(format!("start {line}")))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Ok(Answer { code, stdout: text(output.stdout), stderr: text(output.stderr), line })
    }
}
