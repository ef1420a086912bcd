//! Where a stream of bytes is cut into blobs: FastCDC, keyed.
//!
//! The cut points depend on the content alone, so an insertion changes the blobs around it and no other.
//! They must not be predictable either: who knows them can tell from the sizes of blobs whether a known
//! file is in a repository. So the gear table comes from HMAC-SHA256 over two secrets of `config`, the
//! polynomial and the repository's id; nothing else has to be stored.

use std::io::{self, Read};

use fastcdc::v2020::{self, Normalization};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::format::config::Config;
use crate::format::polynomial::Polynomial;

/// A file up to this size is one blob. Blobs of 512 KiB to 4 MiB keep the memory of stock restic sane.
pub(crate) const MIN_BYTES: usize = 512 * 1024;
const AVERAGE_BYTES: usize = 1024 * 1024;
/// The largest blob of data.
pub(crate) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Twice the largest blob, so that what is left over is moved at most once a blob.
const BUFFER_BYTES: usize = 2 * MAX_BYTES;

/// The key of the chunker: what each byte adds to the rolling hash.
pub(crate) struct Gear {
    table: [u64; 256],
    shifted: [u64; 256],
}

impl Gear {
    /// The gear table of a repository.
    pub(crate) fn derive(config: &Config, polynomial: Polynomial) -> Option<Box<Self>> {
        let mut key = polynomial.0.to_be_bytes().to_vec();
        key.extend_from_slice(config.id.as_bytes());
        let mut gear = Box::new(Self { table: [0; 256], shifted: [0; 256] });
        for byte in 0..=255_u8 {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
            mac.update(b"lifeboat gear 1");
            mac.update(&[byte]);
            let digest = mac.finalize().into_bytes();
            let value = digest.first_chunk::<8>().map(|b| u64::from_be_bytes(*b))?;
            gear.table[usize::from(byte)] = value;
            gear.shifted[usize::from(byte)] = value << 1;
        }
        Some(gear)
    }

    /// Where the first blob of `bytes` ends, when `bytes` is the rest of the stream or longer than a blob.
    fn cut(&self, bytes: &[u8]) -> usize {
        let (small, large) = v2020::select_masks(AVERAGE_BYTES, Normalization::Level1);
        let (_, end) = v2020::cut_gear(
            bytes,
            MIN_BYTES,
            AVERAGE_BYTES,
            MAX_BYTES,
            small,
            large,
            small << 1,
            large << 1,
            &self.table,
            &self.shifted,
        );
        end.clamp(1, bytes.len().max(1))
    }
}

/// Cuts one reader after another, with one buffer.
pub(crate) struct Chunker<'g> {
    gear: &'g Gear,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
}

impl<'g> Chunker<'g> {
    pub(crate) fn new(gear: &'g Gear) -> Self {
        Self { gear, buffer: Vec::new(), start: 0, end: 0, ended: false }
    }

    /// Forgets what is left of the last reader.
    pub(crate) fn restart(&mut self) {
        (self.start, self.end, self.ended) = (0, 0, false);
    }

    /// The next blob of the reader in `blob`, which is empty at the end. `proceed` is asked before each read.
    pub(crate) fn next(
        &mut self,
        reader: &mut dyn Read,
        proceed: &dyn Fn() -> bool,
        blob: &mut Vec<u8>,
    ) -> io::Result<()> {
        blob.clear();
        if !self.ended && self.end - self.start < MAX_BYTES {
            self.fill(reader, proceed)?;
        }
        let rest = self.buffer.get(self.start..self.end).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        let length = self.gear.cut(rest);
        blob.extend_from_slice(rest.get(..length).unwrap_or(rest));
        self.start += length;
        Ok(())
    }

    fn fill(&mut self, reader: &mut dyn Read, proceed: &dyn Fn() -> bool) -> io::Result<()> {
        self.buffer.resize(BUFFER_BYTES, 0);
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < self.buffer.len() {
            if !proceed() {
                return Err(io::Error::other("cancelled"));
            }
            match reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => self.end += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand::{RngExt, SeedableRng};

    fn gear() -> Box<Gear> {
        let config = Config::generate();
        Gear::derive(&config, config.polynomial().unwrap()).unwrap()
    }

    fn chunks(gear: &Gear, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut chunker = Chunker::new(gear);
        std::iter::from_fn(|| {
            let mut blob = Vec::new();
            chunker.next(&mut bytes, &|| true, &mut blob).unwrap();
            Some(blob).filter(|blob| !blob.is_empty())
        })
        .collect()
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        rand::rngs::StdRng::seed_from_u64(7).fill(&mut bytes[..]);
        bytes
    }

    #[test]
    fn chunks_are_the_stream_and_within_bounds() {
        let gear = gear();
        let bytes = noise(30_000_001);
        let chunks = chunks(&gear, &bytes);
        assert_eq!(chunks.concat(), bytes);
        let (_, whole) = chunks.split_last().unwrap();
        assert!(whole.iter().all(|c| (MIN_BYTES..=MAX_BYTES).contains(&c.len())));
        assert!((10..=60).contains(&chunks.len()), "{}", chunks.len());
    }

    #[test]
    fn an_insertion_changes_few_chunks() {
        let gear = gear();
        let bytes = noise(20_000_000);
        let before = chunks(&gear, &bytes);
        let after = chunks(&gear, &[b"inserted", bytes.as_slice()].concat());
        let known: std::collections::HashSet<_> = before.iter().collect();
        let new = after.iter().filter(|c| !known.contains(c)).count();
        assert!(new <= 3, "{new} of {} chunks changed", after.len());
    }

    #[test]
    fn two_repositories_cut_differently() {
        let bytes = noise(10_000_000);
        let sizes = |gear: &Gear| chunks(gear, &bytes).iter().map(Vec::len).collect::<Vec<_>>();
        assert_ne!(sizes(&gear()), sizes(&gear()));
    }

    #[test]
    fn an_empty_stream_has_no_chunk() {
        assert!(chunks(&gear(), b"").is_empty());
    }
}
