//! Tells people. At least once: the key is the same for every try and after every restart.

use crate::channels::{self, ChannelError, Message};
use model::control::NotifyOutput;
use model::nouns::ChannelSpec;
use model::{Outcome, Token};
use runtime::Explained;

/// Sends one message and waits until the receiver has confirmed it.
pub(super) async fn perform(
    channel: &ChannelSpec,
    token: &Token,
    state: &str,
    title: &str,
    text: &str,
) -> Outcome {
    match tell(channel, token, state, title, text).await {
        Ok(output) => Outcome::success(&output),
        Err(error) => Outcome::Failed { problem: error.problem() },
    }
}

async fn tell(
    channel: &ChannelSpec,
    token: &Token,
    state: &str,
    title: &str,
    text: &str,
) -> Result<NotifyOutput, ChannelError> {
    let message = Message {
        title: title.to_string(),
        body: text.to_string(),
        state: state.parse()?,
        run: token.run,
        url: None,
        key: format!("{}/{}/{}", token.run, token.mode, token.step),
    };
    let told = channels::open(channel)?.announce(&message).await?;
    Ok(NotifyOutput { channel: channel.name.clone(), tries: told.tries })
}

/// Whether the channel's settings can be used. Sends nothing.
pub(super) fn look(channel: &ChannelSpec) -> Outcome {
    match channels::open(channel) {
        Ok(_) => Outcome::Succeeded { output: "it would be told".into() },
        Err(error) => Outcome::Failed { problem: error.problem() },
    }
}
