//! Snapshots of file trees: what a caller asks for. [`super::walk`] does the work.

use std::fs;
use std::path::PathBuf;

use super::excludes::Excludes;
use super::plan::Plan;
use super::trouble::OnTrouble;
use super::walk::Walk;
use super::{BackupMeta, SnapshotSummary, commit, describe, parent};
use crate::error::{Error, Result};
use crate::lock::{LockGuard, Mode};
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::write;

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
        let plan = Plan::of(paths)?;
        let excludes = Excludes::compile(&options.excludes)?;
        for path in paths {
            fs::symlink_metadata(path).map_err(Error::local("looking at", path))?;
        }
        let mut shown: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        shown.sort_unstable();
        let lock = LockGuard::acquire(self, Mode::Shared)?;
        let parent = if options.ignore_parent { None } else { parent::choose(self, &meta.hostname, &shown)? };
        let ((root, counts, troubles), written) = write::session(self, &lock, monitor, |writer| {
            Walk::new(self, writer, monitor, options, excludes, parent.as_ref(), meta).run(plan)
        })?;
        let mut snapshot = describe(meta, root, shown);
        snapshot.parent = parent.map(|p| p.id);
        snapshot.excludes.clone_from(&options.excludes);
        snapshot.tags.extend(troubles.judge(options.on_trouble)?.map(str::to_owned));
        commit(self, &lock, &snapshot, counts, written, troubles)
    }
}
