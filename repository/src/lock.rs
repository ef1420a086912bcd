//! Locks: how several programs share a repository, stock restic among them.
//!
//! A backup holds a shared lock, whoever removes packs an exclusive one. There is no compare-and-set in
//! the format, so two may race: each lists, writes its own lock, waits a little, and lists again; of two
//! that exclude each other at least one sees the other and withdraws. A lock is refreshed by writing a
//! new one and removing the old one, every 5 minutes, and is ignored 30 minutes after its last refresh.
//! Therefore a holder who could not refresh for 25 minutes must assume that somebody prunes: it stops
//! and writes no snapshot, since its packs may be gone. Times between refreshes are measured with a
//! clock that goes on while the host sleeps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::format::envelope::Cipher;
use crate::format::lockfile::LockFile;
use crate::format::{gojson, unpacked};
use crate::host;
use crate::id::Id;
use crate::repository::Repository;
use crate::storage::{Kind, Listed, Object, Problem, Storage, StorageError, listing};
use crate::sync::{locked, since_boot};
use crate::unlock::LockInfo;
use crate::versions::{named, read_good};

const MAX_LOCK_BYTES: u64 = 64 * 1024;
const MAX_LOCK_JSON_BYTES: usize = 64 * 1024;

/// After a refresh that failed.
const RETRY: Duration = Duration::from_secs(30);

/// The times of the lock protocol. Only tests have a reason to change them.
#[derive(Clone, Copy, Debug)]
pub struct LockTimes {
    /// A lock is written anew this often.
    pub refresh: Duration,
    /// Without a refresh for this long the holder stops.
    pub give_up: Duration,
    /// Without a refresh for this long others ignore the lock.
    pub stale: Duration,
    /// Between writing a lock and looking again.
    pub settle: Duration,
}

impl Default for LockTimes {
    fn default() -> Self {
        let minutes = |m: u64| Duration::from_secs(60 * m);
        Self {
            refresh: minutes(5),
            give_up: minutes(25),
            stale: minutes(30),
            settle: Duration::from_millis(200),
        }
    }
}

/// Whether others of the same kind may hold the repository too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

struct Held {
    storage: Arc<dyn Storage>,
    cipher: Cipher,
    times: LockTimes,
    mode: Mode,
    /// Whether the second look found nobody that excludes this lock.
    outcome: Mutex<Outcome>,
    settled: Condvar,
    template: LockFile,
    current: Mutex<Id>,
    /// Milliseconds since boot.
    refreshed_ms: AtomicU64,
    stop: Mutex<bool>,
    stopped: Condvar,
}

/// What the second look at the other locks found.
enum Outcome {
    /// It was not yet.
    Waiting,
    /// Nobody.
    Alone,
    /// Somebody, or it failed. The error is given once.
    Refused(Option<Error>),
}

/// A lock that is held and refreshed until it is dropped.
pub(crate) struct LockGuard {
    held: Arc<Held>,
    refresher: Option<JoinHandle<()>>,
}

impl LockGuard {
    /// Takes a lock, or says who holds one that excludes it. A shared lock is looked at a second time while
    /// its holder already reads; nothing may be written before [`Self::settled`].
    pub(crate) fn acquire(repo: &Repository, mode: Mode) -> Result<Self> {
        let times = repo.lock_times();
        let storage = repo.shared_storage();
        look_for_others(&*storage, repo.cipher(), times, mode, None)?;
        let (uid, gid) = host::ids();
        let template = LockFile {
            time: Timestamp::now(),
            exclusive: mode == Mode::Exclusive,
            hostname: host::hostname(),
            username: host::username(),
            pid: i32::try_from(std::process::id()).unwrap_or(0),
            uid,
            gid,
        };
        let id = write(&*storage, repo.cipher(), &template)?;
        let held = Arc::new(Held {
            storage,
            cipher: repo.cipher().clone(),
            times,
            mode,
            outcome: Mutex::new(Outcome::Waiting),
            settled: Condvar::new(),
            template,
            current: Mutex::new(id),
            refreshed_ms: AtomicU64::new(now_ms()),
            stop: Mutex::new(false),
            stopped: Condvar::new(),
        });
        // From here on dropping the guard removes the lock.
        let mut guard = Self { held, refresher: None };
        let held = Arc::clone(&guard.held);
        let thread = std::thread::Builder::new().name("repository-lock".to_owned()).spawn(move || {
            held.settle(id);
            held.keep();
        });
        guard.refresher = Some(thread.map_err(Error::local("starting a thread for", "the repository lock"))?);
        if mode == Mode::Exclusive {
            guard.settled()?;
        }
        Ok(guard)
    }

