//! Storage classes, archives, and the lifecycle rules of a bucket.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;

use jiff::Timestamp;
use repository::storage::{PackClass, S3Options};
use repository::{
    Archive, CheckOptions, Class, Error, Filter, InitOptions, KdfParams, Location, Monitor, PruneOptions,
    Quarter, Repository, SnapshotSummary, Storage, StorageOptions, storage,
};
use support::moto::Moto;
use support::proxy::{Action, Proxy};

const INIT: InitOptions = InitOptions { kdf: KdfParams::LIGHT };

fn quick(repo: Result<Repository, Error>) -> Repository {
    repo.unwrap().with_lock_times(support::quick_locks())
}

fn init(storage: Arc<dyn Storage>) -> Repository {
    quick(Repository::init(storage, &support::password(), INIT))
}

fn init_archive(storage: Arc<dyn Storage>, class: PackClass) -> Repository {
    let archive = Archive { class, generation: Quarter::of(Timestamp::now()) };
    quick(Repository::init_archive(storage, &support::password(), INIT, archive))
}

fn backup(repo: &Repository, bytes: &[u8]) -> Result<SnapshotSummary, Error> {
    let finish = || Ok::<(), std::io::Error>(());
    repo.backup_stream(&support::meta(), "d", &mut { bytes }, finish, &Monitor::new())
}

fn newest(repo: &Repository) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    repo.dump(&repo.find(&Filter::default())?, "d", &mut out, &Monitor::new())?;
    Ok(out)
}

fn check(repo: &Repository) -> repository::CheckReport {
    repo.check(CheckOptions::default(), &Monitor::new()).unwrap()
}

/// How many objects have this class, and how many of them are no packs.
fn of_class(moto: &Moto, prefix: &str, class: &str) -> (usize, usize) {
    let all = moto.classes(prefix);
    let of: Vec<_> = all.iter().filter(|(_, is)| is == class).collect();
    (of.len(), of.iter().filter(|(key, _)| !key.contains("/data/")).count())
}

#[test]
fn only_packs_of_data_have_a_class_also_those_that_a_prune_writes_anew() {
    let moto = Moto::start();
    let options = S3Options { pack_class: Some(PackClass::StandardIa), ..moto.options() };
    let repo = init(moto.storage_with(options, "r"));
    // Blobs go to one of two packs at random: so many that no pack has only what is kept.
    let bytes = support::noise(1, 14_000_000);
    let first = backup(&repo, &bytes).unwrap();
    let (data, others) = of_class(&moto, "r", "STANDARD_IA");
    assert!(data > 0 && others == 0);
    // One pack of trees, the config, a key, an index, a snapshot.
    assert_eq!(of_class(&moto, "r", "STANDARD"), (5, 4));

    backup(&repo, &bytes[..7_000_000]).unwrap();
    repo.forget(&[first.snapshot]).unwrap();
    let options = PruneOptions { max_unused: 0.0, allow_large: true, ..PruneOptions::default() };
    let now = std::time::SystemTime::now();
    let plan = repo.prune_plan(&options, now, &Monitor::new()).unwrap();
    assert!(plan.repack.packs > 0, "{plan:?}");
    repo.prune(&plan, &options, now, &Monitor::new()).unwrap();
    assert!(of_class(&moto, "r", "STANDARD_IA").0 > data, "what was written anew has the class too");
    assert!(newest(&repo).unwrap() == bytes[..7_000_000]);
    moto.restic_agrees("r");
}

#[test]
fn a_repository_that_is_no_archive_has_no_cold_packs() {
    let at = Location::parse("s3://backups/r").unwrap();
    for class in [PackClass::Glacier, PackClass::DeepArchive] {
        let s3 = S3Options { pack_class: Some(class), ..S3Options::default() };
        let error = storage::open(&at, &StorageOptions { s3 }).err().unwrap();
        assert_eq!((error.class(), error.code()), (Class::Permanent, "LB3070"));
    }
}

#[test]
fn an_archive_is_cold_and_comes_back_when_it_is_thawed() {
    let moto = Moto::start();
    let repo = init_archive(moto.storage("a"), PackClass::DeepArchive);
    let bytes = support::noise(2, 3_000_000);
    backup(&repo, &bytes).unwrap();
    let (cold, others) = of_class(&moto, "a", "DEEP_ARCHIVE");
    assert!(cold > 0 && others == 0);
    // Everything but data is at hand.
    let repo = quick(Repository::open(moto.storage("a"), &support::password()));
    assert!(check(&repo).is_sound());
    let error = newest(&repo).unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Permanent, "LB3008"), "{error}");
    assert!(error.advice().contains("lifeboat repo thaw"), "{}", error.advice());

    let snapshot = repo.find(&Filter::default()).unwrap();
    let looked = repo.thaw(&snapshot, None, &Monitor::new()).unwrap();
    assert_eq!((looked.cold, looked.needed.packs), (looked.needed, cold as u64));
    let asked = repo.thaw(&snapshot, Some(3), &Monitor::new()).unwrap();
    assert_eq!((asked.thawing, asked.is_ready()), (asked.needed, false));
    // This server thaws at once.
    let ready = repo.thaw(&snapshot, None, &Monitor::new()).unwrap();
    assert!(ready.is_ready(), "{ready:?}");
    assert!(newest(&repo).unwrap() == bytes);
    assert_eq!(repo.thaw(&snapshot, Some(0), &Monitor::new()).unwrap_err().code(), "LB3070");
}

