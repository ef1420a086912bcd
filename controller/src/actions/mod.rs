//! What the controller itself does for a step, one file an action.
//!
//! An action is performed again under the same token after a crash, so each is idempotent by what it
//! saved before it acted: a cut-over goes on with the change that it planned, a notification carries the
//! step as its key. In a preview an action only looks.

mod cutover;
mod notify;
mod restore_record;
mod zone;

use crate::store::Store;
use engine::ProbeAnswer;
use model::{ControlAction, Micros, Mode, Outcome, Problem, Token};

/// Performs an action to its end.
pub async fn perform(store: &Store, token: &Token, action: &ControlAction, now: Micros) -> Outcome {
    let preview = token.mode == Mode::Preview;
    match action {
        ControlAction::Cutover { record, to } if preview => cutover::look(record, to, token).await,
        ControlAction::Cutover { record, to } => cutover::perform(store, token, record, to, now).await,
        ControlAction::RestoreRecord { .. } if preview => {
            Outcome::Succeeded { output: "it would be put back".into() }
        }
        ControlAction::RestoreRecord { record } => restore_record::perform(store, token, record).await,
        ControlAction::Notify { channel, .. } if preview => notify::look(channel),
        ControlAction::Notify { channel, state, title, text } => {
            notify::perform(channel, token, state, title, text).await
        }
    }
}

/// Looks whether an action had its effect. Reads only.
pub async fn probe(store: &Store, token: &Token, action: &ControlAction) -> ProbeAnswer {
    match action {
        ControlAction::Cutover { record, .. } => cutover::probe(store, token, record).await,
        ControlAction::RestoreRecord { record } => restore_record::probe(store, token, record).await,
        ControlAction::Notify { .. } => ProbeAnswer::CannotTell {
            problem: Problem::new(
                "LB1360",
                "nobody but its readers knows whether the message arrived",
                "Look at the channel, then settle the step with `lifeboat answer`.",
            ),
        },
    }
}
