//! The envelope around everything encrypted: `IV(16) | AES-256-CTR ciphertext | Poly1305-AES tag(16)`.

use aes256ctr_poly1305aes::aead::AeadInPlace;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce, Tag};
use zeroize::Zeroizing;

use super::Malformed;

const IV_BYTES: usize = 16;
const TAG_BYTES: usize = 16;

/// How many bytes the envelope adds.
pub(crate) const OVERHEAD: usize = IV_BYTES + TAG_BYTES;

/// 32 bytes for AES-256, then `k` and `r` of Poly1305-AES, 16 bytes each.
pub(crate) type KeyBytes = Zeroizing<[u8; 64]>;

/// Seals and opens with one key.
#[derive(Clone)]
pub(crate) struct Cipher(Aes256CtrPoly1305Aes);

impl Cipher {
    pub(crate) fn new(key: &KeyBytes) -> Self {
        Self(Aes256CtrPoly1305Aes::new(Key::from_slice(key.as_slice())))
    }

    /// Appends the sealed plaintext to `out`.
    pub(crate) fn seal_into(&self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let iv = random_iv();
        out.reserve(plaintext.len() + OVERHEAD);
        out.extend_from_slice(&iv);
        let start = out.len();
        out.extend_from_slice(plaintext);
        let body = out.get_mut(start..).unwrap_or_default();
        let tag = self
            .0
            .encrypt_in_place_detached(Nonce::from_slice(&iv), b"", body)
            .map_err(|_| Malformed::new("it cannot be encrypted"))?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    pub(crate) fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut out = Vec::new();
        self.seal_into(plaintext, &mut out)?;
        Ok(out)
    }

    /// The plaintext, when the tag is right.
    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut plaintext = Vec::new();
        self.open_into(sealed, &mut plaintext)?;
        Ok(plaintext)
    }

    /// Replaces what is in `out` by the plaintext, when the tag is right.
    pub(crate) fn open_into(&self, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let (iv, rest) = sealed.split_at_checked(IV_BYTES).ok_or_else(too_short)?;
        let (body, tag) = rest
            .len()
            .checked_sub(TAG_BYTES)
            .and_then(|at| rest.split_at_checked(at))
            .ok_or_else(too_short)?;
        out.clear();
        out.extend_from_slice(body);
        self.0
            .decrypt_in_place_detached(Nonce::from_slice(iv), b"", out, Tag::from_slice(tag))
            .map_err(|_| Malformed::new("its authentication tag is wrong"))
    }
}

fn too_short() -> Malformed {
    Malformed::new("it is shorter than an encrypted object can be")
}

/// The cipher counts in the low 64 bits of the IV, restic in all 128. They agree as long as the low
/// half does not overflow, so an IV that comes near is drawn again (once in four thousand million).
fn random_iv() -> [u8; IV_BYTES] {
    loop {
        let mut iv = [0; IV_BYTES];
        rand::fill(&mut iv);
        if iv[8..12] != [0xff; 4] {
            return iv;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cipher() -> Cipher {
        Cipher::new(&Zeroizing::new([7; 64]))
    }

    #[test]
    fn what_was_sealed_opens_and_every_flipped_bit_is_noticed() {
        let sealed = cipher().seal(b"write-ahead").unwrap();
        assert_eq!(sealed.len(), 11 + OVERHEAD);
        assert_eq!(cipher().open(&sealed).unwrap(), b"write-ahead");
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(cipher().open(&bad).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(cipher().open(&sealed[..length]).is_err(), "length {length}");
        }
    }
}
