//! A small estate with real programs, to have bad days with: one controller, a host or two, and scripts
//! that count how often they really ran.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use engine::view::View;
use model::RunId;
use proto::v1::{self, runs_client::RunsClient};
use sha2::Digest as _;
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tests::{
    link::Link,
    polling::until,
    ports,
    programs::{Agent, Answer, Cli, Controller},
    scratch::Scratch,
    small_disk::SmallDisk,
};

/// The bound of everything that should take moments.
pub const SOON: Duration = Duration::from_secs(30);

/// What a world is made of, before it is started.
pub struct Plans {
    scratch: Scratch,
    hosts: Vec<String>,
    scripts: BTreeMap<String, PathBuf>,
    plans: BTreeMap<String, String>,
    estate: String,
    policy: String,
    telemetry: String,
    agent_telemetry: String,
    through_a_link: bool,
    apart: bool,
    data_kib: Option<u32>,
    ports: BTreeMap<String, (SocketAddr, SocketAddr)>,
}

/// A running controller with its agents and a person who is logged in.
pub struct World {
    pub controller: Controller,
    pub agents: BTreeMap<String, Agent>,
    pub cli: Cli,
    /// What the agents dial through, when they do.
    pub link: Option<Link>,
    /// What each agent dials through, when they are apart.
    pub links: BTreeMap<String, Link>,
    /// The small disk of the controller's data, when it has one.
    pub disk: Option<SmallDisk>,
    scripts: BTreeMap<String, PathBuf>,
    estate: PathBuf,
    // The last to go: what lies in it belongs to those above.
    pub scratch: Scratch,
}

/// One row of a journal.
#[derive(Debug, Clone)]
pub struct Row {
    pub sequence: i64,
    pub epoch: i64,
    pub event: serde_json::Value,
}

impl Row {
    /// The event's name.
    pub fn kind(&self) -> &str {
        self.event["event"].as_str().unwrap_or_default()
    }
}

impl Plans {
    /// Nothing yet but a folder and the host `east-1`.
    pub fn new(name: &str) -> Self {
        let scratch = Scratch::new(name).unwrap();
        for folder in ["ran", "gates", "scripts", "estate"] {
            scratch.folder(folder).unwrap();
        }
        Self {
            scratch,
            hosts: vec!["east-1".to_owned()],
            scripts: BTreeMap::new(),
            plans: BTreeMap::new(),
            estate: String::new(),
            policy: String::new(),
            telemetry: String::new(),
            agent_telemetry: String::new(),
            through_a_link: false,
            apart: false,
            data_kib: None,
            ports: BTreeMap::new(),
        }
    }

    /// The scratch folder, for servers that stand beside.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// The scratch folder as text.
    pub fn folder(&self) -> String {
        self.scratch.path().display().to_string()
    }

    /// A file that only its owner may read.
    pub fn secret(self, name: &str, text: &str) -> Self {
        self.scratch.write_secret(name, text).unwrap();
        self
    }

    /// One more host, in the other region.
    pub fn host(mut self, name: &str) -> Self {
        self.hosts.push(name.to_owned());
        self
    }

    /// Lets the agent of a host listen for other members, who dial it at `at`.
    pub fn listens(mut self, host: &str, listen: SocketAddr, at: SocketAddr) -> Self {
        self.ports.insert(host.to_owned(), (listen, at));
        self
    }

