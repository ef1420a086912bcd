//! Extended attributes, of links too, and ACLs, which are some of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use repository::{Filter, Monitor, NodeKind, RestoreOptions, TreeOptions};
use support::{Local, meta, restic_ok};

const NAMES: [&str; 5] = ["acl-file", "acl-folder", "attributes", "link", "target"];

/// An ACL as the kernel stores it: the owner, user 1234, the group, the mask, others.
fn acl(of_user: u16, mask: u16) -> Vec<u8> {
    let nobody = u32::MAX;
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, nobody),
        (0x02, of_user, 1234),
        (0x04, 4, nobody),
        (0x10, mask, nobody),
        (0x20, 0, nobody),
    ];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&permissions.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    bytes
}

/// False where the file system or the user has no such things.
fn make(root: &Path) -> bool {
    fs::create_dir(root.join("acl-folder")).unwrap();
    for name in ["acl-file", "attributes", "target"] {
        fs::write(root.join(name), name).unwrap();
    }
    symlink("target", root.join("link")).unwrap();
    fs::set_permissions(root.join("attributes"), fs::Permissions::from_mode(0o640)).unwrap();
    let set =
        |name: &str, attribute: &str, value: &[u8]| xattr::set(root.join(name), attribute, value).is_ok();
    set("acl-file", "system.posix_acl_access", &acl(4, 4))
        && set("acl-folder", "system.posix_acl_access", &acl(7, 5))
        && set("acl-folder", "system.posix_acl_default", &acl(5, 7))
        && set("attributes", "user.empty", b"")
        && set("attributes", "user.bytes", b"\0\xff")
        && set("attributes", "trusted.of-root", b"kept")
        && set("link", "trusted.of-the-link", b"not of its target")
}

type Attributes = BTreeMap<OsString, Option<Vec<u8>>>;

/// All attributes, and the mode, which an ACL changes.
fn look(root: &Path) -> BTreeMap<PathBuf, (u32, Attributes)> {
    let all =
        |path: &Path| xattr::list(path).unwrap().map(|n| (n.clone(), xattr::get(path, n).unwrap())).collect();
    let one = |name: &str| {
        let path = root.join(name);
        (PathBuf::from(name), (fs::symlink_metadata(&path).unwrap().permissions().mode(), all(&path)))
    };
    NAMES.into_iter().map(one).collect()
}

fn restore(local: &Local, root: &Path) -> PathBuf {
    let ours = local.folder.path().join("ours");
    let latest = local.repo.find(&Filter::default()).unwrap();
    let options = RestoreOptions::default();
    let done =
        local.repo.restore_tree(&latest, root.to_str().unwrap(), &ours, options, &Monitor::new()).unwrap();
    assert!(done.is_complete(), "{:?}", done.warnings);
    ours
}

#[test]
fn attributes_of_files_folders_and_links_and_acls_come_back_by_us_and_by_restic() {
    let local = Local::new();
    let root = local.beside("data");
    if !make(&root) {
        eprintln!("SKIPPED: this needs root and a file system with ACLs");
        return;
    }
    let before = look(&root);
    assert_eq!(before[Path::new("acl-file")].1.len(), 1);
    local
        .repo
        .backup_tree(std::slice::from_ref(&root), &TreeOptions::default(), &meta(), &Monitor::new())
        .unwrap();
    assert_eq!(look(&restore(&local, &root)), before);
    let theirs = local.beside("theirs");
    restic_ok(&local.path(), &["restore", "latest", "--target", theirs.to_str().unwrap()]);
    let mut found = look(&theirs.join(root.strip_prefix("/").unwrap()));
    if found[Path::new("link")].1.is_empty() {
        // restic 0.14 takes a link's attributes for those of its target; 0.19 does not.
        let [link, target] = ["link", "target"].map(|name| before[Path::new(name)].clone());
        assert_eq!(found.insert(PathBuf::from("target"), target).unwrap().1, link.1);
        found.insert(PathBuf::from("link"), link);
    }
    assert_eq!(found, before);
}

#[test]
fn attributes_and_acls_that_restic_stored_come_back_by_us() {
    let local = Local::new();
    let root = local.beside("data");
    if !make(&root) {
        eprintln!("SKIPPED: this needs root and a file system with ACLs");
        return;
    }
    local.restic(&["backup", root.to_str().unwrap()]);
    let mut stored = false;
    let look_at_link = &mut |_: &str, node: &repository::Node| {
        stored |= node.kind == NodeKind::Symlink && node.extended_attributes.is_some();
        Ok(())
    };
    local.repo.ls(&local.latest(), "", true, look_at_link).unwrap();
    let mut before = look(&root);
    if !stored {
        // Old ones store none of links.
        before.get_mut(Path::new("link")).unwrap().1.clear();
    }
    assert_eq!(look(&restore(&local, &root)), before);
}
