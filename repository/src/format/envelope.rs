//! The envelope around everything encrypted: `IV(16) | AES-256-CTR ciphertext | Poly1305-AES tag(16)`.

//!
//! The counter is all 128 bits of the IV, as Go counts. The key of Poly1305 is `r` and the IV encrypted with
//! AES-128 under `k`; the tag is over the ciphertext without any length or padding.

use aes::cipher::{BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipher};
use aes::{Aes128Enc, Aes256Enc, Block};
use ctr::{Ctr128BE, CtrCore};
use poly1305::Poly1305;
use poly1305::universal_hash::UniversalHash;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Malformed;
use crate::id::Id;

const IV_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// What is decrypted and hashed at once.
const PIECE_BYTES: usize = 32 * 1024;

/// How many bytes the envelope adds.
pub(crate) const OVERHEAD: usize = IV_BYTES + TAG_BYTES;

/// 32 bytes for AES-256, then `k` and `r` of Poly1305-AES, 16 bytes each.
pub(crate) type KeyBytes = Zeroizing<[u8; 64]>;

/// Seals and opens with one key.
#[derive(Clone)]
pub(crate) struct Cipher {
    stream: Aes256Enc,
    mac_k: Aes128Enc,
    mac_r: Zeroizing<[u8; 16]>,
}

impl Cipher {
    pub(crate) fn new(key: &KeyBytes) -> Self {
        let mut bytes = key.iter().copied();
        let mut next = |_| bytes.next().unwrap_or_default();
        let stream: Zeroizing<[u8; 32]> = Zeroizing::new(std::array::from_fn(&mut next));
        let mac_k: Zeroizing<[u8; 16]> = Zeroizing::new(std::array::from_fn(&mut next));
        Self {
            stream: Aes256Enc::new(&(*stream).into()),
            mac_k: Aes128Enc::new(&(*mac_k).into()),
            mac_r: Zeroizing::new(std::array::from_fn(next)),
        }
    }

    /// Encrypts or decrypts what it is applied to, piece by piece.
    fn keystream(&self, iv: &[u8; IV_BYTES]) -> Ctr128BE<Aes256Enc> {
        Ctr128BE::from_core(CtrCore::inner_iv_init(self.stream.clone(), &(*iv).into()))
    }

    fn authenticated<'s>(&self, sealed: &'s [u8]) -> Result<(&'s [u8; IV_BYTES], &'s [u8]), Malformed> {
        let (iv, rest) = sealed.split_first_chunk::<IV_BYTES>().ok_or_else(too_short)?;
        let (body, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or_else(too_short)?;
        if !bool::from(self.tag(iv, body).as_slice().ct_eq(tag)) {
            return Err(Malformed::new("its authentication tag is wrong"));
        }
        Ok((iv, body))
    }

    fn tag(&self, iv: &[u8; IV_BYTES], ciphertext: &[u8]) -> poly1305::Tag {
        let mut pad = Block::from(*iv);
        self.mac_k.encrypt_block(&mut pad);
        let mut key = poly1305::Key::default();
        let (r, s) = key.split_at_mut(16);
        r.copy_from_slice(&*self.mac_r);
        s.copy_from_slice(&pad);
        let mut mac = Poly1305::new(&key);
        // Blocks are hashed four at a time by `update`, one by one by `compute_unpadded`.
        let (blocks, rest) = poly1305::Block::slice_as_chunks(ciphertext);
        mac.update(blocks);
        mac.compute_unpadded(rest)
    }

    /// Appends the sealed plaintext to `out`.
    pub(crate) fn seal_into(&self, plaintext: &[u8], out: &mut Vec<u8>) {
        let mut iv = [0; IV_BYTES];
        rand::fill(&mut iv);
        out.reserve(plaintext.len() + OVERHEAD);
        out.extend_from_slice(&iv);
        let start = out.len();
        out.extend_from_slice(plaintext);
        let body = out.get_mut(start..).unwrap_or_default();
        self.keystream(&iv).apply_keystream(body);
        let tag = self.tag(&iv, body);
        out.extend_from_slice(&tag);
    }

    pub(crate) fn seal(&self, plaintext: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.seal_into(plaintext, &mut out);
        out
    }

    /// The plaintext, when the tag is right.
    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut plaintext = Vec::new();
        self.open_into(sealed, &mut plaintext)?;
        Ok(plaintext)
    }

    /// Replaces what is in `out` by the plaintext, when the tag is right.
    pub(crate) fn open_into(&self, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let (iv, body) = self.authenticated(sealed)?;
        out.clear();
        out.extend_from_slice(body);
        self.keystream(iv).apply_keystream(out);
        Ok(())
    }

    /// The same, and the id of the plaintext, hashed in pieces while they are in the cache of a core.
    pub(crate) fn open_hashed(&self, sealed: &[u8], out: &mut Vec<u8>) -> Result<Id, Malformed> {
        let (iv, body) = self.authenticated(sealed)?;
        let (mut keystream, mut hash) = (self.keystream(iv), Sha256::new());
        out.clear();
        out.reserve(body.len());
        for piece in body.chunks(PIECE_BYTES) {
            let start = out.len();
            out.extend_from_slice(piece);
            let plain = out.get_mut(start..).unwrap_or_default();
            keystream.apply_keystream(plain);
            hash.update(plain);
        }
        Ok(Id::from_bytes(hash.finalize().into()))
    }
}

fn too_short() -> Malformed {
    Malformed::new("it is shorter than an encrypted object can be")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cipher() -> Cipher {
        Cipher::new(&Zeroizing::new([7; 64]))
    }

    /// Made with `openssl enc -aes-256-ctr`, whose counter has 128 bits.
    #[test]
    fn the_counter_goes_on_beyond_its_lower_half() {
        let iv = [0xff; IV_BYTES];
        let mut bytes = [0; 32];
        cipher().keystream(&iv).apply_keystream(&mut bytes);
        assert_eq!(hex::encode(bytes), "fab53800d053b2e20e9449390563cf310a4dee87e76ce0d47c6e1cdfc76d20a3");
    }

    #[test]
    fn what_was_sealed_opens_and_every_flipped_bit_is_noticed() {
        let sealed = cipher().seal(b"write-ahead");
        assert_eq!(sealed.len(), 11 + OVERHEAD);
        assert_eq!(cipher().open(&sealed).unwrap(), b"write-ahead");
        let long = b"0123456789".repeat(10_000);
        let mut plain = Vec::new();
        assert_eq!(cipher().open_hashed(&cipher().seal(&long), &mut plain).unwrap(), Id::of(&long));
        assert_eq!(plain, long);
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(cipher().open(&bad).is_err(), "bit {bit}");
            assert!(cipher().open_hashed(&bad, &mut plain).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(cipher().open(&sealed[..length]).is_err(), "length {length}");
        }
    }
}
