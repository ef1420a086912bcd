//! Keeps what was heard of agents, so that after a restart it is known who was there when.

use crate::app::App;
use futures::FutureExt;
use futures::future::BoxFuture;

pub(super) fn once(app: &App) -> BoxFuture<'_, ()> {
    async move {
        let heard = app.fleet.take_changed();
        if heard.is_empty() {
            return;
        }
        if let Err(error) = app.store.keep_heard(heard).await {
            tracing::warn!(%error, "what was heard of agents was not kept; the next round has it again");
        }
    }
    .boxed()
}
