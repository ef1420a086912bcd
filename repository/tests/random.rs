//! Any tree and any stream, in both directions: what we store restic restores, and what restic stores we do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use repository::{Filter, Monitor, RestoreOptions, TreeOptions};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use support::trees::{look, set_time};
use support::{Local, judges, meta, noise};

/// The largest file.
const LARGE: usize = 3 * 1024 * 1024;

/// Rounds of the quick suite, and of the full one.
fn rounds(quick: u32, full: u32) -> ProptestConfig {
    let cases = if support::is_full() { full } else { quick };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Clone, Debug)]
enum What {
    File {
        seed: u64,
        size: usize,
    },
    /// Its length, and where it is no hole.
    Sparse {
        length: u64,
        islands: Vec<(u64, u16)>,
    },
    Folder,
    /// One more name of a file, by number.
    Link(usize),
    Symlink(String),
    Pipe,
}

#[derive(Clone, Debug)]
struct Entry {
    what: What,
    mode: u32,
    seconds: i64,
    nanoseconds: i64,
    attributes: BTreeMap<String, Vec<u8>>,
}

/// Any bytes that a file system allows.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let odd = vec(any::<u8>().prop_filter("part of a path", |byte| ![0, b'/'].contains(byte)), 1..12);
    let meeting = "[a-c]{1,2}|é|e\u{301}|<&>|\"|\\\\n".prop_map(String::into_bytes);
    prop_oneof![meeting, odd].prop_filter("no name", |name| name != b"." && name != b"..")
}

fn what() -> impl Strategy<Value = What> {
    let size = prop_oneof![6 => 0_usize..6000, 1 => 0..LARGE];
    prop_oneof![
        6 => (any::<u64>(), size).prop_map(|(seed, size)| What::File { seed, size }),
        1 => (0_u64..9_000_000, vec((0_u64..9_000_000, any::<u16>()), 0..4))
            .prop_map(|(length, islands)| What::Sparse { length, islands }),
        2 => Just(What::Folder),
        2 => (0_usize..20).prop_map(What::Link),
        1 => "[a-zé/. ]{1,40}".prop_map(What::Symlink),
        1 => Just(What::Pipe),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    // From 1906 on, and past 2038.
    let time = (-2_000_000_000_i64..9_000_000_000, 0_i64..1_000_000_000);
    let attributes = btree_map("[a-z.]{1,12}", vec(any::<u8>(), 0..80), 0..3);
    (what(), 0_u32..0o10000, time, attributes).prop_map(|(what, mode, (seconds, nanoseconds), attributes)| {
        Entry { what, mode, seconds, nanoseconds, attributes }
    })
}

type Tree = BTreeMap<Vec<Vec<u8>>, Entry>;

fn tree() -> impl Strategy<Value = Tree> {
    btree_map(vec(name(), 1..4), entry(), 0..16)
}

/// Makes one entry; false when something of its name or above it is there already.
fn make(path: &Path, what: &What, files: &mut Vec<PathBuf>) -> bool {
    if path.symlink_metadata().is_ok() || fs::create_dir_all(path.parent().unwrap()).is_err() {
        return false;
    }
    match what {
        What::File { seed, size } => fs::write(path, noise(*seed, *size)).unwrap(),
        What::Sparse { length, islands } => {
            let file = fs::File::create(path).unwrap();
            file.set_len(*length).unwrap();
            for (at, size) in islands {
                file.write_all_at(&noise(*at, usize::from(*size)), *at).unwrap();
            }
        }
        What::Folder => fs::create_dir(path).unwrap(),
        What::Link(number) => match files.get(number % files.len().max(1)) {
            Some(first) => return fs::hard_link(first, path).map(|()| false).unwrap(),
            None => return false,
        },
        What::Symlink(target) => symlink(target, path).unwrap(),
        What::Pipe => mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap(),
    }
    if matches!(what, What::File { .. } | What::Sparse { .. }) {
        files.push(path.to_owned());
    }
    true
}

/// Makes a tree; what does not fit beside the rest is left out.
fn plant(root: &Path, tree: &Tree) {
    let mut files = Vec::new();
    let mut made = Vec::new();
    for (parts, entry) in tree {
        let path = parts.iter().fold(root.to_owned(), |path, part| path.join(OsStr::from_bytes(part)));
        if make(&path, &entry.what, &mut files) {
            made.push((path, entry));
        }
    }
    // Deepest first: what is written below a folder changes its times.
    for (path, entry) in made.iter().rev() {
        if !matches!(entry.what, What::Symlink(_)) {
            if !matches!(entry.what, What::Pipe) {
                for (name, value) in &entry.attributes {
                    xattr::set(path, format!("user.{name}"), value).unwrap();
                }
            }
            fs::set_permissions(path, fs::Permissions::from_mode(entry.mode | owner(&entry.what))).unwrap();
        }
        set_time(path, entry.seconds, entry.nanoseconds);
    }
}

/// What somebody who is not root needs to read his own files.
fn owner(what: &What) -> u32 {
    match (rustix::process::geteuid().is_root(), what) {
        (true, _) => 0,
        (false, What::Folder) => 0o700,
        (false, _) => 0o600,
    }
}

fn restored(local: &Local, root: &Path) -> BTreeMap<PathBuf, String> {
    let to = tempfile::tempdir_in(local.folder.path()).unwrap();
    let latest = local.repo.find(&Filter::default()).unwrap();
    let options = RestoreOptions::default();
    let done = local
        .repo
        .restore_tree(&latest, root.to_str().unwrap(), to.path(), options, &Monitor::new())
        .unwrap();
    assert!(done.is_complete(), "{:?}", done.warnings);
    look(to.path())
}

proptest! {
    #![proptest_config(rounds(5, 150))]
    #[test]
    fn any_tree_that_we_store_comes_back_by_us_and_by_restic(tree in tree()) {
        let local = Local::new();
        let root = local.beside("tree");
        plant(&root, &tree);
        let before = look(&root);
        let paths = [root.clone()];
        local.repo.backup_tree(&paths, &TreeOptions::default(), &meta(), &Monitor::new()).unwrap();
        prop_assert_eq!(&restored(&local, &root), &before);
        for restic in judges() {
            prop_assert_eq!(&look(&restic.restore(&local.path(), &root, local.folder.path())), &before);
        }
    }

    #[test]
    fn any_tree_that_restic_stores_comes_back_by_us(tree in tree()) {
        for restic in judges() {
            let local = Local::new();
            let root = local.beside("tree");
            plant(&root, &tree);
            let before = look(&root);
            restic.ok(&local.path(), &["backup", root.to_str().unwrap()]);
            prop_assert_eq!(&restored(&local, &root), &before);
        }
    }
}

/// Runs of noise and of one byte.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    // restic stores no stream that is empty.
    let part = (any::<u64>(), 1..LARGE, any::<bool>());
    vec(part, 1..4).prop_map(|parts| {
        let bytes = |(seed, length, random)| if random { noise(seed, length) } else { vec![7; length] };
        parts.into_iter().flat_map(bytes).collect()
    })
}

proptest! {
    #![proptest_config(rounds(4, 100))]
    #[test]
    fn any_stream_that_restic_stores_comes_back_by_us(bytes in stream()) {
        for restic in judges() {
            let local = Local::new();
            let mut command = restic.command(&local.path(), &["backup", "--stdin", "--stdin-filename", "s"]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(&bytes).unwrap();
            prop_assert!(child.wait().unwrap().success());
            prop_assert!(local.dump("s") == bytes);
        }
    }
}
