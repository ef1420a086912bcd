//! What in a data folder is this member's own: its settings, keys and whatever else people put there. Both ways
//! of coming back bring the primary's files of the same names, with its port and its address; the member's own
//! are set aside before and put back after.

use super::super::owner::Owner;
use std::io;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

/// Files that are kept, at most: more is no configuration.
const MAX_FILES: usize = 1000;
/// Folders within folders, at most.
const MAX_DEPTH: usize = 8;

/// Files of PostgreSQL itself beside the settings.
const SERVERS: [&str; 11] = [
    "PG_VERSION",
    "postmaster.pid",
    "postmaster.opts",
    "backup_label",
    "backup_label.old",
    "backup_manifest",
    "tablespace_map",
    "tablespace_map.old",
    "current_logfiles",
    "standby.signal",
    "recovery.signal",
];

/// Whether an entry at the top of a data folder is the member's own.
fn is_own(name: &str, folder: bool) -> bool {
    match folder {
        true => !name.starts_with("pg_") && !["base", "global", "log"].contains(&name),
        false => !SERVERS.contains(&name),
    }
}

/// Copies what is the member's own to a new folder, which is whole once it has its name.
pub fn set_aside(data: &Path, into: &Path) -> io::Result<()> {
    let fresh = into.with_extension("new");
    remove(&fresh)?;
    remove(into)?;
    std::fs::create_dir_all(&fresh)?;
    let mut left = MAX_FILES;
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        let folder = entry.file_type()?.is_dir();
        if is_own(&entry.file_name().to_string_lossy(), folder) {
            copy(&entry.path(), &fresh.join(entry.file_name()), None, MAX_DEPTH, &mut left)?;
        }
    }
    std::fs::File::open(&fresh)?.sync_all()?;
    std::fs::rename(&fresh, into)
}

/// Puts it back over what the primary's data brought.
pub fn put_back(from: &Path, data: &Path, owner: &Owner) -> io::Result<()> {
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        let folder = entry.file_type()?.is_dir();
        if is_own(&entry.file_name().to_string_lossy(), folder) {
            remove(&entry.path())?;
        }
    }
    let mut left = MAX_FILES;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &data.join(entry.file_name()), Some(owner), MAX_DEPTH, &mut left)?;
    }
    std::fs::File::open(data)?.sync_all()
}

/// A file, link or folder with its permissions; given to `owner` where there is one.
fn copy(from: &Path, to: &Path, owner: Option<&Owner>, depth: usize, left: &mut usize) -> io::Result<()> {
    let found = std::fs::symlink_metadata(from)?;
    *left = left.checked_sub(1).ok_or_else(|| too_much(from))?;
    if found.is_symlink() {
        symlink(std::fs::read_link(from)?, to)?;
    } else if found.is_dir() {
        let depth = depth.checked_sub(1).ok_or_else(|| too_much(from))?;
        std::fs::create_dir(to)?;
        std::fs::set_permissions(to, found.permissions())?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()), owner, depth, left)?;
        }
    } else if found.is_file() {
        std::fs::copy(from, to)?;
        std::fs::File::open(to)?.sync_all()?;
    } else {
        return Ok(());
    }
    match owner {
        Some(owner) => owner.give(to),
        None if rustix::process::geteuid().is_root() => {
            std::os::unix::fs::lchown(to, Some(found.uid()), Some(found.gid()))
        }
        None => Ok(()),
    }
}

fn too_much(at: &Path) -> io::Error {
    io::Error::other(format!("{} holds more than {MAX_FILES} files of no server's", at.display()))
}

/// Removes a file or a folder with all that is in it; what is not there is removed.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn settings_and_keys_come_back_and_the_servers_own_files_are_left() {
        let folder = tempfile::tempdir().unwrap();
        let (data, aside) = (folder.path().join("data"), folder.path().join("state/own"));
        std::fs::create_dir_all(data.join("conf.d")).unwrap();
        std::fs::create_dir_all(data.join("pg_wal")).unwrap();
        for (name, text) in [
            ("postgresql.conf", "port = 1"),
            ("pg_hba.conf", "mine"),
            ("conf.d/a.conf", "mine"),
            ("PG_VERSION", "15"),
            ("pg_wal/1", "log"),
        ] {
            std::fs::write(data.join(name), text).unwrap();
        }
        symlink("/etc/ssl/key", data.join("server.key")).unwrap();
        set_aside(&data, &aside).unwrap();
        assert!(!aside.join("PG_VERSION").exists() && !aside.join("pg_wal").exists());
        // The primary's files came over them.
        std::fs::write(data.join("postgresql.conf"), "port = 2").unwrap();
        std::fs::write(data.join("theirs.conf"), "theirs").unwrap();
        std::fs::remove_file(data.join("pg_hba.conf")).unwrap();
        for _ in 0..2 {
            put_back(&aside, &data, &Owner::Ourselves).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
        assert_eq!((read("postgresql.conf"), read("pg_hba.conf")), ("port = 1".into(), "mine".into()));
        assert_eq!((read("conf.d/a.conf"), read("PG_VERSION")), ("mine".into(), "15".into()));
        assert!(!data.join("theirs.conf").exists());
        assert_eq!(std::fs::read_link(data.join("server.key")).unwrap(), Path::new("/etc/ssl/key"));
    }
}
