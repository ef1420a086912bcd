//! Fetching the CA from a controller when only its hash is known.
//!
//! The server shows its certificate and the CA's. The verifier looks for the certificate with the
//! pinned hash among those shown, makes it the only root, and has the leaf verified against it as
//! always: signature, dates, use, and the controller's name. Only then, and after the handshake's own
//! signature proved that the server holds the leaf's key, is the CA handed out. A machine in the
//! middle cannot show a CA with that hash, nor use the right CA without a leaf that it signed.

use super::{CONTROLLER_NAME, certificate_hash, use_ring};
use crate::Explained;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long dialling and handshake may take together.
pub const FETCH_DEADLINE: Duration = Duration::from_secs(15);
/// Most certificates in a chain that are looked at.
pub const MAX_CHAIN: usize = 8;

/// The CA could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// Nobody answered.
    #[error("LB5441: cannot reach the controller at {address}")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It took too long.
    #[error("LB5442: the controller at {address} did not answer within {} s", FETCH_DEADLINE.as_secs())]
    TimedOut {
        /// `host:port`.
        address: String,
    },
    /// Somebody answered who does not have the CA of the token.
    #[error("LB5443: {address} answers with another CA than the token names ({expected})")]
    WrongCa {
        /// `host:port`.
        address: String,
        /// The hash in the token.
        expected: String,
    },
    /// The handshake failed for another reason.
    #[error("LB5444: no TLS with {address}")]
    Handshake {
        /// `host:port`.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl Explained for PinError {
    fn advice(&self) -> &'static str {
        match self {
            PinError::Unreachable { .. } | PinError::TimedOut { .. } => {
                "check the address, the port, and that the controller runs and is reachable from here"
            }
            PinError::WrongCa { .. } => {
                "make a new token on this controller; if the token is right, somebody stands between: stop"
            }
            PinError::Handshake { .. } => {
                "check that the address is the controller's gRPC port, and both clocks"
            }
        }
    }
}

/// Fetches the CA's certificate (PEM) from a controller at `host:port` and verifies it by its hash.
pub async fn fetch(address: &str, ca_hash: &str) -> Result<String, PinError> {
    let timed_out = || PinError::TimedOut { address: address.to_string() };
    tokio::time::timeout(FETCH_DEADLINE, dial(address, ca_hash)).await.map_err(|_| timed_out())?
}

async fn dial(address: &str, ca_hash: &str) -> Result<String, PinError> {
    use_ring();
    let unreachable = |source| PinError::Unreachable { address: address.to_string(), source };
    let handshake = |source| PinError::Handshake { address: address.to_string(), source };
    let tcp = TcpStream::connect(address).await.map_err(unreachable)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Pinned {
        hash: ca_hash.to_string(),
        algorithms: provider.signature_verification_algorithms,
        provider: provider.clone(),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| handshake(std::io::Error::other(error)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let name =
        ServerName::try_from(CONTROLLER_NAME).map_err(|error| handshake(std::io::Error::other(error)))?;
    let wrong = || PinError::WrongCa { address: address.to_string(), expected: ca_hash.to_string() };
    let tls = match tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await {
        Ok(tls) => tls,
        Err(error) if is_mismatch(&error) => return Err(wrong()),
        Err(error) => return Err(handshake(error)),
    };
    let (_, session) = tls.get_ref();
    let chain = session.peer_certificates().unwrap_or_default();
    let ca = chain.iter().take(MAX_CHAIN).find(|der| certificate_hash(der) == ca_hash).ok_or_else(wrong)?;
    Ok(pem(ca))
}

fn is_mismatch(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(
        inner,
        Some(rustls::Error::InvalidCertificate(
            CertificateError::ApplicationVerificationFailure
                | CertificateError::UnknownIssuer
                | CertificateError::BadSignature
        ))
    )
}

fn pem(der: &CertificateDer<'_>) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

/// Accepts only a chain whose CA has the hash and validly signed the leaf.
#[derive(Debug)]
struct Pinned {
    hash: String,
    algorithms: WebPkiSupportedAlgorithms,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mismatch = || rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        let shown = intermediates.iter().take(MAX_CHAIN);
        let ca = shown.into_iter().find(|der| certificate_hash(der) == self.hash).ok_or_else(mismatch)?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|_| mismatch())?;
        webpki.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
