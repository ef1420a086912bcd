//! The internal CA: makes itself once, then signs requests for identities.
//!
//! What a request asks for is ignored except its public key, whose possession it proves. Names,
//! lifetime and uses come from whoever calls [`Ca::sign`], after it has decided who asks.

use super::identity::Identity;
use super::keys::{KeyError, Keys, MAX_PEM_BYTES};
use super::{certificate_hash, first_certificate};
use crate::Explained;
use model::Micros;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber, SigningKey,
};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use std::time::Duration;
use uuid::Uuid;
use zeroize::Zeroizing;

/// How far a certificate's begin lies in the past, so that a host whose clock is behind can use it.
pub const BACKDATE: Duration = Duration::from_secs(5 * 60);
/// How long a CA lives.
pub const CA_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Most DNS names and addresses in one certificate.
pub const MAX_NAMES: usize = 64;

/// The CA could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Making a certificate failed.
    #[error("LB5401: cannot make the certificate: {0}")]
    Make(String),
    /// The CA's certificate or key is unusable.
    #[error("LB5402: the CA cannot be used: {0}")]
    Unusable(String),
    /// The CA's key is unusable.
    #[error("LB5402: the CA's key cannot be used")]
    Key(#[source] KeyError),
    /// The request is malformed, too large, or does not prove that its key is held.
    #[error("LB5403: the signing request is refused: {0}")]
    BadRequest(String),
}

impl Explained for CaError {
    fn advice(&self) -> &'static str {
        match self {
            CaError::Make(_) => "check the names that were asked for",
            CaError::Unusable(_) | CaError::Key(_) => {
                "restore the CA's key and certificate from the controller's backup or the rescue bundle"
            }
            CaError::BadRequest(_) => "make the request anew with lifeboat's own agent or CLI",
        }
    }
}

/// From when, and for how long, a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Now, as the signer sees it. The certificate begins [`BACKDATE`] before.
    pub from: Micros,
    /// How long after `from` it ends.
    pub length: Duration,
}

impl Lifetime {
    /// When it ends.
    pub fn end(&self) -> Micros {
        self.from.after(self.length)
    }
}

/// A certificate that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate in PEM.
    pub certificate_pem: String,
    /// Its serial number in hex.
    pub serial: String,
    /// When it ends.
    pub not_after: Micros,
}

/// The CA with its key.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    hash: String,
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").field("hash", &self.hash).finish_non_exhaustive()
    }
}

fn make(error: rcgen::Error) -> CaError {
    CaError::Make(error.to_string())
}

impl Ca {
    /// Makes a CA that lives [`CA_LIFETIME`] from now on. `serial` is a fresh id.
    pub fn create(name: &str, now: Micros, serial: Uuid) -> Result<Self, CaError> {
        let keys = Keys::make().map_err(CaError::Key)?;
        let mut params = params(Lifetime { from: now, length: CA_LIFETIME }, serial)?;
        params.distinguished_name.push(DnType::CommonName, name);
        // It signs leaves only: an intermediate of it is refused by every peer.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pair = keys.pair();
        let certificate = params.self_signed(&pair).map_err(make)?;
        let hash = certificate_hash(certificate.der());
        Ok(Self { certificate_pem: certificate.pem(), hash, issuer: Issuer::new(params, pair) })
    }

