//! Files that could not be captured as they are, and what to do about them.

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::format::snapshot::INCOMPLETE_TAG;

/// So many troubles are named; all are counted.
pub const MAX_NAMED: usize = 1000;

/// What to do when files cannot be captured as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTrouble {
    /// Write no snapshot, and name them.
    #[default]
    Fail,
    /// Keep a snapshot without them, tagged `lifeboat:incomplete`, with a list in `lifeboat-incomplete.json`.
    KeepIncomplete,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TroubleKind {
    /// It changed while it was read: what is stored is a mixture.
    Changed,
    /// It was there when its folder was listed, and gone when it was to be read.
    Vanished,
    /// It cannot be read.
    Unreadable,
}

/// One such file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Its path.
    pub path: String,
    /// What happened.
    pub kind: TroubleKind,
    /// What the system said.
    pub detail: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Troubles {
    /// Files that changed while they were read.
    pub changed: u64,
    /// Files that vanished.
    pub vanished: u64,
    /// Files that cannot be read.
    pub unreadable: u64,
    /// The first [`MAX_NAMED`] of them.
    pub named: Vec<Trouble>,
}

impl Troubles {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.changed + self.vanished + self.unreadable
    }

    pub(super) fn add(&mut self, kind: TroubleKind, path: &Path, detail: impl ToString) {
        match kind {
            TroubleKind::Changed => self.changed += 1,
            TroubleKind::Vanished => self.vanished += 1,
            TroubleKind::Unreadable => self.unreadable += 1,
        }
        if self.named.len() < MAX_NAMED {
            self.named.push(Trouble { path: path.display().to_string(), kind, detail: detail.to_string() });
        }
    }

    /// An error of the file system: whether the file is gone or unreadable.
    pub(super) fn add_error(&mut self, path: &Path, error: &std::io::Error) {
        let gone = error.kind() == std::io::ErrorKind::NotFound;
        self.add(if gone { TroubleKind::Vanished } else { TroubleKind::Unreadable }, path, error);
    }

    /// By path: threads meet them in any order.
    pub(super) fn sort(&mut self) {
        self.named.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// The tag of a snapshot that misses something.
    pub(super) fn tag(&self) -> Option<&'static str> {
        (!self.is_empty()).then_some(INCOMPLETE_TAG)
    }

    /// An error when there are some, and the policy is to fail.
    pub(super) fn judge(&self, policy: OnTrouble) -> Result<()> {
        if self.is_empty() || policy == OnTrouble::KeepIncomplete {
            return Ok(());
        }
        let named: Vec<String> = self.named.iter().map(|t| format!("{}: {}", t.path, t.detail)).collect();
        Err(Error::FilesFailed {
            count: self.count(),
            first: named.first().cloned().unwrap_or_default(),
            named,
        })
    }
}
