//! One empty repository in the restic format, from which all of the tools that write it begin.
//!
//! restic chooses the cost of its key derivation when it makes a repository, by how fast this machine is; the
//! others choose differently. Who opens a repository with another cost is faster or slower by that alone. So
//! restic makes one repository, once, and every repository of restic, rustic and ours is a copy of it: the
//! same key, the same cost.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Place, Repository, restic::Restic};
use crate::{
    Failure,
    bench::repository::{files, process},
};

/// The empty repository.
pub struct Template {
    folder: PathBuf,
}

impl Template {
    /// Made anew below `scratch`.
    pub fn make(scratch: &Path) -> Result<Self, Failure> {
        let restic = Restic::find()?;
        let place = Place::fresh(&scratch.join("template"), &restic)?;
        process::timed(&restic.init(&place), &place.folder)?;
        let folder = place.folder.join("repository");
        Ok(Self { folder })
    }

    /// What opening costs, as the key says.
    pub fn cost(&self) -> Result<String, Failure> {
        let mut text = None;
        files::each(&self.folder.join("keys"), &mut |path, _| text = fs::read_to_string(path).ok())?;
        let key: Value = serde_json::from_str(&text.unwrap_or_default())
            .map_err(|error| Failure::Output { program: "restic init".to_owned(), why: error.to_string() })?;
        Ok(format!("N={} r={} p={}", key["N"], key["r"], key["p"]))
    }

    /// Puts a copy at the repository of `place`.
    pub fn copy_to(&self, place: &Place) -> Result<(), Failure> {
        let (Repository::Folder(folder) | Repository::Bucket { folder, .. }) = &place.repository;
        process::quiet(std::process::Command::new("cp").arg("-a").arg(&self.folder).arg(folder))
    }
}
