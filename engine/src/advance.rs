//! One turn of a driver: fold what came, decide what follows, and make one batch of both, so that the
//! result of what ended and the start of what is next are durable in one transaction.

use crate::apply::IllegalEvent;
use crate::decide::decide;
use crate::event::Event;
use crate::journal::Batch;
use crate::perform::Perform;
use crate::state::RunState;
use model::{Head, Micros, RunId};
use uuid::Uuid;

/// What one turn gives. Append the batch first; only then act on the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// To be appended; its entries may be empty.
    pub batch: Batch,
    /// Effects that should be under way once it is durable.
    pub perform: Vec<Perform>,
    /// When to take the next turn if nothing comes.
    pub wake_at: Option<Micros>,
}

/// Takes a turn with what came (often nothing: after a start, a takeover, a wake-up).
pub fn advance(
    before: Option<RunState>,
    head: Option<Head>,
    run: RunId,
    came: Vec<Event>,
    now: Micros,
    epoch: u64,
    ids: &mut dyn FnMut() -> Uuid,
) -> Result<Advance, IllegalEvent> {
    let first = if came.is_empty() {
        before.clone()
    } else {
        Some(Batch::prepare(before.clone(), head.clone(), run, came.clone(), now, epoch)?.state)
    };
    let Some(state) = first else { return Err(IllegalEvent::NoBeginning { kind: "nothing" }) };
    let decision = decide(&state, now, ids);
    let mut events = came;
    events.extend(decision.record);
    let batch = Batch::prepare(before, head, run, events, now, epoch)?;
    Ok(Advance { batch, perform: decision.perform, wake_at: decision.wake_at })
}
