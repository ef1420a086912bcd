//! The contract of a storage, which every one of them must keep.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use repository::storage::{Kind, Object, Problem};
use repository::{
    Class, Filter, Id, InitOptions, KdfParams, Location, Monitor, Repository, Storage, StorageOptions,
    storage,
};
use support::moto::Moto;

fn pack(name: &str) -> Object {
    Object::Named(Kind::Pack, Id::of(name.as_bytes()))
}

fn listed(storage: &dyn Storage, kind: Kind) -> BTreeMap<Id, u64> {
    let mut all = BTreeMap::new();
    storage.list(kind, &mut |one| assert!(all.insert(one.id, one.size).is_none())).unwrap();
    all
}

fn suite(storage: &Arc<dyn Storage>) {
    storage.prepare().unwrap();
    storage.prepare().unwrap();
    what_is_put_is_there(&**storage);
    nothing_is_replaced(&**storage);
    reads_are_exact(&**storage);
    listings_are_complete(&**storage);
    what_is_deleted_is_gone(&**storage);
    of_many_writers_one_wins(storage);
}

fn what_is_put_is_there(storage: &dyn Storage) {
    for object in [
        Object::Config,
        pack("a"),
        Object::Named(Kind::Lock, Id::of(b"l")),
        Object::Named(Kind::Key, Id::of(b"k")),
    ] {
        assert_eq!(storage.stat(object).unwrap(), None);
        storage.put(object, b"0123456789").unwrap();
        assert_eq!(storage.stat(object).unwrap(), Some(10));
        assert_eq!(storage.read(object, 0, 10).unwrap(), b"0123456789");
    }
}

fn nothing_is_replaced(storage: &dyn Storage) {
    assert_eq!(storage.put(pack("a"), b"other").unwrap_err().problem, Problem::Exists);
    assert_eq!(storage.read(pack("a"), 0, 10).unwrap(), b"0123456789");
    storage.put(pack("a"), b"0123456789").expect("the same bytes again are fine");
}

fn reads_are_exact(storage: &dyn Storage) {
    assert_eq!(storage.read(pack("a"), 3, 4).unwrap(), b"3456");
    assert_eq!(storage.read(pack("a"), 10, 0).unwrap(), b"");
    for (offset, length) in [(0, 11), (8, 3), (10, 1), (11, 0), (1 << 40, 5)] {
        let error = storage.read(pack("a"), offset, length).unwrap_err();
        assert_eq!(
            (error.problem, error.class()),
            (Problem::Short, Class::Integrity),
            "{offset} {length}: {error}"
        );
    }
    assert_eq!(storage.read(pack("never"), 0, 1).unwrap_err().problem, Problem::Missing);
    assert_eq!(storage.read(pack("never"), 0, 0).unwrap_err().problem, Problem::Missing);
}

fn listings_are_complete(storage: &dyn Storage) {
    // More than one page of S3.
    let names: Vec<Id> = (0..1050_u32).map(|n| Id::of(&n.to_le_bytes())).collect();
    for (size, id) in names.iter().enumerate() {
        storage.put(Object::Named(Kind::Snapshot, *id), &vec![0; size % 7]).unwrap();
    }
    let all = listed(storage, Kind::Snapshot);
    assert_eq!(all, names.iter().enumerate().map(|(size, id)| (*id, (size % 7) as u64)).collect());
    assert_eq!(listed(storage, Kind::Pack).len(), 1);
    assert_eq!(listed(storage, Kind::Index).len(), 0);
    let mut written = None;
    storage.list(Kind::Key, &mut |one| written = one.written).unwrap();
    let distance = |time: SystemTime| SystemTime::now().duration_since(time).unwrap_or_else(|e| e.duration());
    assert!(distance(written.expect("a storage knows when")) < Duration::from_secs(120));
}

fn what_is_deleted_is_gone(storage: &dyn Storage) {
    storage.delete(pack("a")).unwrap();
    storage.delete(pack("a")).expect("gone is gone");
    assert_eq!(storage.stat(pack("a")).unwrap(), None);
    assert!(listed(storage, Kind::Pack).is_empty());
}

