//! A leader at work: it renews, and stands still while it cannot.

use super::RENEWALS;
use crate::app::App;
use crate::store::StoreError;
use model::Problem;
use runtime::Policy;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Code, Status};

/// Starts the tasks that keep a bounded leadership. The process ends with one that was taken.
pub fn keep(app: &Arc<App>, length: Duration) {
    let renewing = app.clone();
    app.tasks.spawn("leadership", Policy::VITAL, async move { renew(&renewing, length).await });
    let watching = app.clone();
    app.tasks.spawn("leadership's end", Policy::BACKGROUND, async move {
        loop {
            watching.leading.lapsed().await;
            stand_still(&watching);
            watching.leading.regained().await;
        }
        #[allow(unreachable_code)]
        Ok::<_, Infallible>(())
    });
}

async fn renew(app: &App, length: Duration) -> Result<(), StoreError> {
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(length / RENEWALS) => {}
        }
        let sent = app.clock.since_boot();
        match app.store.renew(app.epoch, length).await {
            Ok(()) => {
                if app.leading.renewed(sent, length) {
                    tracing::warn!("the leadership lapsed and nobody took it: everything goes on");
                    app.runs.poke_all();
                }
            }
            Err(error @ StoreError::EpochOver { .. }) => {
                app.judge(&error);
                return Err(error);
            }
            Err(StoreError::Closed) => return Ok(()),
            Err(error) => {
                tracing::warn!(%error, left = ?app.leading.left(), "the leadership was not renewed")
            }
        }
    }
}

/// Ends every session: agents look for whoever leads.
fn stand_still(app: &App) {
    tracing::error!("the leadership cannot be renewed: no order is sent until it is");
    for (_, session) in app.fleet.sessions() {
        session.end(lapsed());
    }
}

/// What is said to whoever needs a leader while the leadership has lapsed.
pub(crate) fn lapsed() -> Status {
    let problem = Problem::new(
        "LB1227",
        "this controller cannot renew its leadership: its database does not answer",
        "Another controller takes over, or this one goes on when the database answers. Look at the database and at the way to it.",
    );
    proto::status_of_problem(Code::Unavailable, &problem.transient())
}
