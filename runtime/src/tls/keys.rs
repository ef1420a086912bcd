//! The key of this host: made here, stored here, never sent. Only its signing request travels.

use crate::Explained;
use crate::fs::{FileError, PRIVATE, read_bounded, write_durable};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use std::path::Path;
use zeroize::Zeroizing;

/// Largest key or certificate file, in bytes.
pub const MAX_PEM_BYTES: usize = 64 * 1024;

/// A key that could not be made, read or stored.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read or written.
    #[error("LB5421: cannot use the key file")]
    File(#[source] FileError),
    /// The text is not a key that we can use.
    #[error("LB5422: this is not a usable private key: {0}")]
    Unusable(String),
    /// A key or request could not be made.
    #[error("LB5423: cannot make a key or signing request: {0}")]
    Make(String),
}

impl Explained for KeyError {
    fn advice(&self) -> &'static str {
        match self {
            KeyError::File(_) => "check that the folder exists and that this process may write it",
            KeyError::Unusable(_) => "remove the file and enrol or log in again: a new key will be made",
            KeyError::Make(_) => "try again; if it persists, report it",
        }
    }
}

/// A private key (ECDSA P-256).
pub struct Keys(KeyPair);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(hidden)")
    }
}

impl Keys {
    /// Makes a key.
    pub fn make() -> Result<Self, KeyError> {
        KeyPair::generate().map(Self).map_err(|error| KeyError::Make(error.to_string()))
    }

    /// Reads a key from PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        KeyPair::from_pem(pem).map(Self).map_err(|error| KeyError::Unusable(error.to_string()))
    }

    /// Reads a key file.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(read_bounded(path, MAX_PEM_BYTES).map_err(KeyError::File)?);
        let pem = std::str::from_utf8(&bytes).map_err(|error| KeyError::Unusable(error.to_string()))?;
        Self::from_pem(pem)
    }

    /// Stores the key durably, readable by its owner alone.
    pub fn store(&self, path: &Path) -> Result<(), KeyError> {
        write_durable(path, self.pem().as_bytes(), PRIVATE).map_err(KeyError::File)
    }

    /// Reads a key file, or makes one where there is none.
    pub fn load_or_make(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::File(error)) if error.is_missing() => {
                let keys = Self::make()?;
                keys.store(path)?;
                Ok(keys)
            }
            other => other,
        }
    }

    /// The key in PEM. Do not log it.
    pub fn pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.serialize_pem())
    }

    /// A signing request in PEM. It proves the possession of the key and asks for nothing: names and
    /// lifetime are the CA's to decide.
    pub fn request(&self) -> Result<String, KeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&self.0).map_err(|error| KeyError::Make(error.to_string()))?;
        request.pem().map_err(|error| KeyError::Make(error.to_string()))
    }

    /// Whether a certificate (PEM) was made out for this key.
    pub fn fits(&self, certificate_pem: &str) -> bool {
        let Some(der) = super::first_certificate(certificate_pem) else { return false };
        x509_parser::parse_x509_certificate(&der).is_ok_and(|(_, certificate)| {
            certificate.public_key().subject_public_key.data == self.0.public_key_raw()
        })
    }

    pub(super) fn pair(self) -> KeyPair {
        self.0
    }
}
