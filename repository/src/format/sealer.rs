//! From a plaintext to a sealed blob and back, with buffers and contexts that one thread uses again.
//!
//! Incompressible data is left raw: a probe of a few pages decides for large blobs, the result for all.
//! Whatever was sealed is opened, decompressed and hashed again before anybody relies on it, since a bit
//! that flips in memory would else be sealed as good (restic #4529).

use super::Malformed;
use super::blob::MAX_PLAIN_BYTES;
use super::envelope::Cipher;
use super::opener::{Opener, give_back};
use crate::id::Id;

/// Of SQL text and sources this leaves as much as stock restic does (557 MB of a corpus, restic 556, level 3
/// 552), at a tenth less time than level 3.
const LEVEL: i32 = 2;

/// Blobs from this size on are probed: so many pieces of so many bytes, spread evenly.
const PROBED_BYTES: usize = 256 * 1024;
const PROBE_PIECES: usize = 8;
const PROBE_BYTES: usize = 4096;

/// Compresses, seals and verifies, one a thread.
pub(crate) struct Sealer {
    compressor: zstd::bulk::Compressor<'static>,
    opener: Opener,
    body: Vec<u8>,
    sealed: Vec<u8>,
    pieces: Vec<u8>,
}

impl Sealer {
    pub(crate) fn new() -> Result<Self, Malformed> {
        let fail = |e: std::io::Error| Malformed::new(e.to_string());
        Ok(Self {
            compressor: zstd::bulk::Compressor::new(LEVEL).map_err(fail)?,
            opener: Opener::new()?,
            body: Vec::new(),
            sealed: Vec::new(),
            pieces: Vec::new(),
        })
    }

    /// Compresses when that saves a fiftieth at least. Gives the plaintext's length then, else 0.
    pub(crate) fn compress(&mut self, plain: &[u8]) -> Result<u32, Malformed> {
        let length = u32::try_from(plain.len())
            .ok()
            .filter(|l| *l <= MAX_PLAIN_BYTES)
            .ok_or_else(|| Malformed::new("it is too large for one blob"))?;
        if plain.len() >= PROBED_BYTES && !self.looks_compressible(plain)? {
            return Ok(0);
        }
        let size = self.squeeze(plain)?;
        Ok(if size < plain.len() - plain.len() / 50 { length } else { 0 })
    }

    /// Seals what [`Self::compress`] decided about, and opens it again. The bytes stay until the next call.
    pub(crate) fn seal(
        &mut self,
        cipher: &Cipher,
        plain: &[u8],
        plain_length: u32,
        id: Id,
    ) -> Result<&[u8], Malformed> {
        self.sealed.clear();
        let body = if plain_length == 0 { plain } else { &self.body };
        cipher.seal_into(body, &mut self.sealed);
        let sealed = std::mem::take(&mut self.sealed);
        let verified = self.verify(cipher, &sealed, plain_length, id);
        self.sealed = sealed;
        verified.map(|()| self.sealed.as_slice())
    }

    /// Whether these sealed bytes are the blob that `id` names.
    pub(crate) fn verify(
        &mut self,
        cipher: &Cipher,
        sealed: &[u8],
        plain_length: u32,
        id: Id,
    ) -> Result<(), Malformed> {
        self.opener.open(cipher, sealed, plain_length, id).map(drop)
    }

    /// Gives back what one unusually large blob took.
    pub(crate) fn shrink(&mut self) {
        for buffer in [&mut self.body, &mut self.sealed, &mut self.pieces] {
            give_back(buffer);
        }
        self.opener.shrink();
    }

    fn looks_compressible(&mut self, plain: &[u8]) -> Result<bool, Malformed> {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.clear();
        let step = plain.len() / PROBE_PIECES;
        for piece in plain.chunks(step.max(1)).take(PROBE_PIECES) {
            pieces.extend_from_slice(piece.get(..PROBE_BYTES).unwrap_or(piece));
        }
        let size = self.squeeze(&pieces);
        let length = pieces.len();
        self.pieces = pieces;
        Ok(size? < length - length / 50)
    }

    /// Compresses into `body`.
    fn squeeze(&mut self, plain: &[u8]) -> Result<usize, Malformed> {
        self.body.clear();
        self.body.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        self.compressor.compress_to_buffer(plain, &mut self.body).map_err(|e| Malformed::new(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::blob;
    use super::*;
    use zeroize::Zeroizing;

    fn noise(length: usize) -> Vec<u8> {
        let mut noise = vec![0; length];
        rand::fill(&mut noise[..]);
        noise
    }

    #[test]
    fn a_blob_is_compressed_only_when_it_helps_and_reads_back() {
        let cipher = Cipher::new(&Zeroizing::new([3; 64]));
        let mut sealer = Sealer::new().unwrap();
        let half = [noise(400_000), vec![b'a'; 400_000]].concat();
        for (plain, is_compressed) in [
            (vec![b'a'; 100_000], true),
            (vec![0; 3_000_000], true),
            (half, true),
            (noise(50_000), false),
            (noise(3_000_000), false),
            (Vec::new(), false),
        ] {
            let id = Id::of(&plain);
            let plain_length = sealer.compress(&plain).unwrap();
            assert_eq!(plain_length != 0, is_compressed, "{} bytes", plain.len());
            let sealed = sealer.seal(&cipher, &plain, plain_length, id).unwrap();
            assert_eq!(blob::open(&cipher, sealed, plain_length, id).unwrap(), plain);
            assert!(blob::open(&cipher, sealed, plain_length, Id::of(b"other")).is_err());
            sealer.shrink();
        }
    }

    #[test]
    fn fault_56_a_bit_that_flips_in_memory_is_noticed_before_upload() {
        let cipher = Cipher::new(&Zeroizing::new([3; 64]));
        let mut sealer = Sealer::new().unwrap();
        let plain = b"INSERT INTO t VALUES (1);".repeat(20);
        let id = Id::of(&plain);
        let plain_length = sealer.compress(&plain).unwrap();
        let good = sealer.seal(&cipher, &plain, plain_length, id).unwrap().to_vec();
        sealer.verify(&cipher, &good, plain_length, id).unwrap();
        // In the sealed bytes, and in the plaintext between hashing and sealing.
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(sealer.verify(&cipher, &bad, plain_length, id).is_err(), "bit {bit}");
        }
        let mut flipped = plain.clone();
        flipped[7] ^= 4;
        let plain_length = sealer.compress(&flipped).unwrap();
        assert!(sealer.seal(&cipher, &flipped, plain_length, id).is_err());
    }
}
