//! How a process stops: who asked, and what its exit code says.
//!
//! There is one [`Shutdown`] a process. The first reason to stop wins and is kept for the log and the
//! exit code; later ones change nothing. A second signal does not cut the drain short: the drain has
//! a deadline of its own, and SIGKILL remains for whoever cannot wait.

use std::process::{ExitCode, Termination};
use std::sync::{Arc, OnceLock};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit codes, the same for every command and process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// 0: done.
    Done = 0,
    /// 1: the answer is no: diagnostics found, a check or a run failed, damage found.
    No = 1,
    /// 2: the command was wrong: usage, unreadable or malformed input.
    Usage = 2,
    /// 3: done, but incomplete; what is missing is named on stderr.
    Incomplete = 3,
    /// 4: open: unknown outcome, or waiting for a person.
    Open = 4,
    /// 5: refused: permission, policy, lock, lost approval.
    Refused = 5,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.into()
    }
}

/// Why a process stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// A signal came: `SIGTERM` or `SIGINT`.
    Signal(&'static str),
    /// A task without which the process is of no use ended with an error or a panic.
    Task {
        /// Its name.
        name: String,
        /// What happened.
        error: String,
    },
    /// Code asked for it.
    Asked(String),
}

impl StopReason {
    /// What the process' exit code says: 0 when somebody asked, 1 when a task failed.
    pub fn exit(&self) -> Exit {
        match self {
            StopReason::Signal(_) | StopReason::Asked(_) => Exit::Done,
            StopReason::Task { .. } => Exit::No,
        }
    }
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StopReason::Signal(name) => write!(f, "{name} received"),
            StopReason::Task { name, error } => write!(f, "task {name} failed: {error}"),
            StopReason::Asked(why) => f.write_str(why),
        }
    }
}

/// The word to stop, as a handle that is cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl Shutdown {
    /// Nobody has asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop. The first reason is kept.
    pub fn stop(&self, reason: StopReason) {
        if self.reason.set(reason).is_ok() {
            self.token.cancel();
        }
    }

    /// The token that is cancelled when the process is to stop.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Whether somebody has asked.
    pub fn is_stopping(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until somebody asks, and says why.
    pub async fn requested(&self) -> StopReason {
        self.token.cancelled().await;
        self.reason.get().cloned().unwrap_or_else(|| StopReason::Asked("stopped".to_string()))
    }

    /// Listens for SIGTERM and SIGINT from now on. The handlers are in place when this returns; the
    /// future ends when a signal came or the process stops anyway.
    pub fn listen(&self) -> std::io::Result<impl Future<Output = ()> + Send + use<>> {
        let mut term = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let this = self.clone();
        Ok(async move {
            tokio::select! {
                _ = term.recv() => this.stop(StopReason::Signal("SIGTERM")),
                _ = interrupt.recv() => this.stop(StopReason::Signal("SIGINT")),
                () = this.token.cancelled() => {}
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn the_first_reason_to_stop_is_kept() {
        let shutdown = Shutdown::new();
        shutdown.stop(StopReason::Task { name: "store".into(), error: "disk full".into() });
        shutdown.stop(StopReason::Asked("later".into()));
        let reason = shutdown.requested().await;
        assert_eq!(reason.to_string(), "task store failed: disk full");
        assert_eq!(reason.exit(), Exit::No);
    }

    #[tokio::test]
    async fn a_signal_stops_the_process() {
        let shutdown = Shutdown::new();
        let listening = shutdown.listen().unwrap();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
        tokio::time::timeout(Duration::from_secs(10), listening).await.unwrap();
        assert_eq!(shutdown.requested().await, StopReason::Signal("SIGTERM"));
    }

    #[test]
    fn exit_codes_are_those_of_the_design() {
        let codes = [Exit::Done, Exit::No, Exit::Usage, Exit::Incomplete, Exit::Open, Exit::Refused];
        assert_eq!(codes.map(Exit::code), [0, 1, 2, 3, 4, 5]);
    }
}
