//! Folders of a benchmark: made, removed, counted.

use std::{
    fs::{self, Metadata},
    path::Path,
};

use crate::Failure;

/// Makes a folder and those above it.
pub fn make(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(Failure::io(format!("create {}", folder.display())))
}

/// Removes a file or a folder with all that is in it; nothing when it is not there.
pub fn remove(path: &Path) -> Result<(), Failure> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(()) };
    let removed = if metadata.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(Failure::io(format!("remove {}", path.display())))
}

/// Shows every file below `path`, or `path` itself when it is one. What vanishes meanwhile is left out: a
/// backup may be writing there.
pub fn each(path: &Path, see: &mut dyn FnMut(&Path, &Metadata)) -> Result<(), Failure> {
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(Failure::io(format!("look at {}", path.display()))(error)),
    };
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) => return io(error),
    };
    if !metadata.is_dir() {
        see(path, &metadata);
        return Ok(());
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return io(error),
    };
    for entry in entries.flatten() {
        each(&entry.path(), see)?;
    }
    Ok(())
}

/// The bytes of all files below `path`.
pub fn bytes(path: &Path) -> Result<u64, Failure> {
    let mut sum = 0;
    each(path, &mut |_, metadata| sum += metadata.len())?;
    Ok(sum)
}
