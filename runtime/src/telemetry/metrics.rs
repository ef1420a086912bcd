//! Metrics of this process in Prometheus' text format. Code records with the `metrics` crate's macros.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use std::time::Duration;

/// Upper bounds of histogram buckets, in seconds: from a local call to a long restore.
const BUCKETS_S: [f64; 14] =
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0];
/// How often recorded samples are folded, so that memory stays bounded when nobody scrapes.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(10);

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

fn handle() -> Option<&'static PrometheusHandle> {
    let handle = HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS_S).ok()?;
        builder.install_recorder().ok()
    });
    handle.as_ref()
}

/// Starts recording. What was recorded before is lost. Harmless twice. False when something else in
/// this process records metrics.
pub fn record() -> bool {
    handle().is_some()
}

/// All metrics in Prometheus' text format.
pub fn render() -> String {
    handle().map(PrometheusHandle::render).unwrap_or_default()
}

/// Folds samples every [`UPKEEP_EVERY`], for ever. A background task of the process.
pub async fn upkeep() -> Result<(), std::convert::Infallible> {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        if let Some(handle) = handle() {
            handle.run_upkeep();
        }
    }
}
