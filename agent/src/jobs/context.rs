//! What a job is given besides its parameters, and the ways in which it ends.

use crate::lease::Leases;
use crate::policy::Policy;
use model::{Micros, Mode, Outcome, Problem, Progress};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Re-checks the sender's epoch (and that the token was not revoked). Called just before the effect.
pub type Guard = Arc<dyn Fn() -> Result<(), Problem> + Send + Sync>;

/// What a job works with.
#[derive(Clone)]
pub struct Context {
    /// The agent's folder of durable state. Jobs use `services/` and `notes/` below it.
    pub state_dir: PathBuf,
    /// What may be asked of this host.
    pub policy: Arc<Policy>,
    /// The leases that servers of this host need.
    pub leases: Leases,
    /// Cancelled when the order is cancelled or its time is over.
    pub cancel: CancellationToken,
    /// The latest progress; older ones are overwritten.
    pub progress: watch::Sender<Progress>,
    /// Lines that programs printed. A full channel drops lines, never stops a job.
    pub output: mpsc::Sender<String>,
    /// Called just before the effect; an error refuses it.
    pub guard: Guard,
    /// The wall clock.
    pub now: fn() -> Micros,
    /// In which mode the run executes.
    pub mode: Mode,
    /// The token as text: the name of the effect. It marks child processes, notes and copies, so that a
    /// probe finds what an earlier life of this agent left behind.
    pub marker: String,
}

/// How a job ended when it did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Tried and not done.
    Failed(Problem),
    /// Not tried.
    Refused(Problem),
    /// It cannot be told whether it was done.
    Unknown(Problem),
    /// Stopped on request; nothing of it runs any more.
    Cancelled,
}

impl From<Problem> for End {
    fn from(problem: Problem) -> End {
        End::Failed(problem)
    }
}

impl From<End> for Outcome {
    fn from(end: End) -> Outcome {
        match end {
            End::Failed(problem) => Outcome::Failed { problem },
            End::Refused(problem) => Outcome::Refused { problem },
            End::Unknown(problem) => Outcome::Unknown { problem },
            End::Cancelled => Outcome::Cancelled,
        }
    }
}

impl Context {
    /// Reports what the job is doing.
    pub fn phase(&self, phase: &str) {
        self.progress.send_modify(|progress| progress.phase = phase.to_string());
    }

    /// Reports bytes done in the current phase.
    pub fn done_bytes(&self, done_bytes: u64, total_bytes: Option<u64>) {
        self.progress.send_modify(|progress| {
            progress.done_bytes = done_bytes;
            progress.total_bytes = total_bytes;
        });
    }

    /// Hands a line to whoever watches. Dropped when they are slow.
    pub fn say(&self, line: impl Into<String>) {
        let _ = self.output.try_send(line.into());
    }

    /// The last look before the effect: the epoch still holds, nobody cancelled, and this is no preview.
    pub fn may_act(&self) -> Result<(), End> {
        if self.mode == Mode::Preview {
            return Err(End::Refused(Problem::new(
                "LB2211",
                "a preview must not act",
                "Report this: a preview reached an effect.",
            )));
        }
        if self.cancel.is_cancelled() {
            return Err(End::Cancelled);
        }
        (self.guard)().map_err(End::Refused)
    }

    /// Awaits something that changes nothing, or ends it when the job is cancelled.
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, End> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(End::Cancelled),
            done = work => Ok(done),
        }
    }
}
