//! Notification: tells people over a channel.
//!
//! Its key is the run and the step, whatever the attempt, so a receiver that heard it drops the repeat.
//! A message that did not get through is a failure that says so; what then happens is the plan's
//! `on-failure`.

use super::error::Stop;
use super::{Actions, Preview, ProbeAnswer};
use crate::channels::{self, ChannelError, Message};
use model::control::NotifyOutput;
use model::nouns::ChannelSpec;
use model::{Mode, Outcome, Token};
use runtime::Explained;

/// What is told where.
pub(super) struct Announcement<'a> {
    /// The channel.
    pub channel: &'a ChannelSpec,
    /// The word of the incident's state.
    pub state: &'a str,
    /// One line.
    pub title: &'a str,
    /// The message.
    pub text: &'a str,
}

/// Does it.
pub(super) async fn perform(actions: &Actions, token: &Token, what: Announcement<'_>) -> Outcome {
    if token.mode == Mode::Preview {
        return match preview(token, &what).await {
            Ok(preview) => Outcome::success(&preview),
            Err(stop) => stop.into(),
        };
    }
    match tell(actions, token, &what).await {
        Ok(output) => Outcome::success(&output),
        Err(stop) => stop.into(),
    }
}

/// No receiver can be asked whether it heard. A message that was not confirmed counts as not sent: its
/// repeat carries the same key, and an incident told twice is better than one never told.
pub(super) fn probe() -> ProbeAnswer {
    ProbeAnswer::NotDone
}

async fn tell(actions: &Actions, token: &Token, what: &Announcement<'_>) -> Result<NotifyOutput, Stop> {
    let message = message(token, what).map_err(stop)?;
    let announcer = channels::open_with(what.channel, actions.channels).map_err(stop)?;
    runtime::crash::point_of("telling", &token.step);
    let told = announcer.announce(&message).await.map_err(stop)?;
    runtime::crash::point_of("told", &token.step);
    Ok(NotifyOutput { channel: what.channel.name.clone(), tries: told.tries })
}

fn message(token: &Token, what: &Announcement<'_>) -> Result<Message, ChannelError> {
    Ok(Message {
        title: what.title.to_string(),
        body: what.text.to_string(),
        state: what.state.parse()?,
        run: token.run,
        url: None,
        key: format!("{}/{}", token.run, token.step),
    })
}

/// What is wrong with the declaration itself was never sent.
fn stop(error: ChannelError) -> Stop {
    match error {
        ChannelError::BadSettings { .. }
        | ChannelError::BadMessage { .. }
        | ChannelError::UnknownState { .. } => Stop::Refused(error.problem()),
        other => Stop::Failed(other.problem()),
    }
}

/// Opens the channel and reads its token; nobody is told.
async fn preview(token: &Token, what: &Announcement<'_>) -> Result<Preview, Stop> {
    let channel = &what.channel.name;
    message(token, what).and_then(|message| message.check(channel)).map_err(stop)?;
    channels::open(what.channel).map_err(stop)?;
    if let Some(secret) = what.channel.token.clone() {
        let unusable = |source| stop(ChannelError::Token { channel: channel.clone(), source });
        let read = tokio::task::spawn_blocking(move || runtime::secret::resolve(&secret)).await;
        read.map_err(|error| unusable(error.into()))?.map_err(|error| unusable(error.into()))?;
    }
    Ok(Preview { would: vec![format!("tell {channel}: {}: {}", what.state, what.title)] })
}
