//! From what the kernel says about a file to its node.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::format::gojson::time::clamp;
use crate::format::mode;
use crate::format::node::{Node, NodeKind, Xattr};
use crate::host::Names;

/// A bound far above what file systems allow for one file.
const MAX_XATTRS: usize = 10_000;

/// What a file is.
pub(super) fn kind_of(meta: &Metadata) -> NodeKind {
    let kind = meta.file_type();
    if kind.is_file() {
        NodeKind::File
    } else if kind.is_dir() {
        NodeKind::Folder
    } else if kind.is_symlink() {
        NodeKind::Symlink
    } else if kind.is_block_device() {
        NodeKind::BlockDevice
    } else if kind.is_char_device() {
        NodeKind::CharDevice
    } else if kind.is_fifo() {
        NodeKind::Fifo
    } else if kind.is_socket() {
        NodeKind::Socket
    } else {
        NodeKind::Irregular
    }
}

/// The node of a path, without the content of a file or a folder.
pub(super) fn describe(path: &Path, name: &OsStr, meta: &Metadata, names: &Names) -> io::Result<Node> {
    let kind = kind_of(meta);
    // The access time is set to this too, as restic does: reading a tree changes it, and with it every tree.
    let mtime = clamp(meta.mtime(), meta.mtime_nsec());
    let mut node = Node::new(name.as_bytes(), kind, mode::from_unix(meta.mode()), mtime);
    node.ctime = clamp(meta.ctime(), meta.ctime_nsec());
    (node.uid, node.gid) = (meta.uid(), meta.gid());
    node.user = names.user(node.uid).unwrap_or_default().to_owned();
    node.group = names.group(node.gid).unwrap_or_default().to_owned();
    node.inode = meta.ino();
    if kind != NodeKind::Folder {
        node.links = meta.nlink();
        if node.links > 1 {
            node.device_id = meta.dev();
        }
    }
    match kind {
        NodeKind::File => node.size = meta.size(),
        NodeKind::BlockDevice | NodeKind::CharDevice => node.device = meta.rdev(),
        NodeKind::Symlink => set_target(&mut node, fs::read_link(path)?.as_os_str().as_bytes()),
        _ => {}
    }
    node.extended_attributes = xattrs(path)?;
    Ok(node)
}

/// Text for people, and the bytes too when text cannot say them.
fn set_target(node: &mut Node, target: &[u8]) {
    match std::str::from_utf8(target) {
        Ok(text) => text.clone_into(&mut node.linktarget),
        Err(_) => {
            for chunk in target.utf8_chunks() {
                node.linktarget.push_str(chunk.valid());
                node.linktarget.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            }
            node.linktarget_raw = Some(target.to_vec());
        }
    }
}

/// Those of the path itself, also when it is a link. ACLs are among them, as `system.posix_acl_*`. (restic
/// 0.14 stores none of links, and restores them to the link's target; 0.19 does as we do.)
fn xattrs(path: &Path) -> io::Result<Option<Vec<Xattr>>> {
    let names = match xattr::list(path) {
        Ok(names) => names,
        Err(e) if e.kind() == io::ErrorKind::Unsupported => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut all = Vec::new();
    for name in names.take(MAX_XATTRS) {
        // The format holds names as text.
        let Some(text) = name.to_str() else {
            return Err(io::Error::other("an extended attribute's name is not UTF-8"));
        };
        if let Some(value) = xattr::get(path, &name)? {
            all.push(Xattr { name: text.to_owned(), value });
        }
    }
    all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(Some(all).filter(|all| !all.is_empty()))
}

/// Opens a file to read it. Never follows a link that took its place, never blocks on a pipe.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let with =
        |flags: OFlags| OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    match with(flags | OFlags::NOATIME) {
        // Only the owner may leave the access time alone.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => with(flags),
        other => other,
    }
}

/// Whether two looks at a file saw the same content, as far as the kernel can tell.
pub(super) fn is_same(before: &Metadata, after: &Metadata) -> bool {
    let seen =
        |m: &Metadata| (m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
    seen(before) == seen(after)
}
