//! Whether this controller may command at all.
//!
//! It loses its standing for good when its store says that another epoch leads, or when an agent shows
//! that our journal is older than what it has obeyed: our store is then a copy from the past, and
//! whatever it would decide rests on a history that was cut off. Nothing is sent and nothing begins
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
