//! Channels: where people are told what a run does.
//!
//! Delivery is at least once. A message carries a key that names it (run and step, the same for every
//! try), so that a receiver that heard it already can drop the repeat: a lost answer looks like a lost
//! message, and an incident told twice is better than one never told.
//!
//! # How a step tells people
//!
//! `let told = channels::open(&spec)?.announce(&message).await?`, then `told.tries` is the output. On
//! an error, `problem()` (of [`runtime::Explained`]) goes into the journal; the whole call may be
//! repeated with the same message.

mod error;
mod message;
mod webhook;

#[cfg(test)]
mod suite;

pub use error::ChannelError;
pub use message::{Message, State};

use futures::future::BoxFuture;
use model::Name;
use model::nouns::ChannelSpec;
use runtime::Backoff;
use std::sync::Arc;
use std::time::Duration;
use tracing::instrument;

/// A way to tell people.
///
/// *Semantics.* `send` returns when the receiver has confirmed the message. It is one try, without
/// retries or time-out.
///
/// *Idempotence.* It passes on [`Message::key`], so that a receiver can drop a repeat.
///
/// *Cancellation.* The caller may drop the future; the message may have arrived or may yet arrive.
///
/// *Secrets.* They are fetched for each try and forgotten; no error, log line or `Debug` text holds
/// one. The address may hold one in its path, so only its origin is ever shown.
pub trait Channel: Send + Sync {
    /// Sends one message once.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), ChannelError>>;
}

/// A kind of channel, as an estate names it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The name in the estate: `kind: webhook`.
    pub name: &'static str,
    open: fn(&ChannelSpec) -> Result<Arc<dyn Channel>, ChannelError>,
}

/// Every kind there is.
pub const KINDS: &[Kind] = &[Kind { name: "webhook", open: webhook::open }];

/// The bounds of an announcement.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Longest wait for one try.
    pub one_try: Duration,
    /// Waits between tries; their number is the bound.
    pub retries: Backoff,
    /// Longest wait that a receiver may ask for (`Retry-After`).
    pub asked_wait: Duration,
}

impl Bounds {
    /// 5 s a try, five tries; a receiver may ask for 30 s of patience between two.
    pub const DEFAULT: Bounds = Bounds {
        one_try: Duration::from_secs(5),
        retries: Backoff {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(5),
            tries: Some(4),
        },
        asked_wait: Duration::from_secs(30),
    };
}

/// What became of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Tries that it took, from 1.
    pub tries: u32,
}

/// What the rest of the controller holds: a channel with time-outs, bounded retries and spans.
#[derive(Clone)]
pub struct Announcer {
    name: Name,
    channel: Arc<dyn Channel>,
    bounds: Bounds,
}

/// Opens a channel of an estate. Touches no network and reads no secret.
pub fn open(spec: &ChannelSpec) -> Result<Announcer, ChannelError> {
    open_with(spec, Bounds::DEFAULT)
}

/// The same with other bounds.
pub fn open_with(spec: &ChannelSpec, bounds: Bounds) -> Result<Announcer, ChannelError> {
    let kind = KINDS.iter().find(|kind| kind.name == spec.kind).ok_or_else(|| {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        let why = format!("unknown kind {:?}; known: {}", spec.kind, known.join(", "));
        ChannelError::BadSettings { channel: spec.name.clone(), why }
    })?;
    Ok(Announcer { name: spec.name.clone(), channel: (kind.open)(spec)?, bounds })
}

impl Announcer {
    /// Tells people; tries again after transient errors until the tries are used up.
    #[instrument(name = "channel.announce", skip_all, fields(channel = %self.name, state = %message.state))]
    pub async fn announce(&self, message: &Message) -> Result<Announced, ChannelError> {
        message.check(&self.name)?;
        let mut waits = self.bounds.retries.waits();
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.once(message).await {
                Ok(()) => return Ok(Announced { tries }),
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            };
            let Some(wait) = waits.next() else { return Err(error) };
            let wait = error.asked_wait().map_or(wait, |asked| asked.clamp(wait, self.bounds.asked_wait));
            tracing::debug!(%error, tries, "trying again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, message: &Message) -> Result<(), ChannelError> {
        let within = self.bounds.one_try;
        match tokio::time::timeout(within, self.channel.send(message)).await {
            Ok(result) => result,
            Err(_) => Err(ChannelError::TimedOut { channel: self.name.clone(), within }),
        }
    }
}