    /// A script that notes each of its executions, then does `body`, and is on every policy's list.
    pub fn script(mut self, name: &str, body: &str) -> Self {
        let ran = self.scratch.path().join("ran").join(name);
        let text = format!("#!/bin/sh\necho $$ >> {}\n{body}\n", ran.display());
        let path = self.scratch.write(&format!("scripts/{name}"), &text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self.scripts.insert(name.to_owned(), path);
        self
    }

    /// A script that waits until the gate of its name is opened.
    pub fn gated(self, name: &str) -> Self {
        let gate = self.gate(name);
        self.script(name, &format!("while [ ! -e {} ]; do sleep 0.02; done\necho through", gate.display()))
    }

    fn gate(&self, name: &str) -> PathBuf {
        self.scratch.path().join("gates").join(name)
    }

    /// A plan; its steps may write `SCRIPT(name)` for the path of a script.
    pub fn plan(mut self, name: &str, steps: &str) -> Self {
        let text = format!("plan: {name}\ntitle: The plan {name}\nsteps:\n{}", self.filled(steps));
        self.plans.insert(name.to_owned(), text);
        self
    }

    /// More of the estate's top-level keys.
    pub fn estate(mut self, text: &str) -> Self {
        let text = self.filled(text);
        self.estate.push_str(&text);
        self
    }

    /// More lines for each host's policy; REGION is the host's own.
    pub fn policy(mut self, text: &str) -> Self {
        let text = self.filled(text);
        self.policy.push_str(&text);
        self
    }

    /// The section `telemetry` of the controller's settings and of the agents'.
    pub fn telemetry(mut self, controller: &str, agents: &str) -> Self {
        controller.clone_into(&mut self.telemetry);
        agents.clone_into(&mut self.agent_telemetry);
        self
    }

    /// More lines for the agents' settings.
    pub fn agents(mut self, text: &str) -> Self {
        self.agent_telemetry.push_str(text);
        self
    }

    /// More lines for the controller's settings.
    pub fn controller(mut self, text: &str) -> Self {
        self.telemetry.push_str(text);
        self
    }

    /// Lets the agents dial through a link that can be cut.
    pub fn through_a_link(mut self) -> Self {
        self.through_a_link = true;
        self
    }

    /// Lets each agent dial through a link of its own.
    pub fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// Gives the controller's data a disk of its own, of so many KiB.
    pub fn small_disk(mut self, kib: u32) -> Self {
        self.data_kib = Some(kib);
        self
    }

    fn filled(&self, text: &str) -> String {
        fill(text, &self.scripts).replace("SCRATCH", &self.scratch.path().display().to_string())
    }

    fn policy_text(&self) -> String {
        let mut text = String::from(
            "version: 1\njobs: [command, check, service, backup, restore, prove, retain, fence, promote, rejoin, unfence]\nscripts:\n",
        );
        for path in self.scripts.values() {
            let digest = hex::encode(sha2::Sha256::digest(std::fs::read(path).unwrap()));
            writeln!(text, "  - {{ path: {}, sha256: {digest} }}", path.display()).unwrap();
        }
        text.push_str(&self.policy);
        text
    }

    /// Starts the controller, logs in, applies the estate, enrols and starts each agent, and waits
    /// until all are connected.
    pub async fn start(self) -> World {
        let address: SocketAddr = ([127, 0, 0, 1], ports::free([127, 0, 0, 1].into()).unwrap()).into();
        let mut disk = None;
        if let Some(kib) = self.data_kib {
            disk = Some(SmallDisk::mount(&self.scratch, "controller", kib).await.unwrap());
        }
        let mut link = None;
        if self.through_a_link {
            link = Some(Link::to(address).await.unwrap());
        }
        let mut links = BTreeMap::new();
        for host in self.hosts.iter().filter(|_| self.apart) {
            links.insert(host.clone(), Link::to(address).await.unwrap());
        }
        let dialled = link.as_ref().map_or(address, Link::address);
        let controller = Controller::prepare(&self.scratch, address, &self.telemetry).unwrap();
        let cli = Cli::new(&self.scratch, "admin").unwrap();
        let policy = self.policy_text();
        let prepare = |host: &String| {
            let dialled = links.get(host).map_or(dialled, Link::address);
            let policy = policy.replace("REGION", host.split('-').next().unwrap());
            let mut agent =
                Agent::prepare(&self.scratch, host, dialled, &policy, &self.agent_telemetry).unwrap();
            let run = self.scratch.path().join(format!("run-{host}"));
            agent.set("LIFEBOAT_RUN", &run.display().to_string());
            if let Some((listen, _)) = self.ports.get(host) {
                agent.set("LIFEBOAT_LISTEN", &listen.to_string());
            }
            (host.clone(), agent)
        };
        let agents = self.hosts.iter().map(prepare).collect();
        let line = |host: &String| {
            let at = self.ports.get(host).map(|(_, at)| format!(", at: \"{at}\"")).unwrap_or_default();
            format!("  {host}: {{ region: {}{at} }}\n", host.split('-').next().unwrap())
        };
        let hosts: String = self.hosts.iter().map(line).collect();
        let estate = format!(
            "regions: {{ east: {{}}, west: {{}} }}\nhosts:\n{hosts}controllers:\n  main: {{ region: west, at: \"{address}\" }}\n{}",
            self.estate
        );
        self.scratch.write("estate/estate.yaml", &estate).unwrap();
        for (name, text) in &self.plans {
            self.scratch.write(&format!("estate/{name}.yaml"), text).unwrap();
        }
        let folder = self.scratch.path().join("estate");
        let (scratch, scripts) = (self.scratch, self.scripts);
        let mut world =
            World { scratch, controller, agents, cli, link, links, disk, scripts, estate: folder };
        world.controller.start().await.unwrap();
        world.log_in().await;
        world.apply().await.expect_code(0).unwrap();
        world.bring_agents().await;
        world
    }
}

fn fill(text: &str, scripts: &BTreeMap<String, PathBuf>) -> String {
    let path = |text: String, (name, path): (&String, &PathBuf)| {
        text.replace(&format!("SCRIPT({name})"), &path.display().to_string())
    };
    scripts.iter().fold(text.to_owned(), path)
}

impl World {
    async fn log_in(&self) {
        let token = self.controller.admin_token().await.unwrap();
        let file = self.scratch.write_secret("admin-token", &token).unwrap();
        let address = self.controller.address().to_string();
        let file = file.display().to_string();
        self.say(&["login", &address, "--token-file", &file]).await.expect_code(0).unwrap();
    }

