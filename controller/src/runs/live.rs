//! What people see of a run while it is going on.
//!
//! Journaled events are never sent from here: a watcher is only told how far the journal has come, and
//! reads from it by number, so nothing is lost and repeats are recognised. Progress and output are not
//! journaled; a watcher that does not keep up loses some of them, and nobody waits for it.

use engine::RunState;
use model::{Progress, Token};
use std::sync::Arc;
use tokio::sync::{broadcast, watch};

/// Pieces of progress and output that a slow watcher may be behind.
pub const MAX_BEHIND: usize = 256;

/// What is shown and not kept.
#[derive(Debug, Clone)]
pub enum Live {
    /// How far a job has come.
    Progress {
        /// Whose.
        token: Token,
        /// How far.
        progress: Progress,
    },
    /// What a job printed.
    Output {
        /// Whose.
        token: Token,
        /// Lines.
        lines: Vec<String>,
    },
}

impl Live {
    /// The attempt that it is about.
    pub fn token(&self) -> &Token {
        match self {
            Live::Progress { token, .. } | Live::Output { token, .. } => token,
        }
    }
}

/// A run's state after its last durable event, and what is going on meanwhile.
#[derive(Debug)]
pub struct Shown {
    state: watch::Sender<Option<Arc<RunState>>>,
    live: broadcast::Sender<Live>,
}

/// The receiving ends of both.
pub type Watching = (watch::Receiver<Option<Arc<RunState>>>, broadcast::Receiver<Live>);

impl Default for Shown {
    fn default() -> Self {
        Self { state: watch::Sender::new(None), live: broadcast::Sender::new(MAX_BEHIND) }
    }
}

impl Shown {
    /// A new state is durable.
    pub fn publish(&self, state: Arc<RunState>) {
        self.state.send_replace(Some(state));
    }

    /// Something is going on.
    pub fn live(&self, live: Live) {
        // An error means that nobody watches.
        let _ = self.live.send(live);
    }

    /// The newest durable state; none before the run was loaded.
    pub fn state(&self) -> Option<Arc<RunState>> {
        self.state.borrow().clone()
    }

    /// Watches both.
    pub fn subscribe(&self) -> Watching {
        (self.state.subscribe(), self.live.subscribe())
    }
}
