//! Where a repository lives. One file a place; all of them pass the suite in `tests/storage.rs`.
//!
//! The contract of [`Storage`], which the order of writes in this crate rests on:
//!
//! - `put` is atomic and durable: when it returns, the whole object is there and stays there through
//!   a power cut; before, or after an error, nothing is visible under the name. It never replaces;
//!   the same bytes again are a success, since a retry cannot know that its first try arrived.
//! - `read` gives exactly the bytes asked for, or an error: a short body is an error.
//! - `list` gives every object of the kind, or an error: half a listing is never an answer.
//! - `delete` of what is not there is fine.

mod class;
mod lifecycle;
mod local;
mod location;
mod object;
mod retention;
mod s3;
pub(crate) mod throttle;

use std::sync::Arc;
use std::time::SystemTime;

pub use class::{PackClass, Warmth};
pub use lifecycle::{AgeRule, Effect, Lifecycle};
pub use local::LocalStorage;
pub use location::{Location, S3Location};
pub use object::{Kind, Object};
pub use retention::{Protected, Retention, RetentionMode};
pub use s3::{Patience, S3Credentials, S3Options, S3Storage};

use crate::error::{Class, Error, Result, SourceError};
use crate::id::Id;

/// Everything that may be told to a storage beyond its location.
#[derive(Clone, Debug, Default)]
pub struct StorageOptions {
    /// For S3 only.
    pub s3: S3Options,
}

/// Opens the storage at a location. Touches the network only on first use.
///
/// # Errors
/// When the storage cannot be set up, for example without usable S3 settings.
pub fn open(location: &Location, options: &StorageOptions) -> Result<Arc<dyn Storage>> {
    Ok(match location {
        Location::Folder(path) => Arc::new(LocalStorage::new(path)),
        Location::S3(at) => Arc::new(S3Storage::open(at, &options.s3)?),
    })
}

/// One object of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub id: Id,
    /// How many bytes it has.
    pub size: u64,
    /// When the storage says that it was written. Not the writer's word.
    pub written: Option<SystemTime>,
}

/// A place that holds named, immutable objects. See the contract at the top of the module.
pub trait Storage: Send + Sync {
    /// The location, for people.
    fn describe(&self) -> String;

    /// How many requests at once are worth while: more where each waits for a network.
    fn requests_at_once(&self) -> usize {
        3
    }

    /// Makes whatever must exist before objects can be stored (folders). Fine to call again.
    ///
    /// # Errors
    /// When it cannot be made.
    fn prepare(&self) -> Result<(), StorageError>;

    /// Stores an object that must not exist yet, unless with the same bytes.
    ///
    /// # Errors
    /// [`Problem::Exists`] when there is another one, which is left as it is; anything else that failed.
    fn put(&self, object: Object, bytes: &[u8]) -> Result<(), StorageError>;

    /// Stores a pack that holds data of files and no trees: like [`Self::put`], and where the storage has
    /// classes, in the one given, or else in the one that it was opened with.
    ///
    /// # Errors
    /// Those of [`Self::put`].
    fn put_data(&self, pack: Id, bytes: &[u8], class: Option<PackClass>) -> Result<(), StorageError> {
        let _ = class;
        self.put(Object::Named(Kind::Pack, pack), bytes)
    }

    /// Reads `length` bytes from `offset` into a buffer that is used again; what was in it is gone, also after
    /// an error.
    ///
    /// # Errors
    /// [`Problem::Missing`], [`Problem::Short`] when the object ends before, or anything else that failed.
    fn read_into(
        &self,
        object: Object,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), StorageError>;

    /// The same into a new buffer.
    ///
    /// # Errors
    /// Those of [`Self::read_into`].
    fn read(&self, object: Object, offset: u64, length: usize) -> Result<Vec<u8>, StorageError> {
        let mut bytes = Vec::new();
        self.read_into(object, offset, length, &mut bytes)?;
        Ok(bytes)
    }

    /// That this will be read soon: where the system can fetch it meanwhile, it is asked to. Nothing depends
    /// on it.
    fn will_read(&self, object: Object, offset: u64, length: usize) {
        let _ = (object, offset, length);
    }

    /// The size of an object, `None` when it is not there.
    ///
    /// # Errors
    /// When the storage does not say.
    fn stat(&self, object: Object) -> Result<Option<u64>, StorageError>;

    /// Calls `each` for every object of a kind, in any order.
    ///
    /// # Errors
    /// When the listing may be incomplete; what `each` was told is then worth nothing.
    fn list(&self, kind: Kind, each: &mut dyn FnMut(Listed)) -> Result<(), StorageError>;

    /// Removes an object. Fine when it is not there.
    ///
    /// # Errors
    /// When it may still be there.
    fn delete(&self, object: Object) -> Result<(), StorageError>;

