//! Who calls: what the gate found in the client's certificate, as an extension of the request.

use super::AuthError;
use crate::estate::Estate;
use engine::Person;
use model::{HostName, Micros, UserName};
use runtime::tls::Identity;
use runtime::tls::identity::IdentityError;
use sha2::{Digest, Sha256};
use tonic::Request;
use x509_parser::certificate::X509Certificate;

/// The role that may do everything.
pub const ADMIN: &str = "admin";

/// Who calls.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Who the certificate speaks for; nobody without one.
    pub identity: Option<Identity>,
    /// SHA-256 of the certificate's public key; empty without one.
    pub key_fingerprint: String,
    /// When the certificate runs out. TLS looks at it once, when the connection begins.
    pub expires: Micros,
}

impl Caller {
    /// Whoever the first certificate (DER) of a connection speaks for.
    pub fn of_certificate(der: Option<&[u8]>) -> Result<Self, AuthError> {
        let Some(der) = der else { return Ok(Self::default()) };
        let identity = Identity::from_certificate(der).map_err(AuthError::BadCertificate)?;
        Ok(Self { identity: Some(identity), key_fingerprint: key_fingerprint(der)?, expires: expires(der)? })
    }

    /// The caller that the gate put beside a request.
    pub fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get::<Caller>().cloned().unwrap_or_default()
    }

    /// The host, when an agent calls.
    pub fn host(&self) -> Option<&HostName> {
        match &self.identity {
            Some(Identity::Agent(host)) => Some(host),
            Some(Identity::User { .. } | Identity::Controller(_)) | None => None,
        }
    }

    /// The person, when one calls. The gate lets nobody else to methods that ask this.
    pub fn user(&self) -> Result<&UserName, AuthError> {
        match &self.identity {
            Some(Identity::User { name, .. }) => Ok(name),
            Some(Identity::Agent(_) | Identity::Controller(_)) | None => {
                Err(AuthError::NoCertificate { method: "this".to_string() })
            }
        }
    }

    /// The person who calls, with the roles of the estate in force.
    pub fn person(&self, estate: &Estate) -> Result<Person, AuthError> {
        Ok(Person { name: self.user()?.clone(), admin: self.is_admin(), roles: estate.roles() })
    }

    /// Whether it is a person with the role admin.
    pub fn is_admin(&self) -> bool {
        match &self.identity {
            Some(Identity::User { roles, .. }) => roles.iter().any(|role| role.as_str() == ADMIN),
            Some(Identity::Agent(_) | Identity::Controller(_)) | None => false,
        }
    }
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.identity {
            Some(identity) => identity.fmt(f),
            None => f.write_str("somebody without a certificate"),
        }
    }
}

fn parsed(der: &[u8]) -> Result<X509Certificate<'_>, AuthError> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)
        .map_err(|error| AuthError::BadCertificate(IdentityError::Unreadable(error.to_string())))?;
    Ok(certificate)
}

fn expires(der: &[u8]) -> Result<Micros, AuthError> {
    Ok(Micros(parsed(der)?.validity().not_after.timestamp().saturating_mul(1_000_000)))
}

/// SHA-256 of a certificate's public key. It stays the same over renewals, which keep the key.
pub fn key_fingerprint(der: &[u8]) -> Result<String, AuthError> {
    Ok(hex::encode(Sha256::digest(parsed(der)?.public_key().raw)))
}

/// The same of a certificate in PEM.
pub fn key_fingerprint_of_pem(pem: &str) -> Result<String, AuthError> {
    let der = runtime::tls::first_certificate(pem)
        .ok_or_else(|| AuthError::BadCertificate(IdentityError::Unreadable("it is not PEM".to_string())))?;
    key_fingerprint(&der)
}
