//! Block devices and images of them, as one file of a snapshot.
//!
//! They are cut at fixed places: what a file system writes lies at its place for good and does not move the
//! rest, and cut points that are known beforehand cost nothing to find. A piece that is all zero is one blob,
//! stored once; holes of an image are not even read. The content still names that blob for each of them, so
//! that every reader of the format gives the same bytes back.
//!
//! Nothing here holds writers off. A device that is in use is captured from a snapshot of its volume.

use std::collections::VecDeque;
use std::fs::{self, File, Metadata};
use std::io::{self, Seek};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;

use rustix::fs::{Advice, SeekFrom, fadvise, seek};
use rustix::io::Errno;

use super::entry;
use super::into::only;
use super::{BackupMeta, Capture, SnapshotBuilder, SnapshotSummary};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::write::{Ticket, Writer};

/// Pieces begin at its multiples. A terabyte makes a node of 70 MB, which readers must hold in memory.
const PIECE_BYTES: usize = 1024 * 1024;
/// Larger devices would need a node that is larger than a blob can be.
const MAX_BYTES: u64 = 8 * 1024 * 1024 * 1024 * 1024;
/// Pieces that may be on their way at once; memory bounds them earlier.
const MAX_TICKETS: usize = 512;

impl Repository {
    /// Backs up a block device or an image of one as one file of this name, whose size is the device's.
    /// Links to it are followed, so that names such as `/dev/disk/by-id/...` can be given.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a path that is something else, [`Error::SourceRead`] with the place where
    /// reading failed, or for an image that was changed meanwhile; [`Error::Cancelled`]; or what storing
    /// failed with. In each case there is no new snapshot.
    pub fn backup_device(
        &self,
        meta: &BackupMeta,
        file_name: &str,
        device: &Path,
        monitor: &Monitor,
    ) -> Result<SnapshotSummary> {
        only(Capture::into(&[self])?.device(meta, file_name, device, monitor))
    }
}

impl SnapshotBuilder<'_> {
    /// Adds a file with what a block device holds, or an image of one. Returns its size in bytes.
    ///
    /// # Errors
    /// As [`Repository::backup_device`], and as [`SnapshotBuilder::stream`] for the path.
    pub fn device(&mut self, path: &str, device: &Path) -> Result<u64> {
        let parts = self.check(path)?;
        let mut node = self.node_named(&parts);
        let source = Source::open(device)?;
        self.monitor.expect(source.size);
        let read_error = |source| Error::SourceRead { name: device.display().to_string(), source };
        let content = source.read(self.writer, self.monitor).map_err(|failure| match failure {
            Failure::Read(e) => read_error(e),
            Failure::Session(e) => e,
        })?;
        source.is_as_before().map_err(read_error)?;
        node.size = source.size;
        node.content = Some(content);
        self.add(path, &parts, node)?;
        Ok(source.size)
    }
}

