//! What a file tree is, and making one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

/// Everything that a restore must bring back, by path below the root.
pub fn look(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut seen = BTreeMap::new();
    let mut stack = vec![root.to_owned()];
    let mut inodes: BTreeMap<u64, PathBuf> = BTreeMap::new();
    while let Some(path) = stack.pop() {
        let m = fs::symlink_metadata(&path).unwrap();
        let mut what = format!("{:o} {}:{} {}.{:09}", m.mode(), m.uid(), m.gid(), m.mtime(), m.mtime_nsec());
        if m.is_symlink() {
            what += &format!(" -> {:?}", fs::read_link(&path).unwrap());
        } else {
            let attributes = xattr::list(&path).unwrap().map(|n| (n.clone(), xattr::get(&path, n).unwrap()));
            what += &format!(" {:?}", attributes.collect::<BTreeMap<_, _>>());
        }
        if m.is_file() {
            let first = inodes.entry(m.ino()).or_insert_with(|| path.strip_prefix(root).unwrap().to_owned());
            what += &format!(
                " {} {:?} of {}",
                m.len(),
                repository::Id::of(&fs::read(&path).unwrap()),
                first.display()
            );
        } else if m.is_dir() {
            let mut below: Vec<_> = fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).collect();
            below.sort();
            below.reverse();
            stack.extend(below);
        } else {
            what += &format!(" {}", m.rdev());
        }
        seen.insert(path.strip_prefix(root).unwrap().to_owned(), what);
    }
    seen
}

pub fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    utimensat(
        CWD,
        path,
        &Timestamps { last_access: time, last_modification: time },
        AtFlags::SYMLINK_NOFOLLOW,
    )
    .unwrap();
}
