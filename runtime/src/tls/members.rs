//! TLS between the agents of one source's members: both sides show the certificate of their agent.
//!
//! Whoever is spoken to must be one of the members and hold a certificate of our CA. One that has run out is
//! accepted all the same when its key is the one that a controller named for that member: certificates live
//! for a day and are renewed by controllers, and this is the way for when there are none. Nothing else of the
//! check is left out, and a key that was never named gains nothing.

use super::{Identity, first_certificate, use_ring};
use model::HostName;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use zeroize::Zeroizing;

/// Longest dialling, and longest handshake.
pub const WITHIN: Duration = Duration::from_secs(2);

/// Who we are, and who may be at the other end.
#[derive(Clone)]
pub struct Members {
    /// Our certificate in PEM.
    pub certificate_pem: String,
    /// Its key in PEM.
    pub key_pem: Zeroizing<String>,
    /// The CA's certificate in PEM.
    pub ca_pem: String,
    /// The members, and of each the SHA-256 of its public key, once a controller has named it.
    pub keys: BTreeMap<HostName, Option<String>>,
}

impl std::fmt::Debug for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Members").field("keys", &self.keys).finish_non_exhaustive()
    }
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::other(error)
}

fn late(_: tokio::time::error::Elapsed) -> io::Error {
    io::ErrorKind::TimedOut.into()
}

impl Members {
    /// Dials a member, and sees to it that it is the one.
    pub async fn dial(&self, host: &HostName, address: &str) -> io::Result<client::TlsStream<TcpStream>> {
        let (chain, key) = self.own()?;
        let config = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.verifier(Some(host))?))
            .with_client_auth_cert(chain, key)
            .map_err(other)?;
        let tcp = tokio::time::timeout(WITHIN, TcpStream::connect(address)).await.map_err(late)??;
        tcp.set_nodelay(true)?;
        // The name is not looked at: who it is stands in the certificate, for whatever address.
        let name = ServerName::try_from("member.lifeboat.internal").map_err(other)?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        tokio::time::timeout(WITHIN, connecting).await.map_err(late)?
    }

    /// Takes a connection, and says who is at the other end.
    pub async fn accept(&self, tcp: TcpStream) -> io::Result<(HostName, server::TlsStream<TcpStream>)> {
        let (chain, key) = self.own()?;
        let config = ServerConfig::builder()
            .with_client_cert_verifier(Arc::new(self.verifier(None)?))
            .with_single_cert(chain, key)
            .map_err(other)?;
        tcp.set_nodelay(true)?;
        let accepting = TlsAcceptor::from(Arc::new(config)).accept(tcp);
        let stream = tokio::time::timeout(WITHIN, accepting).await.map_err(late)??;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let shown = shown.ok_or_else(|| other("no certificate was shown"))?;
        match Identity::from_certificate(shown).map_err(other)? {
            Identity::Agent(host) => Ok((host, stream)),
            somebody => Err(other(format!("{somebody} is no member"))),
        }
    }

    fn own(&self) -> io::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        use_ring();
        let certificate = first_certificate(&self.certificate_pem).ok_or_else(|| other("no certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(other)?;
        Ok((vec![certificate], key))
    }

    fn verifier(&self, only: Option<&HostName>) -> io::Result<Verifier> {
        let ca = first_certificate(&self.ca_pem).ok_or_else(|| other("no certificate of the CA"))?;
        let mut roots = RootCertStore::empty();
        roots.add(ca).map_err(other)?;
        let chain = WebPkiClientVerifier::builder(Arc::new(roots)).build().map_err(other)?;
        let keys = self.keys.iter().filter(|(host, _)| only.is_none_or(|only| *host == only));
        Ok(Verifier { chain, keys: keys.map(|(host, key)| (host.clone(), key.clone())).collect() })
    }
}

/// Both sides check alike: agents' certificates are made for clients, and carry a name of ours.
#[derive(Debug)]
struct Verifier {
    chain: Arc<dyn ClientCertVerifier>,
    keys: BTreeMap<HostName, Option<String>>,
}

