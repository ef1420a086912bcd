//! The CA in the data folder: made at the first start, and the server's certificate, made at each.
//!
//! The key is written before the certificate, both durably. So a certificate means that its key is
//! there; a key alone is what a crash in the first start left, and is made anew.

use super::AuthError;
use model::{Micros, Name, Problem};
use runtime::Explained as _;
use runtime::fs::{PRIVATE, PUBLIC, read_bounded, write_durable};
use runtime::tls::{Ca, Identity, Keys, Lifetime, ServerKeys};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// How long the server's certificate lives. A new one is made at each start.
pub const SERVER_LIFETIME: Duration = Duration::from_secs(365 * 86_400);
/// How long an agent's certificate lives; renewed at half of it.
pub const AGENT_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How long a person's certificate lives.
pub const USER_LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// The CA's certificate in the data folder.
pub const CA_FILE: &str = "ca.pem";
/// Its key.
pub const CA_KEY_FILE: &str = "ca.key";

const MAX_FILE_BYTES: usize = 64 * 1024;

/// Signs for whoever was let in.
#[derive(Debug)]
pub struct Authority {
    ca: Ca,
}

impl Authority {
    /// Loads the CA, or makes it when the folder has none.
    pub fn open(folder: &Path, name: &str, now: Micros, serial: Uuid) -> Result<Self, AuthError> {
        let (certificate, key) = (folder.join(CA_FILE), folder.join(CA_KEY_FILE));
        let read = |path: &Path, what| -> Result<String, AuthError> {
            let bytes =
                read_bounded(path, MAX_FILE_BYTES).map_err(|error| AuthError::Files { what, error })?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        if certificate.exists() {
            let (certificate, key) = (read(&certificate, "read ca.pem")?, read(&key, "read ca.key")?);
            let ca =
                Ca::load(&certificate, &key).map_err(|error| AuthError::Ca { what: "be loaded", error })?;
            return Ok(Self { ca });
        }
        let ca = Ca::create(&format!("lifeboat {name}"), now, serial)
            .map_err(|error| AuthError::Ca { what: "be made", error })?;
        write_durable(&key, ca.key_pem().as_bytes(), PRIVATE)
            .map_err(|error| AuthError::Files { what: "write ca.key", error })?;
        write_durable(&certificate, ca.certificate_pem().as_bytes(), PUBLIC)
            .map_err(|error| AuthError::Files { what: "write ca.pem", error })?;
        Ok(Self { ca })
    }

    /// The CA's certificate in PEM.
    pub fn ca_pem(&self) -> &str {
        self.ca.certificate_pem()
    }

    /// SHA-256 of the CA's certificate, as tokens carry it.
    pub fn ca_hash(&self) -> &str {
        self.ca.hash()
    }

    /// The CA's key, to be sealed. Never written or sent as it is.
    pub fn key_pem(&self) -> zeroize::Zeroizing<String> {
        self.ca.key_pem()
    }

    /// Signs a text as what it is.
    pub fn sign_text(&self, what: &str, text: &str) -> Result<String, Problem> {
        let signed = self.ca.sign_text(what, text);
        signed.map_err(|error| AuthError::Ca { what: "sign a bundle", error }.problem())
    }

    /// A fresh key and certificate for this server, under every name by which it may be dialled.
    pub fn server_keys(
        &self,
        name: &Name,
        names: &[String],
        now: Micros,
        serial: Uuid,
    ) -> Result<ServerKeys, AuthError> {
        let keys = Keys::make().map_err(AuthError::Key)?;
        let request = keys.request().map_err(AuthError::Key)?;
        let lifetime = Lifetime { from: now, length: SERVER_LIFETIME };
        let identity = Identity::Controller(name.clone());
        let issued = self
            .ca
            .sign(&request, &identity, names, lifetime, serial)
            .map_err(|error| AuthError::Ca { what: "sign for the server", error })?;
        Ok(ServerKeys {
            certificate_pem: issued.certificate_pem,
            key_pem: keys.pem(),
            ca_pem: self.ca_pem().to_string(),
        })
    }

    /// Signs a request (PEM) for an agent or a person.
    pub fn sign(
        &self,
        request_pem: &str,
        identity: &Identity,
        now: Micros,
        serial: Uuid,
    ) -> Result<Signed, AuthError> {
        let length = match identity {
            Identity::Agent(_) => AGENT_LIFETIME,
            Identity::User { .. } | Identity::Controller(_) => USER_LIFETIME,
        };
        let issued = self
            .ca
            .sign(request_pem, identity, &[], Lifetime { from: now, length }, serial)
            .map_err(AuthError::BadRequest)?;
        let key_fingerprint = super::caller::key_fingerprint_of_pem(&issued.certificate_pem)?;
        Ok(Signed { certificate_pem: issued.certificate_pem, expires: issued.not_after, key_fingerprint })
    }
}

/// A certificate that was signed.
#[derive(Debug, Clone)]
pub struct Signed {
    /// In PEM.
    pub certificate_pem: String,
    /// When it ends.
    pub expires: Micros,
    /// SHA-256 of its public key.
    pub key_fingerprint: String,
}
