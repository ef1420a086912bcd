//! A tiny HTTP server for `/metrics` and `/healthz`. Bounded: few connections, short deadlines, no
//! request body is read, one request a connection.

use super::{TelemetryError, metrics};
use crate::tasks::{Policy, Tasks};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at once; more wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 16;
/// Longest life of one connection.
pub const CONNECTION_WITHIN: Duration = Duration::from_secs(10);
/// Pause after a failed accept, so that running out of files does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Says whether the process is well; the text is shown when it is not.
pub type Health = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Begins to record metrics and serves them on an address as tasks. Gives the address, whose port is
/// chosen by the system when it was 0.
pub async fn serve(tasks: &Tasks, address: SocketAddr, health: Health) -> Result<SocketAddr, TelemetryError> {
    let listen = |source| TelemetryError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?;
    metrics::record();
    tasks.spawn("metrics-upkeep", Policy::BACKGROUND, metrics::upkeep());
    tasks.spawn("metrics-endpoint", Policy::BACKGROUND, accept(listener, health));
    Ok(bound)
}

async fn accept(listener: TcpListener, health: Health) -> Result<(), Infallible> {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        match listener.accept().await {
            Ok((stream, _)) => {
                let health = health.clone();
                connections.spawn(async move {
                    let _place = place;
                    let _ = tokio::time::timeout(CONNECTION_WITHIN, answer_one(stream, health)).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for metrics");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn answer_one(stream: TcpStream, health: Health) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), &health);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(CONNECTION_WITHIN).keep_alive(false);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection for metrics ended");
    }
}

fn answer(method: &Method, path: &str, health: &Health) -> Response<Full<Bytes>> {
    let (status, text) = match (method, path) {
        (&Method::GET, "/metrics") => (StatusCode::OK, metrics::render()),
        (&Method::GET, "/healthz") => match health() {
            Ok(()) => (StatusCode::OK, "ok\n".to_string()),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        (&Method::GET, _) => (StatusCode::NOT_FOUND, "see /metrics and /healthz\n".to_string()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_string()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}
