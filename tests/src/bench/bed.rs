//! One controller and some agents, started for a measure, and what can be read from outside of them.

use crate::{
    Failure,
    polling::until,
    ports,
    programs::{Agent, Cli, Controller},
    scratch::Scratch,
};
use model::RunId;
use proto::v1::{self, runs_client::RunsClient};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, path::PathBuf, time::Duration};
use tonic::transport::Channel;

/// The bound of setting up and of one command.
const SOON: Duration = Duration::from_secs(60);
/// The bound of all runs of one measure.
const RUNS: Duration = Duration::from_secs(300);
/// Kernel ticks in a second: what Linux tells programs, whatever it uses itself.
const TICKS_PER_SECOND: f64 = 100.0;

/// What is measured.
pub(super) struct Bed {
    pub controller: Controller,
    pub agents: BTreeMap<String, Agent>,
    cli: Cli,
    // The last to go: what lies in it belongs to those above.
    pub scratch: Scratch,
}

/// When a run began and ended by its journal, in microseconds, and how many steps it did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub requested: i64,
    pub ended: i64,
    pub steps: i64,
}

/// A step of a plan that asks how much space there is.
pub(super) fn no_op(name: &str, after: &[String], host: &str) -> String {
    let after = if after.is_empty() { String::new() } else { format!("after: [{}], ", after.join(", ")) };
    format!("  {name}: {{ {after}check: {{ checks: [space], hosts: [{host}] }} }}\n")
}

/// The name of a host, by its number.
pub(super) fn host(number: usize) -> String {
    format!("host-{number}")
}

impl Bed {
    /// Starts a controller with so many agents, all connected, and applies plans: names and steps.
    pub async fn set(hosts: usize, plans: &[(String, String)]) -> Result<Bed, Failure> {
        let scratch = Scratch::new("bench")?;
        let address: SocketAddr = ([127, 0, 0, 1], ports::free([127, 0, 0, 1].into())?).into();
        let policy = "version: 1\njobs: [check]\n";
        let mut agents = BTreeMap::new();
        for number in 0..hosts {
            let host = host(number);
            agents.insert(host.clone(), Agent::prepare(&scratch, &host, address, policy, "")?);
        }
        let estate = estate(agents.keys(), address);
        let mut bed = Bed::over(scratch, address, &estate, plans).await?;
        bed.agents = agents;
        bed.bring_agents().await?;
        Ok(bed)
    }

    /// Starts a controller without agents and applies an estate and plans to it.
    pub async fn over(
        scratch: Scratch,
        address: SocketAddr,
        estate: &str,
        plans: &[(String, String)],
    ) -> Result<Bed, Failure> {
        let mut controller = Controller::prepare(&scratch, address, "")?;
        // As it is shipped: the tests' own heartbeat is much faster.
        controller.set("LIFEBOAT_HEARTBEAT", "2s");
        scratch.folder("estate")?;
        scratch.write("estate/estate.yaml", estate)?;
        for (name, steps) in plans {
            let text = format!("plan: {name}\ntitle: Steps that do nothing\nsteps:\n{steps}");
            scratch.write(&format!("estate/{name}.yaml"), &text)?;
        }
        let cli = Cli::new(&scratch, "admin")?;
        let mut bed = Bed { controller, agents: BTreeMap::new(), cli, scratch };
        bed.controller.start().await?;
        bed.log_in().await?;
        let folder = bed.scratch.path().join("estate").display().to_string();
        bed.say(&["apply", "--yes", &folder]).await?;
        Ok(bed)
    }

    /// What a command of the admin prints.
    pub async fn say(&self, words: &[&str]) -> Result<String, Failure> {
        Ok(self.cli.run(words, SOON).await?.expect_code(0)?.stdout)
    }

    async fn log_in(&self) -> Result<(), Failure> {
        let token = self.controller.admin_token().await?;
        let file = self.scratch.write_secret("admin-token", &token)?.display().to_string();
        let address = self.controller.address().to_string();
        self.say(&["login", &address, "--token-file", &file]).await.map(drop)
    }

    /// Enrols and starts the agents, and waits until all are connected.
    pub async fn bring_agents(&mut self) -> Result<(), Failure> {
        for host in self.agents.keys().cloned().collect::<Vec<_>>() {
            let token = self.say(&["token", "create", "--host", &host]).await?;
            if let Some(agent) = self.agents.get_mut(&host) {
                agent.enrol(&self.scratch, token.trim()).await?;
                agent.start()?;
            }
        }
        self.until_connected().await
    }

    /// Waits until every agent is connected.
    pub async fn until_connected(&self) -> Result<(), Failure> {
        let wanted = self.agents.len();
        until("connected agents", SOON, async || {
            let status = self.cli.run(&["status", "--output", "json"], SOON).await;
            let status = status.and_then(|answer| answer.json()).map_err(|failure| failure.chain())?;
            let hosts = status["hosts"].as_array().cloned().unwrap_or_default();
            let up = hosts.iter().filter(|host| host["is"] == "up").count();
            if up == wanted { Ok(()) } else { Err(format!("{up} of {wanted} are up")) }
        })
        .await
    }