    async fn bring_agents(&mut self) {
        let hosts: Vec<String> = self.agents.keys().cloned().collect();
        for host in &hosts {
            let token = self.token(host, "15m").await;
            self.agents[host].enrol(&self.scratch, &token).await.unwrap();
            self.agent(host).start().unwrap();
        }
        for host in &hosts {
            self.until_connected(host).await;
        }
    }

    /// A one-time token for a host.
    pub async fn token(&self, host: &str, lives: &str) -> String {
        let made = self.say(&["token", "create", "--host", host, "--lives", lives]).await;
        made.expect_code(0).unwrap().stdout.trim().to_owned()
    }

    /// The agent of a host.
    pub fn agent(&mut self, host: &str) -> &mut Agent {
        self.agents.get_mut(host).unwrap()
    }

    /// What the command line answers.
    pub async fn say(&self, arguments: &[&str]) -> Answer {
        self.cli.run(arguments, SOON * 2).await.unwrap()
    }

    /// Applies the estate's folder.
    pub async fn apply(&self) -> Answer {
        self.say(&["apply", "--yes", &self.estate.display().to_string()]).await
    }

    /// Writes a plan anew, not applied.
    pub fn rewrite(&self, name: &str, steps: &str) {
        let text = format!("plan: {name}\ntitle: Edited\nsteps:\n{}", fill(steps, &self.scripts));
        self.scratch.write(&format!("estate/{name}.yaml"), &text).unwrap();
    }

    /// Waits until the controller counts a host as connected.
    pub async fn until_connected(&self, host: &str) {
        until(&format!("a connection of {host}"), SOON, async || {
            let status = self.say(&["status", "--output", "json"]).await;
            let hosts = status.json().map_err(|failure| failure.chain())?["hosts"].clone();
            let up = hosts.as_array().into_iter().flatten().any(|row| {
                let text = row.to_string();
                text.contains(&format!("\"{host}\""))
                    && (text.contains("\"up\"") || text.contains("connected"))
            });
            if up { Ok(()) } else { Err(hosts.to_string()) }
        })
        .await
        .unwrap();
    }

    /// Starts a run of a plan and gives its id.
    pub async fn run(&self, plan: &str) -> RunId {
        let started = self.say(&["run", plan, "--detach", "--output", "json"]).await.expect_code(0).unwrap();
        started.json().unwrap()["run"].as_str().unwrap().parse().unwrap()
    }

    /// Starts a run of a plan while the controller is about to die: the answer may be lost, the run is not.
    pub async fn run_and_lose_the_controller(&mut self, plan: &str) -> RunId {
        let _ = self.cli.run(&["run", plan, "--detach"], SOON).await;
        self.controller.wait_until_it_ends(SOON).await.unwrap();
        let rows = self.rows("select run from runs order by run desc limit 1").await;
        rows[0].get::<String, _>(0).parse().unwrap()
    }

    /// A client for runs, with the login of the command line.
    pub fn runs(&self) -> RunsClient<tonic::transport::Channel> {
        let read = |name: &str| std::fs::read_to_string(self.cli.config().join(name)).unwrap();
        runtime::tls::use_ring();
        let dial = runtime::tls::Dial::controller(&self.controller.address().to_string(), &read("ca.pem"))
            .with_identity(&read("certificate.pem"), &read("key.pem"));
        RunsClient::new(runtime::tls::channel(&dial).unwrap())
    }

    /// The controller's view of a run.
    pub async fn try_view(&self, run: RunId) -> Result<View, String> {
        let request = v1::ShowRunRequest { run: run.0.as_bytes().to_vec() };
        let shown = self.runs().show(request).await.map_err(|status| status.to_string())?;
        serde_json::from_slice(&shown.into_inner().view_json).map_err(|error| error.to_string())
    }

    /// Waits for a view of a run that is as wanted.
    pub async fn until_view(&self, run: RunId, what: &str, wanted: impl Fn(&View) -> bool) -> View {
        self.until_view_within(run, what, SOON, wanted).await
    }

