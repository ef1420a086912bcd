//! Reading many trees of a repository.
//!
//! Trees are small and lie together in packs of their own, in about the order in which a walk meets them.
//! So packs are read in segments of some MiB, of which the last few are kept: a walk costs one request a
//! segment and not one a tree, which matters where a request takes 30 ms. What cannot be read that way,
//! because a pack is cut or a tree is huge, is read by itself, so that damage stays with its tree.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::error::{Class, Error, Result};
use crate::format::blob::BlobKind;
use crate::format::node::{Glimpse, Node};
use crate::format::opener::Opener;
use crate::format::{Malformed, tree};
use crate::id::Id;
use crate::index::{Index, Place};
use crate::repository::Repository;
use crate::sync::locked;

/// One read of a pack of trees.
const SEGMENT_BYTES: u64 = 2 * 1024 * 1024;
/// So many are kept.
const KEPT_SEGMENTS: usize = 6;

/// Reads trees; shared between threads.
pub(crate) struct Trees<'a> {
    repo: &'a Repository,
    index: &'a Index,
    /// The newest first.
    segments: Mutex<VecDeque<Segment>>,
    /// Those that no thread works with.
    openers: Mutex<Vec<Opener>>,
}

struct Segment {
    pack: u32,
    number: u64,
    bytes: Arc<Vec<u8>>,
}

impl<'a> Trees<'a> {
    pub(crate) fn new(repo: &'a Repository, index: &'a Index) -> Self {
        Self { repo, index, segments: Mutex::default(), openers: Mutex::default() }
    }

    /// The nodes of a tree, verified.
    pub(crate) fn read(&self, id: Id) -> Result<Vec<Node>> {
        self.decoded(id, tree::decode)
    }

    /// What is needed of a tree to compare a folder with it, verified.
    pub(crate) fn glimpse(&self, id: Id) -> Result<Vec<Glimpse>> {
        self.decoded(id, tree::glimpse)
    }

    /// The bytes of a tree, verified.
    pub(crate) fn bytes(&self, id: Id) -> Result<Vec<u8>> {
        self.with(id, <[u8]>::to_vec)
    }

    fn decoded<T>(&self, id: Id, decode: impl FnOnce(&[u8]) -> Result<T, Malformed>) -> Result<T> {
        self.with(id, decode)?.map_err(|e| Error::damaged(format!("tree {id}"), e.to_string()))
    }

    fn with<T>(&self, id: Id, work: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let place = self
            .index
            .find(BlobKind::Tree, id)
            .ok_or_else(|| Error::damaged(format!("blob {id}"), "no index file knows it"))?;
        let pack = self.index.pack(place)?;
        let mut was_bad = false;
        if let Some(sealed) = self.sealed(pack, place)? {
            let spare = locked(&self.openers).pop();
            let mut opener =
                spare.map_or_else(Opener::new, Ok).map_err(|_| Error::Internal("zstd does not start"))?;
            if let Ok(plain) = opener.open(self.repo.cipher(), &sealed, place.plain_length, id) {
                let done = work(plain);
                opener.shrink();
                locked(&self.openers).push(opener);
                return Ok(done);
            }
            was_bad = true;
        }
        let plain = self.repo.read_blob(self.index, BlobKind::Tree, id)?;
        // When an older version of the pack is read now, the segments of the other one are of no use.
        if was_bad && self.repo.recovers_pack(pack)? {
            locked(&self.segments).retain(|segment| segment.pack != place.pack);
        }
        Ok(work(&plain))
    }

    /// The sealed bytes out of segments; none when a segment cannot be read whole.
    fn sealed(&self, pack: Id, place: Place) -> Result<Option<Vec<u8>>> {
        let (begin, end) = (u64::from(place.offset), u64::from(place.offset) + u64::from(place.length));
        if u64::from(place.length) > SEGMENT_BYTES {
            return Ok(None);
        }
        let mut sealed = Vec::with_capacity(place.length as usize);
        for number in begin / SEGMENT_BYTES..=end.saturating_sub(1) / SEGMENT_BYTES {
            let Some(segment) = self.segment(pack, place.pack, number)? else { return Ok(None) };
            let start = number * SEGMENT_BYTES;
            let from = begin.saturating_sub(start).min(segment.len() as u64);
            let to = (end - start).min(segment.len() as u64);
            let part = segment.get(from as usize..to as usize).unwrap_or_default();
            sealed.extend_from_slice(part);
        }
        Ok(Some(sealed))
    }

    fn segment(&self, pack: Id, pack_number: u32, number: u64) -> Result<Option<Arc<Vec<u8>>>> {
        let is_it = |s: &Segment| (s.pack, s.number) == (pack_number, number);
        let mut kept = locked(&self.segments);
        if let Some(at) = kept.iter().position(is_it)
            && let Some(segment) = kept.remove(at)
        {
            let bytes = Arc::clone(&segment.bytes);
            kept.push_front(segment);
            return Ok(Some(bytes));
        }
        drop(kept);
        let size = self.index.packs().get(pack_number as usize).map_or(0, |info| info.size);
        let start = number * SEGMENT_BYTES;
        let length = size.saturating_sub(start).min(SEGMENT_BYTES) as usize;
        let bytes = match self.repo.read_pack(pack, start, length) {
            Ok(bytes) => Arc::new(bytes),
            Err(e) if e.class() == Class::Integrity => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut kept = locked(&self.segments);
        kept.push_front(Segment { pack: pack_number, number, bytes: Arc::clone(&bytes) });
        kept.truncate(KEPT_SEGMENTS);
        Ok(Some(bytes))
    }
}
