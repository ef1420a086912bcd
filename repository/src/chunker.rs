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

/// One read. It stays in the cache of a core until it is scanned, and what is left of it after a cut is moved.
const READ_BYTES: usize = 256 * 1024;
/// What a blob takes at first, and what one that outgrows it takes more.
const FIRST_BYTES: usize = 1536 * 1024;
const STEP_BYTES: usize = 1024 * 1024;

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

    /// Goes on with a scan over what `blob` has by now; gives its end when there is one in it.
    ///
    /// These are the cut points of the crate `fastcdc` (v2020, [`Normalization::Level1`]), which scans a blob
    /// only as a whole: two bytes at a time, with a mask that is hard to meet up to the average size and an
    /// easy one from there.
    fn cut(&self, scan: &mut Scan, blob: &[u8]) -> Option<usize> {
        let (small, large) = v2020::select_masks(AVERAGE_BYTES, Normalization::Level1);
        for (to, mask) in [(AVERAGE_BYTES, small), (MAX_BYTES, large)] {
            let Some(bytes) = blob.get(scan.at..to.min(blob.len())) else { continue };
            let (pairs, _) = bytes.as_chunks::<2>();
            if let Some(end) = self.scan(&mut scan.hash, pairs, mask) {
                return Some(scan.at + end);
            }
            scan.at += 2 * pairs.len();
        }
        (blob.len() >= MAX_BYTES).then_some(MAX_BYTES)
    }

    fn scan(&self, hash: &mut u64, pairs: &[[u8; 2]], mask: u64) -> Option<usize> {
        let mut rolling = *hash;
        for (number, [a, b]) in pairs.iter().enumerate() {
            let first = self.shifted[usize::from(*a)];
            let both = first.wrapping_add(self.table[usize::from(*b)]);
            // From the same hash both, so that the second does not wait for the first.
            let after_first = (rolling << 2).wrapping_add(first);
            rolling = (rolling << 2).wrapping_add(both);
            if after_first & (mask << 1) == 0 {
                return Some(2 * number);
            }
            if rolling & mask == 0 {
                return Some(2 * number + 1);
            }
        }
        *hash = rolling;
        None
    }
}

/// How far a blob was scanned.
struct Scan {
    hash: u64,
    at: usize,
}

/// Cuts one reader after another.
pub(crate) struct Chunker<'g> {
    gear: &'g Gear,
    /// What was read beyond the last cut, always less than a read.
    rest: Vec<u8>,
    ended: bool,
    /// Whether the reader gives a relation of PostgreSQL, once its first bytes are there.
    is_relation: Option<bool>,
}

impl<'g> Chunker<'g> {
    pub(crate) fn new(gear: &'g Gear) -> Self {
        Self { gear, rest: Vec::new(), ended: false, is_relation: None }
    }

    /// Forgets what is left of the last reader.
    pub(crate) fn restart(&mut self) {
        self.rest.clear();
        (self.ended, self.is_relation) = (false, None);
    }

    /// The next blob of the reader in `blob`, which is empty at the end. `proceed` is asked before each read.
    pub(crate) fn next(
        &mut self,
        reader: &mut dyn Read,
        proceed: &dyn Fn() -> bool,
        blob: &mut Vec<u8>,
    ) -> io::Result<()> {
        blob.clear();
        // Not twice as much as before, which is what a vector takes by itself: there are many.
        blob.reserve_exact(if self.is_relation == Some(true) { RELATION_BYTES } else { FIRST_BYTES });
        blob.extend_from_slice(&self.rest);
        self.rest.clear();
        let first = MIN_BYTES.saturating_sub(blob.len());
        self.read(reader, proceed, blob, first)?;
        let is_relation = *self.is_relation.get_or_insert_with(|| is_relation(blob));
        let mut scan = Scan { hash: 0, at: MIN_BYTES };
        let end = loop {
            match if is_relation { Some(RELATION_BYTES) } else { self.gear.cut(&mut scan, blob) } {
                Some(end) => break end.min(blob.len()),
                None if self.ended => break blob.len(),
                None => {
                    let more = READ_BYTES.min(MAX_BYTES - blob.len());
                    self.read(reader, proceed, blob, more)?;
                }
            }
        };
        self.rest.extend_from_slice(blob.get(end..).unwrap_or_default());
        blob.truncate(end);
        Ok(())
    }

    /// Reads so many bytes more, or to the end.
    fn read(
        &mut self,
        reader: &mut dyn Read,
        proceed: &dyn Fn() -> bool,
        blob: &mut Vec<u8>,
        more: usize,
    ) -> io::Result<()> {
        let (mut at, to) = (blob.len(), blob.len() + more);
        if to > blob.capacity() {
            blob.reserve_exact(more.max(STEP_BYTES));
        }
        blob.resize(to, 0);
        while at < to && !self.ended {
            if !proceed() {
                return Err(io::Error::other("cancelled"));
            }
            match reader.read(blob.get_mut(at..).unwrap_or_default()) {
                Ok(0) => self.ended = true,
                Ok(read) => at += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        blob.truncate(at);
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

    #[test]
    fn blobs_end_where_the_crate_says_however_they_are_read() {
        let gear = gear();
        let (small, large) = v2020::select_masks(AVERAGE_BYTES, Normalization::Level1);
        let cut = |bytes: &[u8]| {
            let (table, shifted) = (&gear.table, &gear.shifted);
            v2020::cut_gear(
                bytes,
                MIN_BYTES,
                AVERAGE_BYTES,
                MAX_BYTES,
                small,
                large,
                small << 1,
                large << 1,
                table,
                shifted,
            )
            .1
        };
        let trickled = |bytes: &[u8]| {
            let (mut chunker, mut reader, mut lengths) = (Chunker::new(&gear), Trickle(bytes), Vec::new());
            loop {
                let mut blob = Vec::new();
                chunker.next(&mut reader, &|| true, &mut blob).unwrap();
                if blob.is_empty() {
                    return lengths;
                }
                lengths.push(blob.len());
            }
        };
        let mut all = noise(40_000_000);
        // No cut point for longer than a blob can be.
        all[20_000_000..30_000_000].fill(0);
        for length in [0, 1, MIN_BYTES - 1, MIN_BYTES, MIN_BYTES + 1, 1_000_001, 7_654_321, all.len()] {
            let (mut rest, by_drops) = (&all[..length], trickled(&all[..length]));
            for (number, chunk) in chunks(&gear, rest).iter().enumerate() {
                let left = rest.len();
                assert_eq!(chunk.len(), cut(rest), "{left} bytes before the end of {length}");
                assert_eq!(by_drops[number], chunk.len(), "{left} bytes before the end of {length}");
                rest = &rest[chunk.len()..];
            }
            assert!(rest.is_empty());
        }
    }

    /// Gives an odd number of bytes at a time, as a pipe may.
    struct Trickle<'b>(&'b [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(12_345);
            self.0.read(&mut buffer[..length])
        }
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
