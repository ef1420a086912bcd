//! What must be known of a lease after a restart or a reboot: that this host ever had one, and whether its
//! server ran under it.

use crate::jobs::note::replace;
use model::lease::Promotable;
use model::{Name, Problem};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// On disk, beside the spool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// A lease was asked for: from then on a server that runs without one is closed.
    pub(super) leased: bool,
    /// The server ran as the primary, and nobody stopped it: it is started again when it is granted.
    pub(super) wanted: bool,
    /// Who may extend its lease, all together, when no controller does.
    #[serde(default)]
    pub(super) set: Promotable,
}

/// Leased and not wanted.
fn doubtful() -> Note {
    Note { leased: true, ..Note::default() }
}

pub(super) struct Book {
    path: PathBuf,
    note: Note,
}

impl Book {
    /// A note that cannot be read counts as leased and not wanted: doubt means closed.
    pub(super) fn open(state_dir: &Path, source: &Name) -> Book {
        let path = state_dir.join("leases").join(format!("{source}.json"));
        let note = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|_| doubtful()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Note::default(),
            Err(_) => doubtful(),
        };
        Book { path, note }
    }

    pub(super) fn note(&self) -> &Note {
        &self.note
    }

    /// Whether its server ran as the primary, and nobody stopped it.
    pub(super) fn want(&mut self, wanted: bool) -> Result<(), Problem> {
        self.set(Note { leased: true, wanted, set: self.note.set.clone() })
    }

    /// Durable before it returns; the same again costs nothing.
    pub(super) fn set(&mut self, note: Note) -> Result<(), Problem> {
        if note == self.note {
            return Ok(());
        }
        let written = serde_json::to_vec(&note)
            .map_err(std::io::Error::from)
            .and_then(|text| replace(&self.path, &text));
        written.map_err(|error| {
            Problem::new(
                "LB2438",
                format!("{} cannot be written", self.path.display()),
                "Free space under the agent's state folder.",
            )
            .caused_by(&error)
        })?;
        self.note = note;
        Ok(())
    }
}
