//! How far a member has come back, on disk: written and synced before each thing that it says, so that a crash
//! anywhere is gone on from.

use crate::jobs::{Context, note};
use model::jobs::{RejoinOutput, Way};
use model::{HostName, Micros, Name, Problem};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The server is masked; nothing of its data was touched.
    Begun,
    /// pg_rewind is at work on the data. When it was cut short, that data is good for nothing.
    Rewinding,
    /// A copy is made beside.
    Copying,
    /// The copy is whole, and takes the place of the data.
    Swapping,
    /// The data is a standby's.
    Placed(Way),
    /// It streams. The book is closed.
    Done,
}

/// The book of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// The work that keeps it.
    pub work: String,
    /// Whom it will follow.
    pub follows: HostName,
    /// How far it has come.
    pub phase: Phase,
    /// Bytes of log that only this member has.
    pub diverged_bytes: Option<u64>,
    /// The old data folder, or the log that was wound back.
    pub kept: Option<PathBuf>,
    /// Until when that is kept at least.
    pub keep_until: Micros,
    /// What came of it.
    pub output: Option<RejoinOutput>,
}

/// The agent's folder for one source.
pub fn folder(state_dir: &Path, source: &Name) -> PathBuf {
    state_dir.join("rejoins").join(source.as_str())
}

fn path(state_dir: &Path, source: &Name) -> PathBuf {
    folder(state_dir, source).join("book.json")
}

impl Book {
    /// What stands there; none when it was never begun, or cannot be read, which is the same as far as we know.
    pub fn read(context: &Context, source: &Name) -> Option<Book> {
        serde_json::from_slice(&std::fs::read(path(&context.state_dir, source)).ok()?).ok()
    }

    /// Durable when it returns.
    pub fn write(&self, context: &Context, source: &Name) -> Result<(), Problem> {
        let path = path(&context.state_dir, source);
        let written = serde_json::to_vec(self)
            .map_err(std::io::Error::from)
            .and_then(|text| note::replace(&path, &text));
        written.map_err(|error| {
            Problem::new(
                "LB2212",
                format!("cannot write {}", path.display()),
                "Make room in the agent's state folder, or mend its permissions; then retry.",
            )
            .caused_by(&error)
        })
    }

    /// The same, one step further.
    pub fn turn(&mut self, phase: Phase, context: &Context, source: &Name) -> Result<(), Problem> {
        self.phase = phase;
        self.write(context, source)
    }
}
