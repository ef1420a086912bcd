//! Streams in and out, with stock restic as the judge.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{self, Read};

use proptest::prelude::*;
use repository::{BackupMeta, Error, Filter, Id, Monitor};
use support::restic::Restic;
use support::{Local, judges, meta, noise, restic_agrees, sql};

fn ended_well() -> Result<(), io::Error> {
    Ok(())
}

#[test]
fn a_stream_comes_back_by_our_reader_and_by_restic() {
    let local = Local::new();
    let bytes = [sql(60_000), noise(1, 9_000_000), vec![0; 3_000_000]].concat();
    let meta = BackupMeta {
        tags: vec!["lifeboat:job=nightly".into()],
        metadata: Some(b"{\"kind\":\"postgres\"}".to_vec()),
        ..meta()
    };
    let monitor = Monitor::new();
    let done =
        local.repo.backup_stream(&meta, "tutor.dump", &mut bytes.as_slice(), ended_well, &monitor).unwrap();
    assert_eq!(done.bytes, (bytes.len() + 19) as u64);
    assert_eq!(monitor.progress().bytes_done, done.bytes);
    assert!(done.bytes_stored < done.bytes);

    assert!(local.dump("tutor.dump") == bytes);
    assert_eq!(local.dump("lifeboat.json"), b"{\"kind\":\"postgres\"}");
    restic_agrees(&local.path());
    for restic in judges() {
        assert!(restic.ok(&local.path(), &["dump", "latest", "/tutor.dump"]) == bytes);
        let target = restic.restore(&local.path(), std::path::Path::new("/tutor.dump"), local.folder.path());
        assert!(std::fs::read(target).unwrap() == bytes, "the node's size must be the sum of its blobs");
    }

    let listed: serde_json::Value = serde_json::from_slice(&local.restic(&["snapshots", "--json"])).unwrap();
    assert_eq!(listed[0]["id"], done.snapshot.to_string());
    assert_eq!(listed[0]["hostname"], "db-1");
    assert_eq!(listed[0]["tags"][0], "lifeboat:job=nightly");
    assert_eq!(listed[0]["paths"][0], "/tutor.dump");
}

#[test]
fn a_source_that_does_not_end_well_leaves_no_snapshot() {
    let local = Local::new();
    let bytes = noise(2, 3_000_000);
    let failed = || Err(io::Error::other("pg_dump exited with 1"));
    let error =
        local.repo.backup_stream(&meta(), "d", &mut bytes.as_slice(), failed, &Monitor::new()).unwrap_err();
    assert_eq!(error.code(), "LB3051");
    assert!(local.repo.snapshots().unwrap().is_empty());
    restic_agrees(&local.path());
}

struct Breaks(usize);

impl Read for Breaks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.0);
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the server went away"));
        }
        self.0 -= length;
        buffer[..length].fill(b'x');
        Ok(length)
    }
}

#[test]
fn a_reader_that_breaks_leaves_no_snapshot_and_the_source_is_not_asked_to_finish() {
    let local = Local::new();
    let finish = || -> Result<(), io::Error> { panic!("must not be asked") };
    let error =
        local.repo.backup_stream(&meta(), "d", &mut Breaks(20_000_000), finish, &Monitor::new()).unwrap_err();
    assert_eq!(error.code(), "LB3050", "{error}");
    assert!(local.repo.snapshots().unwrap().is_empty());
    restic_agrees(&local.path());
}

#[test]
fn a_cancelled_backup_leaves_no_snapshot_and_what_was_stored_is_used_again() {
    let local = Local::new();
    let bytes = noise(3, 130_000_000);
    let monitor = Monitor::new();
    struct CancelsAt<'a>(&'a [u8], usize, &'a Monitor);
    impl Read for CancelsAt<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.len() < self.1 {
                self.2.cancel();
            }
            self.0.read(buffer)
        }
    }
    let mut reader = CancelsAt(&bytes, 5_000_000, &monitor);
    let error = local.repo.backup_stream(&meta(), "d", &mut reader, ended_well, &monitor).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert!(local.repo.snapshots().unwrap().is_empty());
    let again =
        local.repo.backup_stream(&meta(), "d", &mut bytes.as_slice(), ended_well, &Monitor::new()).unwrap();
    assert!(again.bytes_stored < 110_000_000, "{} bytes were sent again", again.bytes_stored);
    assert!(local.dump("d") == bytes);
}

#[test]
fn the_same_stream_again_stores_nothing_new() {
    let local = Local::new();
    let bytes = noise(4, 5_000_000);
    let backup = || {
        local.repo.backup_stream(&meta(), "d", &mut bytes.as_slice(), ended_well, &Monitor::new()).unwrap()
    };
    backup();
    assert!(backup().bytes_stored < 1000, "only the tree, which holds the time of the backup");
}

