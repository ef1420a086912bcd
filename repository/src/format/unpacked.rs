//! Files that are not packs (index, snapshot, lock): JSON, compressed behind a version byte, sealed.

use super::Malformed;
use super::envelope::Cipher;

const ZSTD_MARK: u8 = 2;
const LEVEL: i32 = 3;

/// Seals JSON for storage.
pub(crate) fn encode(cipher: &Cipher, json: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut plain = vec![ZSTD_MARK];
    plain.extend(zstd::bulk::compress(json, LEVEL).map_err(|e| Malformed::new(e.to_string()))?);
    Ok(cipher.seal(&plain))
}

/// The JSON of a stored file, at most `limit` bytes of it.
pub(crate) fn decode(cipher: &Cipher, sealed: &[u8], limit: usize) -> Result<Vec<u8>, Malformed> {
    let plain = cipher.open(sealed)?;
    match plain.split_first() {
        Some((b'{' | b'[', _)) => Ok(plain),
        Some((&ZSTD_MARK, compressed)) => decompress(compressed, limit),
        _ => Err(Malformed::new("it begins with an unknown version byte")),
    }
}

/// Whole zstd frames, also those that do not say their size (restic streams them).
pub(crate) fn decompress(compressed: &[u8], limit: usize) -> Result<Vec<u8>, Malformed> {
    use std::io::Read as _;
    let fail = |e: std::io::Error| Malformed::new(format!("it does not decompress: {e}"));
    let decoder = zstd::stream::read::Decoder::with_buffer(compressed).map_err(fail)?;
    let mut out = Vec::new();
    let read = decoder.take(limit as u64 + 1).read_to_end(&mut out).map_err(fail)?;
    if read > limit {
        return Err(Malformed::new(format!("it decompresses to more than {limit} bytes")));
    }
    Ok(out)
}
