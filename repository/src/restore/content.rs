//! The contents of files: gathered into windows, read in the order of packs, verified, written in place.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Class, Error, Result};
use crate::format::blob::BlobKind;
use crate::format::node::Node;
use crate::id::Id;
use crate::index::{Index, Place};
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::sync::locked;

/// Bounds of a window.
const MAX_FILES: usize = 4096;
const MAX_PIECES: usize = 16_384;
/// One read of a pack, and the gap that it may read over.
const MAX_READ_BYTES: u64 = 8 * 1024 * 1024;
const MAX_GAP_BYTES: u64 = 64 * 1024;
const THREADS: usize = 2;

/// A file whose content is being written.
pub(super) struct Gathered {
    pub(super) node: Node,
    pub(super) path: String,
    pub(super) to: PathBuf,
    /// Bytes of the blobs gathered by now.
    pub(super) size: u64,
    /// What is wrong with it, once something is.
    pub(super) damage: Option<String>,
}

/// One blob that belongs at one place of one file.
#[derive(Clone, Copy)]
struct Piece {
    place: Place,
    id: Id,
    file: usize,
    at: u64,
}

/// Files, and blobs of them, that are written together.
#[derive(Default)]
pub(super) struct Window {
    files: Vec<Gathered>,
    pieces: Vec<Piece>,
    /// Blobs of the last file that are gathered.
    next_blob: usize,
}

impl Window {
    pub(super) fn begin(&mut self, node: Node, path: String, to: PathBuf) {
        self.files.push(Gathered { node, path, to, size: 0, damage: None });
        self.next_blob = 0;
    }

    /// Gathers blobs of the last file; false when the window must be written first.
    pub(super) fn gather(&mut self, index: &Index) -> bool {
        let Some(number) = self.files.len().checked_sub(1) else { return true };
        let Some(file) = self.files.get_mut(number) else { return true };
        let blobs = file.node.content.as_deref().unwrap_or_default();
        for id in blobs.iter().skip(self.next_blob) {
            if self.pieces.len() >= MAX_PIECES {
                return false;
            }
            self.next_blob += 1;
            let Some(place) = index.find(BlobKind::Data, *id) else {
                file.damage.get_or_insert_with(|| format!("blob {id} is in no index file"));
                continue;
            };
            self.pieces.push(Piece { place, id: *id, file: number, at: file.size });
            file.size = file.size.saturating_add(place.plain_bytes(BlobKind::Data, *id));
        }
        // What is needed of the node from here on is its metadata.
        file.node.content = None;
        true
    }

    pub(super) fn is_full(&self) -> bool {
        self.files.len() >= MAX_FILES || self.pieces.len() >= MAX_PIECES
    }

    pub(super) fn take_files(&mut self) -> Vec<Gathered> {
        std::mem::take(&mut self.files)
    }

    /// Writes every gathered blob to where it belongs.
    pub(super) fn write(&mut self, repo: &Repository, index: &Index, monitor: &Monitor) -> Result<()> {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.sort_unstable_by_key(|p| (p.place.pack, p.place.offset, p.file, p.at));
        let batches = split(&pieces);
        let job = Job {
            repo,
            index,
            monitor,
            files: &self.files,
            damage: Mutex::default(),
            error: Mutex::default(),
        };
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..THREADS.min(batches.len()) {
                scope.spawn(|| {
                    while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if locked(&job.error).is_some() {
                            return;
                        }
                        if let Err(e) = job.batch(batch) {
                            locked(&job.error).get_or_insert(e);
                        }
                    }
                });
            }
        });
        let (damage, error) = (job.damage, job.error);
        if let Some(error) = locked(&error).take() {
            return Err(error);
        }
        for (file, reason) in std::mem::take(&mut *locked(&damage)) {
            if let Some(file) = self.files.get_mut(file) {
                file.damage.get_or_insert(reason);
            }
        }
        Ok(())
    }
}

/// Runs of pieces that lie near each other in one pack.
fn split(pieces: &[Piece]) -> Vec<&[Piece]> {
    let end = |p: &Piece| u64::from(p.place.offset) + u64::from(p.place.length);
    let mut batches = Vec::new();
    let mut rest = pieces;
    while let Some(first) = rest.first() {
        let begin = u64::from(first.place.offset);
        let mut reached = end(first);
        let count = rest.iter().take_while(|p| {
            let near = p.place.pack == first.place.pack
                && u64::from(p.place.offset) <= reached + MAX_GAP_BYTES
                && (end(p) - begin <= MAX_READ_BYTES || end(p) == end(first));
            reached = reached.max(end(p));
            near
        });
        let (batch, after) = rest.split_at(count.count().max(1));
        batches.push(batch);
        rest = after;
    }
    batches
}

struct Job<'a> {
    repo: &'a Repository,
    index: &'a Index,
    monitor: &'a Monitor,
    files: &'a [Gathered],
    /// By number of the file.
    damage: Mutex<HashMap<usize, String>>,
    error: Mutex<Option<Error>>,
}

impl Job<'_> {
    /// One read of a pack. When it fails because of damage, its blobs are tried one by one.
    fn batch(&self, batch: &[Piece]) -> Result<()> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(()) };
        let pack = self.index.pack(first.place)?;
        let begin = first.place.offset;
        let length = (last.place.offset - begin) as usize + last.place.length as usize;
        let bytes = match self.repo.read_pack(pack, u64::from(begin), length) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.class() == Class::Integrity => None,
            Err(e) => return Err(e),
        };
        for same in batch.chunk_by(|a, b| a.place.offset == b.place.offset) {
            self.monitor.proceed()?;
            let Some(piece) = same.first() else { continue };
            let from = (piece.place.offset - begin) as usize;
            let sealed = bytes.as_ref().and_then(|b| b.get(from..from + piece.place.length as usize));
            let opened = match sealed {
                Some(sealed) => self.repo.open_blob(pack, piece.place, piece.id, sealed),
                None => self
                    .repo
                    .read_pack(pack, u64::from(piece.place.offset), piece.place.length as usize)
                    .and_then(|sealed| self.repo.open_blob(pack, piece.place, piece.id, &sealed)),
            };
            match opened {
                Ok(plain) => same.iter().try_for_each(|piece| self.put(piece, &plain))?,
                Err(e) if e.class() == Class::Integrity => {
                    let mut damage = locked(&self.damage);
                    for piece in same {
                        damage.entry(piece.file).or_insert_with(|| e.to_string());
                    }
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn put(&self, piece: &Piece, plain: &[u8]) -> Result<()> {
        let file = self.files.get(piece.file).ok_or(Error::Internal("a blob of no file"))?;
        // Zeros are left as a hole: the file is new, and its length is set at the end.
        if plain.iter().any(|byte| *byte != 0) {
            let written =
                OpenOptions::new().write(true).open(&file.to).and_then(|f| f.write_all_at(plain, piece.at));
            written.map_err(Error::local("writing", &file.to))?;
        }
        self.monitor.add_done(plain.len() as u64);
        Ok(())
    }
}
