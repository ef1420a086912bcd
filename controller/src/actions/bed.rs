//! What the tests of actions stand on: real BIND, a real store on disk, and a link between controller and
//! BIND that can hold or lose one side of an update.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::Actions;
use crate::dns::bind_server::{Bed, QUICK, SECRET, ZONE, key_file, spec};
use crate::store::{Store, StoreError};
use crate::{channels, dns};
use futures::FutureExt;
use model::nouns::RecordSpec;
use model::{
    ControlAction, Direction, Mode, Name, Outcome, Problem, RunId, SecretRef, StepPath, Target, Token,
};
use runtime::{Backoff, Clock};
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub const RUN: RunId = RunId(uuid::Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));
pub const NEWER_RUN: RunId = RunId(uuid::Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0002));
pub const OLD: &str = "old.example.test";
pub const MOVED: &str = "198.51.100.7";
/// What `dig` reads of [`OLD`] at first.
pub const FIRST: &str = "192.0.2.1\n192.0.2.2";

pub const QUICK_CHANNELS: channels::Bounds = channels::Bounds {
    one_try: Duration::from_millis(500),
    retries: Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(50), tries: Some(2) },
    asked_wait: Duration::from_secs(1),
};

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A token of the step `cut-over`.
pub fn token(run: RunId, direction: Direction, attempt: u32) -> Token {
    let target = Target { noun: name("record"), name: name("api"), host: None };
    let step = StepPath::new("cut-over").unwrap();
    Token { run, step, target, direction, attempt, mode: Mode::Live }
}

pub fn doing(run: RunId) -> Token {
    token(run, Direction::Do, 1)
}

pub fn undoing(run: RunId) -> Token {
    token(run, Direction::Undo, 1)
}

/// A controller's data folder with the runs of the tests, and the key of the zone.
pub struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), key_file("lifeboat", SECRET)).unwrap();
        let home = Self { folder };
        let store = home.store().await;
        for run in [RUN, NEWER_RUN] {
            insert(&store, run).await;
        }
        home
    }

    /// The store as a controller that has just started opens it.
    async fn store(&self) -> Store {
        for _ in 0..200 {
            match Store::open(self.folder.path(), "test").await {
                Ok((store, task)) => {
                    tokio::spawn(task.run());
                    return store;
                }
                // The one before is on its way out.
                Err(StoreError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the store stays locked");
    }

    /// A controller that has just started; it remembers nothing but what is on the disk.
    pub async fn actions(&self) -> Actions {
        self.actions_with(QUICK).await
    }

    pub async fn actions_with(&self, dns: dns::Bounds) -> Actions {
        Actions::new(self.store().await, Clock::system()).with_bounds(dns, QUICK_CHANNELS)
    }

    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// The record `api`, served at these ports.
    pub fn record(&self, ports: &[u16]) -> RecordSpec {
        let mut zone = spec(ZONE, ports);
        zone.key = SecretRef::File(self.key());
        let values = [
            ("us-east", vec!["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()]),
            ("eu-west", vec![MOVED.parse().unwrap()]),
            ("nowhere", vec![]),
        ];
        let values = values.into_iter().map(|(region, addresses)| (name(region), addresses)).collect();
        let (fqdn, ttl) = (OLD.to_string(), Duration::from_secs(60));
        RecordSpec { name: name("api"), fqdn, ttl, values, zone }
    }

    pub fn cutover(&self, port: u16) -> ControlAction {
        ControlAction::Cutover { record: self.record(&[port]), to: name("eu-west") }
    }

    pub fn restore(&self, port: u16) -> ControlAction {
        ControlAction::RestoreRecord { record: self.record(&[port]) }
    }
}

/// The row of a run, which what a run saves refers to.
async fn insert(store: &Store, run: RunId) {
    let inserted = store.writer().write("add a run", move |connection| {
        async move {
            sqlx::query(
                "insert into runs (run, request, plan, title, mode, digest, requested_by, requested_at, \
                 status, detail, open, ended_at, sequence, head) \
                 values ($1, null, 'p', 'P', 'live', '', 'kim', 0, '', '', 1, 0, 0, '')",
            )
            .bind(run.to_string())
            .execute(connection)
            .await
            .map_err(StoreError::query("add a run"))?;
            Ok(())
        }
        .boxed()
    });
    inserted.await.unwrap();
}

pub fn output<T: serde::de::DeserializeOwned>(outcome: Outcome) -> T {
    let Outcome::Succeeded { output } = outcome else { panic!("{outcome:?}") };
    serde_json::from_value(output).unwrap()
}

pub fn failed(outcome: Outcome) -> Problem {
    let Outcome::Failed { problem } = outcome else { panic!("{outcome:?}") };
    problem
}

/// The addresses of [`OLD`], in order.
pub fn addresses(bind: &Bed) -> String {
    let read = bind.primary.dig(OLD, "A");
    let mut lines: Vec<&str> = read.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// The text beside [`OLD`] and the serial of the zone: both move with each write.
pub fn mark(bind: &Bed) -> (String, String) {
    (bind.primary.dig(&format!("_lifeboat.{OLD}"), "TXT"), bind.primary.dig(ZONE, "SOA"))
}

/// What the link does with an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treat {
    /// Keeps it from the server.
    HoldUpdate,
    /// Passes it on and keeps the answer.
    HoldAnswer,
}

/// A link to the server at `port`: queries pass, updates are treated so. Gives its own port, and each
/// update once it was treated.
pub async fn link(port: u16, treat: Treat) -> (u16, mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let (treated, updates) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, port, treat, treated.clone()));
        }
    });
    (own, updates)
}

async fn pass(
    mut client: TcpStream,
    port: u16,
    treat: Treat,
    treated: mpsc::UnboundedSender<Vec<u8>>,
) -> std::io::Result<()> {
    loop {
        let request = frame(&mut client).await?;
        let is_update = (request[2] >> 3) & 0x0f == 5;
        if is_update && treat == Treat::HoldUpdate {
            let _ = treated.send(request);
            return std::future::pending().await;
        }
        let answer = send(port, &request).await?;
        if is_update {
            let _ = treated.send(request);
            return std::future::pending().await;
        }
        client.write_u16(u16::try_from(answer.len()).unwrap()).await?;
        client.write_all(&answer).await?;
    }
}

/// Sends one message as it is and gives the answer.
pub async fn send(port: u16, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    server.write_u16(u16::try_from(request.len()).unwrap()).await?;
    server.write_all(request).await?;
    frame(&mut server).await
}

async fn frame(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Performs until an update was treated, then ends as a killed process does: nothing more is done. Gives
/// the update.
pub async fn perform_until_killed(home: &Home, run: RunId, port: u16, treat: Treat) -> Vec<u8> {
    let (through, mut updates) = link(port, treat).await;
    let actions = home.actions().await;
    let (token, action) = (doing(run), home.cutover(through));
    let performing = tokio::spawn(async move { actions.perform(&token, &action).await });
    let update = tokio::time::timeout(Duration::from_secs(20), updates.recv()).await.unwrap().unwrap();
    performing.abort();
    assert!(performing.await.unwrap_err().is_cancelled(), "it was killed before it had a result");
    update
}
