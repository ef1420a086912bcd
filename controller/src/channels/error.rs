//! What can go wrong when people are told. No error holds a secret or the path of an address.

use model::{Name, Problem};
use runtime::Explained;
use std::time::Duration;

/// A message that did not get through.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// No connection, or it broke.
    #[error("LB1501: the channel {channel} at {origin} cannot be reached")]
    Unreachable {
        /// The channel.
        channel: Name,
        /// Scheme, host and port of its address.
        origin: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// No answer in time. The message may have arrived.
    #[error("LB1502: the channel {channel} did not answer within {} ms", within.as_millis())]
    TimedOut {
        /// The channel.
        channel: Name,
        /// The bound.
        within: Duration,
    },
    /// The receiver will not take it.
    #[error("LB1503: the channel {channel} at {origin} refused the message: HTTP {status}")]
    Refused {
        /// The channel.
        channel: Name,
        /// Scheme, host and port of its address.
        origin: String,
        /// The HTTP status.
        status: u16,
    },
    /// The receiver is in trouble, or asks for patience.
    #[error("LB1504: the channel {channel} at {origin} is in trouble: HTTP {status}")]
    InTrouble {
        /// The channel.
        channel: Name,
        /// Scheme, host and port of its address.
        origin: String,
        /// The HTTP status.
        status: u16,
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The channel's settings do not make sense.
    #[error("LB1505: the settings of the channel {channel} are wrong: {why}")]
    BadSettings {
        /// The channel.
        channel: Name,
        /// What is wrong.
        why: String,
    },
    /// Its token could not be had.
    #[error("LB1506: the token of the channel {channel} cannot be used")]
    Token {
        /// The channel.
        channel: Name,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A message that no receiver takes.
    #[error("LB1507: the message for the channel {channel} cannot be sent: {why}")]
    BadMessage {
        /// The channel.
        channel: Name,
        /// What is wrong.
        why: &'static str,
    },
    /// Not a state of an incident.
    #[error("LB1508: {state:?} is not investigating, identified, monitoring or resolved")]
    UnknownState {
        /// What was given.
        state: String,
    },
}

impl ChannelError {
    /// Whether the same message may get through later.
    pub fn is_transient(&self) -> bool {
        use ChannelError::{InTrouble, TimedOut, Unreachable};
        matches!(self, Unreachable { .. } | TimedOut { .. } | InTrouble { .. })
    }

    /// How long the receiver asked us to wait.
    pub fn asked_wait(&self) -> Option<Duration> {
        match self {
            ChannelError::InTrouble { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Explained for ChannelError {
    fn advice(&self) -> &'static str {
        match self {
            ChannelError::Unreachable { .. } | ChannelError::TimedOut { .. } => {
                "check that the address can be reached from this controller; tell people another way meanwhile"
            }
            ChannelError::Refused { .. } => {
                "check the address and the token with whoever runs the receiver (401 or 403: the token; 404 or 410: the address)"
            }
            ChannelError::InTrouble { .. } => "try again later; tell people another way meanwhile",
            ChannelError::BadSettings { .. } => "correct the channel in the estate and apply it",
            ChannelError::Token { .. } => {
                "see the cause, and mend the file or variable on this controller's host"
            }
            ChannelError::BadMessage { .. } => "shorten the message in the plan",
            ChannelError::UnknownState { .. } => "use one of the four words in the plan",
        }
    }

    fn problem(&self) -> Problem {
        let text = self.to_string();
        let message = text.split_once(": ").map_or(text.as_str(), |(_, message)| message);
        let mut problem = Problem::new(&self.code(), message, self.advice());
        if let Some(cause) = std::error::Error::source(self) {
            problem = problem.caused_by(cause);
        }
        if self.is_transient() { problem.transient() } else { problem }
    }
}
