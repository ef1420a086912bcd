//! Bringing the journals back from the agents, before anything is driven.
//!
//! Each agent says in its hello how far its copies go. Rows that this store lacks are asked for, the chain is
//! checked from its first event on, and they are appended as they were: same numbers, times, epochs and hashes.
//! Then the session ends and the agent comes again, now with nothing new. A run is driven only after every agent
//! that the bundle knows has come that way, or was named as lost. From then on a host that brings events which
//! nobody else had is kept out, and people are told: the run has gone on without them.

use super::CALL_FILE;
use crate::agents::SessionHandle;
use crate::app::{App, take_up};
use crate::runs::resources;
use crate::store::rescue::RescueRow;
use crate::store::runs::{NewRun, Started};
use crate::store::{Store, StoreError};
use engine::{Batch, Entry, chain};
use model::{CopiedRow, Epoch, Head, HostName, Problem, RunId};
use proto::v1;
use proto::v1::agent_message::Message;
use proto::v1::controller_message::Message as ToAgent;
use runtime::Policy;
use runtime::fs::read_bounded;
use runtime::offline::MAX_SIGNED_BYTES;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tonic::{Code, Status, Streaming};

/// How long one agent may take to bring one run.
const RUN_WITHIN: Duration = Duration::from_secs(60);
/// Bytes of one run's rows that are taken.
const MAX_RUN_BYTES: usize = 256 * 1024 * 1024;

/// The rescue that this controller is. Cheap to clone.
#[derive(Clone)]
pub struct Rescue(Arc<Inner>);