    /// Waits until the second look is done; an error when it found somebody.
    pub(crate) fn settled(&self) -> Result<()> {
        let outcome = locked(&self.held.outcome);
        let mut outcome = self
            .held
            .settled
            .wait_while(outcome, |outcome| matches!(outcome, Outcome::Waiting))
            .unwrap_or_else(PoisonError::into_inner);
        match &mut *outcome {
            Outcome::Refused(error) => Err(error.take().unwrap_or(Error::LockLost { minutes: 0 })),
            _ => Ok(()),
        }
    }

    /// When the storage says that the lock was written last.
    pub(crate) fn written(&self) -> Result<Option<SystemTime>> {
        let current = *locked(&self.held.current);
        let all = listing(&*self.held.storage, Kind::Lock)?;
        Ok(all.iter().find(|listed| listed.id == current).and_then(|listed| listed.written))
    }

    /// An error once the lock went unrefreshed for so long that others may soon ignore it.
    pub(crate) fn still_held(&self) -> Result<()> {
        let age =
            Duration::from_millis(now_ms().saturating_sub(self.held.refreshed_ms.load(Ordering::Acquire)));
        if age >= self.held.times.give_up {
            return Err(Error::LockLost { minutes: age.as_secs() / 60 });
        }
        Ok(())
    }

    /// Refreshes now: for the moment before something is written that must not race with a prune.
    pub(crate) fn confirm(&self) -> Result<()> {
        self.settled()?;
        self.still_held()?;
        self.held.refresh()
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        *locked(&self.held.stop) = true;
        self.held.stopped.notify_all();
        if let Some(thread) = self.refresher.take() {
            let _ = thread.join();
        }
        let id = *locked(&self.held.current);
        if let Err(e) = self.held.storage.delete(Object::Named(Kind::Lock, id)) {
            tracing::warn!(lock = %id.short(), error = %e, "the lock could not be removed; it is ignored by others after 30 minutes");
        }
    }
}

impl Held {
    /// The second look, a little after the lock was written.
    fn settle(&self, own: Id) {
        let stop = locked(&self.stop);
        // A holder that is done sooner has written nothing, so nobody needs to know.
        let waited = self.stopped.wait_timeout_while(stop, self.times.settle, |stop| !*stop);
        if *waited.unwrap_or_else(PoisonError::into_inner).0 {
            return;
        }
        let looked = look_for_others(&*self.storage, &self.cipher, self.times, self.mode, Some(own));
        *locked(&self.outcome) = match looked {
            Ok(()) => Outcome::Alone,
            Err(e) => Outcome::Refused(Some(e)),
        };
        self.settled.notify_all();
    }

    fn keep(&self) {
        let mut wait = self.times.refresh;
        let mut stop = locked(&self.stop);
        loop {
            let waited = self.stopped.wait_timeout_while(stop, wait, |stop| !*stop);
            stop = waited.map_or_else(|e| e.into_inner().0, |(stop, _)| stop);
            if *stop {
                return;
            }
            drop(stop);
            wait = match self.refresh() {
                Ok(()) => self.times.refresh,
                Err(e) => {
                    tracing::warn!(error = %e, "the repository lock could not be refreshed");
                    RETRY.min(self.times.refresh)
                }
            };
            stop = locked(&self.stop);
        }
    }

    fn refresh(&self) -> Result<()> {
        let begun = now_ms();
        let mut current = locked(&self.current);
        let new = write(
            &*self.storage,
            &self.cipher,
            &LockFile { time: Timestamp::now(), ..self.template.clone() },
        )?;
        let old = std::mem::replace(&mut *current, new);
        self.refreshed_ms.store(begun, Ordering::Release);
        // Two locks of one holder harm nobody; the old one goes stale.
        if let Err(e) = self.storage.delete(Object::Named(Kind::Lock, old)) {
            tracing::warn!(lock = %old.short(), error = %e, "the refreshed lock's predecessor could not be removed");
        }
        Ok(())
    }
}

