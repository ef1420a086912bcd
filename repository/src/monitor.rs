//! How far an operation is, and how to stop it. Shared between the operation and who watches it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Progress and cancellation of one operation.
///
/// Give the same value (in an `Arc`) to the operation and to whoever watches it. The cancel flag is
/// looked at before each blob, so an operation stops within the time that one blob takes.
#[derive(Debug, Default)]
pub struct Monitor {
    cancelled: AtomicBool,
    bytes_done: AtomicU64,
    bytes_expected: AtomicU64,
    bytes_stored: AtomicU64,
    files_done: AtomicU64,
}

/// How far an operation was at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of user data read from the source, or written to the target.
    pub bytes_done: u64,
    /// How many that will be, where it is known beforehand: of devices, not of streams and trees.
    pub bytes_expected: Option<u64>,
    /// Bytes sent to the storage.
    pub bytes_stored: u64,
    /// Files finished.
    pub files_done: u64,
}

impl Monitor {
    /// A monitor at zero, not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the operation to stop. It ends with [`Error::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked for it to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// How far it is now.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            bytes_done: self.bytes_done.load(Ordering::Relaxed),
            bytes_expected: Some(self.bytes_expected.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0),
            bytes_stored: self.bytes_stored.load(Ordering::Relaxed),
            files_done: self.files_done.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn proceed(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// So many bytes more will be done.
    pub(crate) fn expect(&self, bytes: u64) {
        self.bytes_expected.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_done(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_stored(&self, bytes: u64) {
        self.bytes_stored.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_file(&self) {
        self.files_done.fetch_add(1, Ordering::Relaxed);
    }
}
