//! From a sealed blob to its plaintext, with buffers and a context that one thread uses again.

use super::Malformed;
use super::blob::MAX_PLAIN_BYTES;
use super::envelope::Cipher;
use crate::id::Id;

/// What a buffer grew above this for one large blob is given back.
const KEPT_BYTES: usize = 2 * 1024 * 1024;

/// Opens, decompresses and hashes, one a thread.
pub(crate) struct Opener {
    decompressor: zstd::bulk::Decompressor<'static>,
    opened: Vec<u8>,
    plain: Vec<u8>,
}

impl Opener {
    pub(crate) fn new() -> Result<Self, Malformed> {
        let decompressor = zstd::bulk::Decompressor::new().map_err(|e| Malformed::new(e.to_string()))?;
        Ok(Self { decompressor, opened: Vec::new(), plain: Vec::new() })
    }

    /// The plaintext, which is what `id` names, or there is an error. It stays until the next call.
    pub(crate) fn open(
        &mut self,
        cipher: &Cipher,
        sealed: &[u8],
        plain_length: u32,
        id: Id,
    ) -> Result<&[u8], Malformed> {
        if plain_length > MAX_PLAIN_BYTES {
            return Err(Malformed::new("it says that it is larger than a blob can be"));
        }
        let (plain, is) = if plain_length == 0 {
            let is = cipher.open_hashed(sealed, &mut self.opened)?;
            (&self.opened, is)
        } else {
            cipher.open_into(sealed, &mut self.opened)?;
            self.plain.clear();
            self.plain.reserve(plain_length as usize);
            let fail = |e: std::io::Error| Malformed::new(format!("it does not decompress: {e}"));
            let size = self.decompressor.decompress_to_buffer(&self.opened, &mut self.plain).map_err(fail)?;
            if size != plain_length as usize {
                return Err(Malformed::new("it decompresses to another length than it had"));
            }
            (&self.plain, Id::of(&self.plain))
        };
        if is != id {
            return Err(Malformed::new("its content is not what its name says"));
        }
        Ok(plain)
    }

    /// Gives back what one unusually large blob took.
    pub(crate) fn shrink(&mut self) {
        give_back(&mut self.opened);
        give_back(&mut self.plain);
    }
}

/// Gives back what a buffer has above its usual size. It is made smaller in its place and not freed: after
/// a large block was freed, glibc keeps as much of each thread's memory as that block had.
pub(super) fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES {
        buffer.clear();
        buffer.shrink_to(KEPT_BYTES);
    }
}
