//! A controller process in a folder of its own, and the clients that talk with it.

use model::RunId;
use proto::v1;
use proto::v1::agent_link_client::AgentLinkClient;
use proto::v1::enrolment_client::EnrolmentClient;
use proto::v1::estate_client::EstateClient;
use proto::v1::fleet_client::FleetClient;
use proto::v1::runs_client::RunsClient;
use runtime::tls::{Dial, JoinToken, Keys, channel, pin};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tonic::transport::Channel;

/// How long anything may take here.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const ESTATE: &str = "
regions: { west: {} }
hosts: { h1: { region: west }, h2: { region: west } }
services:
  app: { kind: systemd, unit: app.service, hosts: [h1] }
  web: { kind: systemd, unit: web.service, hosts: [h2] }
";

pub const TWO_STEPS: &str = "
plan: two-steps
title: Stop the app, then start it
steps:
  stop: { stop: { services: [app], hosts: [h1] } }
  start: { after: stop, start: { services: [app], hosts: [h1] } }
";

pub const OTHER: &str = "
plan: other
title: Restart the web
steps:
  restart: { restart: { services: [web], hosts: [h2] } }
";

pub struct House {
    pub folder: tempfile::TempDir,
    child: Option<Child>,
    pub address: String,
    pub admin_token: String,
}

/// Who somebody is.
#[derive(Clone)]
pub struct Papers {
    pub certificate: String,
    pub key: String,
    pub ca: String,
}

fn spawn(data: &Path, listen: &str) -> (Child, String, Option<String>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lifeboat-controller"))
        .args(["--data", data.to_str().unwrap(), "--listen", listen])
        .env("LIFEBOAT_HEARTBEAT", "200ms")
        .env("LIFEBOAT_LOG", "warn,controller=debug")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().expect("it says where it listens").unwrap();
    let address = first.strip_prefix("listening on ").unwrap().to_string();
    // The token's line comes in the same write as the address, at the first start alone.
    let token = if data.join("seen").exists() {
        None
    } else {
        std::fs::write(data.join("seen"), "").unwrap();
        Some(lines.next().unwrap().unwrap().strip_prefix("admin token: ").unwrap().to_string())
    };
    (child, address, token)
}

impl House {
    pub fn start() -> House {
        let folder = tempfile::tempdir().unwrap();
        let (child, address, token) = spawn(folder.path(), "127.0.0.1:0");
        House { folder, child: Some(child), address, admin_token: token.unwrap() }
    }

    /// A controller with the two plans in force.
    pub async fn with_plans() -> (House, Person) {
        let house = House::start();
        let person = house.person().await;
        person.apply(&[("estate.yaml", ESTATE), ("two.yaml", TWO_STEPS), ("other.yaml", OTHER)]).await;
        (house, person)
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn process(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(self.child.as_ref().unwrap())
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.process(), signal).unwrap();
    }