fn of_many_writers_one_wins(storage: &Arc<dyn Storage>) {
    let writers: Vec<_> = (0..8_u8)
        .map(|n| {
            let storage = Arc::clone(storage);
            std::thread::spawn(move || storage.put(pack("raced"), &[n; 100_000]).map(|()| n))
        })
        .collect();
    let results: Vec<_> = writers.into_iter().map(|w| w.join().unwrap()).collect();
    let winners: Vec<u8> = results.iter().filter_map(|r| r.as_ref().ok().copied()).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    assert!(results.iter().filter_map(|r| r.as_ref().err()).all(|e| e.problem == Problem::Exists));
    assert_eq!(storage.read(pack("raced"), 0, 100_000).unwrap(), [winners[0]; 100_000]);
}

#[test]
fn a_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    suite(&support::at(folder.path()));
    let leftovers = support::objects(folder.path(), &["data", "snapshots", "keys"]);
    assert!(leftovers.iter().all(|p| !p.to_string_lossy().contains("-tmp-")), "temporary files are left");
}

#[test]
fn a_bucket_keeps_the_contract() {
    let moto = Moto::start();
    suite(&moto.storage("some/prefix"));
    suite(&moto.storage(""));
}

#[test]
fn a_folder_that_cannot_be_listed_is_an_error_and_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    let storage = support::at(folder.path());
    assert!(storage.list(Kind::Snapshot, &mut |_| panic!("nothing is there")).is_err());
}

#[test]
fn a_bucket_that_is_not_there_is_a_clear_error_and_not_empty() {
    let moto = Moto::start();
    let gone = storage::open(
        &Location::parse("s3://no-such-bucket/x").unwrap(),
        &StorageOptions {
            s3: storage::S3Options {
                endpoint: Some(moto.endpoint()),
                credentials: Some(storage::S3Credentials {
                    access_key_id: "k".into(),
                    secret_access_key: "s".into(),
                    session_token: None,
                }),
                ..storage::S3Options::default()
            },
        },
    )
    .unwrap();
    assert_eq!(
        gone.list(Kind::Pack, &mut |_| panic!("nothing is there")).unwrap_err().problem,
        Problem::Failed
    );
    assert_eq!(gone.put(Object::Config, b"x").unwrap_err().problem, Problem::Failed);
}

#[test]
fn a_backup_into_a_bucket_comes_back_and_restic_agrees() {
    let moto = Moto::start();
    let init = InitOptions { kdf: KdfParams::LIGHT };
    let repo = Repository::init(moto.storage("eu"), &support::password(), init)
        .unwrap()
        .with_lock_times(support::quick_locks());
    let bytes = [support::sql(30_000), support::noise(1, 20_000_000)].concat();
    let finish = || Ok::<(), std::io::Error>(());
    repo.backup_stream(&support::meta(), "d", &mut bytes.as_slice(), finish, &Monitor::new()).unwrap();
    let again = Repository::open(moto.storage("eu"), &support::password())
        .unwrap()
        .with_lock_times(support::quick_locks());
    let mut out = Vec::new();
    again.dump(&again.find(&Filter::default()).unwrap(), "d", &mut out, &Monitor::new()).unwrap();
    assert!(out == bytes);

    let place = std::path::PathBuf::from(format!("s3:{}/backups/eu", moto.endpoint()));
    for restic in support::judges() {
        let run = |args: &[&str]| {
            let mut command = restic.command(&place, args);
            command.env("AWS_ACCESS_KEY_ID", "k").env("AWS_SECRET_ACCESS_KEY", "s");
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        run(&["check", "--read-data"]);
        assert!(run(&["dump", "latest", "/d"]) == bytes);
    }
}

/// The storage may be called from inside somebody's asynchronous program too.
#[test]
fn a_bucket_can_be_used_and_dropped_inside_another_runtime() {
    let moto = Moto::start();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let storage = moto.storage("x");
        storage.put(Object::Config, b"c").unwrap();
        assert_eq!(storage.stat(Object::Config).unwrap(), Some(1));
    });
}
