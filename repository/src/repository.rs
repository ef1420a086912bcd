//! A repository that is open: storage, master key, configuration. Every verb of the crate begins here.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use crate::archive::Archive;
use crate::chunker::Gear;
use crate::error::{Class, Error, Result};
use crate::format::blob::{self, BlobKind};
use crate::format::config::{Config, VERSION};
use crate::format::envelope::{Cipher, KeyBytes};
use crate::format::keyfile::{self, KdfParams};
use crate::format::unpacked;
use crate::host;
use crate::id::Id;
use crate::index::{self, Index, Place};
use crate::limits::Limits;
use crate::lock::{LockGuard, LockTimes, Mode};
use crate::password::Password;
use crate::storage::throttle::Throttled;
use crate::storage::{Kind, Object, Problem, Storage, StorageError, first_written, listing};
use crate::sync::locked;
use crate::versions::{self, named, read_good};

const MAX_CONFIG_BYTES: u64 = 64 * 1024;
pub(crate) const MAX_KEY_BYTES: u64 = 64 * 1024;
/// How many keys are tried with one password: each costs half a second.
const MAX_KEYS_TRIED: usize = 50;

/// What one thread that reads packs holds at most: one read, and one blob sealed and opened.
const READER_BYTES: usize = 12 * 1024 * 1024;

/// How a repository is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct InitOptions {
    /// The cost of guessing the password.
    pub kdf: KdfParams,
}

/// An open repository. It can be shared between threads; each operation locks for itself.
pub struct Repository {
    storage: Arc<dyn Storage>,
    cipher: Cipher,
    master: KeyBytes,
    /// The key file that the password opened; none after an `init`, which made the only one.
    opened_with: Option<Id>,
    config: Config,
    gear: Box<Gear>,
    lock_times: LockTimes,
    limits: Limits,
    without_locks: bool,
    index: Mutex<Option<CachedIndex>>,
}

struct CachedIndex {
    files: Vec<Id>,
    index: Arc<Index>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("at", &self.storage.describe())
            .field("id", &self.config.id)
            .finish_non_exhaustive()
    }
}

impl Repository {
    /// Makes a repository: folders, first key, then `config`, whose presence makes it one.
    ///
    /// # Errors
    /// [`Error::AlreadyInitialised`], or when the storage fails.
    pub fn init(storage: Arc<dyn Storage>, password: &Password, options: InitOptions) -> Result<Self> {
        Self::make(storage, password, options, None)
    }

    /// Makes an archive: see [`crate::archive`].
    ///
    /// # Errors
    /// As [`Self::init`].
    pub fn init_archive(
        storage: Arc<dyn Storage>,
        password: &Password,
        options: InitOptions,
        archive: Archive,
    ) -> Result<Self> {
        Self::make(storage, password, options, Some(archive))
    }

    fn make(
        storage: Arc<dyn Storage>,
        password: &Password,
        options: InitOptions,
        archive: Option<Archive>,
    ) -> Result<Self> {
        let exists = || Error::AlreadyInitialised { location: storage.describe() };
        if storage.stat(Object::Config)?.is_some() {
            return Err(exists());
        }
        storage.prepare()?;
        if !listing(&*storage, Kind::Key)?.is_empty() {
            return Err(exists());
        }
        let master = keyfile::generate_master();
        let who = (host::hostname(), host::username());
        let key = keyfile::wrap(&master, password, options.kdf, who, Timestamp::now())
            .map_err(|e| Error::Invalid(e.to_string()))?;
        storage.put(Object::Named(Kind::Key, Id::of(&key)), &key)?;
        let config = Config::generate(archive);
        let cipher = Cipher::new(&master);
        let sealed = config
            .encode()
            .map(|json| cipher.seal(&json))
            .map_err(|_| Error::Internal("the config cannot be encoded"))?;
        match storage.put(Object::Config, &sealed) {
            Err(StorageError { problem: Problem::Exists, .. }) => return Err(exists()),
            other => other?,
        }
        Self::with_config(storage, master, None, config)
    }

    /// Opens a repository, ours or restic's.
    ///
    /// # Errors
    /// [`Error::NotARepository`], [`Error::WrongPassword`], [`Error::Damaged`] for a key or config that
    /// is not what was written, [`Error::Version`], or when the storage fails.
    pub fn open(storage: Arc<dyn Storage>, password: &Password) -> Result<Self> {
        let Some(size) = storage.stat(Object::Config)? else {
            return Err(Error::NotARepository { location: storage.describe() });
        };
        let (key, master) = find_key(&*storage, password)?;
        let config = read_config(&*storage, &Cipher::new(&master), size)?;
        if config.version != VERSION {
            return Err(Error::Version { version: config.version });
        }
        Self::with_config(storage, master, Some(key), config)
    }

    fn with_config(
        storage: Arc<dyn Storage>,
        master: KeyBytes,
        opened_with: Option<Id>,
        config: Config,
    ) -> Result<Self> {
        let polynomial = config.polynomial().map_err(|e| Error::damaged("config", e.to_string()))?;
        let gear = Gear::derive(&config, polynomial).ok_or(Error::Internal("the chunker has no key"))?;
        Ok(Self {
            storage,
            cipher: Cipher::new(&master),
            master,
            opened_with,
            config,
            gear,
            lock_times: LockTimes::default(),
            limits: Limits::default(),
            without_locks: false,
            index: Mutex::new(None),
        })
    }

