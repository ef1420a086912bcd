//! The serving side: TLS with our CA, and who the peer is.
//!
//! A client certificate is optional, since whoever enrols has none yet; one that is shown must be of
//! our CA and valid. What a peer without one may call is the decision of the layer above.

use super::identity::{Identity, IdentityError};
use super::use_ring;
use std::time::Duration;
use tonic::Request;
use tonic::transport::{Certificate, ServerTlsConfig};
use zeroize::Zeroizing;

/// Longest TLS handshake that a server waits for.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// What a server shows and whom it trusts, all in PEM.
#[derive(Clone)]
pub struct ServerKeys {
    /// Its certificate.
    pub certificate_pem: String,
    /// Its key.
    pub key_pem: Zeroizing<String>,
    /// The CA's certificate.
    pub ca_pem: String,
}

impl std::fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerKeys(hidden)")
    }
}

/// TLS for tonic's server. The CA's certificate is shown behind our own, for [`super::pin`].
pub fn server_tls(keys: &ServerKeys) -> ServerTlsConfig {
    use_ring();
    let chain = format!("{}\n{}", keys.certificate_pem.trim_end(), keys.ca_pem);
    ServerTlsConfig::new()
        .identity(tonic::transport::Identity::from_pem(chain, keys.key_pem.as_bytes()))
        .client_ca_root(Certificate::from_pem(&keys.ca_pem))
        .client_auth_optional(true)
        .timeout(HANDSHAKE_WITHIN)
}

/// Who sent a request: nobody without a certificate, an error when it names nobody of ours.
pub fn peer_identity<T>(request: &Request<T>) -> Result<Option<Identity>, IdentityError> {
    let certificates = request.peer_certs();
    let first = certificates.as_ref().and_then(|chain| chain.first());
    first.map(|der| Identity::from_certificate(der)).transpose()
}
