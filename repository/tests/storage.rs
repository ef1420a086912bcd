//! The contract of a storage, which every one of them must keep.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use repository::storage::{Kind, Object, Problem, StorageError};
use repository::{
    Class, Filter, Id, InitOptions, KdfParams, Location, Monitor, Repository, Storage, StorageOptions,
    storage,
};
use support::moto::Moto;
use support::proxy::{Action, Proxy};

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

    moto.restic_agrees("eu");
    assert!(moto.restic("eu", &["dump", "latest", "/d"]) == bytes);
}

/// A call of a storage on an object of these bytes: what it must do, if it says that it did.
type Call = fn(&dyn Storage, &[u8]) -> Result<(), StorageError>;

const CALLS: [(&str, Call); 5] = [
    ("put", |storage, bytes| storage.put(pack("new"), bytes)),
    ("read", |storage, bytes| {
        let part = storage.read(pack("old"), 1000, 30_000)?;
        assert!(part == bytes[1000..31_000]);
        Ok(())
    }),
    ("stat", |storage, bytes| {
        assert_eq!(storage.stat(pack("old"))?, Some(bytes.len() as u64));
        Ok(())
    }),
    ("list", |storage, bytes| {
        let mut all = Vec::new();
        storage.list(Kind::Pack, &mut |one| all.push((one.id, one.size)))?;
        assert!(all.contains(&(Id::of(b"old"), bytes.len() as u64)), "half a listing");
        Ok(())
    }),
    ("delete", |storage, _| storage.delete(pack("spare"))),
];

/// With the one answer to which each of them may lead when it lasts.
const FAULTS: [(Action, Option<Class>); 9] = [
    (Action::Refuse(500, "InternalError"), Some(Class::Transient)),
    (Action::Refuse(503, "SlowDown"), Some(Class::Transient)),
    (Action::Refuse(400, "BadDigest"), Some(Class::Transient)),
    (Action::Refuse(403, "AccessDenied"), Some(Class::Permanent)),
    (Action::Delay(Duration::from_millis(50)), None),
    (Action::ShortBody, Some(Class::Transient)),
    (Action::Duplicate, None),
    (Action::ResetBefore, Some(Class::Transient)),
    (Action::ResetAfter, Some(Class::Transient)),
];

/// What a call left behind: either what it was to do, or nothing of it.
fn nothing_is_half_done(direct: &dyn Storage, call: &str, bytes: &[u8], is_done: bool) {
    match direct.stat(pack("new")).unwrap() {
        Some(size) => assert!(size == 50_000 && direct.read(pack("new"), 0, 50_000).unwrap() == bytes),
        None => assert!(call != "put" || !is_done),
    }
    assert!(direct.read(pack("old"), 0, 50_000).unwrap() == bytes);
    assert!(call != "delete" || !is_done || direct.stat(pack("spare")).unwrap().is_none());
}

#[test]
fn each_call_on_a_bucket_keeps_the_contract_when_it_is_refused() {
    each_call_under(&FAULTS[..4]);
}

#[test]
fn each_call_on_a_bucket_keeps_the_contract_when_its_way_is_bad() {
    each_call_under(&FAULTS[4..]);
}

fn each_call_under(faults: &[(Action, Option<Class>)]) {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    let bytes = support::noise(7, 50_000);
    let direct = moto.storage("x");
    for (fault, class) in faults.iter().copied() {
        // A new one for each fault: a client that met many stops trying again.
        let hasty = moto.hasty_at(&proxy.endpoint(), "x");
        for (name, call) in CALLS {
            if fault == Action::Refuse(400, "BadDigest") && name != "put" {
                continue;
            }
            let case = format!("{name} under {fault:?}");
            direct.delete(pack("new")).unwrap();
            direct.put(pack("old"), &bytes).unwrap();
            direct.put(pack("spare"), b"spare").unwrap();
            let is_final = matches!(fault, Action::Refuse(403, _));

            // Once: it is tried again, and nobody notices. What is denied is not tried again.
            proxy.rule(move |head| if head.number == 1 { fault } else { Action::Pass });
            let done = call(&*hasty, &bytes);
            assert_eq!(done.is_ok(), !is_final, "{case} once: {done:?}");
            assert!(!is_final || proxy.seen().len() == 1, "{case}: what is denied was tried again");
            nothing_is_half_done(&*direct, name, &bytes, done.is_ok());

            // For ever: an error of its class, unless the answer was right all the same.
            direct.delete(pack("new")).unwrap();
            direct.put(pack("spare"), b"spare").unwrap();
            proxy.rule(move |_| fault);
            let done = call(&*hasty, &bytes);
            assert!(proxy.seen().len() <= 12, "{case}: tried {} times", proxy.seen().len());
            match &done {
                Ok(()) => assert!(class.is_none() || fault == Action::ShortBody, "{case}"),
                Err(e) => assert_eq!(Some(e.class()), class, "{case}: {e} {:?}", e.source),
            }
            nothing_is_half_done(&*direct, name, &bytes, done.is_ok());

            // Over: the same call again succeeds, whatever the earlier ones left.
            proxy.rule(|_| Action::Pass);
            call(&*hasty, &bytes).unwrap();
            nothing_is_half_done(&*direct, name, &bytes, true);
        }
    }
}

#[test]
fn a_call_that_nobody_answers_is_given_up_and_tried_again() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    let bytes = support::noise(8, 50_000);
    let direct = moto.storage("x");
    direct.put(pack("old"), &bytes).unwrap();
    for (name, call) in CALLS {
        proxy.rule(|head| if head.number == 1 { Action::Stall } else { Action::Pass });
        let done = call(&*moto.hasty_at(&proxy.endpoint(), "x"), &bytes);
        assert!(done.is_ok(), "{name}: {done:?}");
        nothing_is_half_done(&*direct, name, &bytes, true);
    }
}

#[test]
fn a_large_object_goes_up_in_parts_and_is_whole_under_each_fault() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    // Two parts and a bit: also a last one that is short.
    let bytes = support::noise(9, 17_000_000);
    let faults = FAULTS.into_iter().filter(|(_, class)| *class != Some(Class::Permanent));
    for (number, (fault, _)) in faults.enumerate() {
        // Each request of an upload in turn: is it there, begin, parts, completion.
        let at = [2, 4, 6][number % 3];
        let name = number.to_string();
        proxy.rule(move |head| if head.number == at { fault } else { Action::Pass });
        moto.hasty_at(&proxy.endpoint(), "l").put(pack(&name), &bytes).unwrap();
        assert!(moto.storage("l").read(pack(&name), 0, bytes.len()).unwrap() == bytes, "{fault:?} {at}");
    }
    let storage = moto.hasty_at(&proxy.endpoint(), "l");
    proxy.rule(|_| Action::Pass);
    storage.put(pack("0"), &bytes).expect("the same bytes again are fine");
    let mut other = bytes;
    other[3] ^= 1;
    assert_eq!(storage.put(pack("0"), &other).unwrap_err().problem, Problem::Exists);
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
