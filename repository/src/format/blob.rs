//! One blob: a piece of a file or a tree, named by the SHA-256 of its plaintext, stored compressed when
//! that helps, sealed, and read back before anybody relies on it.

use serde::{Deserialize, Serialize};

use super::Malformed;
use super::envelope::{Cipher, OVERHEAD};
use super::pack::Entry;
use crate::id::Id;

/// zstd's own default: a third of the size of SQL text at 0.3 GB/s.
const LEVEL: i32 = 3;

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

/// A blob ready for a pack.
pub(crate) struct Sealed {
    pub(crate) bytes: Vec<u8>,
    /// The plaintext's length when compressed, else 0.
    pub(crate) plain_length: u32,
}

/// Compresses (when that saves a fiftieth at least) and seals.
pub(crate) fn seal(
    cipher: &Cipher,
    compressor: &mut zstd::bulk::Compressor<'_>,
    plain: &[u8],
) -> Result<Sealed, Malformed> {
    let length = u32::try_from(plain.len())
        .ok()
        .filter(|l| *l <= MAX_PLAIN_BYTES)
        .ok_or_else(|| Malformed::new("it is too large for one blob"))?;
    let compressed = compressor.compress(plain).map_err(|e| Malformed::new(e.to_string()))?;
    if compressed.len() < plain.len() - plain.len() / 50 {
        return Ok(Sealed { bytes: cipher.seal(&compressed)?, plain_length: length });
    }
    Ok(Sealed { bytes: cipher.seal(plain)?, plain_length: 0 })
}

/// A compressor for [`seal`], one a thread.
pub(crate) fn compressor() -> Result<zstd::bulk::Compressor<'static>, Malformed> {
    zstd::bulk::Compressor::new(LEVEL).map_err(|e| Malformed::new(e.to_string()))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use zeroize::Zeroizing;

    #[test]
    fn a_blob_is_compressed_only_when_it_helps_and_reads_back() {
        let cipher = Cipher::new(&Zeroizing::new([3; 64]));
        let mut compressor = compressor().unwrap();
        let mut noise = vec![0; 50_000];
        rand::fill(&mut noise[..]);
        for (plain, is_compressed) in [(vec![b'a'; 100_000], true), (noise, false), (Vec::new(), false)] {
            let sealed = seal(&cipher, &mut compressor, &plain).unwrap();
            assert_eq!(sealed.plain_length != 0, is_compressed);
            assert_eq!(open(&cipher, &sealed.bytes, sealed.plain_length, Id::of(&plain)).unwrap(), plain);
            assert!(open(&cipher, &sealed.bytes, sealed.plain_length, Id::of(b"other")).is_err());
        }
    }
}
