//! A collector that takes connections and never answers neither blocks nor fails the process.
#![allow(clippy::unwrap_used)]

use runtime::telemetry;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_costs_no_more_than_the_deadline_of_the_flush() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let settings = telemetry::Settings { otlp: Some(endpoint), ..Default::default() };
    let telemetry = telemetry::start("lifeboat-test", &settings).unwrap();
    let started = Instant::now();
    for number in 0..3 * telemetry::MAX_QUEUED_SPANS {
        tracing::info_span!("work", number).in_scope(|| {});
    }
    assert!(started.elapsed() < Duration::from_secs(5), "spans are dropped, not waited for");
    let started = Instant::now();
    assert!(!telemetry.stop(Duration::from_secs(1)).await);
    assert!(started.elapsed() < Duration::from_secs(3), "took {:?}", started.elapsed());
    drop(listener);
}
