//! Faults of an S3 service, made by a proxy before a real one: 59, 60 and 61.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::HashSet;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use repository::storage::{Kind, Object, Problem};
use repository::{Class, Error, Id, InitOptions, KdfParams, Monitor, Repository, SnapshotSummary, Storage};
use support::moto::Moto;
use support::proxy::{Action, Proxy, RequestHead};

fn init(storage: Arc<dyn Storage>) -> Repository {
    let options = InitOptions { kdf: KdfParams::LIGHT };
    Repository::init(storage, &support::password(), options).unwrap().with_lock_times(support::quick_locks())
}

fn open(storage: Arc<dyn Storage>) -> Repository {
    Repository::open(storage, &support::password()).unwrap().with_lock_times(support::quick_locks())
}

fn backup(repo: &Repository, bytes: &[u8]) -> Result<SnapshotSummary, Error> {
    let finish = || Ok::<(), std::io::Error>(());
    repo.backup_stream(&support::meta(), "d", &mut { bytes }.by_ref(), finish, &Monitor::new())
}

fn newest(repo: &Repository) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    repo.dump(&repo.find(&repository::Filter::default())?, "d", &mut out, &Monitor::new())?;
    Ok(out)
}

fn is_put(head: &RequestHead, folder: &str) -> bool {
    head.method == "PUT" && head.path.contains(folder)
}

#[test]
fn fault_59_a_service_that_stumbles_all_the_time_loses_nothing() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    let stumbles = [
        Action::Refuse(500, "InternalError"),
        Action::Refuse(503, "SlowDown"),
        Action::ShortBody,
        Action::ResetBefore,
        Action::ResetAfter,
        Action::Delay(Duration::from_millis(20)),
        Action::Duplicate,
    ];
    proxy.rule(move |head| if head.number % 3 == 0 { stumbles[head.number / 3 % 7] } else { Action::Pass });
    let bytes = [support::sql(20_000), support::noise(2, 10_000_000)].concat();
    backup(&init(moto.hasty_at(&proxy.endpoint(), "r")), &bytes).unwrap();
    assert!(newest(&open(moto.hasty_at(&proxy.endpoint(), "r"))).unwrap() == bytes);
    assert!(proxy.seen().len() > 15);
    moto.restic_agrees("r");
}

#[test]
fn fault_59_content_that_is_wrong_once_is_read_again_and_wrong_for_ever_is_damage() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    let bytes = support::noise(3, 3_000_000);
    backup(&init(moto.storage("r")), &bytes).unwrap();
    let repo = open(moto.hasty_at(&proxy.endpoint(), "r"));
    let is_data = |head: &RequestHead| head.method == "GET" && head.path.contains("/data/");
    let met = Mutex::new(HashSet::new());
    proxy.rule(move |head| {
        let is_first = is_data(head) && met.lock().unwrap().insert(head.path.clone());
        if is_first { Action::WrongContent } else { Action::Pass }
    });
    assert!(newest(&repo).unwrap() == bytes);
    proxy.rule(move |head| if is_data(head) { Action::WrongContent } else { Action::Pass });
    assert_eq!(newest(&repo).unwrap_err().class(), Class::Integrity);
    proxy.rule(|_| Action::Pass);
    assert!(newest(&repo).unwrap() == bytes);
}

/// Listings of packs, index files and snapshots may be old. Those of locks may not: the protocol of locks
/// is made of them.
#[test]
fn fault_59_a_backup_relies_on_no_listing_after_a_write() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    proxy.rule(|head| {
        let is_list = head.query.contains("list-type=2") && !head.query.contains("locks");
        if is_list { Action::Stale } else { Action::Pass }
    });
    let bytes = support::noise(4, 3_000_000);
    let storage = moto.hasty_at(&proxy.endpoint(), "r");
    let repo = init(Arc::clone(&storage));
    for kind in [Kind::Pack, Kind::Index, Kind::Snapshot] {
        storage.list(kind, &mut |one| panic!("{one:?}")).unwrap();
    }
    backup(&repo, &bytes).unwrap();
    backup(&repo, &bytes[..1_000_000]).unwrap();
    let mut none = 0;
    storage.list(Kind::Snapshot, &mut |_| none += 1).unwrap();
    assert_eq!(none, 0, "the listing is old");
    let repo = open(moto.storage("r"));
    assert_eq!(repo.snapshots().unwrap().len(), 2);
    assert!(newest(&repo).unwrap() == bytes[..1_000_000]);
    moto.restic_agrees("r");
}

