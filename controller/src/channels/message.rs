//! What people are told.

use super::ChannelError;
use model::{Name, RunId};
use std::fmt;
use std::str::FromStr;

/// Longest title, in bytes.
pub const MAX_TITLE_BYTES: usize = 1024;
/// Longest text, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 255;

/// How far an incident is, in the words that status pages use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Something is wrong; the cause is looked for.
    Investigating,
    /// The cause is known and is being dealt with.
    Identified,
    /// It is dealt with; we watch.
    Monitoring,
    /// It is over.
    Resolved,
}

impl State {
    /// Every state, in the order of an incident.
    pub const ALL: [State; 4] = [State::Investigating, State::Identified, State::Monitoring, State::Resolved];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Investigating => "investigating",
            State::Identified => "identified",
            State::Monitoring => "monitoring",
            State::Resolved => "resolved",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = ChannelError;
    fn from_str(text: &str) -> Result<Self, ChannelError> {
        let found = State::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| ChannelError::UnknownState { state: text.chars().take(64).collect() })
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One line.
    pub title: String,
    /// The message itself.
    pub body: String,
    /// How far the incident is.
    pub state: State,
    /// The run that tells.
    pub run: RunId,
    /// Where to read more, if anywhere.
    pub url: Option<String>,
    /// Names this message: the same for every try and after every restart, and no other message's.
    /// Run and step path make one. Printable ASCII, at most 255 bytes.
    pub key: String,
}

impl Message {
    /// Refuses, before anything is sent, what no receiver takes.
    pub fn check(&self, channel: &Name) -> Result<(), ChannelError> {
        let key_ok = !self.key.is_empty()
            && self.key.len() <= MAX_KEY_BYTES
            && self.key.bytes().all(|byte| byte.is_ascii_graphic());
        let why = if self.title.len() > MAX_TITLE_BYTES {
            "the title is longer than 1 KiB"
        } else if self.body.len() > MAX_TEXT_BYTES {
            "the text is longer than 64 KiB"
        } else if !key_ok {
            "the key is empty, longer than 255 bytes or not printable"
        } else {
            return Ok(());
        };
        Err(ChannelError::BadMessage { channel: channel.clone(), why })
    }
}
