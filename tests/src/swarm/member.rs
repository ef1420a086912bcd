//! One agent of a swarm: dials, says hello, lives, and does at once whatever it is told.

use super::{Member, Shared};
use agent::session::wait_to_dial;
use proto::v1::{self, agent_message::Message, controller_message::Message as Inbound};
use runtime::tls::{Dial, connect};
use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use uuid::Uuid;

/// Messages that wait to be sent.
const QUEUE: usize = 64;
/// How long a controller may take from the dial to its welcome.
const WELCOME_WITHIN: Duration = Duration::from_secs(10);
/// A session that lasted this long was a good one.
const STEADY: Duration = Duration::from_secs(1);
/// Heartbeats that a controller may leave unanswered.
const SILENT_HEARTBEATS: u32 = 3;
/// Results that one agent keeps until they are acknowledged, and runs that it knows to be open.
const MAX_HELD: usize = 64;

/// What an agent keeps from session to session.
struct Memory {
    instance: Uuid,
    assignment: u64,
    epoch: Option<v1::Epoch>,
    /// What was done and is not acknowledged.
    held: Vec<v1::Token>,
    /// Runs that had work for this host and are not closed.
    open: BTreeSet<Vec<u8>>,
    /// Over how long it is to spread its next dial.
    spread: Duration,
}

/// Lives until it is dropped.
pub(super) async fn live(member: Member, shared: Arc<Shared>) {
    let mut memory = Memory {
        instance: Uuid::from_u128(rand::random()),
        assignment: 0,
        epoch: None,
        held: Vec::new(),
        open: BTreeSet::new(),
        spread: Duration::ZERO,
    };
    let mut failures = 0;
    loop {
        let mut welcomed = None;
        if let Err(status) = session(&member, &shared, &mut memory, &mut welcomed).await {
            *shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = status.to_string();
        }
        if let Some(since) = welcomed {
            shared.connected.fetch_sub(1, Ordering::Relaxed);
            if since.elapsed() > STEADY {
                failures = 0;
            }
        }
        shared.ended.fetch_add(1, Ordering::Relaxed);
        let is_waited_for = !memory.open.is_empty();
        tokio::time::sleep(wait_to_dial(failures, is_waited_for, memory.spread, rand::random())).await;
        failures += 1;
    }
}

async fn session(
    member: &Member,
    shared: &Shared,
    memory: &mut Memory,
    welcomed: &mut Option<Instant>,
) -> Result<(), Status> {
    let late = |_| Status::deadline_exceeded("no welcome in time");
    let dial = Dial::controller(&shared.address, &shared.ca_pem)
        .with_identity(&member.certificate_pem, &member.key_pem);
    let dialled = tokio::time::timeout(WELCOME_WITHIN, connect(&dial)).await.map_err(late)?;
    let channel = dialled.map_err(|error| Status::unavailable(chain(&error)))?;
    let (outbound, queue) = mpsc::channel(QUEUE);
    say(&outbound, Message::Hello(hello(memory))).await?;
    let mut client = v1::agent_link_client::AgentLinkClient::new(channel);
    let opening = async {
        let mut inbound = client.connect(ReceiverStream::new(queue)).await?.into_inner();
        match inbound.message().await?.and_then(|message| message.message) {
            Some(Inbound::Welcome(welcome)) => Ok((inbound, welcome)),
            _ => Err(Status::internal("the first message was no welcome")),
        }
    };
    let (mut inbound, welcome) = tokio::time::timeout(WELCOME_WITHIN, opening).await.map_err(late)??;
    *welcomed = Some(Instant::now());
    shared.connected.fetch_add(1, Ordering::Relaxed);
    shared.sessions.fetch_add(1, Ordering::Relaxed);
    shared.last_welcome.store(now(), Ordering::Relaxed);
    memory.epoch = welcome.epoch;
    memory.spread = Duration::from_millis(u64::from(welcome.spread_ms));
    for token in &memory.held {
        say(&outbound, result(token)).await?;
    }
    let heartbeat = Duration::from_millis(u64::from(welcome.heartbeat_ms.max(100)));
    let mut beat = tokio::time::interval(heartbeat);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let silence = heartbeat * SILENT_HEARTBEATS + Duration::from_millis(500);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            message = inbound.message() => {
                heard = Instant::now();
                match message?.and_then(|message| message.message) {
                    Some(message) => take(shared, memory, &outbound, message).await?,
                    None => return Err(Status::unavailable("the controller closed the stream")),
                }
            }
            _ = beat.tick() => {
                if heard.elapsed() > silence {
                    return Err(Status::unavailable("the controller was silent"));
                }
                let beat = v1::Heartbeat {
                    now_us: now(),
                    json: b"[]".to_vec(),
                    monitors: Vec::new(),
                    highest_epoch: memory.epoch.clone(),
                };
                say(&outbound, Message::Heartbeat(beat)).await?;
            }
        }
    }
}