struct Inner {
    row: RescueRow,
    epoch: Epoch,
    call: String,
    waits_for: watch::Sender<BTreeSet<HostName>>,
    /// Rows of one agent at a time.
    adopting: tokio::sync::Mutex<()>,
    collected: watch::Sender<bool>,
    notes: Mutex<BTreeSet<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rescue {
    /// Whether the store of this data folder is a rescue's, and how far it is.
    pub async fn load(store: &Store, folder: &Path, epoch: Epoch) -> Result<Option<Self>, StoreError> {
        let Some(row) = store.rescue().await? else { return Ok(None) };
        let call = read_bounded(&folder.join(CALL_FILE), MAX_SIGNED_BYTES).unwrap_or_default();
        let hosts = row.waits_for.split_whitespace().filter_map(|host| HostName::new(host).ok());
        let waits_for = if row.collected { BTreeSet::new() } else { hosts.collect() };
        Ok(Some(Rescue(Arc::new(Inner {
            epoch,
            call: String::from_utf8_lossy(&call).into_owned(),
            collected: watch::Sender::new(row.collected),
            waits_for: watch::Sender::new(waits_for),
            adopting: tokio::sync::Mutex::default(),
            notes: Mutex::default(),
            row,
        }))))
    }

    /// The signed call.
    pub fn call(&self) -> &str {
        &self.0.call
    }

    /// Whether nothing may be driven yet.
    pub fn is_collecting(&self) -> bool {
        !*self.0.collected.borrow()
    }

    /// Why nothing begins yet, if so.
    pub fn not_yet(&self) -> Option<Problem> {
        self.is_collecting().then(|| {
            Problem::new(
                "LB1251",
                format!("this rescue still collects what the agents have: {}", self.words()),
                "Wait for them, or stop it and type the same command again with --lost for each host or region that is gone.",
            )
            .transient()
        })
    }

    /// How it stands, in words.
    pub fn words(&self) -> String {
        let waits: Vec<String> = self.0.waits_for.borrow().iter().map(ToString::to_string).collect();
        let mut text = match (self.is_collecting(), waits.is_empty()) {
            (true, false) => format!("waits for {}", waits.join(", ")),
            (true, true) => "everybody has come".to_string(),
            (false, _) => "in command".to_string(),
        };
        for note in lock(&self.0.notes).iter() {
            text.push_str("; ");
            text.push_str(note);
        }
        text
    }

    fn note(&self, text: String) {
        lock(&self.0.notes).insert(text);
    }

    /// An agent that looks for a rescue has seen an epoch. Where it has obeyed another rescue with our number, or
    /// somebody newer, this one ends: the agents decide, and the first one has it.
    pub fn judge(&self, app: &App, host: &HostName, seen: Option<Epoch>) {
        if let Err(refusal) = Epoch::admit(seen, self.0.epoch) {
            app.standing.lose(
                Problem::new(
                    "LB1246",
                    format!("{host} obeys another rescue or a newer controller: this rescue is refused"),
                    "End this one and look at the other. If the other is gone for good: remove this data folder and begin again with --above and the number that is told here.",
                )
                .caused_by(&refusal),
            );
        }
    }

    /// An agent is connected, and has brought what it had.
    pub fn came(&self, host: &HostName) {
        self.0.waits_for.send_if_modified(|hosts| hosts.remove(host));
    }

    /// Takes what an agent has and this store has not. When there was something, the session ends with that word
    /// and the agent comes again.
    pub async fn collect(
        &self,
        app: &App,
        host: &HostName,
        session: &SessionHandle,
        inbound: &mut Streaming<v1::AgentMessage>,
        copies: &[Head],
    ) -> Result<(), Status> {
        let mut brought = false;
        for head in copies {
            let _turn = self.0.adopting.lock().await;
            let known = app.store.hash_at(head.run, head.sequence).await;
            if known.map_err(crate::rpc::status::of_store)?.is_some() || !self.is_collecting() {
                // The same, or another one: the look at its heads tells.
                continue;
            }
            let row = app.store.run(head.run).await.map_err(crate::rpc::status::of_store)?;
            let after = row.map_or(0, |row| row.sequence);
            let run = head.run.0.as_bytes().to_vec();
            let wanted = v1::CopyWanted { run, after };
            session
                .send(ToAgent::CopyWanted(wanted))
                .map_err(|_| Status::unavailable("the session ended"))?;
            let rows = tokio::time::timeout(RUN_WITHIN, receive(inbound, head.run)).await;
            let rows = rows.map_err(|_| Status::deadline_exceeded("a copy did not come"))??;
            match adopt(app, head.run, after, rows).await {
                Ok(sequence) => {
                    tracing::warn!(%host, run = %head.run, sequence, "a run was rebuilt from an agent's copy");
                    brought = true;
                }
                Err(problem) => {
                    tracing::error!(%host, run = %head.run, %problem, "a copy cannot be used");
                    self.note(format!("{host}'s copy of run {} cannot be used ({})", head.run, problem.code));
                }
            }
        }
        if !brought {
            return Ok(());
        }
        let problem = Problem::new("LB1252", "this rescue has what the agent had", "Call again.");
        Err(proto::status_of_problem(Code::Unavailable, &problem.transient()))
    }
}

/// Rows of one run, until the agent says that it has no more. Other messages are passed over: what matters of
/// them is said again in the next session.
async fn receive(inbound: &mut Streaming<v1::AgentMessage>, run: RunId) -> Result<Vec<CopiedRow>, Status> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    loop {
        let message = inbound.message().await?;
        let Some(message) = message else { return Err(Status::unavailable("the stream ended")) };
        let Some(Message::CopiedRows(copied)) = message.message else { continue };
        if proto::run_id_of(&copied.run)? != run {
            continue;
        }
        for row in copied.rows {
            let row = CopiedRow::try_from(row)?;
            bytes += row.size();
            rows.push(row);
        }
        if bytes > MAX_RUN_BYTES {
            return Err(Status::resource_exhausted("a copy is too large"));
        }
        if copied.last {
            return Ok(rows);
        }
    }
}

