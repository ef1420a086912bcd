//! Channels to a controller (or to an agent's opt-in port) over TLS.

use super::{CONTROLLER_NAME, use_ring};
use crate::Explained;
use std::time::Duration;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use zeroize::Zeroizing;

/// Bounds and pings of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// Longest dialling, TLS included.
    pub connect: Duration,
    /// How often a silent connection is pinged.
    pub ping_every: Duration,
    /// How long a ping may stay unanswered before the connection counts as lost.
    pub ping_within: Duration,
}

impl Default for Timings {
    /// 5 s to dial, a ping each 10 s, lost after 5 s.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            ping_every: Duration::from_secs(10),
            ping_within: Duration::from_secs(5),
        }
    }
}

/// Whom to dial, whom to trust, and as whom.
#[derive(Clone)]
pub struct Dial {
    /// `host:port`.
    pub address: String,
    /// The name that the server's certificate must have; usually [`CONTROLLER_NAME`].
    pub server_name: String,
    /// The CA's certificate in PEM.
    pub ca_pem: String,
    /// Our own certificate and key in PEM; without them we are nobody yet.
    pub identity: Option<(String, Zeroizing<String>)>,
    /// Bounds and pings.
    pub timings: Timings,
}

impl Dial {
    /// A controller at an address, as nobody, with default timings.
    pub fn controller(address: &str, ca_pem: &str) -> Self {
        Self {
            address: address.to_string(),
            server_name: CONTROLLER_NAME.to_string(),
            ca_pem: ca_pem.to_string(),
            identity: None,
            timings: Timings::default(),
        }
    }

    /// The same with our certificate and key.
    pub fn with_identity(mut self, certificate_pem: &str, key_pem: &str) -> Self {
        self.identity = Some((certificate_pem.to_string(), Zeroizing::new(key_pem.to_string())));
        self
    }
}

impl std::fmt::Debug for Dial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Dial");
        out.field("address", &self.address).field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// No channel.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The address is not `host:port`.
    #[error("LB5451: {address:?} is not an address")]
    BadAddress {
        /// What was given.
        address: String,
        /// Why it is none.
        source: tonic::transport::Error,
    },
    /// The CA, certificate or key is unusable.
    #[error("LB5452: the CA, certificate or key cannot be used")]
    BadKeys(#[source] tonic::transport::Error),
    /// The other side cannot be reached, or one of the two refuses the other's certificate.
    #[error("LB5453: cannot connect to {address}")]
    Connect {
        /// `host:port`.
        address: String,
        /// Why not.
        source: tonic::transport::Error,
    },
}

impl Explained for DialError {
    fn advice(&self) -> &'static str {
        match self {
            DialError::BadAddress { .. } => "write host:port",
            DialError::BadKeys(_) => "enrol or log in again",
            DialError::Connect { .. } => "check the address, that the other side runs, and both clocks",
        }
    }
}

fn endpoint(dial: &Dial) -> Result<Endpoint, DialError> {
    use_ring();
    let bad = |source| DialError::BadAddress { address: dial.address.clone(), source };
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&dial.ca_pem))
        .domain_name(&dial.server_name)
        .timeout(dial.timings.connect);
    if let Some((certificate, key)) = &dial.identity {
        tls = tls.identity(tonic::transport::Identity::from_pem(certificate, key.as_bytes()));
    }
    Endpoint::from_shared(format!("https://{}", dial.address))
        .map_err(bad)?
        .connect_timeout(dial.timings.connect)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(dial.timings.ping_every))
        .http2_keep_alive_interval(dial.timings.ping_every)
        .keep_alive_timeout(dial.timings.ping_within)
        .keep_alive_while_idle(true)
        .tls_config(tls)
        .map_err(DialError::BadKeys)
}

/// A channel that dials when it is first used, and again whenever the connection is lost.
pub fn channel(dial: &Dial) -> Result<Channel, DialError> {
    Ok(endpoint(dial)?.connect_lazy())
}

/// A channel that is connected. With TLS 1.3 a server's refusal of our certificate shows at the first
/// request, not here.
pub async fn connect(dial: &Dial) -> Result<Channel, DialError> {
    let address = dial.address.clone();
    endpoint(dial)?.connect().await.map_err(|source| DialError::Connect { address, source })
}
