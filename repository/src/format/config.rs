//! `config`: format version, repository id, chunker polynomial. Encrypted, never compressed.

use serde::{Deserialize, Serialize};

use super::polynomial::Polynomial;
use super::{Malformed, gojson};
use crate::archive::Archive;
use crate::id::Id;

/// The only version this program writes; version 1 has no compression.
pub(crate) const VERSION: u32 = 2;

/// The content of `config`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) version: u32,
    pub(crate) id: Id,
    /// Hexadecimal without `0x`.
    chunker_polynomial: String,
    /// Only in an archive. Stock restic reads over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lifeboat_archive: Option<Archive>,
}

impl Config {
    pub(crate) fn generate(archive: Option<Archive>) -> Self {
        Self {
            version: VERSION,
            id: Id::random(),
            chunker_polynomial: format!("{:x}", Polynomial::random().0),
            lifeboat_archive: archive,
        }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, Malformed> {
        gojson::encode(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let config: Self = serde_json::from_slice(bytes).map_err(|e| Malformed::new(e.to_string()))?;
        if !config.polynomial()?.is_irreducible() {
            return Err(Malformed::new("its chunker polynomial is not irreducible"));
        }
        Ok(config)
    }

    pub(crate) fn polynomial(&self) -> Result<Polynomial, Malformed> {
        u64::from_str_radix(&self.chunker_polynomial, 16)
            .map(Polynomial)
            .map_err(|_| Malformed::new("its chunker polynomial is not a hexadecimal number"))
    }
}
