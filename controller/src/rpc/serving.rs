//! What every server of ours is, the leader's and that of one who waits: TLS, bounds for each peer, and an end
//! that no client holds up.

use super::incoming::{Attentive, MAX_HANDSHAKES, MAX_WAIT, Places};
use crate::app::StartError;
use futures::{Stream, TryStreamExt as _};
use runtime::tls::server::ServerKeys;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// Streams that one connection may open.
pub const MAX_STREAMS: u32 = 128;
/// How often a connection is pinged, and how long a ping may stay unanswered.
const PING: Duration = Duration::from_secs(10);
/// Streams that a peer may reset before they were accepted, and that are kept track of.
const MAX_RESETS: usize = 64;
/// Largest header list, in bytes.
const MAX_HEADERS: u32 = 32 * 1024;

/// A server with its bounds: nobody vouches for a peer yet.
pub(crate) fn server(keys: &ServerKeys, calls_per_connection: usize) -> Result<Server, StartError> {
    let server = Server::builder().tls_config(runtime::tls::server_tls(keys)).map_err(StartError::Tls)?;
    Ok(server
        .concurrency_limit_per_connection(calls_per_connection)
        .max_concurrent_streams(Some(MAX_STREAMS))
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PING))
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
        .http2_max_header_list_size(Some(MAX_HEADERS)))
}

/// Connections from a listener, which stays open for whoever serves next.
pub(crate) fn incoming(
    listener: &TcpListener,
) -> io::Result<impl Stream<Item = io::Result<Attentive>> + Send + use<>> {
    let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(PING));
    let places = Places::new(MAX_HANDSHAKES, MAX_WAIT);
    Ok(incoming.map_ok(move |stream| Attentive::new(stream, places.clone())))
}

/// Serves, and no longer than `parting` once it is told to stop: a client that does not go away does not keep us.
pub(crate) async fn until<E>(
    serving: impl Future<Output = Result<(), E>>,
    stop: CancellationToken,
    parting: Duration,
) -> Result<(), E> {
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(parting).await;
    };
    tokio::select! {
        served = serving => served,
        () = patience => Ok(()),
    }
}
