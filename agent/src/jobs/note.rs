//! Notes: what a job must remember over a crash of its agent to be probed later.
//!
//! A note is written and synced before the effect that it describes, under the digest of the order's
//! token, and replaced atomically. It is small; the oldest are removed when there are too many.

use super::Context;
use model::{Digest, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Notes that are kept. A note is needed until its order is settled, which is days at most.
const MAX_NOTES: usize = 4096;

/// Writes the note of this work, synced.
pub fn write<T: Serialize>(context: &Context, note: &T) -> Result<(), Problem> {
    let path = path(context)?;
    let failed = |error: &dyn std::error::Error| {
        Problem::new(
            "LB2212",
            format!("cannot write the note {}", path.display()),
            "Make room in the agent's state folder, or mend its permissions; nothing was done.",
        )
        .caused_by(error)
    };
    let text = serde_json::to_vec(note).map_err(|error| failed(&error))?;
    prune(path.parent().unwrap_or(Path::new("/")));
    replace(&path, &text).map_err(|error| failed(&error))
}

/// The note of this work, if one was written.
pub fn read<T: DeserializeOwned>(context: &Context) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path(context).ok()?).ok()?).ok()
}

/// Replaces a file so that a crash leaves the old one or the new one, whole.
pub fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)?;
    let fresh = path.with_extension("new");
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    std::fs::File::open(folder)?.sync_all()
}

fn path(context: &Context) -> Result<PathBuf, Problem> {
    let name = Digest::of(&context.marker)
        .map_err(|error| Problem::new("LB2212", "cannot name the note", "Report this.").caused_by(&error))?;
    Ok(context.state_dir.join("notes").join(format!("{name}.json")))
}

fn prune(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut notes: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    if notes.len() < MAX_NOTES {
        return;
    }
    notes.sort();
    for (_, path) in &notes[..=notes.len() - MAX_NOTES] {
        let _ = std::fs::remove_file(path);
    }
}
