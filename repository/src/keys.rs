//! Keys: each wraps the one master key with a password of its own, so that a password can be added and
//! taken away without touching data. The master key itself stays; who once had it can read what he stole.

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::format::keyfile::{self, KdfParams};
use crate::host;
use crate::id::Id;
use crate::password::Password;
use crate::repository::{MAX_KEY_BYTES, Repository};
use crate::storage::{Kind, Object, listing, read_whole};
use crate::versions::{named, read_good};

/// One key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its name.
    pub id: Id,
    /// When it was made, by the clock of whoever made it.
    pub created: Timestamp,
    /// Who made it.
    pub username: String,
    /// Where.
    pub hostname: String,
}

impl Repository {
    /// Every key.
    ///
    /// # Errors
    /// When the listing fails, or a key is damaged.
    pub fn keys(&self) -> Result<Vec<KeyInfo>> {
        let mut all = Vec::new();
        for listed in listing(self.storage(), Kind::Key)? {
            let object = Object::Named(Kind::Key, listed.id);
            let bytes = read_good(self.storage(), object, listed.size, MAX_KEY_BYTES, &mut named(listed.id))?;
            let (created, username, hostname) =
                keyfile::describe(&bytes).map_err(|e| Error::damaged(object.to_string(), e.to_string()))?;
            all.push(KeyInfo { id: listed.id, created, username, hostname });
        }
        all.sort_by_key(|key| (key.created, key.id));
        Ok(all)
    }

    /// Adds a key for another password, and reads it back before it is called done.
    ///
    /// # Errors
    /// When the parameters make no sense or the storage fails.
    pub fn key_add(&self, password: &Password, kdf: KdfParams) -> Result<Id> {
        let who = (host::hostname(), host::username());
        let key = keyfile::wrap(self.master(), password, kdf, who, Timestamp::now())
            .map_err(|e| Error::Invalid(e.to_string()))?;
        let id = Id::of(&key);
        let object = Object::Named(Kind::Key, id);
        self.storage().put(object, &key)?;
        let stored = read_whole(self.storage(), object, key.len() as u64, MAX_KEY_BYTES)?;
        match keyfile::unwrap(&stored, password) {
            Ok(Some(master)) if master == *self.master() => Ok(id),
            _ => Err(Error::damaged(
                object.to_string(),
                "it does not open with the password that it was made with",
            )),
        }
    }

    /// Removes a key. The last one, and the one that this repository was opened with, stay.
    ///
    /// # Errors
    /// [`Error::KeyNeeded`], [`Error::NoSuchKey`], [`Error::AmbiguousSnapshot`] for a prefix of several.
    pub fn key_remove(&self, prefix: &str) -> Result<Id> {
        let keys = self.keys()?;
        let fits: Vec<Id> = keys
            .iter()
            .map(|k| k.id)
            .filter(|id| !prefix.is_empty() && id.to_string().starts_with(prefix))
            .collect();
        let id = match fits.as_slice() {
            [] => return Err(Error::NoSuchKey { wanted: prefix.to_owned() }),
            [one] => *one,
            many => return Err(Error::AmbiguousSnapshot { prefix: prefix.to_owned(), count: many.len() }),
        };
        let needed = |reason| Err(Error::KeyNeeded { id: id.short(), reason });
        if keys.len() == 1 {
            return needed("it is the last one, and without a key nothing can be read");
        }
        if self.opened_with() == Some(id) {
            return needed("the repository was opened with it; use another password to remove it");
        }
        self.remove(Object::Named(Kind::Key, id))?;
        Ok(id)
    }
}