#[test]
fn fault_60_credentials_that_end_in_a_backup_end_it_at_once_and_it_goes_on_with_new_ones() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    let bytes = support::noise(5, 48_000_000);
    let repo = init(moto.hasty_at(&proxy.endpoint(), "r"));
    let is_over = AtomicBool::new(false);
    // Right after the first checkpoint.
    proxy.rule(move |head| {
        if is_over.load(Ordering::SeqCst) {
            return Action::Refuse(400, "ExpiredToken");
        }
        is_over.fetch_or(is_put(head, "/index/"), Ordering::SeqCst);
        Action::Pass
    });
    let error = backup(&repo, &bytes).unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Permanent, "LB3005"), "{error}");
    let refused = proxy.seen().iter().skip_while(|head| !is_put(head, "/index/")).count();
    assert!(refused < 20, "{refused} requests although all are denied");

    let direct = open(moto.storage("r"));
    assert!(direct.snapshots().unwrap().is_empty());
    let stats = direct.stats().unwrap();
    let acknowledged = stats.stored_bytes - stats.unindexed_bytes;
    assert!(acknowledged > 10_000_000, "{acknowledged}");
    proxy.rule(|_| Action::Pass);
    backup(&open(moto.hasty_at(&proxy.endpoint(), "r")), &bytes).unwrap();
    let sent: u64 = proxy
        .seen()
        .iter()
        .filter(|head| is_put(head, "/data/"))
        .map(|head| head.headers["content-length"].parse::<u64>().unwrap())
        .sum();
    assert!(sent + acknowledged < 48_200_000, "{sent} sent again, {acknowledged} were there");
    assert!(newest(&direct).unwrap() == bytes);
}

#[test]
fn fault_61_a_quota_ends_the_backup_and_leaves_earlier_snapshots_alone() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    let bytes = support::noise(6, 4_000_000);
    backup(&init(moto.storage("r")), &bytes).unwrap();
    for (status, code) in [(507, "InsufficientStorage"), (403, "QuotaExceeded")] {
        proxy.rule(
            move |head| {
                if is_put(head, "/data/") { Action::Refuse(status, code) } else { Action::Pass }
            },
        );
        let error = backup(&open(moto.hasty_at(&proxy.endpoint(), "r")), &support::noise(7, 4_000_000));
        let error = error.unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Permanent, "LB3004"), "{error}");
    }
    let repo = open(moto.storage("r"));
    assert_eq!(repo.snapshots().unwrap().len(), 1);
    assert!(newest(&repo).unwrap() == bytes);
    moto.restic_agrees("r");
}

/// A process that is killed in the middle of an upload also removes no parts.
#[test]
fn parts_that_were_never_completed_are_not_visible() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    let direct = moto.storage("r");
    let bytes = support::noise(8, 17_000_000);
    let object = Object::Named(Kind::Index, Id::of(b"large"));
    proxy.rule(|head| match head.method.as_str() {
        "POST" if head.query.contains("uploadId") => Action::Refuse(403, "AccessDenied"),
        "DELETE" => Action::Refuse(403, "AccessDenied"),
        _ => Action::Pass,
    });
    let storage = moto.hasty_at(&proxy.endpoint(), "r");
    assert_eq!(storage.put(object, &bytes).unwrap_err().problem, Problem::Denied);
    assert!(proxy.seen().iter().any(|head| head.query.contains("partNumber=3")), "nothing was sent");
    assert_eq!(direct.stat(object).unwrap(), None);
    direct.list(Kind::Index, &mut |one| panic!("{one:?}")).unwrap();
    proxy.rule(|_| Action::Pass);
    storage.put(object, &bytes).unwrap();
    assert!(direct.read(object, 0, bytes.len()).unwrap() == bytes);
}

#[test]
fn what_passes_the_proxy_is_what_the_service_has() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    let storage = moto.storage_at(&proxy.endpoint(), "x");
    let bytes = support::noise(1, 5_000_000);
    storage.put(Object::Config, &bytes).unwrap();
    assert!(moto.storage("x").read(Object::Config, 0, bytes.len()).unwrap() == bytes);
    proxy.rule(|_| Action::WrongContent);
    assert!(storage.read(Object::Config, 0, bytes.len()).unwrap() != bytes);
    proxy.rule(|head| if head.method == "HEAD" { Action::Refuse(403, "AccessDenied") } else { Action::Pass });
    assert_eq!(storage.stat(Object::Config).unwrap_err().problem, Problem::Denied);
    assert_eq!(proxy.seen().len(), 1);
}
