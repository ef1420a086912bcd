//! The restic repository format, version 2: bytes in, values out, and back. No storage here.

pub(crate) mod blob;
pub(crate) mod config;
pub(crate) mod envelope;
pub(crate) mod gojson;
pub(crate) mod index_file;
pub(crate) mod keyfile;
pub(crate) mod lockfile;
pub(crate) mod mode;
pub mod node;
pub(crate) mod opener;
pub(crate) mod pack;
pub(crate) mod polynomial;
pub(crate) mod quote;
pub(crate) mod sealer;
pub mod snapshot;
pub(crate) mod tree;
pub(crate) mod unpacked;

/// Stored bytes that are not what the format says. The caller knows which object it read, and adds it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) String);

impl Malformed {
    pub(crate) fn new(detail: impl Into<String>) -> Self {
        Self(detail.into())
    }
}