#[test]
fn a_cold_pack_whose_acknowledgement_got_lost_is_known_by_its_checksum() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    let repo = init_archive(moto.hasty_at(&proxy.endpoint(), "a"), PackClass::Glacier);
    let was = std::sync::atomic::AtomicBool::new(false);
    proxy.rule(move |head| {
        let is_cold = head.headers.get("x-amz-storage-class").is_some_and(|class| class == "GLACIER");
        let is_first = is_cold && !was.fetch_or(true, std::sync::atomic::Ordering::SeqCst);
        if is_first { Action::ResetAfter } else { Action::Pass }
    });
    backup(&repo, &support::noise(3, 1_000_000)).unwrap();
    assert!(proxy.seen().iter().any(|head| head.method == "HEAD" && head.path.contains("/data/")));
}

#[test]
fn nothing_is_taken_out_of_an_archive_and_restic_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let repo = init_archive(support::at(&path), PackClass::Glacier);
    let bytes = support::noise(4, 1_000_000);
    let done = backup(&repo, &bytes).unwrap();
    let now = std::time::SystemTime::now();
    let prune = repo.prune_plan(&PruneOptions::default(), now, &Monitor::new()).unwrap_err();
    let plan = repo.forget_plan(&repository::retention::Policy::default(), &[], now).unwrap_err();
    let forget = repo.forget(&[done.snapshot]).unwrap_err();
    for error in [prune, plan, forget] {
        assert_eq!((error.class(), error.code()), (Class::Permanent, "LB3035"), "{error}");
    }
    assert_eq!(repo.snapshots().unwrap().len(), 1);
    support::restic_agrees(&path);
    assert!(support::restic_ok(&path, &["dump", "latest", "/d"]) == bytes);
    let again = support::open(&path);
    assert_eq!(again.archive().map(|archive| archive.class), Some(PackClass::Glacier));
    assert!(newest(&again).unwrap() == bytes);
}

#[test]
fn an_archive_whose_quarter_is_over_takes_no_snapshot_and_names_the_current_one() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive { class: PackClass::Glacier, generation: "2020-Q1".parse().unwrap() };
    let storage = support::at(&folder.path().join("r"));
    let old = quick(Repository::init_archive(storage, &support::password(), INIT, archive));
    let current = Quarter::of(Timestamp::now()).to_string();
    let error = backup(&old, b"x").unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Permanent, "LB3036"));
    assert!(error.to_string().contains(&current), "{error}");
    let other = support::Local::new();
    backup(&other.repo, b"y").unwrap();
    let all = other.repo.snapshots().unwrap();
    assert_eq!(other.repo.copy(&old, &all, &Monitor::new()).unwrap_err().code(), "LB3036");
    assert!(old.snapshots().unwrap().is_empty());
}

/// A rule as buckets have them.
fn rule(name: &str, prefix: &str, what: &str) -> String {
    format!(
        "<Rule><ID>{name}</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status>{what}</Rule>"
    )
}

const EXPIRE: &str = "<Expiration><Days>100</Days></Expiration>";
const MOVE: &str = "<Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>";

fn set_rules(moto: &Moto, rules: &[String]) {
    let all = rules.concat();
    moto.request(
        "PUT",
        "/backups?lifecycle",
        &format!("<LifecycleConfiguration>{all}</LifecycleConfiguration>"),
    );
}

/// The names of rules that a check complains of.
fn found(repo: &Repository) -> String {
    let report = check(repo);
    assert!(report.damages.is_empty() && report.unseen.is_empty());
    assert_eq!(report.is_sound(), report.findings.is_empty());
    assert!(report.findings.iter().all(|finding| finding.code == "LB3037"));
    let names = report.findings.iter().map(|finding| finding.detail.split('"').nth(1).unwrap());
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn rules_by_age_on_a_repository_are_found_and_those_that_harm_nothing_are_not() {
    let moto = Moto::start();
    let (repo, archive) =
        (init(moto.storage("eu/r")), init_archive(moto.storage("eu/a"), PackClass::DeepArchive));
    backup(&repo, b"x").unwrap();
    assert_eq!(found(&repo), "", "a bucket without rules");
    let harmless = [
        rule("elsewhere", "us/", EXPIRE),
        rule("locks", "eu/r/locks/", EXPIRE),
        rule(
            "versions",
            "",
            "<NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays></NoncurrentVersionExpiration>",
        ),
        rule(
            "parts",
            "",
            "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>",
        ),
        rule("off", "", EXPIRE).replace("Enabled", "Disabled"),
    ];
    set_rules(&moto, &harmless);
    assert_eq!((found(&repo), found(&archive)), (String::new(), String::new()));
    for (prefix, of_archive) in [("", "moves"), ("eu/", "moves"), ("eu/r/data/", ""), ("eu/r", "")] {
        set_rules(&moto, &[rule("expires", prefix, EXPIRE), rule("moves", prefix, MOVE)]);
        assert_eq!(found(&repo), "expires moves", "{prefix}");
        // An archive may expire as a whole.
        assert_eq!(found(&archive), of_archive, "{prefix}");
    }
    set_rules(&moto, &[rule("half", "eu/a/data/", EXPIRE)]);
    assert_eq!(found(&archive), "half");
}

#[test]
fn rules_that_may_not_be_looked_at_are_no_fault() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    let repo = init(moto.hasty_at(&proxy.endpoint(), "r"));
    for (status, code) in [(403, "AccessDenied"), (501, "NotImplemented"), (405, "MethodNotAllowed")] {
        proxy.rule(move |head| {
            if head.query.contains("lifecycle") { Action::Refuse(status, code) } else { Action::Pass }
        });
        let report = check(&repo);
        assert!(report.is_sound() && report.unseen.len() == 1, "{report:?}");
    }
}
