//! Writing blobs: hashed, deduplicated, compressed, sealed and verified by worker threads, gathered into
//! packs, uploaded, indexed.
//!
//! The order that makes a crash harmless: a pack is durable before an index file names it, and every
//! index file is durable before the caller writes a snapshot. [`session`] returns only when all packs and
//! the index are; whatever happens before leaves packs that no snapshot needs. An index file is written
//! every 64 packs or 30 seconds, and also when the session fails or is cancelled, so that a later run
//! finds again what was uploaded.
//!
//! Memory is bounded in bytes: plaintext in flight by a fifth of [`crate::Limits::memory`], packs by the open ones and
//! those that wait for an uploader.

mod budget;
mod packer;
mod upload;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use budget::{Budget, Permit};
use packer::Packer;
use upload::Uploads;

use crate::error::{Error, Result};
use crate::format::blob::{self, BlobKind};
use crate::format::pack::PackBuilder;
use crate::id::Id;
use crate::index::Index;
use crate::lock::LockGuard;
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::sync::locked;

/// Threads that upload.
const UPLOADERS: usize = 2;
/// Jobs that wait for a worker; small blobs would else be unbounded in number.
const QUEUED_JOBS: usize = 256;

/// What a session wrote.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) blobs: u64,
    pub(crate) stored_bytes: u64,
    pub(crate) packs: u64,
}

struct Job {
    kind: BlobKind,
    plain: Vec<u8>,
    /// Known for trees, which are named before they are sent.
    id: Option<Id>,
    reply: Option<SyncSender<Id>>,
    _permit: Permit,
}

/// What all threads of a session share.
pub(crate) struct Shared<'a> {
    repo: &'a Repository,
    lock: &'a LockGuard,
    monitor: &'a Monitor,
    index: Arc<Index>,
    /// Blobs of this session, claimed by the first worker that meets them.
    claimed: Mutex<HashSet<(BlobKind, Id)>>,
    packer: Packer,
    blobs: AtomicU64,
    stored_bytes: AtomicU64,
    failed: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl Shared<'_> {
    /// Remembers the first error; everything stops soon after.
    fn fail(&self, error: Error) {
        locked(&self.error).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn proceed(&self) -> Result<()> {
        if self.has_failed() {
            return Err(self.take_error());
        }
        self.monitor.proceed()?;
        self.lock.still_held()
    }

    fn take_error(&self) -> Error {
        locked(&self.error).take().unwrap_or(Error::Internal("a session failed before"))
    }
}

/// A blob on its way: its id, once a worker has it.
pub(crate) struct Ticket(Receiver<Id>);

/// Takes blobs into a session.
pub(crate) struct Writer<'a> {
    shared: &'a Shared<'a>,
    jobs: SyncSender<Job>,
    budget: Arc<Budget>,
}

impl Writer<'_> {
    /// Hands over a blob of data. Blocks while the memory budget is used up.
    pub(crate) fn data(&self, plain: Vec<u8>) -> Result<Ticket> {
        let (reply, ticket) = sync_channel(1);
        self.send(BlobKind::Data, plain, None, Some(reply))?;
        Ok(Ticket(ticket))
    }

    /// Hands over a tree. Its name is known at once.
    pub(crate) fn tree(&self, plain: Vec<u8>) -> Result<Id> {
        let id = Id::of(&plain);
        if self.has(BlobKind::Tree, id) {
            self.shared.proceed()?;
            return Ok(id);
        }
        self.send(BlobKind::Tree, plain, Some(id), None)?;
        Ok(id)
    }

    /// The id of a blob that was handed over.
    pub(crate) fn id(&self, ticket: &Ticket) -> Result<Id> {
        ticket.0.recv().map_err(|_| self.shared.proceed().err().unwrap_or(Error::Internal("a blob got lost")))
    }

    /// Whether the repository had this blob before the session.
    pub(crate) fn has(&self, kind: BlobKind, id: Id) -> bool {
        self.shared.index.has(kind, id)
    }

    /// The index as it was before the session.
    pub(crate) fn index(&self) -> &Index {
        &self.shared.index
    }

    /// An error when the session is to stop.
    pub(crate) fn proceed(&self) -> Result<()> {
        self.shared.proceed()
    }

    fn send(
        &self,
        kind: BlobKind,
        plain: Vec<u8>,
        id: Option<Id>,
        reply: Option<SyncSender<Id>>,
    ) -> Result<()> {
        self.shared.proceed()?;
        let permit = Budget::take(&self.budget, plain.len());
        let job = Job { kind, plain, id, reply, _permit: permit };
        self.jobs
            .send(job)
            .map_err(|_| self.shared.proceed().err().unwrap_or(Error::Internal("all workers are gone")))
    }
}

