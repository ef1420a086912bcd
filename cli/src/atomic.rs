//! Files that are replaced in one step: whoever reads one sees the old text or the new one.

use std::io::Write as _;
use std::path::Path;

/// Puts a text in a file's place, or makes the file. The mode stays, and a link stays a link.
pub fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let (path, permissions) = match path.canonicalize() {
        Ok(path) => {
            let permissions = std::fs::metadata(&path)?.permissions();
            (path, Some(permissions))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (path.to_path_buf(), None),
        Err(error) => return Err(error),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden, so that nobody takes it for a part of the estate.
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = write(&temporary, text, permissions).and_then(|()| std::fs::rename(&temporary, &path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn write(path: &Path, text: &str, permissions: Option<std::fs::Permissions>) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
