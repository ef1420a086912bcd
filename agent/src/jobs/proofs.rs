//! Which snapshots this agent has proven: of these the newest is never forgotten by its schedules.
//!
//! A repository cannot hold it itself: a tag makes another snapshot of the one that it is added to, and who may
//! not remove cannot add one. So the agent, which proves and forgets, remembers it in a file for each source and
//! repository.

use super::{Context, note};
use model::nouns::RepositorySpec;
use model::{Digest, Micros, Name, Problem, SnapshotId};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// So many are remembered, the oldest points go first: it is the newest that counts, and others only when that
/// one is removed by somebody else.
const MAX_PROOFS: usize = 64;

/// One snapshot that was proven.
#[derive(Serialize, Deserialize)]
struct Proof {
    snapshot: SnapshotId,
    /// The moment that it shows.
    at: Micros,
}

/// Remembers, durably, that a snapshot was proven.
pub fn add(
    context: &Context,
    source: &Name,
    repository: &RepositorySpec,
    snapshot: &SnapshotId,
    at: Micros,
) -> Result<(), Problem> {
    let path = path(context, source, repository)?;
    let failed = |error: &dyn std::error::Error| {
        Problem::new(
            "LB2224",
            format!("cannot write the proof of {snapshot} to {}", path.display()),
            "Make room in the agent's state folder, or mend its permissions, and prove the point again.",
        )
        .caused_by(error)
    };
    let mut proofs = read(&path)?;
    proofs.retain(|proof| proof.snapshot != *snapshot);
    proofs.push(Proof { snapshot: snapshot.clone(), at });
    proofs.sort_by_key(|proof| std::cmp::Reverse(proof.at));
    proofs.truncate(MAX_PROOFS);
    let text = serde_json::to_vec(&proofs).map_err(|error| failed(&error))?;
    note::replace(&path, &text).map_err(|error| failed(&error))
}

/// What was proven of a source in a repository. A file that cannot be read is an error: without it the wrong
/// snapshot might be forgotten.
pub fn of(context: &Context, source: &Name, repository: &RepositorySpec) -> Result<Vec<SnapshotId>, Problem> {
    Ok(read(&path(context, source, repository)?)?.into_iter().map(|proof| proof.snapshot).collect())
}

fn read(path: &PathBuf) -> Result<Vec<Proof>, Problem> {
    let failed = |error: &dyn std::error::Error| {
        Problem::new(
            "LB2224",
            format!("cannot read the proofs in {}", path.display()),
            "Mend its permissions, or remove it and prove a point again: nothing is forgotten until then.",
        )
        .caused_by(error)
    };
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| failed(&error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(&error)),
    }
}

fn path(context: &Context, source: &Name, repository: &RepositorySpec) -> Result<PathBuf, Problem> {
    let name = Digest::of(&(source, &repository.at)).map_err(|error| {
        Problem::new("LB2224", "cannot name the file of proofs", "Report this.").caused_by(&error)
    })?;
    Ok(context.state_dir.join("proofs").join(format!("{name}.json")))
}
