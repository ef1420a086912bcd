//! Sets the gauges: agents connected, runs by status, whether we command.

use crate::app::App;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;

/// Every word that an open run's status may be.
const WORDS: [&str; 6] = ["pending", "running", "waiting", "paused", "unwinding", "stuck"];
/// Open runs that are counted.
const MAX_RUNS: u32 = 4096;

pub(super) fn once(app: &App) -> BoxFuture<'_, ()> {
    async move {
        metrics::gauge!("lifeboat_agents_connected").set(app.fleet.connected() as f64);
        metrics::gauge!("lifeboat_controller_epoch").set(app.epoch.number as f64);
        metrics::gauge!("lifeboat_controller_halted").set(f64::from(u8::from(app.standing.lost().is_some())));
        let rows = match app.store.runs(true, MAX_RUNS).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "open runs were not counted");
                return;
            }
        };
        let mut counts: BTreeMap<&str, u32> = WORDS.iter().map(|word| (*word, 0)).collect();
        for row in &rows {
            let parked = app.runs.parked(row.run).is_some();
            *counts.entry(if parked { "stuck" } else { row.status.as_str() }).or_default() += 1;
        }
        for (word, count) in counts {
            metrics::gauge!("lifeboat_runs_open", "status" => word.to_string()).set(f64::from(count));
        }
    }
    .boxed()
}
