//! Older versions of objects, in a bucket that keeps them.
//!
//! Who holds the key of a host can write over every object: a put needs no right to delete. A bucket with
//! versioning keeps what was there, and since an object's name is the hash of its bytes, the good version
//! can be told from the others. It is looked for only when what is there turned out to be bad. The oldest
//! versions are tried first: names cannot be guessed, so the first one ever written under a name is its
//! writer's, and whoever wants to bury it can only add newer ones. Some of the newest follow, for a bucket
//! whose rules removed old versions. What was found is remembered, and read from then on.
//!
//! A delete in such a bucket only lays a marker over the versions. Whoever asks to see through markers
//! reads the newest version below them; what that does not help is looked for as above.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::SystemTime;

use super::{MAX_PAGES, S3Storage};
use crate::id::Id;
use crate::storage::{Kind, Listed, Object, Problem, StorageError};
use crate::sync::locked;

/// How many versions of one object are tried at most, from each end.
const TRIED_FROM_EACH_END: usize = 16;
/// A version that is larger is no object of ours.
pub(super) const MAX_VERSION_BYTES: u64 = 256 * 1024 * 1024;
/// So many versions are remembered, some hundred bytes each.
const MAX_REMEMBERED: usize = 1_000_000;

/// One version of one object, no delete marker.
#[derive(Clone, Debug)]
struct Version {
    id: String,
    size: u64,
    written: Option<SystemTime>,
    is_latest: bool,
}

/// The version that is read instead of the latest one.
#[derive(Clone)]
struct Chosen {
    version: String,
    size: u64,
    written: Option<SystemTime>,
    /// Whether it lies below bytes that are not its name's; else only below a delete marker.
    was_overwritten: bool,
}

/// What is known of versions by now.
pub(super) struct Known {
    sees_deleted: bool,
    /// `None`: it was looked for, and none is good.
    found: Mutex<HashMap<Object, Option<Chosen>>>,
    /// Whole objects are read one at a time, so that memory stays bounded.
    searching: Mutex<()>,
}

/// All versions of one object, in short.
struct Stack {
    id: Id,
    newest: Version,
    first_written: Option<SystemTime>,
    is_deleted: bool,
}

impl Known {
    pub(super) fn new(sees_deleted: bool) -> Self {
        Self { sees_deleted, found: Mutex::default(), searching: Mutex::default() }
    }

    /// Whether a delete marker over this object is looked through. Locks come and go, and the dead stay dead.
    pub(super) fn sees_deleted(&self, object: Object) -> bool {
        self.sees_deleted && !matches!(object, Object::Named(Kind::Lock, _))
    }

    fn chosen(&self, object: Object) -> Option<Chosen> {
        locked(&self.found).get(&object).cloned().flatten()
    }

    /// The version to read, when it is not the latest.
    pub(super) fn version(&self, object: Object) -> Option<String> {
        self.chosen(object).map(|chosen| chosen.version)
    }

    /// The size of the version to read, when it is not the latest.
    pub(super) fn size(&self, object: Object) -> Option<u64> {
        self.chosen(object).map(|chosen| chosen.size)
    }

    /// What a listing says, for the version that is read.
    pub(super) fn amend(&self, kind: Kind, listed: Listed) -> Listed {
        match self.chosen(Object::Named(kind, listed.id)) {
            Some(chosen) => Listed { size: chosen.size, written: chosen.written, ..listed },
            None => listed,
        }
    }

    pub(super) fn overwritten(&self) -> Vec<Object> {
        let found = locked(&self.found);
        let is_one = |chosen: &Option<Chosen>| chosen.as_ref().is_some_and(|c| c.was_overwritten);
        found.iter().filter(|(_, chosen)| is_one(chosen)).map(|(object, _)| *object).collect()
    }
}

impl S3Storage {
    /// The object of a kind that a key names, when it is one of ours.
    pub(super) fn id_of(&self, kind: Kind, key: &str) -> Option<Id> {
        let id = key.rsplit('/').next().and_then(|name| name.parse().ok())?;
        (self.key(&Object::Named(kind, id).path()) == key).then_some(id)
    }