    /// Other times of the lock protocol, for tests.
    #[must_use]
    pub fn with_lock_times(mut self, times: LockTimes) -> Self {
        self.lock_times = times;
        self
    }

    /// Other bounds of memory, threads and bandwidth than the usual ones. Give them once.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.storage = Throttled::over(self.storage, limits);
        self
    }

    /// Reads without taking locks, for storage that cannot be written. Writing still locks.
    #[must_use]
    pub fn without_read_locks(mut self) -> Self {
        self.without_locks = true;
        self
    }

    /// The repository's own id, for life.
    #[must_use]
    pub fn id(&self) -> Id {
        self.config.id
    }

    /// The location, for people.
    #[must_use]
    pub fn location(&self) -> String {
        self.storage.describe()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    pub(crate) fn shared_storage(&self) -> Arc<dyn Storage> {
        Arc::clone(&self.storage)
    }

    pub(crate) fn master(&self) -> &KeyBytes {
        &self.master
    }

    pub(crate) fn opened_with(&self) -> Option<Id> {
        self.opened_with
    }

    pub(crate) fn cipher(&self) -> &Cipher {
        &self.cipher
    }

    pub(crate) fn gear(&self) -> &Gear {
        &self.gear
    }

    pub(crate) fn lock_times(&self) -> LockTimes {
        self.lock_times
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// How many threads read and compute at once: more than cores, since each also waits for the storage,
    /// and as many as memory allows.
    pub(crate) fn readers(&self) -> usize {
        let fit = self.limits.memory() / READER_BYTES;
        self.storage.requests_at_once().max(self.limits.threads()).min(fit)
    }

    /// The lock of an operation that only reads.
    pub(crate) fn read_lock(&self) -> Result<Option<LockGuard>> {
        if self.without_locks { Ok(None) } else { LockGuard::acquire(self, Mode::Shared).map(Some) }
    }

    /// The index as it is now. Call it after the snapshot is known: a snapshot's index is written before it.
    pub(crate) fn index(&self) -> Result<Arc<Index>> {
        let listed = listing(self.storage(), Kind::Index)?;
        let files: Vec<Id> = listed.iter().map(|file| file.id).collect();
        if let Some(cached) = locked(&self.index).as_ref().filter(|c| c.files == files) {
            return Ok(Arc::clone(&cached.index));
        }
        let index = Arc::new(index::load(self, &listed)?);
        *locked(&self.index) = Some(CachedIndex { files, index: Arc::clone(&index) });
        Ok(index)
    }

    /// The JSON of a file that is not a pack: name checked, opened, decompressed.
    pub(crate) fn read_unpacked(
        &self,
        kind: Kind,
        id: Id,
        size: u64,
        limit: u64,
        json_limit: usize,
    ) -> Result<Vec<u8>> {
        let object = Object::Named(kind, id);
        let sealed = read_good(self.storage(), object, size, limit, &mut named(id))?;
        unpacked::decode(&self.cipher, &sealed, json_limit)
            .map_err(|e| Error::damaged(object.to_string(), e.to_string()))
    }

    /// Seals JSON and stores it under its name.
    pub(crate) fn write_unpacked(&self, kind: Kind, json: &[u8]) -> Result<Id> {
        let sealed =
            unpacked::encode(&self.cipher, json).map_err(|_| Error::Internal("a file cannot be encoded"))?;
        // Read back before anybody relies on it: a flipped bit in memory would be sealed as good.
        match unpacked::decode(&self.cipher, &sealed, json.len()) {
            Ok(back) if back == json => {}
            _ => {
                return Err(Error::SelfCheck {
                    blob: kind.folder().to_owned(),
                    detail: "it reads back differently".to_owned(),
                });
            }
        }
        let id = Id::of(&sealed);
        self.storage.put(Object::Named(kind, id), &sealed)?;
        Ok(id)
    }

    /// One blob, verified.
    pub(crate) fn read_blob(&self, index: &Index, kind: BlobKind, id: Id) -> Result<Vec<u8>> {
        let place = index
            .find(kind, id)
            .ok_or_else(|| Error::damaged(format!("blob {id}"), "no index file knows it"))?;
        let pack = index.pack(place)?;
        let sealed = self.read_pack(pack, u64::from(place.offset), place.length as usize)?;
        self.open_blob(pack, place, id, &sealed)
    }

    /// Some bytes of a pack; that they are not there is damage.
    pub(crate) fn read_pack(&self, pack: Id, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_pack_into(pack, offset, length, &mut bytes)?;
        Ok(bytes)
    }

    /// The same into a buffer that is used again.
    pub(crate) fn read_pack_into(
        &self,
        pack: Id,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        let object = Object::Named(Kind::Pack, pack);
        let read = match self.storage.read_into(object, offset, length, buffer) {
            Err(e) if e.problem == Problem::Short && self.recovers_pack(pack)? => {
                self.storage.read_into(object, offset, length, buffer)
            }
            other => other,
        };
        read.map_err(|e| match e.problem {
            Problem::Missing => Error::damaged(object.to_string(), "it is missing"),
            Problem::Short => Error::damaged(object.to_string(), "it is truncated"),
            _ => e.into(),
        })
    }

    /// Whether a good version of a pack is read from now on, after what was read turned out to be bad.
    pub(crate) fn recovers_pack(&self, pack: Id) -> Result<bool> {
        let object = Object::Named(Kind::Pack, pack);
        versions::recovers(self.storage(), object, &mut |bytes| Id::of(bytes) == pack)
    }

    /// Opens a blob that was read from its place. When it is bad it is read once more, since what was damaged
    /// on its way is whole then, and at last from an older version of the pack.
    pub(crate) fn open_blob(&self, pack: Id, place: Place, id: Id, sealed: &[u8]) -> Result<Vec<u8>> {
        let opened = self.open_as_read(pack, place, id, sealed);
        if opened.is_ok() {
            return opened;
        }
        let again = || {
            let sealed = self.read_pack(pack, u64::from(place.offset), place.length as usize)?;
            self.open_as_read(pack, place, id, &sealed)
        };
        match again() {
            Err(e) if e.class() == Class::Integrity && self.recovers_pack(pack)? => again(),
            other => other,
        }
    }

    /// Opens a blob that was read from its place.
    pub(crate) fn open_as_read(&self, pack: Id, place: Place, id: Id, sealed: &[u8]) -> Result<Vec<u8>> {
        blob::open(&self.cipher, sealed, place.plain_length, id).map_err(|e| {
            Error::damaged(
                Object::Named(Kind::Pack, pack).to_string(),
                format!("blob {id} at {}: {e}", place.offset),
            )
        })
    }

    /// Reads `config` as if the repository was opened now.
    pub(crate) fn read_config_again(&self) -> Result<()> {
        let size = self.storage.stat(Object::Config)?;
        let size = size.ok_or_else(|| Error::damaged("config", "it is missing"))?;
        let mut examine = |sealed: &[u8]| {
            if self.is_config(sealed) { Ok(()) } else { Err("it is not this repository's".to_owned()) }
        };
        read_good(self.storage(), Object::Config, size, MAX_CONFIG_BYTES, &mut examine).map(drop)
    }

    /// Whether these bytes are this repository's `config`.
    pub(crate) fn is_config(&self, sealed: &[u8]) -> bool {
        open_config(&self.cipher, sealed).is_ok_and(|config| config.id == self.config.id)
    }

    /// Removes an object that is no lock.
    pub(crate) fn remove(&self, object: Object) -> Result<()> {
        self.storage.delete(object).map_err(|e| match e.problem {
            Problem::Denied => Error::MayNotRemove { object: object.to_string(), source: e },
            _ => e.into(),
        })
    }

    /// An error when nothing may be removed here, before anything is done that would be half done then.
    pub(crate) fn may_remove(&self) -> Result<()> {
        // Nobody has this one; to remove what is not there is fine, for who may remove.
        self.remove(Object::Named(Kind::Index, Id::random()))
    }
}

fn open_config(cipher: &Cipher, sealed: &[u8]) -> std::result::Result<Config, String> {
    cipher.open(sealed).and_then(|json| Config::decode(&json)).map_err(|e| e.to_string())
}

fn read_config(storage: &dyn Storage, cipher: &Cipher, size: u64) -> Result<Config> {
    let mut examine = |sealed: &[u8]| open_config(cipher, sealed).map(drop);
    let sealed = read_good(storage, Object::Config, size, MAX_CONFIG_BYTES, &mut examine)?;
    open_config(cipher, &sealed).map_err(|e| Error::damaged("config", e))
}

/// The master key, from the first key file that the password opens.
fn find_key(storage: &dyn Storage, password: &Password) -> Result<(Id, KeyBytes)> {
    let mut keys = listing(storage, Kind::Key)?;
    if keys.len() > MAX_KEYS_TRIED {
        // Somebody may have written many to hide the true one, which is older.
        keys = first_written(storage, Kind::Key)?;
        keys.sort_by_key(|key| (key.written, key.id));
    }
    let mut damage = None;
    for key in keys.iter().take(MAX_KEYS_TRIED) {
        let object = Object::Named(Kind::Key, key.id);
        let bytes = match read_good(storage, object, key.size, MAX_KEY_BYTES, &mut named(key.id)) {
            Ok(bytes) => bytes,
            Err(e) if e.class() == Class::Integrity => {
                damage = Some(e);
                continue;
            }
            Err(e) => return Err(e),
        };
        match keyfile::unwrap(&bytes, password) {
            Ok(Some(master)) => return Ok((key.id, master)),
            Ok(None) => {}
            Err(e) => damage = Some(Error::damaged(object.to_string(), e.to_string())),
        }
    }
    // A damaged key may be the one that the password opens, so that comes first.
    Err(damage.unwrap_or(Error::WrongPassword { tried: keys.len().min(MAX_KEYS_TRIED) }))
}
