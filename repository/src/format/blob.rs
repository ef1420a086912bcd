//! One blob: a piece of a file or a tree, named by the SHA-256 of its plaintext, stored compressed when
//! that helps ([`super::sealer`]).

use serde::{Deserialize, Serialize};

use super::Malformed;
use super::envelope::{Cipher, OVERHEAD};
use super::pack::Entry;
use crate::id::Id;

/// No writer makes data blobs above 8 MiB; a tree of a folder with a million files has some 300 MiB.
pub(crate) const MAX_PLAIN_BYTES: u32 = 1 << 30;

/// What a blob holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum BlobKind {
    #[serde(rename = "data")]
    Data,
    #[serde(rename = "tree")]
    Tree,
}

/// Opens, decompresses and hashes. The plaintext is what its name says, or there is an error.
pub(crate) fn open(cipher: &Cipher, sealed: &[u8], plain_length: u32, id: Id) -> Result<Vec<u8>, Malformed> {
    let opened = cipher.open(sealed)?;
    let plain = if plain_length == 0 {
        opened
    } else {
        let limit = plain_length.min(MAX_PLAIN_BYTES) as usize;
        super::unpacked::decompress(&opened, limit)?
    };
    if plain_length != 0 && plain.len() != plain_length as usize {
        return Err(Malformed::new("it decompresses to another length than the index says"));
    }
    if Id::of(&plain) != id {
        return Err(Malformed::new("its content is not what its name says"));
    }
    Ok(plain)
}

impl Entry {
    /// How many bytes the blob has when opened.
    pub(crate) fn plain_bytes(&self) -> u64 {
        match self.plain_length {
            0 => u64::from(self.length).saturating_sub(OVERHEAD as u64),
            plain => u64::from(plain),
        }
    }
}