    /// Takes a stored CA, and checks that the key is the certificate's.
    pub fn load(certificate_pem: &str, key_pem: &str) -> Result<Self, CaError> {
        let pair = Keys::from_pem(key_pem).map_err(CaError::Key)?.pair();
        let der = first_certificate(certificate_pem)
            .ok_or_else(|| CaError::Unusable("there is no certificate in it".to_string()))?;
        let unusable = |error: &dyn std::fmt::Display| CaError::Unusable(error.to_string());
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|error| unusable(&error))?;
        if !parsed.is_ca() || parsed.public_key().subject_public_key.data != pair.public_key_raw() {
            return Err(CaError::Unusable("key and certificate do not belong together".to_string()));
        }
        let hash = certificate_hash(&der);
        let issuer = Issuer::from_ca_cert_der(&der, pair).map_err(|error| unusable(&error))?;
        Ok(Self { issuer, certificate_pem: certificate_pem.to_string(), hash })
    }

    /// The CA's certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The CA's key in PEM, to store. Do not log it.
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// SHA-256 of the CA's certificate in hex: what token texts carry.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Signs a text that is no certificate, as what it is: see [`verify_text`].
    pub fn sign_text(&self, what: &str, text: &str) -> Result<String, CaError> {
        let signature = self.issuer.key().sign(&bound(what, text)).map_err(make)?;
        Ok(hex::encode(signature))
    }

    /// Signs a request for an identity. `names` are DNS names and IP addresses under which it may be
    /// dialled; with any of them (a controller has [`super::CONTROLLER_NAME`] always) it may also serve.
    pub fn sign(
        &self,
        request_pem: &str,
        identity: &Identity,
        names: &[String],
        lifetime: Lifetime,
        serial: Uuid,
    ) -> Result<Issued, CaError> {
        if request_pem.len() > MAX_PEM_BYTES {
            return Err(CaError::BadRequest(format!("it is larger than {MAX_PEM_BYTES} bytes")));
        }
        if names.len() > MAX_NAMES {
            return Err(CaError::Make(format!("more than {MAX_NAMES} names")));
        }
        let request = CertificateSigningRequestParams::from_pem(request_pem)
            .map_err(|error| CaError::BadRequest(error.to_string()))?;
        let params = leaf(identity, names, lifetime, serial)?;
        let certificate = params.signed_by(&request.public_key, &self.issuer).map_err(make)?;
        let serial = hex::encode(serial.as_bytes());
        Ok(Issued { certificate_pem: certificate.pem(), serial, not_after: lifetime.end() })
    }
}

/// What is signed of a text. No certificate begins like it.
fn bound(what: &str, text: &str) -> Vec<u8> {
    format!("lifeboat {what} 1\n{text}").into_bytes()
}

/// Whether the CA of a certificate (PEM) signed a text as what it is said to be.
pub fn verify_text(certificate_pem: &str, what: &str, text: &str, signature: &str) -> bool {
    let Some(der) = first_certificate(certificate_pem) else { return false };
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(&der) else { return false };
    let Ok(signature) = hex::decode(signature) else { return false };
    let key = parsed.public_key().subject_public_key.data.as_ref();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key);
    parsed.is_ca() && key.verify(&bound(what, text), &signature).is_ok()
}

fn leaf(
    identity: &Identity,
    names: &[String],
    lifetime: Lifetime,
    serial: Uuid,
) -> Result<CertificateParams, CaError> {
    let mut names = names.to_vec();
    if matches!(identity, Identity::Controller(_)) {
        names.push(super::CONTROLLER_NAME.to_string());
        names.sort();
        names.dedup();
    }
    let mut params = params(lifetime, serial)?;
    params.subject_alt_names = CertificateParams::new(names).map_err(make)?.subject_alt_names;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if !params.subject_alt_names.is_empty() {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    params.subject_alt_names.push(SanType::URI(identity.uri().try_into().map_err(make)?));
    params.distinguished_name.push(DnType::CommonName, identity.to_string());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn params(lifetime: Lifetime, serial: Uuid) -> Result<CertificateParams, CaError> {
    let moment = |at: Micros| {
        time::OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1_000_000))
            .map_err(|error| CaError::Make(error.to_string()))
    };
    let backdate = i64::try_from(BACKDATE.as_micros()).unwrap_or(0);
    let mut params = CertificateParams::default();
    params.not_before = moment(Micros(lifetime.from.0.saturating_sub(backdate)))?;
    params.not_after = moment(lifetime.end())?;
    params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}