    /// The same with a bound of its own.
    pub async fn until_view_within(
        &self,
        run: RunId,
        what: &str,
        within: Duration,
        wanted: impl Fn(&View) -> bool,
    ) -> View {
        until(what, within, async || {
            let view = self.try_view(run).await?;
            if wanted(&view) { Ok(view) } else { Err(format!("{view:#?}")) }
        })
        .await
        .unwrap()
    }

    /// Waits until a run has ended.
    pub async fn until_over(&self, run: RunId) -> View {
        self.until_view(run, "the end of the run", |view| !view.is_open()).await
    }

    /// The view of a run that ended or failed to within a time; none when it goes on.
    pub async fn until_ended(&self, run: RunId, within: Duration) -> Option<View> {
        let ended = until("the end of the run", within, async || {
            let view = self.try_view(run).await?;
            let failed = view.steps.iter().any(|step| step.state == "failed");
            if !view.is_open() || failed { Ok(view) } else { Err(view.status) }
        });
        ended.await.ok()
    }

    /// Waits until a run has succeeded, and asserts that it did.
    pub async fn until_success(&self, run: RunId) -> View {
        let view = self.until_over(run).await;
        assert_eq!(view.status, "succeeded", "{view:#?}");
        view
    }

    /// How often a script was begun.
    pub fn count(&self, script: &str) -> usize {
        self.pids(script).len()
    }

    /// The processes that ran a script.
    pub fn pids(&self, script: &str) -> Vec<u32> {
        let text = std::fs::read_to_string(self.scratch.path().join("ran").join(script)).unwrap_or_default();
        text.lines().filter_map(|line| line.trim().parse().ok()).collect()
    }

    /// Waits until a script has begun.
    pub async fn until_begun(&self, script: &str) {
        until(&format!("the begin of {script}"), SOON, async || match self.count(script) {
            0 => Err("it did not run".to_owned()),
            _ => Ok(()),
        })
        .await
        .unwrap();
    }

    /// Waits until no process of a script is left.
    pub async fn until_gone(&self, script: &str) {
        until(&format!("the end of {script}"), SOON, async || {
            let left: Vec<u32> =
                self.pids(script).into_iter().filter(|pid| tests::process::alive(*pid)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await
        .unwrap();
    }

    /// Lets a gated script go on.
    pub fn open(&self, gate: &str) {
        self.scratch.write(&format!("gates/{gate}"), "").unwrap();
    }

    /// Kills the controller at a crash point's next pass after its next start.
    pub async fn restart_controller(&mut self, crash_at: &str) {
        self.controller.kill();
        self.controller.set("LIFEBOAT_CRASH_AT", crash_at);
        self.controller.start().await.unwrap();
    }

    /// Kills an agent and starts it with a crash point; an empty one is none.
    pub async fn restart_agent(&mut self, host: &str, crash_at: &str) {
        let agent = self.agent(host);
        agent.kill();
        agent.set("LIFEBOAT_CRASH_AT", crash_at);
        agent.start().unwrap();
        self.until_connected(host).await;
    }

    /// The controller's database file.
    pub fn database(&self) -> PathBuf {
        let files = std::fs::read_dir(self.controller.data()).unwrap();
        let found = files.map(|file| file.unwrap().path()).find(|path| is_database(path));
        found.expect("a database in the data folder")
    }

    /// Rows of the controller's database, read beside it.
    pub async fn rows(&self, query: &'static str) -> Vec<sqlx::sqlite::SqliteRow> {
        let options = SqliteConnectOptions::new().filename(self.database());
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query(query).fetch_all(&mut connection).await.unwrap()
    }

    /// The journal of a run.
    pub async fn journal(&self, run: RunId) -> Vec<Row> {
        let run = run.to_string();
        let rows = self.rows("select run, sequence, epoch, event from journal order by run, sequence").await;
        let own = rows.into_iter().filter(|row| row.get::<String, _>(0) == run);
        own.map(|row| Row {
            sequence: row.get(1),
            epoch: row.get(2),
            event: serde_json::from_str(&row.get::<String, _>(3)).unwrap(),
        })
        .collect()
    }

    /// Changes the database behind the back of a controller that does not run.
    pub async fn tamper(&self, statements: &'static [&'static str]) {
        let options = SqliteConnectOptions::new().filename(self.database());
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        for statement in statements {
            sqlx::query(*statement).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    }

    /// The controller's log until now.
    pub fn controller_log(&self) -> String {
        std::fs::read_to_string(self.controller.log()).unwrap_or_default()
    }
}

fn is_database(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3"))
}

/// One step of a view.
pub fn step<'a>(view: &'a View, path: &str) -> &'a engine::view::StepView {
    view.steps.iter().find(|step| step.path.as_str() == path).expect("the step")
}
