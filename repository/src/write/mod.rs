//! Writing blobs: hashed, deduplicated, compressed, sealed and verified by worker threads, gathered into
//! packs, uploaded, indexed.
//!
//! The order that makes a crash harmless: a pack is durable before an index file names it, and every
//! index file is durable before the caller writes a snapshot. A session returns only when all packs and
//! the index are; whatever happens before leaves packs that no snapshot needs. An index file is written
//! every few packs and at the latest every 30 seconds, and also when the session fails or is cancelled, so
//! that a later run finds again what was uploaded.
//!
//! A session writes into one repository or into several at once. A blob is hashed and compressed once, and
//! goes, sealed with each one's own key and verified for each, only where it is missing. Each repository
//! has its own packs, uploads and index files, so that one which fails ends alone: what was on its way into
//! it is dropped, and the session goes on for as long as one is left. The slowest sets the pace.
//!
//! Memory is bounded in bytes: plaintext in flight and packs, open or on their way, by parts of
//! [`crate::Limits::memory`], and several repositories share the part for packs. Buffers are used again.

mod budget;
mod packer;
mod target;
mod upload;
mod writer;

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use budget::Budget;
use packer::Pack;
use target::{Fault, Target};
use writer::{Job, Lane, QUEUED_JOBS};
pub(crate) use writer::{Ticket, Writer, sealer};

use crate::error::{Error, Result};
use crate::index::Index;
use crate::lock::LockGuard;
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::sync::locked;

/// Buffers of blobs that wait to be used again.
const SPARE_BUFFERS: usize = 10;
const SPARE_BYTES: usize = 2 * 1024 * 1024;
const SMALLEST_SPARE_BYTES: usize = 256 * 1024;
/// The plaintext in flight is this part of the memory.
const PLAIN_SHARE: usize = 10;
/// And packs, open or on their way, so many eighths: beside both there are chunkers, sealers and names.
const PACK_EIGHTHS: usize = 3;

/// What a session wrote into one repository.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) blobs: u64,
    pub(crate) stored_bytes: u64,
    pub(crate) packs: u64,
}

/// A repository that is locked, and the blobs that are not stored again.
pub(crate) struct Opened<'a> {
    pub(crate) repo: &'a Repository,
    pub(crate) lock: &'a LockGuard,
    pub(crate) index: Arc<Index>,
}

/// What all threads of a session share.
struct Shared<'a> {
    monitor: &'a Monitor,
    targets: Vec<Target<'a>>,
    spare: Mutex<Vec<Vec<u8>>>,
    /// What ends the session for every repository.
    fault: Fault,
}

impl<'a> Shared<'a> {
    /// The repositories that are still written.
    fn alive(&self) -> impl Iterator<Item = &Target<'a>> {
        self.targets.iter().filter(|target| target.is_alive())
    }

    fn has_failed(&self) -> bool {
        self.fault.is_set() || self.targets.iter().all(|target| target.fault.is_set())
    }

    fn proceed(&self) -> Result<()> {
        if self.fault.is_set() {
            return Err(self.fault.take().unwrap_or(Error::Internal("a session failed before")));
        }
        self.monitor.proceed()?;
        // Each one's own error is what the session ends with.
        self.alive().next().map(drop).ok_or(Error::Internal("no repository of the session is left"))
    }

    fn recycle(&self, mut buffer: Vec<u8>) {
        let mut spare = locked(&self.spare);
        // Small ones, of trees mostly, are made faster than they are found a use for.
        if buffer.capacity() >= SMALLEST_SPARE_BYTES && spare.len() < SPARE_BUFFERS {
            buffer.clear();
            // In its place: see what the opener says of blocks that are freed.
            buffer.shrink_to(SPARE_BYTES);
            spare.push(buffer);
        }
    }
}