/// Runs `body` with a writer. Everything it handed over is durable and indexed when this returns `Ok`.
pub(crate) fn session<T>(
    repo: &Repository,
    lock: &LockGuard,
    monitor: &Monitor,
    body: impl FnOnce(&Writer<'_>) -> Result<T>,
) -> Result<(T, Written)> {
    let shared = Shared {
        repo,
        lock,
        monitor,
        index: repo.index()?,
        claimed: Mutex::new(HashSet::new()),
        packer: Packer::new(),
        blobs: AtomicU64::new(0),
        stored_bytes: AtomicU64::new(0),
        failed: AtomicBool::new(false),
        error: Mutex::new(None),
    };
    let uploads = Uploads::new();
    let result = run(&shared, &uploads, body);
    // Without the lock the packs may have been pruned, so nothing may name them.
    if matches!(result, Err(Error::LockLost { .. })) {
        return result.map(|value| (value, Written::default()));
    }
    let indexed = uploads.write_index(&shared);
    let value = result?;
    indexed?;
    let written = Written {
        blobs: shared.blobs.load(Ordering::Relaxed),
        stored_bytes: shared.stored_bytes.load(Ordering::Relaxed),
        packs: uploads.count(),
    };
    Ok((value, written))
}

fn run<T>(shared: &Shared<'_>, uploads: &Uploads, body: impl FnOnce(&Writer<'_>) -> Result<T>) -> Result<T> {
    // The channels' ends are owned by the threads that use them, so that a thread which dies wakes the
    // others by closing its end instead of leaving them waiting.
    std::thread::scope(|scope| {
        let (pack_sender, pack_receiver) = sync_channel::<PackBuilder>(1);
        let pack_receiver = Arc::new(Mutex::new(pack_receiver));
        let uploaders: Vec<_> = (0..UPLOADERS)
            .map(|_| {
                let packs = Arc::clone(&pack_receiver);
                scope.spawn(move || uploads.work(shared, &packs))
            })
            .collect();
        drop(pack_receiver);
        let (job_sender, job_receiver) = sync_channel::<Job>(QUEUED_JOBS);
        let job_receiver = Arc::new(Mutex::new(job_receiver));
        let workers: Vec<_> = (0..shared.repo.limits().threads())
            .map(|_| {
                let (jobs, packs) = (Arc::clone(&job_receiver), pack_sender.clone());
                scope.spawn(move || work(shared, &jobs, &packs))
            })
            .collect();
        drop(job_receiver);

        let writer =
            Writer { shared, jobs: job_sender, budget: Budget::new(shared.repo.limits().memory() / 5) };
        let result = body(&writer);
        drop(writer);
        let mut died = false;
        for worker in workers {
            died |= worker.join().is_err();
        }
        if result.is_ok() && !died && !shared.has_failed() {
            shared.packer.drain().into_iter().for_each(|pack| drop(pack_sender.send(pack)));
        }
        drop(pack_sender);
        for uploader in uploaders {
            died |= uploader.join().is_err();
        }
        if died {
            return Err(Error::Internal("a thread of the writer panicked"));
        }
        let value = result?;
        shared.proceed()?;
        Ok(value)
    })
}

