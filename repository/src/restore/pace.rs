//! Bringing what is written to the disk while the restore goes on.
//!
//! A restore ends with one sync of the file system, which promises that all of it is on disk. The kernel
//! keeps gigabytes in memory before it writes by itself, so that sync would begin with nearly everything
//! still to do. One thread of its own syncs after so many bytes instead, beside the threads that compute.

use std::fs::File;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::sync::locked;

/// A sync is begun when so much was written since the last one.
const BYTES_PER_SYNC: u64 = 256 * 1024 * 1024;

/// Counts what is written. See the module.
#[derive(Default)]
pub(super) struct Pace {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    unsynced: u64,
    ended: bool,
}

impl Pace {
    /// So many bytes were written.
    pub(super) fn add(&self, bytes: u64) {
        let mut state = locked(&self.state);
        state.unsynced += bytes;
        if state.unsynced >= BYTES_PER_SYNC {
            self.changed.notify_one();
        }
    }

    /// Nothing more will be written.
    pub(super) fn end(&self) {
        locked(&self.state).ended = true;
        self.changed.notify_one();
    }

    /// Syncs the file system of this folder whenever it is due, until the end.
    pub(super) fn keep(&self, folder: &File) {
        loop {
            let state = locked(&self.state);
            let idle = |s: &mut State| !s.ended && s.unsynced < BYTES_PER_SYNC;
            let mut state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
            if state.ended {
                return;
            }
            state.unsynced = 0;
            drop(state);
            // Its error is not lost: the sync at the end gives it again, for its own descriptor.
            let _ = rustix::fs::syncfs(folder);
        }
    }
}
