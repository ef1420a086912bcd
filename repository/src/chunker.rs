//! Where a stream of bytes is cut into blobs: FastCDC, keyed; and at fixed places for files of PostgreSQL.
//!
//! The cut points depend on the content alone, so an insertion changes the blobs around it and no other.
//! They must not be predictable either: who knows them can tell from the sizes of blobs whether a known
//! file is in a repository. So the gear table comes from HMAC-SHA256 over two secrets of `config`, the
//! polynomial and the repository's id; nothing else has to be stored.
//!
//! A table or index of PostgreSQL is pages that stay in their places, and so alike that FastCDC finds few
//! cut points: 2.3 MB a blob on the mean. Of a `pgbench -s 20` (PostgreSQL 15, 330 MB without WAL) a second
//! backup stores, in MB, after
//!
//! | | FastCDC | 2 MiB | 1 MiB | 512 KiB | 256 KiB | 128 KiB |
//! |---|---|---|---|---|---|---|
//! | 200 transactions | 16.6 | 15.3 | 13.1 | 10.9 | 5.9 | 3.4 |
//! | 9,263 transactions, in 20 s | 17.4 | 16.9 | 17.0 | 17.3 | 15.9 | 16.0 |
//!
//! and the first one 16 to 17 MB in each way. Pieces of 512 KiB save a third where little changed, and cost
//! nothing where every megabyte did; smaller ones would save more and make indexes that are too large for
//! memory, here and in stock restic. The sizes of such blobs before compression are all the same, so these
//! cut points give nothing away.

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

/// What a relation of PostgreSQL is cut into.
const RELATION_BYTES: usize = 512 * 1024;
/// Its pages, as it is built by default, with a header each.
const PAGE_BYTES: u16 = 8192;
const PAGE_HEADER_BYTES: u16 = 24;
/// The size of a page and the version of its layout, which is the same since PostgreSQL 8.3.
const PAGE_SIZE_AND_VERSION: u16 = PAGE_BYTES | 4;

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
    /// Whether the reader gives a relation of PostgreSQL, once its first bytes are there.
    is_relation: Option<bool>,
}

impl<'g> Chunker<'g> {
    pub(crate) fn new(gear: &'g Gear) -> Self {
        Self { gear, buffer: Vec::new(), start: 0, end: 0, ended: false, is_relation: None }
    }

    /// Forgets what is left of the last reader.
    pub(crate) fn restart(&mut self) {
        (self.start, self.end, self.ended) = (0, 0, false);
        self.is_relation = None;
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
        let is_relation = *self.is_relation.get_or_insert_with(|| is_relation(rest));
        let length = if is_relation { RELATION_BYTES.min(rest.len()) } else { self.gear.cut(rest) };
        // Not twice as much as before, which is what a vector takes by itself: there are many.
        blob.reserve_exact(length);
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

/// Whether these bytes begin with two pages of a table or an index of PostgreSQL.
fn is_relation(bytes: &[u8]) -> bool {
    let mut pages = bytes.chunks_exact(usize::from(PAGE_BYTES));
    pages.next().is_some_and(is_page) && pages.next().is_some_and(is_page)
}

/// In a page's header: where its free space begins and ends, where its last part begins, and what it is.
fn is_page(page: &[u8]) -> bool {
    let number =
        |at: usize| page.get(at..at + 2).and_then(|b| b.first_chunk()).map(|b| u16::from_le_bytes(*b));
    let (Some(lower), Some(upper), Some(special), Some(kind)) =
        (number(12), number(14), number(16), number(18))
    else {
        return false;
    };
    kind == PAGE_SIZE_AND_VERSION
        && PAGE_HEADER_BYTES <= lower
        && lower <= upper
        && upper <= special
        && special <= PAGE_BYTES
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand::{RngExt, SeedableRng};

    fn gear() -> Box<Gear> {
        let config = Config::generate(None);
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

    /// So many pages of a table.
    fn relation(pages: usize) -> Vec<u8> {
        let mut bytes = noise(pages * 8192);
        for page in bytes.chunks_exact_mut(8192) {
            page[12..20].copy_from_slice(&[0xd4, 0, 0x20, 3, 0, 0x20, 4, 0x20]);
        }
        bytes
    }

    #[test]
    fn a_page_that_changed_in_a_relation_of_postgresql_changes_one_chunk_at_its_place() {
        let gear = gear();
        let mut bytes = relation(1000);
        let before = chunks(&gear, &bytes);
        assert!(before.iter().rev().skip(1).all(|chunk| chunk.len() == 512 * 1024));
        bytes[700 * 8192 + 5000] ^= 1;
        bytes.extend_from_slice(&relation(1));
        let after = chunks(&gear, &bytes);
        assert_eq!(after.concat(), bytes);
        let changed: Vec<_> = (0..before.len()).filter(|n| before[*n] != after[*n]).collect();
        assert_eq!(changed, [700 * 8192 / (512 * 1024), before.len() - 1]);
    }

    #[test]
    fn what_only_begins_like_a_page_is_cut_by_content() {
        let (gear, bytes) = (gear(), relation(1000));
        let cut = |bytes: &[u8]| chunks(&gear, bytes).iter().map(Vec::len).collect::<Vec<_>>();
        let by_content = |lengths: Vec<usize>| assert!(lengths.iter().any(|n| n % 8192 != 0), "{lengths:?}");
        by_content(cut(&[&bytes[..8192], &noise(8_000_000)].concat()));
        by_content(cut(&bytes[1..]));
        let mut wrong = bytes.clone();
        wrong[12] = 23;
        by_content(cut(&wrong));
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
