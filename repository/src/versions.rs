//! Reading past what somebody wrote over: an object that is not what it must be is asked for once more, in
//! an older version, before it is called damaged. See [`crate::Storage::recover`].

use crate::error::{Class, Error, Result};
use crate::id::Id;
use crate::storage::{Object, Problem, Storage, StorageError, read_whole};

/// What is wrong with the bytes of an object, if anything.
pub(crate) type Examine<'a> = dyn FnMut(&[u8]) -> std::result::Result<(), String> + 'a;

/// That the bytes are those of this name.
pub(crate) fn named(id: Id) -> impl Fn(&[u8]) -> std::result::Result<(), String> {
    move |bytes| {
        if Id::of(bytes) == id { Ok(()) } else { Err("its content is not what its name says".to_owned()) }
    }
}

/// A whole object that passes an examination: as it is there, or an older version of it.
pub(crate) fn read_good(
    storage: &dyn Storage,
    object: Object,
    size: u64,
    limit: u64,
    examine: &mut Examine<'_>,
) -> Result<Vec<u8>> {
    let read = |size: u64, examine: &mut Examine<'_>| {
        let bytes = read_whole(storage, object, size, limit)?;
        examine(&bytes).map_err(|detail| Error::damaged(object.to_string(), detail))?;
        Ok(bytes)
    };
    match read(size, examine) {
        Err(e) if is_bad(&e) && recovers(storage, object, &mut |b| examine(b).is_ok())? => {
            read(storage.stat(object)?.unwrap_or(size), examine)
        }
        other => other,
    }
}

/// Whether an error says that what is there is bad. What is not there was removed, which is no damage to look past.
fn is_bad(error: &Error) -> bool {
    error.class() == Class::Integrity
        && !matches!(error, Error::Storage(StorageError { problem: Problem::Missing, .. }))
}

/// Whether a good version of an object is read from now on.
pub(crate) fn recovers(
    storage: &dyn Storage,
    object: Object,
    is_good: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<bool> {
    match storage.recover(object, is_good) {
        Ok(found) => Ok(found),
        // Versions that cannot be asked for do not turn damage into something else.
        Err(e) if matches!(e.problem, Problem::Denied | Problem::Failed) => {
            tracing::warn!(%object, error = %e, "older versions of a damaged object cannot be looked at");
            Ok(false)
        }
        Err(e) => Err(e.into()),
    }
}