async fn take(
    shared: &Shared,
    memory: &mut Memory,
    outbound: &mpsc::Sender<v1::AgentMessage>,
    message: Inbound,
) -> Result<(), Status> {
    match message {
        Inbound::Assignment(assignment) => {
            memory.assignment = assignment.version;
            let ack = v1::AssignmentAck { version: assignment.version, problem: None };
            say(outbound, Message::AssignmentAck(ack)).await
        }
        Inbound::Order(order) => {
            shared.orders.fetch_add(1, Ordering::Relaxed);
            let Some(token) = order.token else { return Err(Status::internal("an order without a token")) };
            let state = v1::AckState::Accepted.into();
            say(outbound, Message::OrderAck(v1::OrderAck { token: Some(token.clone()), state })).await?;
            say(outbound, result(&token)).await?;
            if memory.open.len() < MAX_HELD {
                memory.open.insert(token.run.clone());
            }
            if !memory.held.contains(&token) && memory.held.len() < MAX_HELD {
                memory.held.push(token);
            }
            Ok(())
        }
        Inbound::ResultAck(ack) => {
            shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            memory.held.retain(|held| Some(held) != ack.token.as_ref());
            Ok(())
        }
        Inbound::Revoke(revoke) => {
            let state = v1::RevokeState::NeverBegun.into();
            let ack = v1::RevokeAck { token: revoke.token, state, problem: None };
            say(outbound, Message::RevokeAck(ack)).await
        }
        Inbound::Probe(probe) => {
            let state = v1::ProbeState::NotDone.into();
            let answer = v1::ProbeAnswer { token: probe.token, state, outcome: None, problem: None };
            say(outbound, Message::ProbeAnswer(answer)).await
        }
        Inbound::RunClosed(closed) => {
            memory.open.remove(&closed.run);
            Ok(())
        }
        // No member of a leased source, and no copies of journals.
        Inbound::Welcome(_)
        | Inbound::HeartbeatAck(_)
        | Inbound::LeaseAnswer(_)
        | Inbound::Withhold(_)
        | Inbound::MemberKeys(_)
        | Inbound::Copy(_)
        | Inbound::CopyWanted(_) => Ok(()),
    }
}

fn hello(memory: &Memory) -> v1::Hello {
    let held =
        |token: &v1::Token| v1::HeldToken { token: Some(token.clone()), state: v1::HeldState::Ended.into() };
    v1::Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot_id: "swarm".to_owned(),
        instance: memory.instance.as_bytes().to_vec(),
        capabilities: Vec::new(),
        held: memory.held.iter().map(held).collect(),
        highest_epoch: memory.epoch.clone(),
        heads: Vec::new(),
        assignment_version: memory.assignment,
        copies: Vec::new(),
        now_us: now(),
    }
}

fn result(token: &v1::Token) -> Message {
    let outcome = model::Outcome::Succeeded { output: serde_json::Value::Null };
    Message::Result(v1::Result {
        token: Some(token.clone()),
        outcome: Some((&outcome).into()),
        started_us: now(),
        ended_us: now(),
        took_us: 1,
    })
}

async fn say(outbound: &mpsc::Sender<v1::AgentMessage>, message: Message) -> Result<(), Status> {
    let sent = outbound.send(v1::AgentMessage { message: Some(message) }).await;
    sent.map_err(|_| Status::unavailable("the stream is over"))
}

fn now() -> i64 {
    model::Micros::from(jiff::Timestamp::now()).0
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
