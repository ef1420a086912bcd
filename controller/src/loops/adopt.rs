//! Takes up open runs that nobody drives: a start whose commit stands and whose answer was lost with the
//! connection to the database.

use crate::app::App;
use crate::runs::registry::MAX_OPEN;
use futures::FutureExt;
use futures::future::BoxFuture;

pub(super) fn once(app: &App) -> BoxFuture<'_, ()> {
    async move {
        if app.rescue.as_ref().is_some_and(crate::rescue::Rescue::is_collecting) {
            return;
        }
        let limit = u32::try_from(MAX_OPEN).unwrap_or(u32::MAX);
        let rows = match app.store.runs(true, limit).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "open runs were not looked at; the next round does");
                return;
            }
        };
        for row in rows {
            // One that has ended meanwhile is seen to be over when it is read.
            if app.runs.shown(row.run).is_none() && app.runs.parked(row.run).is_none() {
                app.runs.open(row.run);
            }
        }
    }
    .boxed()
}
