//! Snapshots of file trees: what a caller asks for. [`super::walk`] does the work.

use std::fs;
use std::path::PathBuf;

use super::excludes::Excludes;
use super::into::{Capture, Captured, Outcomes, only};
use super::plan::Plan;
use super::trouble::OnTrouble;
use super::walk::Walk;
use super::{BackupMeta, SnapshotSummary, describe, parent};
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::repository::Repository;

/// How a tree is backed up.
#[derive(Clone, Debug, Default)]
pub struct TreeOptions {
    /// Patterns of what is left out; see the guide. Without `/`: names anywhere; with `/`: paths.
    pub excludes: Vec<String>,
    /// Do not go into other file systems than those of the given paths.
    pub one_file_system: bool,
    /// What to do about files that cannot be captured as they are.
    pub on_trouble: OnTrouble,
    /// Read every file again, even when it looks unchanged.
    pub ignore_parent: bool,
}

impl Repository {
    /// Backs up files and folders, given as absolute paths.
    ///
    /// # Errors
    /// [`Error::FilesFailed`] when files could not be captured and the policy is to fail; a path that is
    /// not there; [`Error::Cancelled`]; or what storing failed with. In each case there is no new snapshot.
    pub fn backup_tree(
        &self,
        paths: &[PathBuf],
        options: &TreeOptions,
        meta: &BackupMeta,
        monitor: &Monitor,
    ) -> Result<SnapshotSummary> {
        only(Capture::into(&[self])?.tree(paths, options, meta, monitor))
    }
}

pub(super) fn capture(
    into: &Capture<'_>,
    paths: &[PathBuf],
    options: &TreeOptions,
    meta: &BackupMeta,
    monitor: &Monitor,
) -> Result<Outcomes> {
    let plan = Plan::of(paths)?;
    let excludes = Excludes::compile(&options.excludes)?;
    for path in paths {
        fs::symlink_metadata(path).map_err(Error::local("looking at", path))?;
    }
    let mut shown: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    shown.sort_unstable();
    let first = into.first()?;
    let parent_in = |repo: &Repository| {
        if options.ignore_parent { Ok(None) } else { parent::choose(repo, &meta.hostname, &shown) }
    };
    into.run(monitor, parent_in, options.on_trouble, |writer, parent| {
        let walk = Walk::new(first, writer, monitor, options, excludes, parent, meta)?;
        let (root, counts, troubles) = walk.run(plan)?;
        let mut snapshot = describe(meta, root, shown.clone());
        snapshot.excludes.clone_from(&options.excludes);
        snapshot.tags.extend(troubles.tag().map(str::to_owned));
        Ok(Captured { snapshot, counts, troubles })
    })
}