/// Why a device was not read to its end.
enum Failure {
    Read(io::Error),
    Session(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

/// A device or an image, open.
struct Source {
    file: File,
    size: u64,
    before: Metadata,
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        let meta = fs::metadata(path).map_err(Error::local("looking at", path))?;
        // Opening one of the others may wait or do something.
        if !meta.is_file() && !meta.file_type().is_block_device() {
            let what = format!(
                "{} is {}, not a block device or an image",
                path.display(),
                entry::kind_of(&meta).word()
            );
            return Err(Error::Invalid(what));
        }
        let opened = File::open(path).and_then(|mut file| {
            // The kernel says no size of a device in its metadata.
            let size = file.seek(io::SeekFrom::End(0))?;
            Ok(Self { size, before: file.metadata()?, file })
        });
        let source = opened.map_err(Error::local("opening", path))?;
        if source.size > MAX_BYTES {
            return Err(Error::Invalid(format!("{} has more than 8 TiB", path.display())));
        }
        // Only a hint: what the kernel makes of it is its own affair.
        let _ = fadvise(&source.file, 0, None, Advice::Sequential);
        Ok(source)
    }

    /// Hands over all pieces, and gives their ids in order.
    fn read(&self, writer: &Writer<'_>, monitor: &Monitor) -> Result<Vec<Id>, Failure> {
        let zeros = vec![0; PIECE_BYTES];
        let zero = Id::of(&zeros);
        let mut pieces = Pieces::default();
        let (mut at, mut data_from) = (0, 0);
        while at < self.size {
            writer.proceed()?;
            if data_from <= at {
                data_from = self.next_data(at);
            }
            let length = usize::try_from(self.size - at).map_or(PIECE_BYTES, |rest| rest.min(PIECE_BYTES));
            let end = at + length as u64;
            let is_hole = data_from >= end;
            if is_hole && length == PIECE_BYTES && pieces.has_zero {
                pieces.content.push(zero);
            } else {
                let mut piece = writer.buffer();
                piece.resize(length, 0);
                if !is_hole {
                    self.read_piece(at, &mut piece).map_err(Failure::Read)?;
                }
                pieces.take(piece, &zeros, zero, writer)?;
            }
            monitor.add_done(length as u64);
            at = end;
        }
        pieces.finish(writer).map_err(Failure::Session)
    }

    /// Where the next bytes that are no hole begin, as far as the kernel can tell.
    fn next_data(&self, at: u64) -> u64 {
        match seek(&self.file, SeekFrom::Data(at)) {
            Ok(place) => place,
            Err(Errno::NXIO) => self.size,
            // A device, or a file system that knows no holes.
            Err(_) => at,
        }
    }

    fn read_piece(&self, at: u64, piece: &mut [u8]) -> io::Result<()> {
        let failed = |e: io::Error| io::Error::new(e.kind(), format!("at byte {at}: {e}"));
        self.file.read_exact_at(piece, at).map_err(failed)
    }

    /// An image that somebody wrote into is a mixture. Of a device the kernel cannot tell.
    fn is_as_before(&self) -> io::Result<()> {
        if self.before.is_file() && !entry::is_same(&self.before, &self.file.metadata()?) {
            return Err(io::Error::other("it changed while it was read"));
        }
        Ok(())
    }
}

/// Ids of pieces, in order, of which the last may still be on their way.
#[derive(Default)]
struct Pieces {
    content: Vec<Id>,
    on_their_way: VecDeque<(usize, Ticket)>,
    has_zero: bool,
}

impl Pieces {
    /// The next piece. Of those that are all zero only the first is hashed and stored.
    fn take(&mut self, piece: Vec<u8>, zeros: &[u8], zero: Id, writer: &Writer<'_>) -> Result<()> {
        let is_zero = piece == zeros;
        if is_zero && self.has_zero {
            self.content.push(zero);
            writer.give_back(piece);
            return Ok(());
        }
        self.has_zero |= is_zero;
        self.hand_over(piece, writer)
    }

    fn hand_over(&mut self, piece: Vec<u8>, writer: &Writer<'_>) -> Result<()> {
        let ticket = writer.data(piece)?;
        self.on_their_way.push_back((self.content.len(), ticket));
        // Its place is kept until it is known.
        self.content.push(Id::from_bytes([0; 32]));
        self.settle(writer, MAX_TICKETS)
    }

    /// Waits until at most `keep` pieces are on their way.
    fn settle(&mut self, writer: &Writer<'_>, keep: usize) -> Result<()> {
        while self.on_their_way.len() > keep {
            let Some((place, ticket)) = self.on_their_way.pop_front() else { break };
            let id = writer.id(&ticket)?;
            if let Some(slot) = self.content.get_mut(place) {
                *slot = id;
            }
        }
        Ok(())
    }

    fn finish(mut self, writer: &Writer<'_>) -> Result<Vec<Id>> {
        self.settle(writer, 0)?;
        Ok(self.content)
    }
}