    /// See [`crate::Storage::recover`].
    pub(super) fn look_for_good(
        &self,
        object: Object,
        is_good: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<bool, StorageError> {
        let _one_at_a_time = locked(&self.known.searching);
        match locked(&self.known.found).get(&object) {
            Some(None) => return Ok(false),
            Some(Some(chosen)) if chosen.was_overwritten => return Ok(true),
            _ => {}
        }
        for version in self.candidates(object)? {
            let Some(bytes) = self.read_candidate(object, &version)? else { continue };
            if !is_good(&bytes) {
                continue;
            }
            // The latest one is good after all: it was damaged on its way.
            if !version.is_latest {
                self.remember(object, Some(&version), true)?;
            }
            return Ok(true);
        }
        self.remember(object, None, false)?;
        Ok(false)
    }

    /// The versions to try, in this order. None for an object that was deleted, unless that is looked through.
    fn candidates(&self, object: Object) -> Result<Vec<Version>, StorageError> {
        let key = self.key(&object.path());
        let (mut newest, mut oldest, mut is_deleted) = (Vec::new(), VecDeque::new(), true);
        self.versions(&key, &mut |of, version| {
            if of != key {
                return;
            }
            is_deleted &= !version.is_latest;
            if newest.len() < TRIED_FROM_EACH_END {
                newest.push(version);
            } else {
                oldest.push_front(version);
                oldest.truncate(TRIED_FROM_EACH_END);
            }
        })?;
        if is_deleted && !self.known.sees_deleted(object) {
            return Ok(Vec::new());
        }
        if oldest.is_empty() {
            newest.reverse();
        }
        Ok(oldest.into_iter().chain(newest).collect())
    }

    /// `None` when it cannot be one of ours, or was removed meanwhile.
    fn read_candidate(&self, object: Object, version: &Version) -> Result<Option<Vec<u8>>, StorageError> {
        let length = usize::try_from(version.size).unwrap_or(usize::MAX);
        if length == 0 || version.size > MAX_VERSION_BYTES {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        match self.read_version(object, Some(version.id.clone()), 0, length, &mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(e) if matches!(e.problem, Problem::Missing | Problem::Short) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Remembers the newest version of an object that a delete marker hides; false when there is none.
    pub(super) fn find_deleted(&self, object: Object) -> Result<bool, StorageError> {
        let key = self.key(&object.path());
        let mut newest = None;
        self.versions(&key, &mut |of, version| {
            if of == key {
                newest.get_or_insert(version);
            }
        })?;
        if let Some(version) = &newest {
            self.remember(object, Some(version), false)?;
        }
        Ok(newest.is_some())
    }

    /// A listing that looks through delete markers.
    pub(super) fn list_deleted(&self, kind: Kind, each: &mut dyn FnMut(Listed)) -> Result<(), StorageError> {
        let mut hidden = Vec::new();
        self.stacks(kind, &mut |stack| {
            each(Listed { id: stack.id, size: stack.newest.size, written: stack.newest.written });
            if stack.is_deleted {
                hidden.push((stack.id, stack.newest));
            }
        })?;
        for (id, version) in hidden {
            let object = Object::Named(kind, id);
            if self.known.chosen(object).is_none() {
                self.remember(object, Some(&version), false)?;
            }
        }
        Ok(())
    }

    /// See [`crate::Storage::list_first_written`].
    pub(super) fn list_first(&self, kind: Kind, each: &mut dyn FnMut(Listed)) -> Result<(), StorageError> {
        self.stacks(kind, &mut |stack| {
            if !stack.is_deleted || self.known.sees_deleted(Object::Named(kind, stack.id)) {
                each(Listed { id: stack.id, size: stack.newest.size, written: stack.first_written });
            }
        })
    }

    /// Every object of a kind with its versions in short.
    fn stacks(&self, kind: Kind, each: &mut dyn FnMut(Stack)) -> Result<(), StorageError> {
        let mut current: Option<Stack> = None;
        let prefix = self.key(&format!("{}/", kind.folder()));
        self.versions(&prefix, &mut |key, version| {
            let Some(id) = self.id_of(kind, key) else { return };
            if let Some(stack) = current.as_mut().filter(|stack| stack.id == id) {
                stack.is_deleted &= !version.is_latest;
                stack.first_written = stack.first_written.min(version.written);
                return;
            }
            let (first_written, is_deleted) = (version.written, !version.is_latest);
            let next = Stack { id, newest: version, first_written, is_deleted };
            if let Some(done) = current.replace(next) {
                each(done);
            }
        })?;
        if let Some(last) = current {
            each(last);
        }
        Ok(())
    }

    /// Every version below a prefix: key by key, the newest of each first.
    fn versions(&self, prefix: &str, each: &mut dyn FnMut(&str, Version)) -> Result<(), StorageError> {
        let (mut key_marker, mut version_marker) = (None, None);
        for _ in 0..MAX_PAGES {
            let request = self.client.list_object_versions().bucket(&self.at.bucket).prefix(prefix);
            let request =
                request.set_key_marker(key_marker.take()).set_version_id_marker(version_marker.take());
            let page = self.run("listing versions of", &prefix, send!(request))?;
            for found in page.versions() {
                let version = Version {
                    id: found.version_id().unwrap_or_default().to_owned(),
                    size: found.size().and_then(|s| u64::try_from(s).ok()).unwrap_or(0),
                    written: found.last_modified().and_then(|t| SystemTime::try_from(*t).ok()),
                    is_latest: found.is_latest() == Some(true),
                };
                each(found.key().unwrap_or_default(), version);
            }
            if page.is_truncated() != Some(true) {
                return Ok(());
            }
            key_marker = page.next_key_marker().map(str::to_owned);
            version_marker = page.next_version_id_marker().map(str::to_owned);
            if key_marker.is_none() {
                break;
            }
        }
        Err(self.error("listing versions of", &prefix, Problem::Failed, Some("the listing does not end")))
    }

    fn remember(
        &self,
        object: Object,
        version: Option<&Version>,
        was_overwritten: bool,
    ) -> Result<(), StorageError> {
        let mut found = locked(&self.known.found);
        if found.len() >= MAX_REMEMBERED && !found.contains_key(&object) {
            let cause = format!("more than {MAX_REMEMBERED} objects need an older version");
            return Err(self.error("remembering a version of", &object, Problem::Failed, Some(&cause)));
        }
        let chosen = version.map(|version| Chosen {
            version: version.id.clone(),
            size: version.size,
            written: version.written,
            was_overwritten,
        });
        found.insert(object, chosen);
        Ok(())
    }
}
