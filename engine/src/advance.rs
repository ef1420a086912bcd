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
    let batch = Batch::prepare(before, head, run, came, now, epoch)?;
    let decision = decide(&batch.state, now, ids);
    let batch = batch.then(decision.record, now)?;
    Ok(Advance { batch, perform: decision.perform, wake_at: decision.wake_at })
}