fn now_ms() -> u64 {
    u64::try_from(since_boot().as_millis()).unwrap_or(u64::MAX)
}

fn write(storage: &dyn Storage, cipher: &Cipher, lock: &LockFile) -> Result<Id> {
    let sealed = gojson::encode(lock).and_then(|json| unpacked::encode(cipher, &json));
    let sealed = sealed.map_err(|_| Error::Internal("a lock cannot be encoded"))?;
    let id = Id::of(&sealed);
    storage.put(Object::Named(Kind::Lock, id), &sealed)?;
    Ok(id)
}

/// An error when another lock excludes `mode`. Stale ones are removed in passing.
fn look_for_others(
    storage: &dyn Storage,
    cipher: &Cipher,
    times: LockTimes,
    mode: Mode,
    own: Option<Id>,
) -> Result<()> {
    for listed in listing(storage, Kind::Lock)? {
        if Some(listed.id) == own {
            continue;
        }
        let Some(lock) = read(storage, cipher, times, &listed)? else {
            continue;
        };
        if is_stale(&lock, &listed, times) {
            let _ = storage.delete(Object::Named(Kind::Lock, listed.id));
            continue;
        }
        if lock.exclusive || mode == Mode::Exclusive {
            let holder = format!("{}@{} (process {})", lock.username, lock.hostname, lock.pid);
            return Err(Error::Locked { holder, since: lock.time.to_string() });
        }
    }
    Ok(())
}

/// Every lock that can be read, for people.
pub(crate) fn all(repo: &Repository) -> Result<Vec<LockInfo>> {
    let mut all = Vec::new();
    let times = repo.lock_times();
    for listed in listing(repo.storage(), Kind::Lock)? {
        let Some(lock) = read(repo.storage(), repo.cipher(), times, &listed)? else { continue };
        all.push(LockInfo {
            id: listed.id,
            exclusive: lock.exclusive,
            holder: format!("{}@{} (process {})", lock.username, lock.hostname, lock.pid),
            refreshed: lock.time,
            stale: is_stale(&lock, &listed, times),
        });
    }
    Ok(all)
}

/// A lock, `None` when it is gone, or so old that its content does not matter.
fn read(
    storage: &dyn Storage,
    cipher: &Cipher,
    times: LockTimes,
    listed: &Listed,
) -> Result<Option<LockFile>> {
    let object = Object::Named(Kind::Lock, listed.id);
    let damaged = |detail: String| Error::damaged(object.to_string(), detail);
    let sealed = read_good(storage, object, listed.size, MAX_LOCK_BYTES, &mut named(listed.id));
    let read = sealed.and_then(|sealed| {
        let json =
            unpacked::decode(cipher, &sealed, MAX_LOCK_JSON_BYTES).map_err(|e| damaged(e.to_string()))?;
        serde_json::from_slice(&json).map_err(|e| damaged(e.to_string()))
    });
    match read {
        Ok(lock) => Ok(Some(lock)),
        Err(Error::Storage(StorageError { problem: Problem::Missing, .. })) => Ok(None),
        // Not readable, so perhaps exclusive: honoured until it is stale.
        Err(Error::Damaged { .. }) if written_age(listed).is_some_and(|age| age > times.stale) => Ok(None),
        Err(e) => Err(e),
    }
}

fn written_age(listed: &Listed) -> Option<Duration> {
    SystemTime::now().duration_since(listed.written?).ok()
}

/// Old by the holder's clock and by the storage's: neither alone is enough, clocks differ.
fn is_stale(lock: &LockFile, listed: &Listed, times: LockTimes) -> bool {
    let said = Duration::try_from(Timestamp::now().duration_since(lock.time)).ok();
    let ages = [said, written_age(listed)];
    ages.iter().flatten().min().is_some_and(|age| *age > times.stale)
}
