//! What the threads of a restore do: read runs of blobs, verify each, write it to where it belongs.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

use rustix::fs::OFlags;

use super::site::{Site, Target};
use super::window::{Piece, extent, split};
use crate::error::{Class, Error, Result};
use crate::format::opener::Opener;
use crate::id::Id;
use crate::index::Index;
use crate::repository::Repository;
use crate::sync::locked;

/// What the walk hands over.
pub(super) enum Job {
    /// Blobs that lie together in one pack.
    Run(Vec<Piece>),
    /// A file of which no blob is to be written.
    Finish(Arc<Target>),
}

/// One thread's own.
pub(super) struct Hand<'a> {
    repo: &'a Repository,
    index: &'a Index,
    site: &'a Site<'a>,
    opener: Opener,
    /// What is read of packs, and of files that are there.
    sealed: Vec<u8>,
    there: Vec<u8>,
}

impl<'a> Hand<'a> {
    pub(super) fn new(repo: &'a Repository, index: &'a Index, site: &'a Site<'a>) -> Result<Self> {
        let opener = Opener::new().map_err(|_| Error::Internal("zstd does not start"))?;
        Ok(Self { repo, index, site, opener, sealed: Vec::new(), there: Vec::new() })
    }

    /// Does jobs until the walk is over. After an error they are only taken, so that the walk never waits.
    pub(super) fn work(&mut self, jobs: &Mutex<Receiver<Job>>) {
        loop {
            let Ok(job) = locked(jobs).recv() else { return };
            if self.site.has_failed() {
                continue;
            }
            let done = match job {
                Job::Run(pieces) => self.run(pieces),
                Job::Finish(target) => self.site.finish(&target, None),
            };
            if let Err(e) = done {
                self.site.fail(e);
            }
        }
    }

    fn run(&mut self, pieces: Vec<Piece>) -> Result<()> {
        if !pieces.iter().any(|piece| piece.target.found) {
            return self.fetch(&pieces);
        }
        let mut missing = Vec::with_capacity(pieces.len());
        for piece in pieces {
            self.site.monitor.proceed()?;
            if piece.target.found && self.is_there(&piece)? {
                self.keep(&piece)?;
            } else {
                missing.push(piece);
            }
        }
        split(missing).iter().try_for_each(|run| self.fetch(run))
    }

    /// Whether the file that was found has this blob at this place.
    fn is_there(&mut self, piece: &Piece) -> Result<bool> {
        let path = piece.target.path();
        let length = usize::try_from(piece.length()).map_err(|_| Error::Internal("a blob above 4 GiB"))?;
        let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
        let read = OpenOptions::new().read(true).custom_flags(flags).open(&path).and_then(|file: File| {
            self.there.resize(length, 0);
            file.read_exact_at(&mut self.there, piece.at)
        });
        match read {
            Ok(()) => Ok(Id::of(&self.there) == piece.id),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(Error::local("reading", &path)(e)),
        }
    }

    fn keep(&self, piece: &Piece) -> Result<()> {
        let length = piece.length();
        self.site.note(|s| s.bytes_kept += length);
        self.site.monitor.add_done(length);
        self.site.blob_done(&piece.target, None)
    }

    /// One read of a pack. When it fails because of damage, its blobs are tried one by one.
    fn fetch(&mut self, run: &[Piece]) -> Result<()> {
        let Some((pack, begin, length)) = extent(self.index, run)? else { return Ok(()) };
        let repo = self.repo;
        let read = |bytes: &mut Vec<u8>| match repo.read_pack_into(pack, begin, length, bytes) {
            Ok(()) => Ok(true),
            Err(e) if e.class() == Class::Integrity => Ok(false),
            Err(e) => Err(e),
        };
        let mut bytes = std::mem::take(&mut self.sealed);
        let (mut is_read, mut is_first_help) = (read(&mut bytes)?, true);
        for same in run.chunk_by(|a, b| a.place.offset == b.place.offset) {
            self.site.monitor.proceed()?;
            let Some(piece) = same.first() else { continue };
            let from = (u64::from(piece.place.offset) - begin) as usize;
            let sealed = bytes.get(from..from + piece.place.length as usize).filter(|_| is_read);
            let needed_help = self.blob(pack, piece, same, sealed)?;
            // An older version of the pack is read now: what follows comes from it in one read, too.
            if needed_help && std::mem::take(&mut is_first_help) {
                is_read = read(&mut bytes)?;
            }
        }
        self.sealed = bytes;
        Ok(())
    }

    /// One blob and all the places where it belongs. Whether what was read was bad, and another read was not.
    fn blob(&mut self, pack: Id, piece: &Piece, same: &[Piece], sealed: Option<&[u8]>) -> Result<bool> {
        let place = piece.place;
        let alone;
        let sealed = match sealed {
            Some(sealed) => sealed,
            None => match self.repo.read_pack(pack, u64::from(place.offset), place.length as usize) {
                Ok(bytes) => {
                    alone = bytes;
                    &alone
                }
                Err(e) if e.class() == Class::Integrity => {
                    return self.spoil(same, &e.to_string()).map(|()| false);
                }
                Err(e) => return Err(e),
            },
        };
        let mut needed_help = false;
        let put = |plain: &[u8]| same.iter().try_for_each(|p| self.site.put(&p.target, p.at, plain));
        if let Ok(plain) = self.opener.open(self.repo.cipher(), sealed, place.plain_length, piece.id) {
            put(plain)?;
        } else {
            // Once more, by whoever knows what else may help, and what to say.
            match self.repo.open_blob(pack, place, piece.id, sealed) {
                Ok(plain) => {
                    put(&plain)?;
                    needed_help = true;
                }
                Err(e) if e.class() == Class::Integrity => self.spoil(same, &e.to_string())?,
                Err(e) => return Err(e),
            }
        }
        self.opener.shrink();
        Ok(needed_help)
    }

    fn spoil(&self, pieces: &[Piece], reason: &str) -> Result<()> {
        for piece in pieces {
            piece.target.spoil(reason.to_owned());
            self.site.blob_done(&piece.target, None)?;
        }
        Ok(())
    }
}
