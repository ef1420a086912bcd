//! What a session gives to those who have blobs, and the threads that take them from there.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use super::Shared;
use super::budget::{Budget, Permit};
use super::packer::Pack;
use super::target::Target;
use crate::error::{Error, Result};
use crate::format::blob::BlobKind;
use crate::format::sealer::Sealer;
use crate::id::Id;
use crate::index::Index;
use crate::sync::locked;
use crate::trees::Trees;

/// Jobs that wait for a worker; small blobs would else be unbounded in number.
pub(super) const QUEUED_JOBS: usize = 256;

pub(super) struct Job {
    kind: BlobKind,
    plain: Vec<u8>,
    /// Known for trees, which are named before they are sent.
    id: Option<Id>,
    reply: Option<SyncSender<Id>>,
    _permit: Permit,
}

/// The way into one repository. Each thread has its own, so that the last one that ends closes it.
#[derive(Clone)]
pub(super) struct Lane<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) packs: SyncSender<Pack>,
}

/// A blob on its way: its id, once a worker has it.
pub(crate) struct Ticket(Receiver<Id>);

/// Takes blobs into a session. It can be shared between threads.
pub(crate) struct Writer<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) jobs: SyncSender<Job>,
    pub(super) lanes: Vec<Lane<'a>>,
    pub(super) budget: Arc<Budget>,
}

impl<'a> Writer<'a> {
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
        store(self.shared, &self.lanes, sealer, kind, id, plain)?;
        Ok(id)
    }

    /// An empty buffer for a blob that is handed over later.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        locked(&self.shared.spare).pop().unwrap_or_default()
    }

    /// Takes back a buffer that was not handed over.
    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        self.shared.recycle(buffer);
    }

    /// The id of a blob that was handed over.
    pub(crate) fn id(&self, ticket: &Ticket) -> Result<Id> {
        ticket.0.recv().map_err(|_| self.shared.proceed().err().unwrap_or(Error::Internal("a blob got lost")))
    }

    /// Whether every repository that is written had this blob before the session.
    pub(crate) fn has(&self, kind: BlobKind, id: Id) -> bool {
        self.indexes().all(|index| index.has(kind, id))
    }

    /// The indexes as they were before the session, of the repositories that are written.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = &Index> {
        self.shared.alive().map(|target| &*target.index)
    }

    /// The trees of each repository, as they were before the session.
    pub(crate) fn trees(&self) -> Vec<Trees<'a>> {
        self.shared.targets.iter().map(|target| Trees::new(target.repo, &target.index)).collect()
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
        let permit = Budget::take(&self.budget, plain.capacity());
        let job = Job { kind, plain, id, reply, _permit: permit };
        self.jobs
            .send(job)
            .map_err(|_| self.shared.proceed().err().unwrap_or(Error::Internal("all workers are gone")))
    }
}

/// One worker thread.
pub(super) fn work(shared: &Shared<'_>, jobs: &Mutex<Receiver<Job>>, lanes: &[Lane<'_>]) {
    let mut sealer = match sealer() {
        Ok(sealer) => sealer,
        Err(e) => return shared.fault.set(e),
    };
    loop {
        let Ok(job) = locked(jobs).recv() else { return };
        // Jobs are drained after a failure, so that nobody waits for room in the queue.
        if shared.has_failed() {
            continue;
        }
        let id = job.id.unwrap_or_else(|| Id::of(&job.plain));
        if let Err(e) = store(shared, lanes, &mut sealer, job.kind, id, &job.plain) {
            shared.fault.set(e);
            continue;
        }
        if let Some(reply) = job.reply {
            let _ = reply.send(id);
        }
        shared.recycle(job.plain);
    }
}

/// What seals blobs on one thread.
pub(crate) fn sealer() -> Result<Sealer> {
    Sealer::new().map_err(|_| Error::Internal("zstd does not start"))
}

/// One blob, from plaintext to an open pack of each repository that lacks it. What fails in one repository
/// ends only that one's part.
fn store(
    shared: &Shared<'_>,
    lanes: &[Lane<'_>],
    sealer: &mut Sealer,
    kind: BlobKind,
    id: Id,
    plain: &[u8],
) -> Result<()> {
    shared.monitor.proceed()?;
    let mut compressed = None;
    for lane in lanes.iter().filter(|lane| lane.target.claims(kind, id)) {
        let plain_length = match compressed {
            Some(length) => length,
            None => *compressed.insert(
                sealer
                    .compress(plain)
                    .map_err(|e| Error::SelfCheck { blob: id.to_string(), detail: e.to_string() })?,
            ),
        };
        let full = lane.target.seal(sealer, (kind, id), plain, plain_length);
        let sent = full.and_then(|full| match full {
            Some(full) => lane.packs.send(full).map_err(|_| Error::Internal("all uploaders are gone")),
            None => Ok(()),
        });
        if let Err(e) = sent {
            lane.target.fault.set(e);
        }
    }
    if compressed.is_some() {
        sealer.shrink();
    }
    Ok(())
}
