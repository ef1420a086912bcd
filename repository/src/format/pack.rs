//! A pack: `blob... | sealed header | header length (u32, little endian)`.

use super::Malformed;
use super::blob::BlobKind;
use super::envelope::{Cipher, OVERHEAD};
use crate::id::Id;

/// What restic reads at most of a header.
pub(crate) const MAX_HEADER_BYTES: usize = 16 * 1024 * 1024;

/// Entries of compressed blobs have four bytes more.
const ENTRY_BYTES: usize = 1 + 4 + 32;
const COMPRESSED_ENTRY_BYTES: usize = ENTRY_BYTES + 4;

/// Far below restic's header limit.
const MAX_BLOBS: usize = 100_000;

/// One blob in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: BlobKind,
    pub(crate) id: Id,
    /// Where the sealed blob begins.
    pub(crate) offset: u32,
    /// How long the sealed blob is.
    pub(crate) length: u32,
    /// The plaintext's length when the blob is compressed, else 0.
    pub(crate) plain_length: u32,
}

/// A pack that is being filled. All its blobs are of one kind.
pub(crate) struct PackBuilder {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl PackBuilder {
    /// A pack that is built in this buffer, whose content is forgotten.
    pub(crate) fn within(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { bytes: buffer, entries: Vec::new() }
    }

    /// How many bytes its blobs have by now.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a header over one more blob would become too large.
    pub(crate) fn is_crowded(&self) -> bool {
        self.entries.len() >= MAX_BLOBS
    }

    /// Appends a sealed blob; `plain_length` is 0 when it is not compressed.
    pub(crate) fn push(
        &mut self,
        kind: BlobKind,
        id: Id,
        sealed: &[u8],
        plain_length: u32,
    ) -> Result<(), Malformed> {
        let too_large = |_| Malformed::new("a pack grew above 4 GiB");
        let offset = u32::try_from(self.bytes.len()).map_err(too_large)?;
        let length = u32::try_from(sealed.len()).map_err(too_large)?;
        self.bytes.extend_from_slice(sealed);
        self.entries.push(Entry { kind, id, offset, length, plain_length });
        Ok(())
    }

    /// The finished pack: its id, its bytes, its entries.
    pub(crate) fn finish(mut self, cipher: &Cipher) -> Result<(Id, Vec<u8>, Vec<Entry>), Malformed> {
        let header = cipher.seal(&encode_header(&self.entries));
        let length = u32::try_from(header.len()).map_err(|_| Malformed::new("a pack header is too long"))?;
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        Ok((Id::of(&self.bytes), self.bytes, self.entries))
    }
}

fn encode_header(entries: &[Entry]) -> Vec<u8> {
    let mut header = Vec::with_capacity(entries.len() * COMPRESSED_ENTRY_BYTES);
    for entry in entries {
        let kind = match entry.kind {
            BlobKind::Data => 0,
            BlobKind::Tree => 1,
        };
        let is_compressed = entry.plain_length != 0;
        header.push(if is_compressed { kind + 2 } else { kind });
        header.extend_from_slice(&entry.length.to_le_bytes());
        if is_compressed {
            header.extend_from_slice(&entry.plain_length.to_le_bytes());
        }
        header.extend_from_slice(entry.id.as_bytes());
    }
    header
}

/// How many bytes a pack with these entries has.
pub(crate) fn size_of(entries: &[Entry]) -> u64 {
    let blobs: u64 = entries.iter().map(|e| u64::from(e.length)).sum();
    let header: usize =
        entries.iter().map(|e| if e.plain_length == 0 { ENTRY_BYTES } else { COMPRESSED_ENTRY_BYTES }).sum();
    blobs + (header + OVERHEAD + 4) as u64
}

/// How long the sealed header is, by the last four bytes of a pack of `size` bytes.
pub(crate) fn header_length(last: [u8; 4], size: u64) -> Result<usize, Malformed> {
    let length = u32::from_le_bytes(last) as usize;
    if !(OVERHEAD..=MAX_HEADER_BYTES + OVERHEAD).contains(&length) || (length + 4) as u64 > size {
        return Err(Malformed::new("its header length makes no sense"));
    }
    Ok(length)
}

/// The entries of a sealed header of a pack of `size` bytes. They must fill the pack exactly.
pub(crate) fn decode_header(cipher: &Cipher, sealed: &[u8], size: u64) -> Result<Vec<Entry>, Malformed> {
    let header = cipher.open(sealed)?;
    let mut rest = header.as_slice();
    let mut entries = Vec::with_capacity(rest.len() / ENTRY_BYTES);
    let mut offset = 0_u32;
    while !rest.is_empty() {
        let entry =
            take_entry(&mut rest, offset).ok_or_else(|| Malformed::new("its header has a broken entry"))?;
        offset = offset
            .checked_add(entry.length)
            .ok_or_else(|| Malformed::new("its header describes more than 4 GiB"))?;
        entries.push(entry);
    }
    if u64::from(offset) + sealed.len() as u64 + 4 != size {
        return Err(Malformed::new("its header does not describe its size"));
    }
    Ok(entries)
}

fn take_entry(rest: &mut &[u8], offset: u32) -> Option<Entry> {
    let kind = take::<1>(rest)?[0];
    let length = u32::from_le_bytes(take(rest)?);
    let plain_length = if kind >= 2 { u32::from_le_bytes(take(rest)?) } else { 0 };
    let id = Id::from_bytes(take(rest)?);
    let kind = match kind {
        0 | 2 => BlobKind::Data,
        1 | 3 => BlobKind::Tree,
        _ => return None,
    };
    Some(Entry { kind, id, offset, length, plain_length })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use zeroize::Zeroizing;

    #[test]
    fn a_pack_s_header_describes_its_blobs() {
        let cipher = Cipher::new(&Zeroizing::new([9; 64]));
        let mut pack = PackBuilder::within(vec![7; 3]);
        pack.push(BlobKind::Data, Id::of(b"a"), &[1; 40], 0).unwrap();
        pack.push(BlobKind::Data, Id::of(b"b"), &[2; 50], 99).unwrap();
        let (id, bytes, entries) = pack.finish(&cipher).unwrap();
        assert_eq!(id, Id::of(&bytes));
        let size = bytes.len() as u64;
        assert_eq!(size, size_of(&entries));
        let header = header_length(*bytes.last_chunk().unwrap(), size).unwrap();
        let sealed = &bytes[bytes.len() - 4 - header..bytes.len() - 4];
        assert_eq!(decode_header(&cipher, sealed, size).unwrap(), entries);
        assert!(decode_header(&cipher, sealed, size + 1).is_err());
    }
}