    /// Looks for a version of an object that is good, after the one that is there turned out not to be; from
    /// then on that one is read, and its size is the object's. False when there is none, or no versions
    /// are kept here. It is looked for once.
    ///
    /// # Errors
    /// When the storage does not say.
    fn recover(&self, object: Object, is_good: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, StorageError> {
        let _ = (object, is_good);
        Ok(false)
    }

    /// The objects that somebody wrote over, of which [`Self::recover`] found a good version by now.
    fn overwritten(&self) -> Vec<Object> {
        Vec::new()
    }

    /// As [`Self::list`], but an object was written when its oldest version was: who writes an object anew
    /// makes it no younger.
    ///
    /// # Errors
    /// As of a listing.
    fn list_first_written(&self, kind: Kind, each: &mut dyn FnMut(Listed)) -> Result<(), StorageError> {
        self.list(kind, each)
    }

    /// Keeps a good version of an object from being removed until a time, by anybody. Never shortens.
    ///
    /// # Errors
    /// When the storage cannot do that, or fails.
    fn protect(
        &self,
        object: Object,
        until: SystemTime,
        mode: RetentionMode,
        is_good: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<Protected, StorageError> {
        let _ = (until, mode, is_good);
        Err(StorageError {
            op: "locking",
            object: object.to_string(),
            place: self.describe(),
            problem: Problem::Failed,
            source: Some("only a bucket with Object Lock can keep objects from being removed".into()),
        })
    }

    /// Whether a pack can be read; when it is cold and `days` are given, asks for it to be readable for so
    /// long.
    ///
    /// # Errors
    /// When the storage does not say, or refuses.
    fn thaw(&self, pack: Id, days: Option<u32>) -> Result<Warmth, StorageError> {
        let _ = (pack, days);
        Ok(Warmth::Ready)
    }

    /// Rules by which the storage itself moves or removes objects of this repository.
    fn lifecycle(&self) -> Lifecycle {
        Lifecycle::Rules(Vec::new())
    }
}

/// After a put met an object of that name: fine when it has the same bytes, else `exists`.
fn accept_same(
    storage: &dyn Storage,
    object: Object,
    bytes: &[u8],
    exists: StorageError,
) -> Result<(), StorageError> {
    let is_same =
        storage.stat(object)? == Some(bytes.len() as u64) && storage.read(object, 0, bytes.len())? == bytes;
    if is_same { Ok(()) } else { Err(exists) }
}

/// All objects of a kind, by name.
pub(crate) fn listing(storage: &dyn Storage, kind: Kind) -> Result<Vec<Listed>> {
    let mut all = Vec::new();
    storage.list(kind, &mut |one| all.push(one))?;
    Ok(in_order(all))
}

/// All objects of a kind, by name, with the times of their oldest versions.
pub(crate) fn first_written(storage: &dyn Storage, kind: Kind) -> Result<Vec<Listed>> {
    let mut all = Vec::new();
    storage.list_first_written(kind, &mut |one| all.push(one))?;
    Ok(in_order(all))
}

fn in_order(mut all: Vec<Listed>) -> Vec<Listed> {
    all.sort_unstable_by_key(|one| one.id);
    all.dedup_by_key(|one| one.id);
    all
}

/// A whole object of a size already known, which is refused above `limit` before memory is taken.
pub(crate) fn read_whole(storage: &dyn Storage, object: Object, size: u64, limit: u64) -> Result<Vec<u8>> {
    if size > limit {
        return Err(Error::damaged(
            object.to_string(),
            format!("{size} bytes are more than the {limit} it may have"),
        ));
    }
    let length =
        usize::try_from(size).map_err(|_| Error::Internal("an object larger than the address space"))?;
    Ok(storage.read(object, 0, length)?)
}

/// What kind of failure a storage had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The object is not there.
    Missing,
    /// The object is there already.
    Exists,
    /// The object ended before the bytes asked for.
    Short,
    /// No space, or a quota reached.
    Full,
    /// Not allowed: permissions or credentials.
    Denied,
    /// It lies in an archive class and must be thawed before it can be read.
    Cold,
    /// Busy, unreachable or timed out; may work later.
    Unavailable,
    /// Anything else.
    Failed,
}

/// A failed operation of a storage.
#[derive(Debug, thiserror::Error)]
#[error("{op} {object} at {place}: {problem}")]
pub struct StorageError {
    /// What was tried.
    pub op: &'static str,
    /// On which object, or which kind of object.
    pub object: String,
    /// Where.
    pub place: String,
    /// What kind of failure.
    pub problem: Problem,
    /// What the file system or the service said.
    #[source]
    pub source: Option<SourceError>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "it is not there",
            Self::Exists => "it exists already",
            Self::Short => "it is shorter than it should be",
            Self::Full => "there is no space left",
            Self::Denied => "permission denied",
            Self::Cold => "it is in the cold and must be thawed first",
            Self::Unavailable => "the storage is not reachable or busy",
            Self::Failed => "it failed",
        })
    }
}

impl StorageError {
    /// What a caller may do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.problem {
            Problem::Missing | Problem::Short => Class::Integrity,
            Problem::Unavailable => Class::Transient,
            Problem::Exists | Problem::Full | Problem::Denied | Problem::Cold | Problem::Failed => {
                Class::Permanent
            }
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.problem {
            Problem::Missing => "LB3001",
            Problem::Exists => "LB3002",
            Problem::Short => "LB3003",
            Problem::Full => "LB3004",
            Problem::Denied => "LB3005",
            Problem::Unavailable => "LB3006",
            Problem::Failed => "LB3007",
            Problem::Cold => "LB3008",
        }
    }

    /// What to do next.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self.problem {
            Problem::Missing | Problem::Short => {
                "run `restic check` on the repository to see what else is missing"
            }
            Problem::Exists => "nothing was overwritten; check who else writes here",
            Problem::Full => "make space or raise the quota; earlier snapshots are untouched",
            Problem::Denied => "check the permissions of the folder, or the credentials and their policy",
            Problem::Cold => {
                "ask for it with `lifeboat repo thaw SNAPSHOT`, wait for hours or a day or two, and run this again"
            }
            Problem::Unavailable => "it is tried again by itself; check the way to the storage if it stays",
            Problem::Failed => "see the cause; check the disk or the service",
        }
    }
}
