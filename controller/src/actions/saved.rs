//! What a cut-over saved before it sent anything, and how the zone stands to it.
//!
//! Race. Whoever saves first wins: after each saving the row is read back and that is what is written,
//! so two performers of one step write the same change. One plan holds for one attempt, however often
//! that attempt is performed. A later attempt goes on with it too, except when the zone can never take
//! it: it was taken back on purpose (by a probe that said "not done"), or somebody else changed the
//! record since. The engine begins no attempt by itself after the latter, because the probe cannot tell;
//! so a person has seen the conflict and asked for another try, and that try reads the record afresh.
//! A newer generation than ours is not overwritten even then.

use super::error::{ActionError, Stop};
use crate::dns::{DnsError, Observed, Planned, RecordName};
use crate::store::Store;
use model::{Micros, Token};
use runtime::Explained;
use serde::{Deserialize, Serialize};

/// The row of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// The attempt that planned it.
    pub attempt: u32,
    /// When, before anything was sent.
    pub at: Micros,
    /// The change and its inverse.
    pub planned: Planned,
}

/// How a zone stands to a saved change.
#[derive(Debug)]
pub(super) enum Standing {
    /// It holds what was to be written.
    Done,
    /// It holds what was there before; a sending that is on its way may still come true.
    Before,
    /// It holds what was there before under a higher generation of ours: the change was taken back, or
    /// made too old to arrive.
    TakenBack,
    /// Somebody else's doing: why the change will not happen any more.
    Other(DnsError),
}

impl Saved {
    /// Compares what a zone holds with the change.
    pub(super) fn standing(&self, found: Observed) -> Standing {
        let Planned { change, inverse } = &self.planned;
        let before = &inverse.before;
        if change.is_done(&found) {
            Standing::Done
        } else if inverse.restoring().is_ok_and(|back| back.is_done(&found)) {
            Standing::TakenBack
        } else if found.values == before.values && found.generation == before.generation {
            Standing::Before
        } else {
            Standing::Other(change.refused_by(found))
        }
    }
}

/// What the step of this token saved, if it got so far. An error when it is about another name.
pub(super) async fn load(store: &Store, token: &Token, name: &RecordName) -> Result<Option<Saved>, Stop> {
    let saved: Option<Saved> = store.inverse(token.run, &token.step).await.map_err(Stop::of_the_store)?;
    match saved {
        Some(Saved { planned, .. }) if planned.change.name != *name => {
            let (step, saved, asked) = (token.step.clone(), planned.change.name, name.clone());
            Err(Stop::Failed(ActionError::OtherRecord { step, saved, asked }.problem()))
        }
        saved => Ok(saved),
    }
}

/// Makes a plan durable, in the place of `old` if there is one, and gives the plan that is to be
/// written: this one, or that of whoever was first.
pub(super) async fn keep(
    store: &Store,
    token: &Token,
    old: Option<&Saved>,
    new: Saved,
) -> Result<Saved, Stop> {
    let name = new.planned.change.name.clone();
    let kept = match old {
        Some(old) => store.replace_inverse(token.run, &token.step, old, &new, new.at).await,
        None => store.save_inverse(token.run, &token.step, &new, new.at).await,
    };
    kept.map_err(|error| {
        let transient = error.problem().retry;
        let not_saved = DnsError::InverseNotSaved { name: name.clone(), source: Box::new(error) };
        let mut problem = not_saved.problem();
        problem.retry = transient;
        Stop::Failed(problem)
    })?;
    load(store, token, &name).await.map(|saved| saved.unwrap_or(new))
}
