//! Drops what nobody needs any more: old tokens, logins and reports of schedules, restore points beyond what
//! lists show. Journals are never dropped.

use crate::app::App;
use crate::auth::renew::MAX_LOGIN;
use futures::FutureExt;
use futures::future::BoxFuture;
use model::Micros;
use std::time::Duration;

/// How long an expired token is remembered, so that whoever shows it hears that it expired.
const TOKENS_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// How long reports of schedules are kept.
const REPORTS_KEPT: Duration = Duration::from_secs(90 * 86_400);
/// Restore points of each source that the cache keeps.
const POINTS_KEPT: u32 = 2000;

fn before(now: Micros, length: Duration) -> Micros {
    Micros(now.0.saturating_sub(i64::try_from(length.as_micros()).unwrap_or(i64::MAX)))
}

pub(super) fn once(app: &App) -> BoxFuture<'_, ()> {
    async move {
        let now = app.clock.now();
        let dropped = [
            app.store.drop_old_tokens(before(now, TOKENS_KEPT)).await,
            app.store.drop_old_user_tokens(before(now, TOKENS_KEPT)).await,
            // One that is not known is refused just as one that is too old.
            app.store.drop_old_logins(before(now, MAX_LOGIN)).await,
            app.store.drop_old_scheduled(before(now, REPORTS_KEPT)).await,
            app.store.trim_points(POINTS_KEPT).await,
        ];
        for result in dropped {
            match result {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "old rows dropped"),
                Err(error) => tracing::warn!(%error, "old rows were not dropped; the next round tries again"),
            }
        }
    }
    .boxed()
}
