//! An agent that speaks the protocol over mTLS and is told by the test what to say.

use crate::house::{House, PATIENCE, Papers};
use model::Outcome;
use model::jobs::{ServiceOutput, ServiceState};
use proto::v1;
use proto::v1::agent_message::Message;
use proto::v1::controller_message::Message as FromController;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

pub struct Agent {
    outbound: mpsc::Sender<v1::AgentMessage>,
    inbound: Streaming<v1::ControllerMessage>,
    pub welcome: v1::Welcome,
    beats: tokio::task::JoinHandle<()>,
    /// Came before what was waited for.
    aside: std::collections::VecDeque<FromController>,
    assignment: Option<v1::Assignment>,
}

/// What it says first. Nothing held, nothing seen.
pub fn hello() -> v1::Hello {
    v1::Hello {
        version: env!("CARGO_PKG_VERSION").to_string(),
        boot_id: "boot".to_string(),
        instance: vec![1; 16],
        now_us: runtime::Clock::system().now().0,
        ..Default::default()
    }
}

fn message(message: Message) -> v1::AgentMessage {
    v1::AgentMessage { message: Some(message) }
}

impl Agent {
    pub async fn connect(house: &House, papers: &Papers) -> Agent {
        Agent::try_connect(house, papers, hello()).await.unwrap()
    }

    pub async fn try_connect(house: &House, papers: &Papers, hello: v1::Hello) -> Result<Agent, Status> {
        let (outbound, messages) = mpsc::channel(64);
        outbound.send(message(Message::Hello(hello))).await.unwrap();
        let mut inbound = house.link(papers).connect(ReceiverStream::new(messages)).await?.into_inner();
        let first = tokio::time::timeout(PATIENCE, inbound.message()).await.expect("an answer to hello")?;
        let Some(FromController::Welcome(welcome)) = first.and_then(|first| first.message) else {
            return Err(Status::internal("no welcome"));
        };
        let beats = tokio::spawn(beat(outbound.clone(), welcome.heartbeat_ms));
        Ok(Agent { outbound, inbound, welcome, beats, aside: Default::default(), assignment: None })
    }

    /// From now on it says nothing by itself.
    pub fn fall_silent(&self) {
        self.beats.abort();
    }

    pub async fn say(&self, what: Message) {
        self.outbound.send(message(what)).await.unwrap();
    }

    /// The next message but acknowledged heartbeats and assignments.
    pub async fn next(&mut self) -> Result<FromController, Status> {
        match self.aside.pop_front() {
            Some(aside) => Ok(aside),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Result<FromController, Status> {
        loop {
            let came = tokio::time::timeout(PATIENCE, self.inbound.message()).await;
            let came = came.map_err(|_| Status::deadline_exceeded("nothing came"))??;
            let Some(came) = came else { return Err(Status::cancelled("the stream ended")) };
            match came.message.unwrap() {
                FromController::HeartbeatAck(_) => {}
                FromController::Assignment(assignment) => self.assignment = Some(assignment),
                other => return Ok(other),
            }
        }
    }

    /// The first message that fits; what came before it waits.
    async fn first<T>(&mut self, fits: impl Fn(&FromController) -> Option<T>) -> T {
        if let Some(place) = self.aside.iter().position(|aside| fits(aside).is_some()) {
            return self.aside.remove(place).as_ref().and_then(fits).unwrap();
        }
        loop {
            let came = self.read().await.unwrap();
            match fits(&came) {
                Some(found) => return found,
                None => self.aside.push_back(came),
            }
        }
    }

    pub async fn order(&mut self) -> v1::Order {
        self.first(|came| match came {
            FromController::Order(order) => Some(order.clone()),
            _ => None,
        })
        .await
    }

    /// The next order, accepted.
    pub async fn accept(&mut self) -> v1::Order {
        let order = self.order().await;
        self.acknowledge(&order, v1::AckState::Accepted).await;
        order
    }

    pub async fn acknowledge(&self, order: &v1::Order, state: v1::AckState) {
        let ack = v1::OrderAck { token: order.token.clone(), state: state.into() };
        self.say(Message::OrderAck(ack)).await;
    }

    pub async fn succeed(&self, order: &v1::Order) {
        self.say(Message::Result(success(order))).await;
    }

    /// What it is to live by, which comes right after the welcome.
    pub async fn assignment(&mut self) -> v1::Assignment {
        while self.assignment.is_none() {
            let came = tokio::time::timeout(PATIENCE, self.inbound.message()).await.unwrap().unwrap();
            if let Some(FromController::Assignment(assignment)) = came.unwrap().message {
                self.assignment = Some(assignment);
            }
        }
        self.assignment.clone().unwrap()
    }

    /// The result is durable at the controller.
    pub async fn acknowledged(&mut self, order: &v1::Order) {
        self.kept(order.token.clone()).await;
    }

    /// What was reported of a token is durable at the controller.
    pub async fn kept(&mut self, token: Option<v1::Token>) {
        self.first(|came| match came {
            FromController::ResultAck(ack) if ack.token == token => Some(()),
            _ => None,
        })
        .await
    }

    /// Accepts and does the next order.
    pub async fn obey(&mut self) -> v1::Order {
        let order = self.accept().await;
        self.succeed(&order).await;
        self.acknowledged(&order).await;
        order
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.beats.abort();
    }
}

async fn beat(outbound: mpsc::Sender<v1::AgentMessage>, every_ms: u32) {
    loop {
        let beat = v1::Heartbeat { now_us: runtime::Clock::system().now().0, ..Default::default() };
        if outbound.send(message(Message::Heartbeat(beat))).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(every_ms.into())).await;
    }
}

pub fn success(order: &v1::Order) -> v1::Result {
    let output = ServiceOutput { before: ServiceState::Stopped, after: ServiceState::Running, pid: Some(7) };
    v1::Result {
        token: order.token.clone(),
        outcome: Some((&Outcome::success(&output)).into()),
        started_us: 1,
        ended_us: 2,
        took_us: 1,
    }
}

/// The journal's head that an order carried, as an agent keeps it.
pub fn held(order: &v1::Order, state: v1::HeldState) -> v1::Hello {
    v1::Hello {
        held: vec![v1::HeldToken { token: order.token.clone(), state: state.into() }],
        heads: order.head.clone().into_iter().collect(),
        highest_epoch: order.epoch.clone(),
        ..hello()
    }
}
