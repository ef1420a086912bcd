//! Whether this controller may command at all.
//!
//! It loses its standing for good when its store says that another epoch leads, when the store has less
//! than it acknowledged, or when an agent shows that our journal is older than what it has obeyed: our
//! store is then a copy from the past, and whatever it would decide rests on a history that was cut off. Nothing is sent and nothing begins
//! from then on; reading stays possible, so that people see why.

use model::Problem;
use std::sync::Arc;
use tokio::sync::watch;

/// Shared by everything that commands. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Standing(Arc<watch::Sender<Option<Problem>>>);

impl Default for Standing {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Standing {
    /// Gives up, with the reason. The first reason stays.
    pub fn lose(&self, problem: Problem) {
        self.0.send_if_modified(|standing| {
            if standing.is_some() {
                return false;
            }
            tracing::error!(%problem, advice = problem.advice, "this controller commands no more");
            metrics::gauge!("lifeboat_controller_halted").set(1.0);
            *standing = Some(problem.clone());
            true
        });
    }

    /// Why it may not command, if so.
    pub fn lost(&self) -> Option<Problem> {
        self.0.borrow().clone()
    }

    /// The store has fewer events of a run than it acknowledged to us: a database that failed over without
    /// them. Gives the problem.
    pub fn lost_events(&self, run: model::RunId, expected: u64, found: u64) -> Problem {
        let problem = Problem::new(
            "LB1231",
            format!(
                "the database has lost what it acknowledged: run {run} stood at event {expected}, and now at {found}"
            ),
            "It went back to a copy that was behind. Stop the controllers, keep that database, and bring back the one that has all, or see what agents have done since.",
        );
        self.lose(problem.clone());
        problem
    }

    /// An agent has obeyed a newer epoch than ours.
    pub fn newer_epoch(&self, host: &model::HostName, refusal: model::Refusal) {
        self.lose(
            Problem::new(
                "LB1120",
                format!("{host} says that another controller leads"),
                "If that controller is the right one, stop this one. If there is none, this store is a copy from the past: restore the newest one.",
            )
            .caused_by(&refusal),
        );
    }
}
