//! Keeps what was heard of agents, so that after a restart it is known who was there when.

use crate::app::App;
use futures::FutureExt;
use futures::future::BoxFuture;

/// Agents that one write keeps: a run's next event waits for no more than these.
const AT_ONCE: usize = 200;

pub(super) fn once(app: &App) -> BoxFuture<'_, ()> {
    async move {
        let heard = app.fleet.take_changed();
        for some in heard.chunks(AT_ONCE) {
            if let Err(error) = app.store.keep_heard(some.to_vec()).await {
                tracing::warn!(%error, "what was heard of agents was not kept; a later round has it again");
            }
        }
    }
    .boxed()
}
