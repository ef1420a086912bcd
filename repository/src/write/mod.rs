//! Writing blobs: hashed, deduplicated, compressed, sealed and verified by worker threads, gathered into
//! packs, uploaded, indexed.
//!
//! The order that makes a crash harmless: a pack is durable before an index file names it, and every
//! index file is durable before the caller writes a snapshot. [`session`] returns only when all packs and
//! the index are; whatever happens before leaves packs that no snapshot needs. An index file is written
//! every few packs and at the latest every 30 seconds, and also when the session fails or is cancelled, so
//! that a later run finds again what was uploaded.
//!
//! Memory is bounded in bytes: plaintext in flight and packs, open or on their way, by parts of
//! [`crate::Limits::memory`]. Buffers are used again.

mod budget;
mod packer;
mod upload;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use budget::{Budget, Permit};
use packer::{OPEN_PACKS, PACK_BYTES, Pack, Packer};
use upload::Uploads;

use crate::error::{Error, Result};
use crate::format::blob::BlobKind;
use crate::format::sealer::Sealer;
use crate::id::Id;
use crate::index::Index;
use crate::lock::LockGuard;
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::sync::locked;

/// Threads that upload, at most; memory for their packs decides.
const MAX_UPLOADERS: usize = 8;
/// Jobs that wait for a worker; small blobs would else be unbounded in number.
const QUEUED_JOBS: usize = 256;
/// Buffers of blobs that wait to be used again.
const SPARE_BUFFERS: usize = 24;
const SPARE_BYTES: usize = 2 * 1024 * 1024;
/// The plaintext in flight is this part of the memory.
const PLAIN_SHARE: usize = 10;
/// And packs, open or on their way, this part.
const PACK_SHARE: usize = 2;

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
    spare: Mutex<Vec<Vec<u8>>>,
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

/// Takes blobs into a session. It can be shared between threads.
pub(crate) struct Writer<'a> {
    shared: &'a Shared<'a>,
    jobs: SyncSender<Job>,
    packs: SyncSender<Pack>,
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

    /// Stores a blob on this thread, with its own sealer: for small ones, of which many threads have many.
    pub(crate) fn store(&self, sealer: &mut Sealer, kind: BlobKind, plain: &[u8]) -> Result<Id> {
        self.shared.proceed()?;
        let id = Id::of(plain);
        store(self.shared, sealer, kind, id, plain, &self.packs)?;
        Ok(id)
    }

    /// An empty buffer for a blob that is handed over later.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        locked(&self.shared.spare).pop().unwrap_or_default()
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

/// [`session_over`] the index as it is now.
pub(crate) fn session<T>(
    repo: &Repository,
    lock: &LockGuard,
    monitor: &Monitor,
    body: impl FnOnce(&Writer<'_>) -> Result<T>,
) -> Result<(T, Written)> {
    session_over(repo, repo.index()?, lock, monitor, body)
}

/// Runs `body` with a writer that stores no blob which `index` has. Everything it handed over is durable and indexed when this returns `Ok`.
pub(crate) fn session_over<T>(
    repo: &Repository,
    index: Arc<Index>,
    lock: &LockGuard,
    monitor: &Monitor,
    body: impl FnOnce(&Writer<'_>) -> Result<T>,
) -> Result<(T, Written)> {
    let packs = repo.limits().memory() / PACK_SHARE / PACK_BYTES;
    let shared = Shared {
        repo,
        lock,
        monitor,
        index,
        claimed: Mutex::new(HashSet::new()),
        packer: Packer::new(packs),
        spare: Mutex::default(),
        blobs: AtomicU64::new(0),
        stored_bytes: AtomicU64::new(0),
        failed: AtomicBool::new(false),
        error: Mutex::new(None),
    };
    let uploads = Uploads::new();
    let uploaders = packs.saturating_sub(OPEN_PACKS).clamp(1, MAX_UPLOADERS);
    let result = run(&shared, &uploads, uploaders, body);
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

fn run<T>(
    shared: &Shared<'_>,
    uploads: &Uploads,
    uploaders: usize,
    body: impl FnOnce(&Writer<'_>) -> Result<T>,
) -> Result<T> {
    // The channels' ends are owned by the threads that use them, so that a thread which dies wakes the
    // others by closing its end instead of leaving them waiting.
    std::thread::scope(|scope| {
        let (pack_sender, pack_receiver) = sync_channel::<Pack>(0);
        let pack_receiver = Arc::new(Mutex::new(pack_receiver));
        let uploaders: Vec<_> = (0..uploaders)
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

        let budget = Budget::new(shared.repo.limits().memory() / PLAIN_SHARE);
        let writer = Writer { shared, jobs: job_sender, packs: pack_sender.clone(), budget };
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

fn work(shared: &Shared<'_>, jobs: &Mutex<Receiver<Job>>, packs: &SyncSender<Pack>) {
    let mut sealer = match sealer() {
        Ok(sealer) => sealer,
        Err(e) => return shared.fail(e),
    };
    loop {
        let Ok(job) = locked(jobs).recv() else { return };
        // Jobs are drained after a failure, so that nobody waits for room in the queue.
        if shared.has_failed() {
            continue;
        }
        let id = job.id.unwrap_or_else(|| Id::of(&job.plain));
        if let Err(e) = store(shared, &mut sealer, job.kind, id, &job.plain, packs) {
            shared.fail(e);
            continue;
        }
        if let Some(reply) = job.reply {
            let _ = reply.send(id);
        }
        recycle(shared, job.plain);
    }
}

/// What seals blobs on one thread.
pub(crate) fn sealer() -> Result<Sealer> {
    Sealer::new().map_err(|_| Error::Internal("zstd does not start"))
}

fn recycle(shared: &Shared<'_>, mut buffer: Vec<u8>) {
    let mut spare = locked(&shared.spare);
    if spare.len() < SPARE_BUFFERS && buffer.capacity() <= SPARE_BYTES {
        buffer.clear();
        spare.push(buffer);
    }
}

/// One blob, from plaintext to an open pack.
fn store(
    shared: &Shared<'_>,
    sealer: &mut Sealer,
    kind: BlobKind,
    id: Id,
    plain: &[u8],
    packs: &SyncSender<Pack>,
) -> Result<()> {
    shared.monitor.proceed()?;
    if shared.index.has(kind, id) || !locked(&shared.claimed).insert((kind, id)) {
        return Ok(());
    }
    let wrong =
        |e: crate::format::Malformed| Error::SelfCheck { blob: id.to_string(), detail: e.to_string() };
    let plain_length = sealer.compress(plain).map_err(wrong)?;
    let sealed = sealer.seal(shared.repo.cipher(), plain, plain_length, id).map_err(wrong)?;
    shared.blobs.fetch_add(1, Ordering::Relaxed);
    shared.stored_bytes.fetch_add(sealed.len() as u64, Ordering::Relaxed);
    let full = shared.packer.add(kind, id, sealed, plain_length)?;
    sealer.shrink();
    match full {
        Some(full) => packs.send(full).map_err(|_| Error::Internal("all uploaders are gone")),
        None => Ok(()),
    }
}
