//! Reading files of a tree: small ones whole, large ones cut into blobs.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};

use super::again::{self, Part, Stretch};
use super::content::{Blobs, ReadFailure};
use super::trouble::TroubleKind;
use super::walk::Walk;
use super::{Counts, entry};
use crate::chunker::MIN_BYTES;
use crate::error::Result;
use crate::format::blob::BlobKind;
use crate::format::node::Node;
use crate::format::sealer::Sealer;
use crate::id::Id;
use crate::sync::locked;

/// What one reading thread has for itself.
#[derive(Default)]
pub(super) struct Hand {
    buffer: Vec<u8>,
    pub(super) counts: Counts,
}

/// What became of reading a small file.
pub(super) enum Content {
    /// It is in the node.
    Read,
    /// It could not be read, which is noted.
    Failed,
    /// It is not small, or became something else: cut it.
    Large,
}

/// A file that is cut.
pub(super) struct Large {
    pub(super) path: PathBuf,
    pub(super) node: Node,
    /// As it was listed.
    pub(super) seen: Metadata,
    /// What it consisted of when the parent was made.
    pub(super) before: Vec<Id>,
}

impl Walk<'_> {
    /// Reads a file that is one blob, and stores it.
    pub(super) fn read_small(
        &self,
        hand: &mut Hand,
        path: &Path,
        node: &mut Node,
        seen: &Metadata,
    ) -> Result<Content> {
        let Some(size) = usize::try_from(seen.size()).ok().filter(|size| *size <= MIN_BYTES) else {
            return Ok(Content::Large);
        };
        let read = entry::open(path).and_then(|mut file| {
            let read = read_up_to(&mut file, size, &mut hand.buffer)?;
            Ok((read, file.metadata()?))
        });
        let after = match read {
            Ok((true, after)) if after.is_file() && entry::is_same(seen, &after) => after,
            Ok(_) => return Ok(Content::Large),
            Err(e) => {
                locked(&self.troubles).add_error(path, &e);
                return Ok(Content::Failed);
            }
        };
        let mut blobs = Vec::new();
        if !hand.buffer.is_empty() {
            let store = |sealer: &mut Sealer| self.writer.store(sealer, BlobKind::Data, &hand.buffer);
            blobs.push(self.sealers.with(store)??);
        }
        node.content = Some(blobs);
        node.size = after.size();
        hand.counts.bytes_read += node.size;
        self.monitor.add_done(node.size);
        self.count_file(hand, node.size);
        Ok(Content::Read)
    }

    /// Cuts and stores a file, of which the parent may know some blobs. No node when it could not be read, which
    /// is noted.
    pub(super) fn read_large(&self, hand: &mut Hand, large: Large) -> Result<Option<Node>> {
        let Large { path, node, seen, before } = large;
        let path = path.as_path();
        let opened = entry::open(path).and_then(|file| file.metadata().map(|meta| (file, meta)));
        let (mut file, opened) = match opened {
            Ok(both) => both,
            Err(e) => {
                locked(&self.troubles).add_error(path, &e);
                return Ok(None);
            }
        };
        if !opened.is_file() {
            let what = "it became something else while its folder was read";
            locked(&self.troubles).add(TroubleKind::Changed, path, what);
            return Ok(None);
        }
        // Only a hint: what the kernel makes of it is its own affair.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        let known = again::known(&before, opened.size(), self.writer);
        let mut blobs = Blobs::default();
        let read = self.chunkers.with(|chunker| {
            if known.is_empty() {
                return blobs.read(&mut file, chunker, self.writer, self.monitor);
            }
            let proceed = || !self.monitor.is_cancelled();
            again::compare(&file, &known, self.threads, &proceed, |stretch| match stretch {
                Stretch::Same(id, length) => blobs.keep(id, length, self.writer, self.monitor),
                Stretch::Other(at, to) => {
                    let mut part = Part { file: &file, at, to };
                    blobs.read(&mut part, chunker, self.writer, self.monitor)
                }
            })
        })?;
        match read {
            Ok(()) => {}
            Err(ReadFailure::Session(e)) => return Err(e),
            Err(ReadFailure::Source(e)) => {
                locked(&self.troubles).add_error(path, &e);
                return Ok(None);
            }
        }
        let node = blobs.finish(node, self.writer)?;
        hand.counts.bytes_read += node.size;
        self.count_file(hand, node.size);
        match file.metadata() {
            Ok(after) if entry::is_same(&seen, &after) => {}
            Ok(_) => locked(&self.troubles).add(TroubleKind::Changed, path, "it changed while it was read"),
            Err(e) => locked(&self.troubles).add_error(path, &e),
        }
        Ok(Some(node))
    }

    /// A file of our own making.
    pub(super) fn read_own(&self, node: Node, mut bytes: &[u8]) -> Result<Node> {
        let mut blobs = Blobs::default();
        let read =
            self.chunkers.with(|chunker| blobs.read(&mut bytes, chunker, self.writer, self.monitor))?;
        read.map_err(|failure| failure.of(&node.os_name().to_string_lossy()))?;
        blobs.finish(node, self.writer)
    }
}

/// Reads a file that should have `size` bytes; false when it has more.
fn read_up_to(file: &mut File, size: usize, buffer: &mut Vec<u8>) -> io::Result<bool> {
    // One byte more, so that the end is seen.
    buffer.resize(size + 1, 0);
    let mut end = 0;
    while end < buffer.len() {
        match file.read(buffer.get_mut(end..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => end += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    buffer.truncate(end);
    Ok(end <= size)
}
