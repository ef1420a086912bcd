//! Restoring files of a snapshot.

/// So many damaged files are named.
pub const MAX_NAMED: usize = 1000;

/// A file that could not be restored as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedFile {
    /// Its path in the snapshot.
    pub path: String,
    /// What is wrong with its stored data.
    pub reason: String,
}
