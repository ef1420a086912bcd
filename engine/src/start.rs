//! The beginning of a run.

use crate::apply::request::runnable;
use crate::event::Event;
use model::UserName;
use plan::checked::CheckedPlan;
use uuid::Uuid;

/// A plan that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its shape.
    #[error(
        "LB1343: the plan cannot be run: {0}; check it with `lifeboat plan check` of this version and start again"
    )]
    NotRunnable(String),
    /// It is no JSON.
    #[error("LB1343: the plan cannot be stored")]
    NotJson(#[source] serde_json::Error),
}

/// The first event of a run, with the plan pinned in it.
pub fn start(plan: CheckedPlan, by: UserName, request: Option<Uuid>) -> Result<Event, StartError> {
    runnable(&plan).map_err(StartError::NotRunnable)?;
    let digest = plan.digest().map_err(StartError::NotJson)?;
    Ok(Event::RunRequested { plan: Box::new(plan), digest, by, request })
}
