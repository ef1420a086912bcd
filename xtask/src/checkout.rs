//! Where things are: the checkout, its files, and the target folder.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, cargo};

/// The folder of the workspace. Cargo says it anew at each run; what it said at the build may be another
/// checkout that shares the target folder, and gone by now.
pub fn root() -> PathBuf {
    let built = || PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built, PathBuf::from);
    xtask.parent().map_or_else(|| xtask.clone(), Path::to_path_buf)
}

/// A text file of the checkout, its path relative to the root.
#[derive(Debug, Clone)]
pub struct TextFile {
    /// With `/` between its parts.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// All Rust files that git knows or would add.
pub fn rust_files() -> Result<Vec<TextFile>, Failure> {
    files(&["*.rs"])
}

/// The files that match `patterns`, tracked or not yet, but never ignored ones.
pub fn files(patterns: &[&str]) -> Result<Vec<TextFile>, Failure> {
    let root = root();
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "--"]).args(patterns);
    let listed = cargo::output(git.current_dir(&root))?;
    let mut found = Vec::new();
    for path in listed.lines() {
        match std::fs::read_to_string(root.join(path)) {
            Ok(text) => found.push(TextFile { path: path.to_owned(), text }),
            // Deleted, but not yet in git.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Failure::Io { what: format!("read {path}"), source }),
        }
    }
    Ok(found)
}

/// Where cargo builds to.
pub fn target() -> Result<PathBuf, Failure> {
    let metadata = cargo::metadata(&["--no-deps"])?;
    let folder = metadata["target_directory"].as_str().unwrap_or_default();
    Ok(PathBuf::from(folder))
}
