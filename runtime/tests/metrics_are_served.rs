//! `/metrics` and `/healthz` over real HTTP.
#![allow(clippy::unwrap_used)]

use runtime::telemetry::endpoint;
use runtime::{Shutdown, Tasks};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn send(address: SocketAddr, head: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn a_scraper_reads_metrics_and_health() {
    let tasks = Tasks::new(Shutdown::new());
    let well = Arc::new(AtomicBool::new(true));
    let asked = well.clone();
    let health: endpoint::Health =
        Arc::new(
            move || {
                if asked.load(Ordering::SeqCst) { Ok(()) } else { Err("the store is away".to_string()) }
            },
        );
    let address = endpoint::serve(&tasks, "127.0.0.1:0".parse().unwrap(), health.clone()).await.unwrap();
    metrics::counter!("lifeboat_test_total", "kind" => "a").increment(3);
    metrics::histogram!("lifeboat_test_seconds").record(0.2);
    let text = send(address, "GET /metrics").await;
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    assert!(text.contains("lifeboat_test_total{kind=\"a\"} 3"), "{text}");
    assert!(text.contains("lifeboat_test_seconds_bucket{le=\"0.25\"} 1"), "{text}");
    assert!(send(address, "GET /healthz").await.ends_with("\r\n\r\nok\n"));
    well.store(false, Ordering::SeqCst);
    let text = send(address, "GET /healthz").await;
    assert!(text.starts_with("HTTP/1.1 503") && text.ends_with("the store is away\n"), "{text}");
    assert!(send(address, "GET /other").await.starts_with("HTTP/1.1 404"));
    assert!(send(address, "POST /metrics").await.starts_with("HTTP/1.1 405"));
    let taken = endpoint::serve(&tasks, address, health).await.unwrap_err();
    assert!(taken.to_string().starts_with("LB5304"), "{taken}");
    assert!(tasks.stop(Duration::from_secs(5)).await.is_empty());
}
