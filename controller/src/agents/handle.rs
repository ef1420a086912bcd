//! The sending end of one session.
//!
//! Sending never waits. The queue is bounded; an agent so slow that it fills up is cut off and comes
//! back with an empty one, and what it should have is sent again because orders are level-triggered.
//! So one stuck agent holds up nobody else.

use model::Token;
use proto::v1;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Messages that wait to be sent to one agent.
pub const MAX_QUEUED: usize = 256;
/// Orders that an agent has not yet acknowledged. Others wait.
pub const MAX_UNACKNOWLEDGED: usize = 64;

/// What a session sends: messages, or the status that ends it.
pub type Outgoing = Result<v1::ControllerMessage, Status>;

/// Sends to one session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    number: u64,
    // Boxed: a queue keeps room for 32 of what it carries, for each of ten thousand sessions.
    outbox: mpsc::Sender<Box<Outgoing>>,
    unacknowledged: Arc<Mutex<BTreeSet<String>>>,
    ended: CancellationToken,
}

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// The session is over.
    Ended,
    /// Too many orders wait for an acknowledgement: send it when one came.
    Wait,
}

impl SessionHandle {
    /// A session with a number of its own, and the end that the stream sends from.
    pub fn new(number: u64, ended: CancellationToken) -> (Self, mpsc::Receiver<Box<Outgoing>>) {
        let (outbox, outgoing) = mpsc::channel(MAX_QUEUED);
        (Self { number, outbox, unacknowledged: Arc::default(), ended }, outgoing)
    }

    /// Its number: another one for each session.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Cancelled when the session is over.
    pub fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Sends a message, or ends the session of an agent that does not keep up.
    pub fn send(&self, message: v1::controller_message::Message) -> Result<(), NotSent> {
        if self.ended.is_cancelled() {
            return Err(NotSent::Ended);
        }
        let message = v1::ControllerMessage { message: Some(message) };
        self.outbox.try_send(Box::new(Ok(message))).map_err(|_| {
            tracing::warn!(session = self.number, "an agent does not keep up: its session is ended");
            self.ended.cancel();
            NotSent::Ended
        })
    }

    /// Sends an order, unless too many wait for an acknowledgement.
    pub fn send_order(&self, token: &Token, order: v1::Order) -> Result<(), NotSent> {
        {
            let mut waiting = self.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= MAX_UNACKNOWLEDGED {
                return Err(NotSent::Wait);
            }
            waiting.insert(token.key());
        }
        self.send(v1::controller_message::Message::Order(order))
    }

    /// An order was acknowledged. Gives whether others were waiting for that.
    pub fn acknowledged(&self, token: &Token) -> bool {
        let mut waiting = self.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let full = waiting.len() >= MAX_UNACKNOWLEDGED;
        waiting.remove(&token.key()) && full
    }

    /// Ends the session with a status, which the agent sees.
    pub fn end(&self, status: Status) {
        // A full queue ends the session all the same; the agent then sees a broken stream.
        let _ = self.outbox.try_send(Box::new(Err(status)));
        self.ended.cancel();
    }
}
