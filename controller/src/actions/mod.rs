//! Actions: the steps that the controller does itself, instead of an agent.
//!
//! Ordering. The driver commits that an attempt started, then performs its action here; after a crash,
//! or when another controller takes over, it performs the same action again under the same token. So an
//! action may find that it was done before, half or wholly, and has to end as if it had been done once:
//!
//! - A cut-over saves what it is going to write, with the inverse, before it sends anything (`saved.rs`).
//!   Done again, it goes on with what was saved and never reads the zone for a new plan, because it
//!   would take its own write for what was there before. The write itself is conditional, so a repeat
//!   changes nothing ([`crate::dns`]).
//! - Its undo takes the inverse saved under the same run and step. A cut-over that saved nothing sent
//!   nothing.
//! - A notification carries a key made of run and step, so its receiver can drop a repeat
//!   ([`crate::channels`]).
//!
//! *Unknown is not failed.* A write whose answer was lost gives [`Outcome::Unknown`]. [`Actions::probe`]
//! then tells what became of it. It says "not done" only after it has made sure that a sending that is
//! still on its way will find the zone changed and be refused.
//!
//! *Cancellation.* The driver may drop the future at any point; that is the same as a crash there.
//!
//! *Preview.* Under a token of that mode nothing is written and nobody is told: the action answers what
//! it would do, after it has read the key and the zone.

mod cutover;
mod error;
mod notify;
mod restore_record;
mod saved;

#[cfg(test)]
mod bed;
#[cfg(test)]
mod dns_faults;
#[cfg(test)]
mod suite;

pub use error::ActionError;

use crate::store::Store;
use crate::{channels, dns};
use engine::ProbeAnswer;
use error::Stop;
use model::nouns::ZoneSpec;
use model::{ControlAction, Direction, Mode, Outcome, Token};
use runtime::{Clock, Explained};
use serde::Serialize;
use tracing::instrument;

/// What an action answers in a preview. The same form as an agent's.
#[derive(Debug, Serialize)]
struct Preview {
    /// What would be done, a sentence each.
    would: Vec<String>,
}

/// Performs actions. Cheap to clone.
#[derive(Clone)]
pub struct Actions {
    store: Store,
    clock: Clock,
    dns: dns::Bounds,
    channels: channels::Bounds,
}

impl Actions {
    /// With the usual bounds of DNS and channels.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, dns: dns::Bounds::DEFAULT, channels: channels::Bounds::DEFAULT }
    }

    /// The same with other bounds.
    #[must_use]
    pub fn with_bounds(mut self, dns: dns::Bounds, channels: channels::Bounds) -> Self {
        self.dns = dns;
        self.channels = channels;
        self
    }

    /// Does it. Performed again under the same token, it finds what it did and gives the same result.
    /// A cut-over under a token of direction `undo` is taken back, never done.
    #[instrument(name = "action.perform", skip_all, fields(%token))]
    pub async fn perform(&self, token: &Token, action: &ControlAction) -> Outcome {
        // The list of actions.
        let outcome = match (action, token.direction) {
            (ControlAction::Cutover { record, to }, Direction::Do) => {
                cutover::perform(self, token, record, to).await
            }
            (ControlAction::Cutover { record, .. }, Direction::Undo)
            | (ControlAction::RestoreRecord { record }, Direction::Do | Direction::Undo) => {
                restore_record::perform(self, token, record).await
            }
            (ControlAction::Notify { channel, state, title, text }, Direction::Do | Direction::Undo) => {
                notify::perform(self, token, notify::Announcement { channel, state, title, text }).await
            }
        };
        if let Some(problem) = outcome.problem() {
            tracing::warn!(%problem, outcome = outcome.as_str(), "an action was not done");
        }
        outcome
    }

    /// Says what became of an action that is no longer performed and whose result was lost.
    #[instrument(name = "action.probe", skip_all, fields(%token))]
    pub async fn probe(&self, token: &Token, action: &ControlAction) -> ProbeAnswer {
        if token.mode == Mode::Preview {
            return ProbeAnswer::NotDone;
        }
        match (action, token.direction) {
            (ControlAction::Cutover { record, to }, Direction::Do) => {
                cutover::probe(self, token, record, to).await
            }
            (ControlAction::Cutover { record, .. }, Direction::Undo)
            | (ControlAction::RestoreRecord { record }, Direction::Do | Direction::Undo) => {
                restore_record::probe(self, token, record).await
            }
            (ControlAction::Notify { .. }, Direction::Do | Direction::Undo) => notify::probe(),
        }
    }

    /// Opens a zone with its key, which is read anew each time and forgotten after.
    async fn zone(&self, spec: &ZoneSpec) -> Result<dns::Zone, Stop> {
        let key = spec.key.clone();
        let read = tokio::task::spawn_blocking(move || runtime::secret::resolve(&key)).await;
        let read = read.map_err(|source| {
            Stop::Failed(ActionError::KeyNotRead { zone: spec.name.clone(), source }.problem())
        })?;
        let key = read.map_err(|error| Stop::Refused(error.problem()))?;
        dns::open_with(spec, key.expose(), self.dns).map_err(|error| Stop::Refused(error.problem()))
    }
}
