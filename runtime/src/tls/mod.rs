//! TLS with an internal CA: who is who, keys and certificates, and the channels over them.
//!
//! One CA per estate. Everybody's certificate names one [`Identity`] as a URI. Servers show their
//! certificate with the CA's behind it, so that somebody who knows only the CA's hash (from a token
//! text) can fetch and verify it ([`pin`]). Controllers are dialled at any address, but their
//! certificate is always checked for the one name [`CONTROLLER_NAME`].

pub mod ca;
pub mod client;
pub mod identity;
pub mod join;
pub mod keys;
pub mod members;
pub mod pin;
pub mod server;

pub use ca::{Ca, Issued, Lifetime};
pub use client::{Dial, Timings, channel, connect};
pub use identity::Identity;
pub use join::JoinToken;
pub use keys::Keys;
pub use members::Members;
pub use server::{ServerKeys, peer_identity, server_tls};

/// The DNS name in every controller's certificate.
pub const CONTROLLER_NAME: &str = "controller.lifeboat.internal";

/// Makes ring the cipher provider of this process. Called by whatever here needs it; harmless twice.
pub fn use_ring() {
    // An error means that a provider is already there.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// SHA-256 of a certificate's DER, in lower-case hex.
pub fn certificate_hash(der: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(der))
}

/// The DER of the first certificate in a PEM text; none when there is no certificate in it.
pub fn first_certificate(pem: &str) -> Option<rustls_pki_types::CertificateDer<'static>> {
    use rustls_pki_types::pem::PemObject;
    rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).ok()
}

#[cfg(test)]
mod tests;
