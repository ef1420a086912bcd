//! Looking at a tree while its repository is being opened.
//!
//! To derive a key takes half a second of one core, and a storage far away takes its time too. Meanwhile
//! folders and inodes are brought into the system's memory, where the walk finds them a moment later. Nothing
//! is kept of it here, and nothing depends on it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::excludes::Excludes;
use super::tree::TreeOptions;

/// Folders that wait to be looked at; more are left to the walk.
const MAX_WAITING: usize = 100_000;

/// A thread that looks, until this is dropped.
#[must_use = "it ends at once when it is dropped"]
pub struct LookAhead(Arc<AtomicBool>);

impl LookAhead {
    /// Begins with what a backup of these paths will meet first. What fails, fails again there.
    pub fn begin(paths: &[PathBuf], options: &TreeOptions) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (paths, one_file_system) = (paths.to_vec(), options.one_file_system);
        // Without excludes it would look where the backup must not.
        if let Ok(excludes) = Excludes::compile(&options.excludes) {
            let ended = Arc::clone(&ended);
            // Without a thread nothing is looked at.
            let _ = thread::Builder::new().name("look-ahead".to_owned()).spawn(move || {
                paths.into_iter().for_each(|path| look(path, &excludes, one_file_system, &ended))
            });
        }
        Self(ended)
    }
}

impl Drop for LookAhead {
    fn drop(&mut self) {
        // The thread is not waited for: a file system may hold it.
        self.0.store(true, Ordering::Relaxed);
    }
}

fn look(path: PathBuf, excludes: &Excludes, one_file_system: bool, ended: &AtomicBool) {
    let Ok(root) = fs::symlink_metadata(&path) else { return };
    let mut waiting = if root.is_dir() { vec![path] } else { Vec::new() };
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut below = Vec::new();
        for entry in entries.flatten() {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            let path = entry.path();
            if excludes.covers(&path) {
                continue;
            }
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() && !(one_file_system && is_elsewhere(&meta, &root)) {
                below.push(path);
            }
        }
        // The walk takes names in their order.
        below.sort_unstable_by(|a, b| b.cmp(a));
        below.truncate(MAX_WAITING.saturating_sub(waiting.len()));
        waiting.extend(below);
    }
}

fn is_elsewhere(meta: &fs::Metadata, root: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    meta.dev() != root.dev()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_looks_at_everything_but_what_is_left_out_and_stops_when_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
        fs::create_dir_all(folder.path().join("left/out")).unwrap();
        fs::write(folder.path().join("a/b/file"), "x").unwrap();
        std::os::unix::fs::symlink("..", folder.path().join("a/up")).unwrap();
        let excludes = Excludes::compile(&["left".to_owned()]).unwrap();
        // A link that leads up is not followed, so this ends.
        look(folder.path().to_owned(), &excludes, true, &AtomicBool::new(false));
        look(folder.path().join("nothing"), &excludes, true, &AtomicBool::new(false));
        let ahead = LookAhead::begin(&[folder.path().to_owned()], &TreeOptions::default());
        let ended = Arc::clone(&ahead.0);
        drop(ahead);
        assert!(ended.load(Ordering::Relaxed));
    }
}
