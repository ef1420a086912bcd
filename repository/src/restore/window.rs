//! Blobs gathered from many files, and put into the order in which they lie in packs.

use std::sync::Arc;

use super::site::Target;
use crate::error::Result;
use crate::format::blob::BlobKind;
use crate::id::Id;
use crate::index::{Index, Place};

/// Bounds of a window: beyond them the walk waits until the blobs are on their way.
const MAX_FILES: usize = 16_384;
const MAX_PIECES: usize = 32_768;
/// One read of a pack, and the gap that it may read over.
const MAX_READ_BYTES: u64 = 8 * 1024 * 1024;
const MAX_GAP_BYTES: u64 = 64 * 1024;

/// One blob that belongs at one place of one file.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) place: Place,
    pub(super) id: Id,
    pub(super) target: Arc<Target>,
    pub(super) at: u64,
}

impl Piece {
    /// How many bytes of the file it is.
    pub(super) fn length(&self) -> u64 {
        self.place.plain_bytes(BlobKind::Data, self.id)
    }
}

/// Blobs that are gathered. See the module.
#[derive(Default)]
pub(super) struct Window {
    pieces: Vec<Piece>,
    files: usize,
}

impl Window {
    /// Whether it must be emptied before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.files >= MAX_FILES || self.pieces.len() >= MAX_PIECES
    }

    pub(super) fn begin_file(&mut self) {
        self.files += 1;
    }

    pub(super) fn add(&mut self, piece: Piece) {
        self.pieces.push(piece);
    }

    /// What was gathered, cut into single reads.
    pub(super) fn take_runs(&mut self) -> Vec<Vec<Piece>> {
        self.files = 0;
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.sort_unstable_by_key(|p| (p.place.pack, p.place.offset, p.at));
        split(pieces)
    }
}

/// Where each of these blobs of a file lies; the size of the file; and what is wrong when one is unknown.
pub(super) fn locate(index: &Index, blobs: &[Id]) -> (u64, Option<String>) {
    let (mut size, mut wrong) = (0_u64, None);
    for id in blobs {
        match index.find(BlobKind::Data, *id) {
            Some(place) => size = size.saturating_add(place.plain_bytes(BlobKind::Data, *id)),
            None => drop(wrong.get_or_insert_with(|| format!("blob {id} is in no index file"))),
        }
    }
    (size, wrong)
}

/// Where a run lies: its pack, from where, and how many bytes.
pub(super) fn extent(index: &Index, run: &[Piece]) -> Result<Option<(Id, u64, usize)>> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(None) };
    let begin = first.place.offset;
    let length = (last.place.offset - begin) as usize + last.place.length as usize;
    Ok(Some((index.pack(first.place)?, u64::from(begin), length)))
}

/// Runs of pieces, in the order of packs, that lie near each other in one pack.
pub(super) fn split(pieces: Vec<Piece>) -> Vec<Vec<Piece>> {
    let end = |p: &Piece| u64::from(p.place.offset) + u64::from(p.place.length);
    let mut runs: Vec<Vec<Piece>> = Vec::new();
    let (mut pack, mut begin, mut reached) = (None, 0, 0);
    for piece in pieces {
        let is_near = pack == Some(piece.place.pack)
            && u64::from(piece.place.offset) <= reached + MAX_GAP_BYTES
            && (end(&piece) - begin <= MAX_READ_BYTES || end(&piece) == reached);
        reached = if is_near { reached.max(end(&piece)) } else { end(&piece) };
        match runs.last_mut().filter(|_| is_near) {
            Some(run) => run.push(piece),
            None => {
                (pack, begin) = (Some(piece.place.pack), u64::from(piece.place.offset));
                runs.push(vec![piece]);
            }
        }
    }
    runs
}
