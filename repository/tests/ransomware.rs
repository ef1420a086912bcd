//! Fault 63: whoever holds the key of a host writes over everything, deletes everything, and floods the
//! repository with snapshots and keys of his own. Inside the retention all is restored, and it is noticed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use repository::retention::Policy;
use repository::storage::{Kind, Object, Problem, Retention, RetentionMode, S3Options};
use repository::{
    BackupMeta, CheckOptions, Class, Filter, Id, InitOptions, KdfParams, Monitor, Password, PruneOptions,
    Repository, RestoreOptions, Storage, TreeOptions,
};
use support::attacker::Attacker;
use support::moto::Moto;
use support::proxy::{Action, Proxy};
use support::{meta, noise, password, quick_locks, sql};

const DAY: Duration = Duration::from_secs(24 * 3600);
const INIT: InitOptions = InitOptions { kdf: KdfParams::LIGHT };

fn flood() -> usize {
    if std::env::var_os("LIFEBOAT_FULL").is_some() { 500 } else { 30 }
}

fn open(storage: Arc<dyn Storage>) -> Repository {
    Repository::open(storage, &password()).unwrap().with_lock_times(quick_locks())
}

fn read_all() -> CheckOptions {
    CheckOptions { read_data: true, subset: None }
}

/// Every file below a folder, by its path.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut stack = vec![folder.to_owned()];
    let mut all = BTreeMap::new();
    while let Some(path) = stack.pop() {
        if path.is_dir() {
            stack.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            all.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
    all
}

/// A repository in a bucket with versions and Object Lock, with three snapshots of one tree.
struct Victim {
    moto: Moto,
    attacker: Attacker,
    folder: tempfile::TempDir,
    /// Each snapshot, and what the tree was.
    snapshots: Vec<(Id, BTreeMap<PathBuf, Vec<u8>>)>,
}

impl Victim {
    fn new(retention: Option<Retention>) -> Self {
        let moto = Moto::start();
        moto.make_locked_bucket();
        let (attacker, folder) = (Attacker::of(&moto), tempfile::tempdir().unwrap());
        let mut victim = Self { moto, attacker, folder, snapshots: Vec::new() };
        let storage = victim.moto.locked("eu", S3Options { retention, ..victim.moto.options() });
        let repo = Repository::init(storage, &password(), INIT).unwrap().with_lock_times(quick_locks());
        fs::create_dir_all(victim.tree().join("etc")).unwrap();
        for round in 0..3 {
            fs::write(victim.tree().join("dump.sql"), sql(4_000 * (round + 1))).unwrap();
            fs::write(victim.tree().join("media"), noise(round as u64, 700_000)).unwrap();
            (0..20).for_each(|n| {
                fs::write(victim.tree().join(format!("etc/{n}")), format!("{n} {round}")).unwrap()
            });
            let done = repo.backup_tree(&[victim.tree()], &TreeOptions::default(), &meta(), &Monitor::new());
            victim.snapshots.push((done.unwrap().snapshot, contents(&victim.tree())));
        }
        victim
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn storage(&self) -> Arc<dyn Storage> {
        self.moto.locked("eu", self.moto.options())
    }

    fn with_deleted(&self) -> Arc<dyn Storage> {
        self.moto.locked("eu", S3Options { see_deleted: true, ..self.moto.options() })
    }

    fn all_is_restored(&self, repo: &Repository) {
        for (id, was) in &self.snapshots {
            let info = repo.find(&Filter::parse(&id.to_string())).unwrap();
            let target = tempfile::tempdir().unwrap();
            let restored = repo.restore_tree(
                &info,
                self.tree().to_str().unwrap(),
                target.path(),
                RestoreOptions::default(),
                &Monitor::new(),
            );
            assert!(restored.unwrap().is_complete());
            assert!(contents(target.path()) == *was, "snapshot {}", id.short());
        }
    }

    /// Valid snapshots of an empty tree, sealed with the true master key, with the names of their objects.
    fn forged(&self, count: usize) -> Vec<(String, Vec<u8>)> {
        let copy = self.folder.path().join("copy");
        let (from, to) = (self.storage(), support::at(&copy));
        to.prepare().unwrap();
        let mut objects = vec![Object::Config];
        for kind in [Kind::Key, Kind::Index, Kind::Pack, Kind::Snapshot] {
            from.list(kind, &mut |one| objects.push(Object::Named(kind, one.id))).unwrap();
        }
        for object in &objects {
            let size = from.stat(*object).unwrap().unwrap() as usize;
            to.put(*object, &from.read(*object, 0, size).unwrap()).unwrap();
        }
        fs::rename(self.tree(), self.folder.path().join("kept")).unwrap();
        fs::create_dir(self.tree()).unwrap();
        let repo = support::open(&copy);
        for number in 0..count {
            let time = if number % 2 == 0 { "2099-01-01T00:00:00Z" } else { "1990-01-01T00:00:00Z" };
            let meta = BackupMeta { time: time.parse().unwrap(), ..meta() };
            repo.backup_tree(&[self.tree()], &TreeOptions::default(), &meta, &Monitor::new()).unwrap();
        }
        let known: BTreeSet<PathBuf> = objects.iter().map(|object| copy.join(object.path())).collect();
        let new = support::objects(&copy, &["data", "index", "snapshots"]).into_iter();
        let named = |path: PathBuf| {
            (format!("eu/{}", path.strip_prefix(&copy).unwrap().display()), fs::read(&path).unwrap())
        };
        new.filter(|path| !known.contains(path)).map(named).collect()
    }
}

/// How check calls the objects with these keys.
fn names(keys: &[String]) -> BTreeSet<String> {
    let name = |key: &String| {
        let id = key.rsplit('/').next().unwrap();
        let kinds =
            [("/data/", "pack"), ("/index/", "index file"), ("/keys/", "key"), ("/snapshots/", "snapshot")];
        let kind = kinds.iter().find(|(folder, _)| key.contains(folder));
        kind.map_or_else(|| id.to_owned(), |(_, word)| format!("{word} {id}"))
    };
    keys.iter().map(name).collect()
}

#[test]
fn fault_63_what_was_overwritten_is_restored_and_named_and_a_flood_expires_nothing() {
    let retention = Retention { mode: RetentionMode::Governance, days: 30 };
    let victim = Victim::new(Some(retention));
    let good = victim.attacker.versions("eu/");
    let true_objects = victim.attacker.keys("eu/").len();
    let forged = victim.forged(flood());
    let overwritten = victim.attacker.overwrite_all("eu/");
    assert_eq!(overwritten.len(), true_objects);
    victim.attacker.put_all(&forged);

    let repo = open(victim.storage());
    victim.all_is_restored(&repo);

    let repo = open(victim.storage());
    let report = repo.check(read_all(), &Monitor::new()).unwrap();
    assert!(report.is_sound(), "{:?}", report.damages);
    assert_eq!(report.overwritten, names(&overwritten));
    assert_eq!(report.snapshots as usize, flood() + 3);

    let truth: BTreeSet<Id> = victim.snapshots.iter().map(|(id, _)| *id).collect();
    let policy = Policy { within: DAY * 30, ..Policy::default() };
    let plan = repo.forget_plan(&policy, &[], SystemTime::now() + DAY).unwrap();
    assert!(plan.verdict.expired.iter().all(|id| !truth.contains(id)));
    assert_eq!(plan.snapshots.len(), flood() + 3);

    let options = PruneOptions::default();
    match open(victim.storage()).prune_plan(&options, SystemTime::now() + DAY * 2, &Monitor::new()) {
        Ok(plan) => assert_eq!((plan.mark.packs, plan.remove.packs, plan.repack.packs), (0, 0, 0)),
        Err(e) => assert_eq!(e.class(), Class::Integrity, "{e}"),
    }

    let removed = good.iter().filter(|version| victim.attacker.delete_version(version)).count();
    let locks = good.iter().filter(|version| version.key.contains("/locks/")).count();
    assert_eq!(removed, locks, "only locks have no retention");
    victim.all_is_restored(&open(victim.storage()));
    println!(
        "{} objects overwritten, all named; {} forged snapshots; {} snapshots restored; {} removals of versions refused",
        overwritten.len(),
        flood(),
        truth.len() * 2,
        good.len() - removed
    );
}

#[test]
fn fault_63_an_object_buried_under_many_versions_is_found() {
    let victim = Victim::new(None);
    let (key, _) = victim.attacker.keys("eu/snapshots/").remove(0);
    (0..60).for_each(|number| victim.attacker.put(&key, &noise(number, 300)));
    let repo = open(victim.storage());
    assert_eq!(repo.snapshots().unwrap().len(), 3);
    let report = repo.check(CheckOptions::default(), &Monitor::new()).unwrap();
    assert_eq!((report.overwritten, report.damages), (names(&[key]), Vec::new()));
}

#[test]
fn fault_63_what_has_no_good_version_is_damage_and_not_overwritten() {
    let victim = Victim::new(None);
    let (key, _) = victim.attacker.keys("eu/data/").remove(0);
    victim.attacker.put(&key, b"noise");
    for version in victim.attacker.versions(&key).iter().filter(|version| !version.is_latest) {
        assert!(victim.attacker.delete_version(version));
    }
    let report = open(victim.storage()).check(read_all(), &Monitor::new()).unwrap();
    assert_eq!((report.damages.len(), report.overwritten.len()), (1, 0), "{:?}", report.damages);
    assert_eq!(names(&[key]), BTreeSet::from([report.damages[0].object.clone()]));
}

#[test]
fn fault_63_what_was_deleted_is_read_through_the_markers_and_not_written() {
    let victim = Victim::new(None);
    victim.attacker.overwrite_all("eu/snapshots/");
    let keys = victim.attacker.keys("eu/");
    keys.iter().for_each(|(key, _)| victim.attacker.delete(key));
    let gone = Repository::open(victim.storage(), &password()).unwrap_err();
    assert_eq!(gone.code(), "LB3011");

    let repo = open(victim.with_deleted());
    victim.all_is_restored(&repo);
    let report = repo.check(read_all(), &Monitor::new()).unwrap();
    assert!(report.is_sound(), "{:?}", report.damages);
    assert_eq!(report.overwritten.len(), 3, "the snapshots, also below the markers");
    let refused =
        repo.backup_stream(&meta(), "d", &mut &b"x"[..], || Ok::<(), std::io::Error>(()), &Monitor::new());
    assert_eq!(refused.unwrap_err().code(), "LB3005");
    assert_eq!(repo.forget(&[victim.snapshots[0].0]).unwrap_err().code(), "LB3034");

    // To go on, everything is copied into a repository that lives.
    let other = victim.moto.storage("other");
    let other = Repository::init(other, &password(), INIT).unwrap().with_lock_times(quick_locks());
    repo.copy(&other, &repo.snapshots().unwrap(), &Monitor::new()).unwrap();
    assert_eq!(other.snapshots().unwrap().len(), 3);
    println!("{} objects deleted, 3 snapshots restored and copied", keys.len());
}

#[test]
fn fault_63_credentials_that_cannot_delete_or_replace_are_enough_for_a_host() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    for prefix in ["eu", "other"] {
        Repository::init(moto.storage(prefix), &password(), INIT).unwrap();
    }
    proxy.rule(|head| {
        let is_lock = head.path.contains("/locks/");
        let is_replacing = head.method == "PUT" && !head.headers.contains_key("if-none-match");
        if (head.method == "DELETE" && !is_lock) || is_replacing {
            return Action::Refuse(403, "AccessDenied");
        }
        Action::Pass
    });
    let repo = open(moto.storage_at(&proxy.endpoint(), "eu"));
    let other = open(moto.storage_at(&proxy.endpoint(), "other"));
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("a"), noise(1, 2_000_000)).unwrap();
    let done = repo
        .backup_tree(std::slice::from_ref(&tree), &TreeOptions::default(), &meta(), &Monitor::new())
        .unwrap();
    let info = repo.find(&Filter::default()).unwrap();
    repo.copy(&other, std::slice::from_ref(&info), &Monitor::new()).unwrap();
    let (target, options) = (folder.path().join("back"), RestoreOptions::default());
    repo.restore_tree(&info, tree.to_str().unwrap(), &target, options, &Monitor::new()).unwrap();
    assert!(contents(&target) == contents(&tree));
    assert!(repo.check(read_all(), &Monitor::new()).unwrap().is_sound());
    assert!(repo.locks().unwrap().is_empty(), "locks may be removed");
    let refused =
        |head: &support::proxy::RequestHead| head.method == "DELETE" && !head.path.contains("/locks/");
    assert_eq!(proxy.seen().iter().filter(|head| refused(head)).count(), 0);

    assert_eq!(repo.forget(&[done.snapshot]).unwrap_err().code(), "LB3034");
    repo.key_add(&Password::new("other"), KdfParams::LIGHT).unwrap();
    let now = SystemTime::now() + DAY * 3;
    let plan = repo.prune_plan(&PruneOptions::default(), now, &Monitor::new()).unwrap();
    let before = moto_objects(&moto);
    assert_eq!(
        repo.prune(&plan, &PruneOptions::default(), now, &Monitor::new()).unwrap_err().code(),
        "LB3034"
    );
    assert_eq!(repo.rebuild_index(&Monitor::new()).unwrap_err().code(), "LB3034");
    assert_eq!(moto_objects(&moto), before, "nothing is half done");
    assert_eq!(repo.snapshots().unwrap().len(), 1);
}