    /// SIGTERM, and its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.child.take().unwrap().wait().unwrap().code()
    }

    pub fn restart(&mut self) {
        let (child, address, _) = spawn(self.folder.path(), &self.address);
        assert_eq!(address, self.address);
        self.child = Some(child);
    }

    pub fn dial(&self, papers: &Papers) -> Dial {
        Dial::controller(&self.address, &papers.ca).with_identity(&papers.certificate, &papers.key)
    }

    pub async fn nobody(&self) -> Channel {
        let hash = JoinToken::parse(&self.admin_token).unwrap().ca_hash().to_string();
        let ca = pin::fetch(&self.address, &hash).await.unwrap();
        channel(&Dial::controller(&self.address, &ca)).unwrap()
    }

    pub async fn papers_of(&self, user: &str) -> Papers {
        let keys = Keys::make().unwrap();
        let request = v1::LoginRequest {
            token: self.admin_token.clone(),
            user: user.to_string(),
            csr_pem: keys.request().unwrap(),
        };
        let answer = EnrolmentClient::new(self.nobody().await).login(request).await.unwrap().into_inner();
        Papers { certificate: answer.certificate_pem, key: keys.pem().to_string(), ca: answer.ca_pem }
    }

    pub async fn person(&self) -> Person {
        let papers = self.papers_of("ada").await;
        let channel = channel(&self.dial(&papers)).unwrap();
        Person { channel, papers }
    }

    /// A token of their own for a person of the estate.
    pub async fn token_of(&self, admin: &Person, user: &str) -> Result<String, tonic::Status> {
        let create = v1::CreateTokenRequest { host: String::new(), lives_ms: 0, user: user.to_string() };
        let made = EnrolmentClient::new(admin.channel.clone()).create_token(create).await?;
        Ok(made.into_inner().token)
    }

    /// Somebody who logs in with that token.
    pub async fn login(&self, token: &str, user: &str) -> Result<Person, tonic::Status> {
        let keys = Keys::make().unwrap();
        let (token, user, csr_pem) = (token.to_string(), user.to_string(), keys.request().unwrap());
        let request = v1::LoginRequest { token, user, csr_pem };
        let answer = EnrolmentClient::new(self.nobody().await).login(request).await?.into_inner();
        let (certificate, ca) = (answer.certificate_pem, answer.ca_pem);
        let papers = Papers { certificate, key: keys.pem().to_string(), ca };
        Ok(Person { channel: channel(&self.dial(&papers)).unwrap(), papers })
    }

    /// A person of the estate, logged in with a token of their own.
    pub async fn logged_in(&self, admin: &Person, user: &str) -> Person {
        let token = self.token_of(admin, user).await.unwrap();
        self.login(&token, user).await.unwrap()
    }

    pub async fn enrol(&self, person: &Person, host: &str) -> Papers {
        let create = v1::CreateTokenRequest { host: host.to_string(), lives_ms: 0, user: String::new() };
        let token = EnrolmentClient::new(person.channel.clone()).create_token(create).await.unwrap();
        let keys = Keys::make().unwrap();
        let request = v1::EnrolRequest {
            token: token.into_inner().token,
            host: host.to_string(),
            csr_pem: keys.request().unwrap(),
            now_us: runtime::Clock::system().now().0,
        };
        let answer = EnrolmentClient::new(self.nobody().await).enrol(request).await.unwrap().into_inner();
        Papers { certificate: answer.certificate_pem, key: keys.pem().to_string(), ca: answer.ca_pem }
    }

    pub fn link(&self, papers: &Papers) -> AgentLinkClient<Channel> {
        AgentLinkClient::new(channel(&self.dial(papers)).unwrap())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// Somebody with the role admin.
#[derive(Clone)]
pub struct Person {
    pub channel: Channel,
    pub papers: Papers,
}

impl Person {
    pub fn runs(&self) -> RunsClient<Channel> {
        RunsClient::new(self.channel.clone())
    }

    pub async fn apply(&self, files: &[(&str, &str)]) -> v1::ApplyResponse {
        let file =
            |(path, text): &(&str, &str)| v1::EstateFile { path: path.to_string(), text: text.to_string() };
        let files = files.iter().map(file).collect();
        let request = v1::ApplyRequest { files, dry_run: false, expected_version: 0 };
        EstateClient::new(self.channel.clone()).apply(request).await.unwrap().into_inner()
    }

    /// The estate in force.
    pub async fn estate(&self) -> v1::GetEstateResponse {
        let client = EstateClient::new(self.channel.clone());
        let mut client = client.max_decoding_message_size(proto::MAX_MESSAGE_BYTES);
        let began = Instant::now();
        loop {
            match client.get(v1::GetEstateRequest::default()).await {
                Ok(kept) => return kept.into_inner(),
                // A connection to a controller that was stopped shows it at the first call.
                Err(status) => assert!(began.elapsed() < PATIENCE, "{status}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn try_run(&self, plan: &str, request_id: Vec<u8>) -> Result<RunId, tonic::Status> {
        let request = v1::StartRequest {
            what: Some(v1::start_request::What::Plan(plan.to_string())),
            mode: v1::Mode::Live.into(),
            inputs: Default::default(),
            request_id,
        };
        let answer = self.runs().start(request).await?.into_inner();
        Ok(proto::run_id_of(&answer.run).unwrap())
    }

    pub async fn run(&self, plan: &str) -> RunId {
        self.try_run(plan, Vec::new()).await.unwrap()
    }

    pub async fn show(&self, run: RunId) -> v1::ShowRunResponse {
        let began = Instant::now();
        loop {
            let request = v1::ShowRunRequest { run: run.0.as_bytes().to_vec() };
            match self.runs().show(request).await {
                Ok(shown) => return shown.into_inner(),
                // A connection to a controller that was killed shows it at the first call.
                Err(status) => assert!(began.elapsed() < PATIENCE, "{status}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn status(&self, run: RunId) -> String {
        self.show(run).await.state.unwrap().status
    }

    pub async fn until(&self, run: RunId, status: &str) -> v1::ShowRunResponse {
        let began = Instant::now();
        loop {
            let shown = self.show(run).await;
            let found = shown.state.clone().unwrap();
            if found.status == status {
                return shown;
            }
            assert!(began.elapsed() < PATIENCE, "run is {} ({}), not {status}", found.status, found.detail);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn command(&self, run: RunId) -> v1::RunCommand {
        v1::RunCommand { run: run.0.as_bytes().to_vec(), reason: "test".to_string(), expected_sequence: 0 }
    }

    pub async fn fleet(&self) -> v1::StatusResponse {
        FleetClient::new(self.channel.clone()).status(v1::StatusRequest {}).await.unwrap().into_inner()
    }

    /// Every event of a run after a number, until it is over or `enough` have come.
    pub async fn events(&self, run: RunId, after: u64, enough: usize) -> Vec<v1::WatchEvent> {
        let request = v1::WatchRequest { run: run.0.as_bytes().to_vec(), after_sequence: after };
        let mut stream = self.runs().watch(request).await.unwrap().into_inner();
        let mut events = Vec::new();
        let reading = async {
            while events.len() < enough {
                match stream.message().await.unwrap() {
                    Some(event) => events.push(event),
                    None => break,
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the watch goes on");
        events
    }
}