fn work(shared: &Shared<'_>, jobs: &Mutex<Receiver<Job>>, packs: &SyncSender<PackBuilder>) {
    let mut compressor = match blob::compressor() {
        Ok(compressor) => compressor,
        Err(_) => return shared.fail(Error::Internal("zstd does not start")),
    };
    loop {
        let Ok(job) = locked(jobs).recv() else { return };
        // Jobs are drained after a failure, so that nobody waits for room in the queue.
        if shared.has_failed() {
            continue;
        }
        if let Err(e) = store(shared, &mut compressor, job, packs) {
            shared.fail(e);
        }
    }
}

/// One blob, from plaintext to an open pack.
fn store(
    shared: &Shared<'_>,
    compressor: &mut zstd::bulk::Compressor<'_>,
    job: Job,
    packs: &SyncSender<PackBuilder>,
) -> Result<()> {
    shared.monitor.proceed()?;
    let id = job.id.unwrap_or_else(|| Id::of(&job.plain));
    if !shared.index.has(job.kind, id) && locked(&shared.claimed).insert((job.kind, id)) {
        let sealed = seal_verified(shared.repo, compressor, &job.plain, id)?;
        shared.blobs.fetch_add(1, Ordering::Relaxed);
        shared.stored_bytes.fetch_add(sealed.bytes.len() as u64, Ordering::Relaxed);
        if let Some(full) = shared.packer.add(job.kind, id, &sealed)? {
            packs.send(full).map_err(|_| Error::Internal("all uploaders are gone"))?;
        }
    }
    if let Some(reply) = job.reply {
        let _ = reply.send(id);
    }
    Ok(())
}

/// Seals a blob and reads it back: a flipped bit in memory must not be sealed as good (restic #4529).
fn seal_verified(
    repo: &Repository,
    compressor: &mut zstd::bulk::Compressor<'_>,
    plain: &[u8],
    id: Id,
) -> Result<blob::Sealed> {
    let sealed = blob::seal(repo.cipher(), compressor, plain)
        .map_err(|e| Error::SelfCheck { blob: id.to_string(), detail: e.to_string() })?;
    verify(repo, &sealed, id)?;
    Ok(sealed)
}

fn verify(repo: &Repository, sealed: &blob::Sealed, id: Id) -> Result<()> {
    match blob::open(repo.cipher(), &sealed.bytes, sealed.plain_length, id) {
        Ok(_) => Ok(()),
        Err(e) => Err(Error::SelfCheck { blob: id.to_string(), detail: e.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::format::keyfile::KdfParams;
    use crate::{InitOptions, Location, Password, StorageOptions, storage};

    #[test]
    fn fault_56_a_bit_that_flips_in_memory_is_noticed_before_upload() {
        let folder = tempfile::tempdir().unwrap();
        let place =
            storage::open(&Location::Folder(folder.path().join("r")), &StorageOptions::default()).unwrap();
        let repo =
            Repository::init(place, &Password::new("x"), InitOptions { kdf: KdfParams::LIGHT }).unwrap();
        let mut compressor = blob::compressor().unwrap();
        let plain = b"INSERT INTO t VALUES (1);".repeat(20);
        let good = blob::seal(repo.cipher(), &mut compressor, &plain).unwrap();
        verify(&repo, &good, Id::of(&plain)).unwrap();
        // In the sealed bytes, and in the plaintext between hashing and sealing.
        for bit in 0..good.bytes.len() * 8 {
            let mut bytes = good.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let bad = blob::Sealed { bytes, plain_length: good.plain_length };
            assert_eq!(verify(&repo, &bad, Id::of(&plain)).unwrap_err().code(), "LB3022", "bit {bit}");
        }
        let mut flipped = plain.clone();
        flipped[7] ^= 4;
        let bad = blob::seal(repo.cipher(), &mut compressor, &flipped).unwrap();
        assert_eq!(verify(&repo, &bad, Id::of(&plain)).unwrap_err().code(), "LB3022");
    }
}
