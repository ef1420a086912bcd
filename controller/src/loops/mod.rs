//! Background loops, one file a loop, all in one list. Each takes no input: it looks at what there is,
//! does a bounded amount, and may be cut off at any await.

mod adopt;
mod gauges;
mod heard;
pub mod preview;
mod tidy;
pub mod trigger;

use crate::app::App;
use futures::future::BoxFuture;
use runtime::Policy;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// A loop.
struct Loop {
    name: &'static str,
    every: Duration,
    once: for<'a> fn(&'a App) -> BoxFuture<'a, ()>,
}

/// Every loop.
const LOOPS: &[Loop] = &[
    Loop { name: "loop adopt", every: Duration::from_secs(5), once: adopt::once },
    Loop { name: "loop bundle", every: Duration::from_secs(1), once: crate::rescue::export::once },
    Loop { name: "loop heard", every: Duration::from_secs(10), once: heard::once },
    Loop { name: "loop gauges", every: Duration::from_secs(2), once: gauges::once },
    Loop { name: "loop preview", every: Duration::from_secs(60), once: preview::once },
    Loop { name: "loop trigger", every: Duration::from_millis(250), once: trigger::once },
    Loop { name: "loop tidy", every: Duration::from_secs(600), once: tidy::once },
];

/// Starts them all. They stop with the process.
pub fn start(app: &Arc<App>) {
    for one in LOOPS {
        let app = app.clone();
        let tasks = app.tasks.clone();
        tasks.spawn(one.name, Policy::BACKGROUND, async move {
            loop {
                (one.once)(&app).await;
                tokio::time::sleep(one.every).await;
            }
            #[allow(unreachable_code)]
            Ok::<_, Infallible>(())
        });
    }
}