fn moto_objects(moto: &Moto) -> BTreeSet<Id> {
    let mut all = BTreeSet::new();
    for kind in [Kind::Snapshot, Kind::Index, Kind::Pack] {
        moto.storage("eu")
            .list(kind, &mut |one| {
                all.insert(one.id);
            })
            .unwrap();
    }
    all
}

/// Writes again and again until the storage's clock, which knows only seconds, shows it.
fn write_later_than(victim: &Victim, before: Option<SystemTime>, objects: &[(String, Vec<u8>)]) {
    let key = &objects[0].0;
    for _ in 0..200 {
        victim.attacker.put_all(objects);
        if victim.attacker.written(key) > before {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the storage's clock stands still");
}

#[test]
fn fault_63_writing_the_same_bytes_again_makes_no_snapshot_younger() {
    let victim = Victim::new(None);
    let times = |repo: &Repository| -> BTreeMap<Id, Option<SystemTime>> {
        let plan = repo.forget_plan(&Policy::default(), &[], SystemTime::now()).unwrap();
        plan.snapshots.iter().map(|info| (info.id, info.written)).collect()
    };
    let before = times(&open(victim.storage()));
    let storage = victim.storage();
    let same: Vec<(String, Vec<u8>)> = victim
        .attacker
        .keys("eu/snapshots/")
        .into_iter()
        .map(|(key, size)| {
            let object = Object::Named(Kind::Snapshot, key.rsplit('/').next().unwrap().parse().unwrap());
            (key, storage.read(object, 0, size).unwrap())
        })
        .collect();
    write_later_than(&victim, before.values().copied().max().flatten(), &same);
    assert_eq!(times(&open(victim.storage())), before);
}

#[test]
fn fault_63_a_flood_of_keys_does_not_hide_the_true_one() {
    let victim = Victim::new(None);
    let (key, _) = victim.attacker.keys("eu/keys/").remove(0);
    let true_id: Id = key.rsplit('/').next().unwrap().parse().unwrap();
    let forged = open(victim.storage()).key_add(&Password::new("attacker"), KdfParams::LIGHT).unwrap();
    let forged = Object::Named(Kind::Key, forged);
    let size = victim.storage().stat(forged).unwrap().unwrap() as usize;
    let mut bytes = victim.storage().read(forged, 0, size).unwrap();
    // Keys of the attacker, more than are tried, that all come before the true one by name.
    let mut flood = Vec::new();
    while flood.len() < 60 {
        bytes.push(b' ');
        if Id::of(&bytes) < true_id {
            flood.push((format!("eu/keys/{}", Id::of(&bytes)), bytes.clone()));
        }
    }
    write_later_than(&victim, victim.attacker.written(&key), &flood[..1]);
    victim.attacker.put_all(&flood);
    open(victim.storage());
    println!("{} keys before the true one, which opens", flood.len());
}

#[test]
fn retention_is_set_extended_for_what_is_needed_and_never_shortened() {
    let days = |n: u32| Retention { mode: RetentionMode::Governance, days: n };
    let victim = Victim::new(Some(days(2)));
    let repo = open(victim.storage());
    let all: Vec<_> = victim.attacker.versions("eu/");
    let stored = all.iter().filter(|version| !version.key.contains("/locks/"));
    let now = SystemTime::now();
    assert!(stored.clone().all(|version| victim.attacker.retained(version).unwrap() > now + DAY));
    let overwritten = victim.attacker.overwrite_all("eu/data/");

    let (mode, until) = (RetentionMode::Governance, now + DAY * 40);
    let done = repo.protect(until, mode, &Monitor::new()).unwrap();
    assert_eq!((done.extended as usize, done.enough, done.damaged.len()), (stored.clone().count(), 0, 0));
    for version in stored {
        let reached = victim.attacker.retained(version).unwrap();
        assert!(reached + Duration::from_secs(1) > until, "{version:?}: the good version is protected");
    }
    let noise: Vec<_> = victim.attacker.versions("eu/data/").into_iter().filter(|v| v.is_latest).collect();
    assert!(noise.iter().all(|version| victim.attacker.retained(version).is_none()));

    let again = repo.protect(now + DAY * 10, mode, &Monitor::new()).unwrap();
    assert_eq!((again.extended, again.enough), (0, done.extended), "nothing is shortened");
    let stricter = repo.protect(now + DAY, RetentionMode::Compliance, &Monitor::new()).unwrap();
    assert_eq!(stricter.extended, done.extended);
    assert!(victim.attacker.retained(&all[0]).unwrap() + Duration::from_secs(1) > until);

    // What nobody needs is left to its own retention.
    repo.forget(&[victim.snapshots[1].0, victim.snapshots[2].0]).unwrap();
    let less = open(victim.storage()).protect(until, mode, &Monitor::new()).unwrap();
    assert!(less.unneeded > 0, "{less:?}");
    println!("{} objects protected, {} overwritten among them", done.extended, overwritten.len());
}

#[test]
fn protection_goes_on_past_what_is_forged_and_says_so() {
    let victim = Victim::new(None);
    let noise = noise(9, 500);
    let forged = format!("eu/snapshots/{}", Id::of(&noise));
    victim.attacker.put(&forged, &noise);
    let repo = open(victim.storage());
    let until = SystemTime::now() + DAY * 10;
    let done = repo.protect(until, RetentionMode::Governance, &Monitor::new()).unwrap();
    assert_eq!(done.damaged, names(&[forged]));
    assert_eq!(
        done.extended as usize,
        victim.attacker.keys("eu/").iter().filter(|(k, _)| !k.contains("/locks/")).count()
    );
}

#[test]
fn fault_63_a_false_index_file_is_damage_until_the_index_is_made_anew() {
    let victim = Victim::new(None);
    let noise = noise(9, 500);
    let key = format!("eu/index/{}", Id::of(&noise));
    victim.attacker.put(&key, &noise);
    let repo = open(victim.storage());
    let report = repo.check(CheckOptions::default(), &Monitor::new()).unwrap();
    assert!(report.damages.iter().any(|damage| names(std::slice::from_ref(&key)).contains(&damage.object)));
    assert!(repo.rebuild_index(&Monitor::new()).unwrap().damaged.is_empty());
    victim.all_is_restored(&open(victim.storage()));
}

#[test]
fn a_folder_cannot_be_protected_and_says_so() {
    let local = support::Local::new();
    let until = SystemTime::now() + DAY;
    let refused = local.repo.protect(until, RetentionMode::Governance, &Monitor::new()).unwrap_err();
    assert!(
        matches!(refused, repository::Error::Storage(ref e) if e.problem == Problem::Failed),
        "{refused}"
    );
}