#[test]
fn several_streams_and_folders_make_one_snapshot() {
    let local = Local::new();
    let dump = sql(1000);
    let done = local.repo.backup_streams(&meta(), &Monitor::new(), |snapshot| {
        snapshot.stream("cluster/db/tutor.sql", &mut dump.as_slice())?;
        snapshot.bytes("cluster/globals.sql", b"CREATE ROLE a;")?;
        assert_eq!(snapshot.bytes("cluster/globals.sql", b"again").unwrap_err().code(), "LB3053");
        assert_eq!(snapshot.bytes("cluster/globals.sql/x", b"below a file").unwrap_err().code(), "LB3053");
        assert_eq!(snapshot.bytes("a/../b", b"").unwrap_err().code(), "LB3053");
        snapshot.bytes("empty", b"").map(drop)
    });
    assert_eq!(done.unwrap().folders, 2);
    restic_agrees(&local.path());
    assert_eq!(local.restic(&["dump", "latest", "/cluster/db/tutor.sql"]), dump);
    assert_eq!(local.dump("/cluster/globals.sql"), b"CREATE ROLE a;");
    assert_eq!(local.dump("empty"), b"");
    let mut seen = Vec::new();
    local
        .repo
        .ls(&local.latest(), "cluster", true, &mut |path, _| {
            seen.push(path.to_owned());
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, ["/cluster/db", "/cluster/db/tutor.sql", "/cluster/globals.sql"]);
}

#[test]
fn snapshots_are_found_by_id_by_tag_by_host_and_by_time() {
    let local = Local::new();
    let make = |host: &str, tag: &str, time: &str| {
        let meta = BackupMeta {
            hostname: host.into(),
            tags: vec![tag.into()],
            time: time.parse().unwrap(),
            ..meta()
        };
        local
            .repo
            .backup_stream(&meta, "d", &mut tag.as_bytes(), ended_well, &Monitor::new())
            .unwrap()
            .snapshot
    };
    let a = make("a", "x", "2026-01-01T00:00:00Z");
    let b = make("b", "x", "2026-02-01T00:00:00Z");
    let c = make("a", "lifeboat:incomplete", "2026-03-01T00:00:00Z");
    let find = |filter: Filter| local.repo.find(&filter).map(|s| s.id);
    assert_eq!(find(Filter::default()).unwrap(), b, "an incomplete one is never the newest");
    assert_eq!(find(Filter { incomplete: true, ..Filter::default() }).unwrap(), c);
    assert_eq!(find(Filter { host: Some("a".into()), ..Filter::default() }).unwrap(), a);
    assert_eq!(
        find(Filter { not_after: Some("2026-01-31T00:00:00Z".parse().unwrap()), ..Filter::default() })
            .unwrap(),
        a
    );
    assert_eq!(find(Filter::parse(&c.short())).unwrap(), c);
    assert_eq!(find(Filter { tags: vec!["y".into()], ..Filter::default() }).unwrap_err().code(), "LB3040");
    assert_eq!(find(Filter::parse("zz")).unwrap_err().code(), "LB3040");
    assert_eq!(find(Filter::parse("")).unwrap_err().code(), "LB3040");
    local.repo.forget(&[b, Id::of(b"never there")]).unwrap();
    assert_eq!(find(Filter::default()).unwrap(), a);
    restic_agrees(&local.path());
}

#[test]
fn a_wrong_password_and_a_missing_repository_are_said_clearly() {
    let local = Local::new();
    let wrong = repository::Repository::open(support::at(&local.path()), &repository::Password::new("no"))
        .unwrap_err();
    assert_eq!((wrong.code(), wrong.class()), ("LB3014", repository::Class::Permanent));
    let nothing = repository::Repository::open(support::at(&local.beside("nothing")), &support::password())
        .unwrap_err();
    assert_eq!(nothing.code(), "LB3011");
    let again = repository::Repository::init(
        support::at(&local.path()),
        &support::password(),
        repository::InitOptions::default(),
    );
    assert_eq!(again.unwrap_err().code(), "LB3012");
}

#[test]
fn we_write_into_a_repository_that_restic_made_and_read_what_restic_wrote() {
    judges().iter().for_each(we_write_beside);
}

fn we_write_beside(restic: &Restic) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    restic.init(&path);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let (text, random) = (sql(40_000), noise(5, 6_000_000));
    std::fs::write(data.join("text"), &text).unwrap();
    std::fs::write(data.join("random"), &random).unwrap();
    restic.ok(&path, &["backup", data.to_str().unwrap()]);

    let repo = support::open(&path);
    let theirs = repo.find(&Filter::default()).unwrap();
    for (name, bytes) in [("text", &text), ("random", &random)] {
        let mut out = Vec::new();
        repo.dump(&theirs, &format!("{}/{name}", data.display()), &mut out, &Monitor::new()).unwrap();
        assert!(out == *bytes);
    }
    repo.backup_stream(&meta(), "ours", &mut text.as_slice(), ended_well, &Monitor::new()).unwrap();
    restic_agrees(&path);
    for other in judges() {
        assert!(other.ok(&path, &["dump", "latest", "/ours"]) == text);
    }
}

/// Rounds of the quick suite, and of the full one.
fn cases() -> u32 {
    if std::env::var_os("LIFEBOAT_FULL").is_some() { 200 } else { 6 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_stream_comes_back(seed: u64, parts in proptest::collection::vec((0_usize..3_000_000, any::<bool>()), 0..4)) {
        let bytes: Vec<u8> = parts.iter().flat_map(|(length, random)| if *random { noise(seed, *length) } else { vec![7; *length] }).collect();
        let local = Local::new();
        let done = local.repo.backup_stream(&meta(), "s", &mut bytes.as_slice(), ended_well, &Monitor::new()).unwrap();
        prop_assert_eq!(done.bytes, bytes.len() as u64);
        prop_assert!(local.dump("s") == bytes);
        for restic in judges() {
            prop_assert!(restic.ok(&local.path(), &["dump", "latest", "/s"]) == bytes);
        }
    }
}