impl Verifier {
    fn judge(&self, shown: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
        let stranger = || rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        let Ok(Identity::Agent(host)) = Identity::from_certificate(shown) else { return Err(stranger()) };
        let named = self.keys.get(&host).ok_or_else(stranger)?;
        match self.chain.verify_client_cert(shown, &[], now) {
            Ok(_) => Ok(()),
            Err(error) if is_over(&error) => {
                let (key, last) = key_and_end(shown).ok_or_else(stranger)?;
                if named.as_ref() != Some(&key) {
                    return Err(error);
                }
                // Everything else must be right, as it was at the certificate's last moment.
                self.chain.verify_client_cert(shown, &[], last).map(drop)
            }
            Err(error) => Err(error),
        }
    }
}

fn is_over(error: &rustls::Error) -> bool {
    use CertificateError::{Expired, ExpiredContext};
    matches!(error, rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }))
}

/// SHA-256 of a certificate's public key, as controllers keep it, and the certificate's last second.
fn key_and_end(der: &[u8]) -> Option<(String, UnixTime)> {
    use sha2::Digest as _;
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let key = hex::encode(sha2::Sha256::digest(certificate.public_key().raw));
    let end = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some((key, UnixTime::since_unix_epoch(Duration::from_secs(end.saturating_sub(1)))))
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.judge(end_entity, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(end_entity, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tls::{Ca, Keys, Lifetime};
    use model::Micros;
    use tokio::net::TcpListener;
    use uuid::Uuid;

    fn now() -> Micros {
        crate::Clock::system().now()
    }

    fn host(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    /// A member whose certificate has begun so long ago and lives so long.
    fn member(ca: &Ca, name: &str, age: u64, lives: u64) -> (Members, String) {
        let keys = Keys::make().unwrap();
        let from = Micros(now().0 - i64::try_from(age).unwrap() * 1_000_000);
        let lifetime = Lifetime { from, length: Duration::from_secs(lives) };
        let identity = Identity::Agent(host(name));
        let issued = ca.sign(&keys.request().unwrap(), &identity, &[], lifetime, Uuid::from_u128(9)).unwrap();
        let der = first_certificate(&issued.certificate_pem).unwrap();
        let members = Members {
            certificate_pem: issued.certificate_pem,
            key_pem: keys.pem(),
            ca_pem: ca.certificate_pem().to_string(),
            keys: BTreeMap::new(),
        };
        (members, key_and_end(&der).unwrap().0)
    }

    fn ca(number: u128) -> Ca {
        Ca::create("ca", now(), Uuid::from_u128(number)).unwrap()
    }

    /// Whether the two come to speak, as both sides see it.
    async fn meet(a: &Members, b: &Members) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let name = host("b");
        let taking = async { b.accept(listener.accept().await.unwrap().0).await };
        let (taken, dialled) = tokio::join!(taking, a.dial(&name, &address));
        taken.is_ok_and(|(from, _)| from == host("a")) && dialled.is_ok()
    }

    fn know(members: &mut Members, name: &str, key: Option<&String>) {
        members.keys.insert(host(name), key.cloned());
    }

    #[tokio::test]
    async fn fault_30_a_certificate_that_has_run_out_is_accepted_for_the_key_that_was_named_and_for_no_other()
    {
        let ca = ca(1);
        let (mut a, key_a) = member(&ca, "a", 7200, 3600);
        let (mut b, key_b) = member(&ca, "b", 7200, 3600);
        know(&mut a, "b", None);
        know(&mut b, "a", None);
        assert!(!meet(&a, &b).await, "nobody named their keys");
        know(&mut a, "b", Some(&key_b));
        know(&mut b, "a", Some(&key_b));
        assert!(!meet(&a, &b).await, "another key was named");
        know(&mut b, "a", Some(&key_a));
        assert!(meet(&a, &b).await);
    }

    #[tokio::test]
    async fn only_members_of_our_ca_are_spoken_to() {
        let (one, two) = (ca(1), ca(2));
        let (mut a, _) = member(&one, "a", 0, 3600);
        let (mut b, _) = member(&one, "b", 0, 3600);
        assert!(!meet(&a, &b).await, "they are no members to each other");
        know(&mut a, "b", None);
        know(&mut b, "a", None);
        assert!(meet(&a, &b).await);
        let (mut forged, key) = member(&two, "a", 7200, 3600);
        forged.ca_pem = a.ca_pem.clone();
        know(&mut forged, "b", None);
        know(&mut b, "a", Some(&key));
        assert!(!meet(&forged, &b).await, "another CA signed it");
        let (mut third, _) = member(&one, "c", 0, 3600);
        know(&mut third, "b", None);
        assert!(!meet(&third, &b).await, "c is no member");
    }
}
