//! What must be recorded next, and which effects should be under way.
//!
//! `decide` looks only at the state and the time, never at what happened just now: so it gives the same
//! answer after a crash, on another controller, or when it is asked twice. It works to a fixpoint: each
//! round's events are folded, and the next round sees the state that they give. Nothing of that is true
//! before the driver has committed it; `perform` belongs to the state *after* the commit.

mod effects;
pub(crate) mod fan_out;
mod finish;
mod housekeep;
mod steps;
mod tasks;
mod unwind;

use crate::apply::fold;
use crate::event::Event;
use crate::perform::Perform;
use crate::state::{Phase, RunState};
use model::Micros;
use uuid::Uuid;

/// Most rounds of one decision. A round records at least one event; a run of the largest plan needs fewer.
const MAX_ROUNDS: usize = 200_000;

/// What follows from a state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// To be recorded first, all in one transaction.
    pub record: Vec<Event>,
    /// Should be under way once that is recorded.
    pub perform: Vec<Perform>,
    /// When to decide again if nothing happens.
    pub wake_at: Option<Micros>,
}

/// Time and randomness of one decision.
pub(crate) struct Mind<'a> {
    pub(crate) now: Micros,
    pub(crate) ids: &'a mut dyn FnMut() -> Uuid,
}

/// Decides. `ids` gives fresh random UUIDs: ids of questions, and the jitter of pauses.
pub fn decide(state: &RunState, now: Micros, ids: &mut dyn FnMut() -> Uuid) -> Decision {
    let mut mind = Mind { now, ids };
    let mut next = state.clone();
    let mut record: Vec<Event> = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let events = round(&next, &mut mind);
        if events.is_empty() {
            break;
        }
        for event in events {
            match fold(next, &event, now) {
                Ok(folded) => next = folded,
                Err(error) => {
                    // Nothing is performed then, and the run stands still where a person can see it.
                    debug_assert!(false, "the engine decided what it does not allow: {error}");
                    return Decision { record, perform: Vec::new(), wake_at: None };
                }
            }
            record.push(event);
        }
    }
    let (perform, wake_at) = effects::effects(&next);
    Decision { record, perform, wake_at }
}

/// The next events, each possible after the one before it; empty when nothing more follows now.
fn round(state: &RunState, mind: &mut Mind<'_>) -> Vec<Event> {
    let chores = housekeep::housekeep(state, mind.now);
    if !chores.is_empty() {
        return chores;
    }
    match &state.phase {
        Phase::Pending => vec![Event::RunStarted],
        Phase::Forward { .. } => steps::forward(state, mind),
        Phase::Paused { .. } => steps::paused(state, mind),
        Phase::Stopping { .. } => finish::stopping(state),
        Phase::Cancelling { .. } => finish::cancelling(state),
        Phase::Unwinding { .. } => unwind::unwinding(state, mind),
        Phase::Ending { .. } => finish::ending(state),
        Phase::Closing { .. } => steps::closing(state, mind),
        Phase::Stuck { .. } | Phase::Finished { .. } => Vec::new(),
    }
}
