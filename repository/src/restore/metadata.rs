//! Owners, modes, times, attributes, and files that are not regular ones.
//!
//! The order matters: a change of owner clears set-user-id bits and capabilities, attributes need a
//! writable file, and everything changes times.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown, lchown, symlink};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, fchmod, futimens, mknodat, utimensat};
use xattr::FileExt as _;

use crate::format::node::{Node, NodeKind};
use crate::host;

/// Told what could not be restored, and why.
pub(super) type Warn<'a> = &'a dyn Fn(&str, io::Error);

/// Makes a link, device or pipe; false for what is not restored (sockets belong to their processes).
pub(super) fn make_special(to: &Path, node: &Node) -> io::Result<bool> {
    let special = |kind: FileType| mknodat(CWD, to, kind, Mode::from_raw_mode(0o600), node.device);
    match node.kind {
        NodeKind::Symlink => symlink(OsStr::from_bytes(node.link_target()), to)?,
        NodeKind::BlockDevice => special(FileType::BlockDevice)?,
        NodeKind::CharDevice => special(FileType::CharacterDevice)?,
        NodeKind::Fifo => special(FileType::Fifo)?,
        NodeKind::Socket | NodeKind::Irregular | NodeKind::File | NodeKind::Folder => return Ok(false),
    }
    Ok(true)
}

/// Restores what a node says about the file at a path. Follows no link.
pub(super) fn apply(to: &Path, node: &Node, warn: Warn<'_>) {
    let own = host::ids();
    if (host::is_root() || (node.uid, node.gid) != own)
        && let Err(e) = lchown(to, Some(node.uid), Some(node.gid))
    {
        warn("owner", e);
    }
    for attribute in node.extended_attributes.iter().flatten() {
        if let Err(e) = xattr::set(to, &attribute.name, &attribute.value) {
            warn(&format!("attribute {}", attribute.name), e);
        }
    }
    if node.kind != NodeKind::Symlink
        && let Err(e) = fs::set_permissions(to, fs::Permissions::from_mode(node.permissions()))
    {
        warn("mode", e);
    }
    if let Err(e) = utimensat(CWD, to, &times(node), AtFlags::SYMLINK_NOFOLLOW) {
        warn("times", e.into());
    }
}

/// The same for a regular file that is open and that `now` describes; what is right already is left.
/// Attributes that a file had which was `found` go when the node has them not.
pub(super) fn apply_to_file(
    file: &File,
    path: &Path,
    now: &Metadata,
    node: &Node,
    found: bool,
    warn: Warn<'_>,
) {
    let mut mode = now.mode() & 0o7777;
    if (now.uid(), now.gid()) != (node.uid, node.gid) {
        mode = u32::MAX;
        if let Err(e) = fchown(file, Some(node.uid), Some(node.gid)) {
            warn("owner", e);
        }
    }
    if found {
        mode = u32::MAX;
        remove_others(path, node);
    }
    for attribute in node.extended_attributes.iter().flatten() {
        // An access control list changes the mode.
        mode = u32::MAX;
        if let Err(e) = file.set_xattr(&attribute.name, &attribute.value) {
            warn(&format!("attribute {}", attribute.name), e);
        }
    }
    if mode != node.permissions()
        && let Err(e) = fchmod(file, Mode::from_raw_mode(node.permissions()))
    {
        warn("mode", e.into());
    }
    if let Err(e) = futimens(file, &times(node)) {
        warn("times", e.into());
    }
}

/// Removes attributes of users and access control lists that the node does not have. Those of the
/// system's security are the host's own.
fn remove_others(path: &Path, node: &Node) {
    let Ok(names) = xattr::list(path) else { return };
    for name in names {
        let text = name.to_string_lossy();
        let is_wanted = node.extended_attributes.iter().flatten().any(|a| a.name == text);
        if !is_wanted && (text.starts_with("user.") || text.starts_with("system.posix_acl_")) {
            // One that stays is seen by nobody but its owner.
            let _ = xattr::remove(path, &name);
        }
    }
}

/// The kernel wants nanoseconds that count forward, also before 1970.
fn times(node: &Node) -> Timestamps {
    let spec = |time: Timestamp| {
        let (nanoseconds, second) = (time.as_nanosecond(), 1_000_000_000);
        Timespec {
            tv_sec: i64::try_from(nanoseconds.div_euclid(second)).unwrap_or(0),
            tv_nsec: i64::try_from(nanoseconds.rem_euclid(second)).unwrap_or(0),
        }
    };
    Timestamps { last_access: spec(node.atime), last_modification: spec(node.mtime) }
}