/// Appends rows as they were written, after the chain was checked from the run's first event on.
pub(super) async fn adopt(app: &App, run: RunId, after: u64, rows: Vec<CopiedRow>) -> Result<u64, Problem> {
    let unusable = |why: String| {
        Problem::new(
            "LB1248",
            format!("the copy of run {run} cannot be used: {why}"),
            "Another agent may have a whole one. Look at that host's disk.",
        )
    };
    let mut entries = match after {
        0 => Vec::new(),
        _ => app.store.load(run).await.map_err(|error| error.problem())?.entries,
    };
    let first_new = entries.len();
    for row in rows {
        let CopiedRow { sequence, at, epoch, text, hash } = row;
        let entry = Entry::read(run, sequence, at, epoch, text, hash);
        entries.push(entry.map_err(|error| unusable(error.to_string()))?);
    }
    let head = chain::verify(&entries).map_err(|error| unusable(error.to_string()))?;
    let head = head.ok_or_else(|| unusable("it is empty".to_string()))?;
    let recorded: Vec<_> = entries.iter().map(|entry| entry.recorded.clone()).collect();
    let state = engine::replay(&recorded).map_err(|error| unusable(error.to_string()))?;
    let (summary, resources) = (state.summary(), resources(&state.plan));
    let sequence = head.sequence;
    let epoch = app.epoch.number;
    let new = entries.split_off(first_new);
    let batch = Batch { run, expected: after, epoch, entries: new, state, head, summary };
    let written = match after {
        0 => app.store.start(app.epoch, NewRun { resources, first: batch }).await.map(
            |started| match started {
                Started::New | Started::Already(_) => (),
            },
        ),
        _ => app.store.append(app.epoch, batch, Vec::new()).await,
    };
    written.map_err(|error| error.problem())?;
    app.store.keep_rescued(run, sequence).await.map_err(|error| error.problem())?;
    Ok(sequence)
}

/// An agent has seen an event that this rescue does not have. Of a run that nobody brought, people are told. Of
/// one that goes on here without that event, the host is kept out: it would refuse its orders anyway.
pub(crate) async fn not_rebuilt(
    app: &App,
    host: &HostName,
    head: &Head,
    differs: bool,
) -> Result<(), Status> {
    let Some(rescue) = &app.rescue else { return Ok(()) };
    let row = app.store.run(head.run).await.map_err(crate::rpc::status::of_store)?;
    if row.is_none() {
        tracing::warn!(%host, run = %head.run, "a run of which no agent has a copy");
        rescue.note(format!("run {} could not be rebuilt: nobody has a copy of it", head.run));
        return Ok(());
    }
    let what = if differs { "another event" } else { "an event that nobody else had" };
    let problem = Problem::new(
        "LB1249",
        format!(
            "{host} has seen {what}: number {} of run {}, which went on here without it",
            head.sequence, head.run
        ),
        "Look at what that host did. Then end the run, or if the host shall go on: `lifeboat-agent reset-spool --accept-loss` there.",
    );
    rescue.note(format!("{host} is kept out (LB1249)"));
    Err(proto::status_of_problem(Code::FailedPrecondition, &problem))
}

/// Waits until everybody has come, then takes the runs up.
pub(crate) fn wait(app: &Arc<App>) {
    let Some(rescue) = app.rescue.clone() else { return };
    let app = app.clone();
    let tasks = app.tasks.clone();
    tasks.spawn("rescue", Policy::BACKGROUND, async move {
        let mut waits_for = rescue.0.waits_for.subscribe();
        // The sender is ours and lives.
        let _ = waits_for.wait_for(BTreeSet::is_empty).await;
        if let Err(error) = app.store.rescue_collected().await {
            tracing::error!(%error, "the end of the collection was not kept: a restart waits for the agents again");
        }
        rescue.0.collected.send_replace(true);
        match take_up(&app).await {
            Ok(open) => tracing::warn!(open, "every agent has come: the rescue is in command"),
            Err(error) => tracing::error!(%error, "the open runs were not taken up; the next look does"),
        }
        Ok::<_, Infallible>(())
    });
}

impl Rescue {
    /// When its bundle was made.
    pub fn row(&self) -> &RescueRow {
        &self.0.row
    }
}
