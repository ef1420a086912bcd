//! Owners, modes, times, attributes, and files that are not regular ones.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, mknodat, utimensat};

use super::RestoreSummary;
use crate::format::node::{Node, NodeKind};
use crate::host;

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

/// Restores what a node says about its file. The order matters: a change of owner clears set-user-id
/// bits and capabilities, attributes need a writable file, and everything changes times.
pub(super) fn apply(to: &Path, node: &Node, summary: &mut RestoreSummary) {
    let own = host::ids();
    if (host::is_root() || (node.uid, node.gid) != own)
        && let Err(e) = lchown(to, Some(node.uid), Some(node.gid))
    {
        summary.warn(to, "owner", e);
    }
    for attribute in node.extended_attributes.iter().flatten() {
        if let Err(e) = xattr::set(to, &attribute.name, &attribute.value) {
            summary.warn(to, &format!("attribute {}", attribute.name), e);
        }
    }
    if node.kind != NodeKind::Symlink
        && let Err(e) = fs::set_permissions(to, fs::Permissions::from_mode(node.permissions()))
    {
        summary.warn(to, "mode", e);
    }
    let times = Timestamps { last_access: timespec(node.atime), last_modification: timespec(node.mtime) };
    if let Err(e) = utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW) {
        summary.warn(to, "times", e);
    }
}

/// The kernel wants nanoseconds that count forward, also before 1970.
fn timespec(time: Timestamp) -> Timespec {
    let nanoseconds = time.as_nanosecond();
    let second = 1_000_000_000;
    Timespec {
        tv_sec: i64::try_from(nanoseconds.div_euclid(second)).unwrap_or(0),
        tv_nsec: i64::try_from(nanoseconds.rem_euclid(second)).unwrap_or(0),
    }
}
