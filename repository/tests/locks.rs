//! Sharing a repository: with ourselves, and with stock restic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use repository::storage::{Kind, Listed, Object, Problem, StorageError};
use repository::{CheckOptions, Class, LockTimes, Monitor, Repository, Storage, TreeOptions};
use support::restic::Restic;
use support::{Local, judges, meta, noise, open, quick_locks, restic_agrees};

/// How often restic is started until it was stopped in time.
const ATTEMPTS: usize = 20;

fn ended_well() -> Result<(), io::Error> {
    Ok(())
}

/// A source that says when it is being read, and ends when it is told.
struct Waits(Receiver<()>, bool);

impl Read for Waits {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !std::mem::replace(&mut self.1, true) {
            buffer[0] = b'x';
            return Ok(1);
        }
        let _ = self.0.recv();
        Ok(0)
    }
}

fn locks(path: &Path) -> BTreeSet<std::path::PathBuf> {
    support::objects(path, &["locks"])
        .into_iter()
        .filter(|p| !p.to_string_lossy().contains("-tmp-"))
        .collect()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} does not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn restic_does_not_prune_while_we_write_and_prunes_after() {
    let local = Local::new();
    let (end, wait) = channel();
    std::thread::scope(|scope| {
        // Dropped here too when something fails below, so that the backup ends.
        let end = end;
        let backup = scope.spawn(|| {
            let mut source = Waits(wait, false);
            local.repo.backup_stream(&meta(), "d", &mut source, ended_well, &Monitor::new()).unwrap();
        });
        until("our lock", || locks(&local.path()).len() == 1);
        for restic in judges() {
            let prune = restic.run(&local.path(), &["prune"]);
            assert!(!prune.status.success());
            assert!(String::from_utf8_lossy(&prune.stderr).contains("already locked"), "{prune:?}");
            // What needs no more than to read goes on beside us, and so does a backup.
            restic.ok(&local.path(), &["snapshots"]);
            restic.ok(&local.path(), &["backup", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
        }
        assert_eq!(local.repo.rebuild_index(&Monitor::new()).unwrap_err().code(), "LB3030", "nor do we");
        end.send(()).unwrap();
        backup.join().unwrap();
    });
    assert!(locks(&local.path()).is_empty(), "the lock is removed");
    for restic in judges() {
        restic.ok(&local.path(), &["prune"]);
        restic_agrees(&local.path());
    }
}

/// A process that is continued and ended when the test is over, however it ends.
struct Stopped(Child);

impl Stopped {
    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A restic that has taken a lock and then stands still, however often that takes: it may be done too soon.
fn standing_still(restic: &Restic, path: &Path, args: &[&str]) -> Stopped {
    for _ in 0..ATTEMPTS {
        let mut command = restic.command(path, args);
        let child = Stopped(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        until("restic's lock", || !locks(path).is_empty());
        child.signal("-STOP");
        if !locks(path).is_empty() {
            return child;
        }
    }
    panic!("restic {} {args:?} is always done before it can be stopped", restic.version);
}

#[test]
fn we_do_not_write_while_restic_holds_an_exclusive_lock() {
    judges().iter().for_each(we_do_not_write_beside_its_exclusive_lock);
}

fn we_do_not_write_beside_its_exclusive_lock(restic: &Restic) {
    let local = Local::new();
    let backup = |name: &str, bytes: &[u8]| {
        local.repo.backup_stream(&meta(), name, &mut &*bytes, ended_well, &Monitor::new())
    };
    let first = backup("d", &noise(1, 10_000_000)).unwrap();
    backup("e", &noise(2, 1_000_000)).unwrap();
    local.repo.forget(&[first.snapshot]).unwrap();
    let other = standing_still(restic, &local.path(), &["prune"]);
    let error = backup("f", b"f").unwrap_err();
    assert_eq!((error.code(), error.class()), ("LB3030", Class::Transient), "{error}");
    assert_eq!(local.repo.snapshots().unwrap().len(), 1);
    let prune = support::operation::prune(&local.repo, Duration::ZERO).unwrap_err();
    assert_eq!(prune.code(), "LB3030");
    other.signal("-CONT");
    until("restic's end", || locks(&local.path()).is_empty());
    backup("f", b"f").unwrap();
    restic_agrees(&local.path());
    assert_eq!(local.dump("f"), b"f");
}

#[test]
fn we_do_not_prune_while_restic_writes_but_write_beside_it() {
    judges().iter().for_each(we_write_beside_its_backup_and_do_not_prune);
}

fn we_write_beside_its_backup_and_do_not_prune(restic: &Restic) {
    let local = Local::new();
    let mut command = restic.command(&local.path(), &["backup", "--stdin", "--stdin-filename", "theirs"]);
    let mut other = Stopped(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
    // It does not end as long as its input does not.
    let mut pipe = other.0.stdin.take().unwrap();
    pipe.write_all(&noise(3, 2_000_000)).unwrap();
    until("restic's lock", || !locks(&local.path()).is_empty());
    assert_eq!(support::operation::prune(&local.repo, Duration::ZERO).unwrap_err().code(), "LB3030");
    local.repo.backup_stream(&meta(), "ours", &mut b"ours".as_slice(), ended_well, &Monitor::new()).unwrap();
    pipe.write_all(&noise(4, 2_000_000)).unwrap();
    drop(pipe);
    assert!(other.0.wait().unwrap().success());
    assert_eq!(local.repo.snapshots().unwrap().len(), 2);
    support::operation::prune(&local.repo, Duration::ZERO).unwrap();
    restic_agrees(&local.path());
    let all = local.repo.snapshots().unwrap();
    let theirs = all.iter().find(|info| info.snapshot.paths == ["/theirs"]).unwrap();
    let mut back = Vec::new();
    local.repo.dump(theirs, "theirs", &mut back, &Monitor::new()).unwrap();
    assert!(back == [noise(3, 2_000_000), noise(4, 2_000_000)].concat());
}

#[test]
fn a_long_operation_refreshes_its_lock_and_there_is_always_one() {
    let local = Local::new();
    let repo = open(&local.path())
        .with_lock_times(LockTimes { refresh: Duration::from_millis(30), ..quick_locks() });
    let (end, wait) = channel();
    std::thread::scope(|scope| {
        let backup = scope.spawn(|| {
            repo.backup_stream(&meta(), "d", &mut Waits(wait, false), ended_well, &Monitor::new()).unwrap()
        });
        until("our lock", || !locks(&local.path()).is_empty());
        let mut seen = BTreeSet::new();
        until("four refreshes", || {
            let now = locks(&local.path());
            seen.extend(now);
            seen.len() > 4
        });
        assert!(!locks(&local.path()).is_empty());
        end.send(()).unwrap();
        backup.join().unwrap();
    });
    assert!(locks(&local.path()).is_empty());
}

/// A storage that at some moment stops to store or remove locks.
struct LosesLocks {
    inner: Arc<dyn Storage>,
    broken: AtomicBool,
}

impl LosesLocks {
    fn fails(&self, object: Object) -> Result<(), StorageError> {
        let is_lock = matches!(object, Object::Named(Kind::Lock, _));
        if !is_lock || !self.broken.load(Ordering::SeqCst) {
            return Ok(());
        }
        let place = self.describe();
        Err(StorageError {
            op: "reaching",
            object: object.to_string(),
            place,
            problem: Problem::Unavailable,
            source: None,
        })
    }
}

impl Storage for LosesLocks {
    fn describe(&self) -> String {
        self.inner.describe()
    }
    fn prepare(&self) -> Result<(), StorageError> {
        self.inner.prepare()
    }
    fn put(&self, object: Object, bytes: &[u8]) -> Result<(), StorageError> {
        self.fails(object)?;
        self.inner.put(object, bytes)
    }
    fn read_into(
        &self,
        object: Object,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        self.inner.read_into(object, offset, length, buffer)
    }
    fn stat(&self, object: Object) -> Result<Option<u64>, StorageError> {
        self.inner.stat(object)
    }
    fn list(&self, kind: Kind, each: &mut dyn FnMut(Listed)) -> Result<(), StorageError> {
        self.inner.list(kind, each)
    }
    fn delete(&self, object: Object) -> Result<(), StorageError> {
        self.fails(object)?;
        self.inner.delete(object)
    }
}

#[test]
fn a_writer_whose_lock_went_unrefreshed_too_long_stops_and_writes_no_snapshot() {
    let local = Local::new();
    let storage = Arc::new(LosesLocks { inner: support::at(&local.path()), broken: AtomicBool::new(false) });
    let times = LockTimes {
        refresh: Duration::from_millis(20),
        give_up: Duration::from_millis(300),
        ..quick_locks()
    };
    let repo = Repository::open(storage.clone(), &support::password()).unwrap().with_lock_times(times);
    let finish = || {
        // The source ends well, but meanwhile the lock cannot be refreshed.
        storage.broken.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(400));
        ended_well()
    };
    let error = repo
        .backup_stream(&meta(), "d", &mut noise(1, 1_000_000).as_slice(), finish, &Monitor::new())
        .unwrap_err();
    assert_eq!((error.code(), error.class()), ("LB3031", Class::Transient), "{error}");
    assert!(repo.snapshots().unwrap().is_empty());
    assert!(
        support::objects(&local.path(), &["index"]).is_empty(),
        "packs that may be pruned are in no index"
    );
    assert!(!locks(&local.path()).is_empty(), "its lock could not be removed");

    // What it left is honoured until it is stale, and then removed in passing.
    let patient = open(&local.path());
    assert_eq!(patient.rebuild_index(&Monitor::new()).unwrap_err().code(), "LB3030");
    let eager =
        open(&local.path()).with_lock_times(LockTimes { stale: Duration::from_millis(50), ..quick_locks() });
    std::thread::sleep(Duration::from_millis(100));
    eager.rebuild_index(&Monitor::new()).unwrap();
    assert!(locks(&local.path()).is_empty());
    restic_agrees(&local.path());
}

#[test]
fn two_writers_at_once_both_succeed() {
    let local = Local::new();
    std::thread::scope(|scope| {
        for n in 0..3_u64 {
            let path = local.path();
            scope.spawn(move || {
                let repo = open(&path);
                let bytes = [noise(7, 3_000_000), noise(n, 3_000_000)].concat();
                repo.backup_stream(&meta(), "d", &mut bytes.as_slice(), ended_well, &Monitor::new()).unwrap();
            });
        }
    });
    assert_eq!(local.repo.snapshots().unwrap().len(), 3);
    restic_agrees(&local.path());
    for restic in judges() {
        restic.ok(&local.path(), &["prune"]);
        restic_agrees(&local.path());
    }
}

#[test]
fn two_writers_of_trees_share_what_is_the_same_and_a_third_is_restic() {
    let local = Local::new();
    let roots = [1, 2, 3].map(|n| {
        let root = local.beside(&format!("tree-{n}"));
        std::fs::write(root.join("same"), noise(1, 1_000_000)).unwrap();
        std::fs::write(root.join("own"), noise(10 + n, 1_000_000)).unwrap();
        root
    });
    std::thread::scope(|scope| {
        for root in &roots[..2] {
            let (path, root) = (local.path(), root.clone());
            scope.spawn(move || {
                let options = TreeOptions::default();
                open(&path).backup_tree(&[root], &options, &meta(), &Monitor::new()).unwrap();
            });
        }
        for restic in judges() {
            let (path, root) = (local.path(), &roots[2]);
            scope.spawn(move || restic.ok(&path, &["backup", root.to_str().unwrap()]));
        }
    });
    assert_eq!(local.repo.snapshots().unwrap().len(), 2 + judges().len());
    let report = local.repo.check(CheckOptions { read_data: true, ..Default::default() }, &Monitor::new());
    assert!(report.unwrap().is_sound());
    restic_agrees(&local.path());
}