    /// A client with the login of the command line.
    pub fn runs(&self) -> Result<RunsClient<Channel>, Failure> {
        let read = |name: &str| {
            std::fs::read_to_string(self.cli.config().join(name)).map_err(Failure::io(format!("read {name}")))
        };
        runtime::tls::use_ring();
        let dial = runtime::tls::Dial::controller(&self.controller.address().to_string(), &read("ca.pem")?)
            .with_identity(&read("certificate.pem")?, &read("key.pem")?);
        let channel = runtime::tls::channel(&dial).map_err(|error| Failure::Unexpected(error.to_string()))?;
        Ok(RunsClient::new(channel))
    }

    /// Starts runs of a plan, all at once.
    pub async fn start(&self, plans: &[String]) -> Result<Vec<RunId>, Failure> {
        let client = self.runs()?;
        let start = async |plan: &String| {
            let what = Some(v1::start_request::What::Plan(plan.clone()));
            let request = v1::StartRequest { what, mode: v1::Mode::Live.into(), ..Default::default() };
            let answer = client.clone().start(request).await;
            let answer = answer.map_err(|status| Failure::Unexpected(status.to_string()))?.into_inner();
            let id = uuid::Uuid::from_slice(&answer.run);
            id.map(RunId).map_err(|error| Failure::Unexpected(error.to_string()))
        };
        futures::future::try_join_all(plans.iter().map(start)).await
    }

    /// Waits until all runs have succeeded, and reads their times.
    pub async fn times(&self, runs: &[RunId]) -> Result<Vec<Times>, Failure> {
        let mut all = Vec::with_capacity(runs.len());
        for run in runs {
            let times = until("the end of a run", RUNS, async || self.time(*run).await).await?;
            all.push(times);
        }
        Ok(all)
    }

    async fn time(&self, run: RunId) -> Result<Times, String> {
        let row: (i64, i64, i64, String, i64) = self
            .read(
                "select requested_at, ended_at, open, status, \
                 (select count(*) from journal where journal.run = runs.run \
                  and json_extract(event, '$.event') = 'step-succeeded') \
                 from runs where run = $1",
                run.to_string(),
            )
            .await?;
        match (row.2, row.3.as_str()) {
            (0, "succeeded") => Ok(Times { requested: row.0, ended: row.1, steps: row.4 }),
            (_, word) => Err(format!("{} steps done, {word}", row.4)),
        }
    }

    /// One row of the controller's database, read beside it.
    pub async fn read<T>(&self, query: &'static str, bound: String) -> Result<T, String>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
    {
        let mut connection = self.open(true).await.map_err(|failure| failure.chain())?;
        let row = sqlx::query_as(query).bind(bound).fetch_one(&mut connection).await;
        row.map_err(|error| error.to_string())
    }

    /// The controller's database.
    pub async fn open(&self, read_only: bool) -> Result<SqliteConnection, Failure> {
        let file = self.controller.data().join("lifeboat.sqlite");
        let options = SqliteConnectOptions::new().filename(&file).read_only(read_only);
        SqliteConnection::connect_with(&options).await.map_err(|source| Failure::Sql {
            server: file.display().to_string(),
            statement: "open".to_owned(),
            source,
        })
    }
}

fn estate<'a>(hosts: impl Iterator<Item = &'a String> + Clone, controller: SocketAddr) -> String {
    let mut text = format!(
        "regions: {{ one: {{}} }}\ncontrollers: {{ main: {{ region: one, at: \"{controller}\" }} }}\nhosts:\n"
    );
    let mut services = String::from("services:\n  idle:\n    kind: process\n    hosts:\n");
    for host in hosts {
        let _ = writeln!(text, "  {host}: {{ region: one }}");
        let _ = writeln!(services, "      {host}: {{ run: [/bin/sleep, infinity] }}");
    }
    text + &services + "checks:\n  space: { of: idle, monitor: false, disk: { path: /, free: 1B } }\n"
}

/// A figure of a process: `VmRSS` or `VmHWM` of its status, in MiB.
pub(super) fn memory_mib(pid: u32, what: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kib: f64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default();
    kib / 1024.0
}

/// Processor time that a process has used, in seconds.
pub(super) fn cpu_seconds(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> =
        text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let field =
        |number: usize| fields.get(number).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    // User and system time: fields 14 and 15 of the whole line, 11 and 12 after the name and its state.
    (field(11) + field(12)) / TICKS_PER_SECOND
}

/// Where a measure keeps a file of its own: on the disk of journal and spools.
pub(super) fn beside(bed: &Bed, name: &str) -> PathBuf {
    bed.scratch.path().join(name)
}
