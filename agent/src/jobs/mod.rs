//! Doing work: one file a job kind, listed in `perform`, `probe` and `would_you`.
//!
//! Every kind obeys the same rules. The policy is asked before anything else. The epoch is asked again
//! just before the effect (`Context::may_act`). A cancel ends in `Cancelled` only when nothing of the work
//! runs any more; where the effect may have happened it ends in `Unknown`. A probe first ends what an
//! earlier life of the agent left running, and only then looks, so its "not done" stays true.

pub mod backup;
pub mod check;
pub mod child;
pub mod command;
pub mod context;
pub mod fence;
pub mod note;
pub mod promote;
mod proofs;
pub mod prove;
pub mod rejoin;
pub mod restore;
pub mod retain;
pub mod service;
pub mod swap;
pub mod unfence;

pub use context::{Context, End, Guard};
use model::{Mode, Outcome, Problem, Work};
use serde::{Deserialize, Serialize};
use std::future::Future;

/// What a probe says about an effect whose result was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It was done; this is its outcome.
    Done(Outcome),
    /// It was not done, nothing of it runs, and its order will not begin again.
    NotDone,
    /// A person must look, with this.
    CannotTell(Problem),
}

/// What an agent answers to "would you?".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// What would be done and what was found ready for it, a sentence each.
    pub would: Vec<String>,
}

/// One job kind.
pub trait Job {
    /// What it gives.
    type Output: Serialize;
    /// Does it. The policy has agreed; the implementation calls `may_act` just before its effect.
    fn perform(&self, context: &Context) -> impl Future<Output = Result<Self::Output, End>> + Send;
    /// Was it done? Nothing of it runs any more when this is called.
    fn probe(&self, context: &Context) -> impl Future<Output = Probe> + Send;
    /// Could it be done? Changes nothing.
    fn would_you(&self, context: &Context) -> impl Future<Output = Result<Preview, End>> + Send;
}

/// Calls one method of the job that some work names. This is the list of job kinds.
macro_rules! dispatch {
    ($work:expr, $job:ident => $call:expr) => {
        match $work {
            Work::Backup($job) => $call,
            Work::Restore($job) => $call,
            Work::Prove($job) => $call,
            Work::Retain($job) => $call,
            Work::Swap($job) => $call,
            Work::Check($job) => $call,
            Work::Service($job) => $call,
            Work::Promote($job) => $call,
            Work::Fence($job) => $call,
            Work::Rejoin($job) => $call,
            Work::Unfence($job) => $call,
            Work::Command($job) => $call,
        }
    };
}

/// Does work and says how it ended. Time-outs are the caller's, by `context.cancel`.
pub async fn perform(work: &Work, context: &Context) -> Outcome {
    if context.mode == Mode::Preview {
        return would_you(work, context).await;
    }
    if let Err(problem) = context.policy.permits(work) {
        return Outcome::Refused { problem };
    }
    dispatch!(work, job => settle(job.perform(context).await))
}

/// Was this work done? Called for work that began and whose result was lost, after its token was revoked.
pub async fn probe(work: &Work, context: &Context) -> Probe {
    if let Err(problem) = context.policy.permits(work) {
        return Probe::CannotTell(problem);
    }
    if let Err(problem) = child::end_leftovers(context).await {
        return Probe::CannotTell(problem);
    }
    dispatch!(work, job => job.probe(context).await)
}

/// Would this work be done? Answers from policy, scripts, secrets, programs and free space, and does nothing.
pub async fn would_you(work: &Work, context: &Context) -> Outcome {
    if let Err(problem) = context.policy.permits(work) {
        return Outcome::Refused { problem };
    }
    dispatch!(work, job => settle(job.would_you(context).await))
}

fn settle<T: Serialize>(result: Result<T, End>) -> Outcome {
    match result {
        Ok(output) => Outcome::success(&output),
        Err(end) => end.into(),
    }
}