/// [`session_over`] the index as it is now.
pub(crate) fn session<T: Clone>(
    repo: &Repository,
    lock: &LockGuard,
    monitor: &Monitor,
    body: impl FnOnce(&Writer<'_>) -> Result<T>,
) -> Result<(T, Written)> {
    session_over(repo, repo.index()?, lock, monitor, body)
}

/// Runs `body` with a writer that stores no blob which `index` has. Everything it handed over is durable
/// and indexed when this returns `Ok`.
pub(crate) fn session_over<T: Clone>(
    repo: &Repository,
    index: Arc<Index>,
    lock: &LockGuard,
    monitor: &Monitor,
    body: impl FnOnce(&Writer<'_>) -> Result<T>,
) -> Result<(T, Written)> {
    repo.may_grow(lock)?;
    let mut done = session_into(vec![Opened { repo, lock, index }], monitor, body)?;
    done.pop().unwrap_or(Err(Error::Internal("a session without a repository")))
}

/// Runs `body` with a writer into all of these repositories, at least one, of which the first sets the limits.
/// Gives, in their order, what `body` gave to each in which everything is durable and indexed, and what
/// failed first in each of the others. An error is one of `body`, and concerns all of them.
pub(crate) fn session_into<T: Clone>(
    opened: Vec<Opened<'_>>,
    monitor: &Monitor,
    body: impl FnOnce(&Writer<'_>) -> Result<T>,
) -> Result<Vec<Result<(T, Written)>>> {
    let Some(limits) = opened.first().map(|first| first.repo.limits()) else {
        return Err(Error::Internal("a session without a repository"));
    };
    let pack_memory = limits.memory() / 8 * PACK_EIGHTHS / opened.len();
    let shared = Shared {
        monitor,
        targets: opened.into_iter().map(|opened| Target::new(opened, pack_memory)).collect(),
        spare: Mutex::default(),
        fault: Fault::default(),
    };
    let result = run(&shared, limits.threads(), limits.memory() / PLAIN_SHARE, body);
    let is_over = shared.targets.iter().all(|target| target.fault.is_set());
    let ends: Vec<Result<Written>> = shared.targets.iter().map(Target::end).collect();
    match result {
        Ok(value) => Ok(ends.into_iter().map(|end| end.map(|written| (value.clone(), written))).collect()),
        // Then `body` was only told that nobody is left.
        Err(_) if is_over => Ok(ends.into_iter().filter_map(Result::err).map(Err).collect()),
        Err(e) => Err(e),
    }
}

fn run<T>(
    shared: &Shared<'_>,
    threads: usize,
    plain_memory: usize,
    body: impl FnOnce(&Writer<'_>) -> Result<T>,
) -> Result<T> {
    // The channels' ends are owned by the threads that use them, so that a thread which dies wakes the
    // others by closing its end instead of leaving them waiting.
    std::thread::scope(|scope| {
        let (mut lanes, mut uploaders) = (Vec::new(), Vec::new());
        for target in &shared.targets {
            let (sender, receiver) = sync_channel::<Pack>(0);
            let receiver = Arc::new(Mutex::new(receiver));
            uploaders.extend((0..target.packer.uploaders()).map(|_| {
                let packs = Arc::clone(&receiver);
                scope.spawn(move || target.uploads.work(shared.monitor, target, &packs))
            }));
            lanes.push(Lane { target, packs: sender });
        }
        let (job_sender, job_receiver) = sync_channel::<Job>(QUEUED_JOBS);
        let job_receiver = Arc::new(Mutex::new(job_receiver));
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (jobs, lanes) = (Arc::clone(&job_receiver), lanes.clone());
                scope.spawn(move || writer::work(shared, &jobs, &lanes))
            })
            .collect();
        drop(job_receiver);

        let budget = Budget::new(plain_memory);
        let writer = Writer { shared, jobs: job_sender, lanes: lanes.clone(), budget };
        let result = body(&writer);
        drop(writer);
        let mut died = false;
        for worker in workers {
            died |= worker.join().is_err();
        }
        if result.is_ok() && !died && !shared.fault.is_set() {
            drain(lanes);
        } else {
            drop(lanes);
        }
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

/// Sends what is left in open packs, by turns: a slow repository does not keep the others from their last ones.
fn drain(lanes: Vec<Lane<'_>>) {
    std::thread::scope(|scope| {
        for lane in lanes.into_iter().filter(|lane| !lane.target.fault.is_set()) {
            scope.spawn(move || {
                lane.target.packer.drain().into_iter().for_each(|pack| drop(lane.packs.send(pack)))
            });
        }
    });
}
