//! Damage, crashes, full disks. What is stored is right or refused; what was there before stays.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use repository::{CheckOptions, Class, Filter, Monitor, Repository, RestoreOptions, TreeOptions};
use support::{Local, meta, noise, open, restic_agrees, restic_ok, sql};

fn ended_well() -> Result<(), std::io::Error> {
    Ok(())
}

/// A repository of two snapshots: a stream, and a tree of three files.
fn small() -> (Local, PathBuf) {
    let local = Local::new();
    local
        .repo
        .backup_stream(&meta(), "dump", &mut sql(3000).as_slice(), ended_well, &Monitor::new())
        .unwrap();
    let root = local.beside("data");
    for (name, seed) in [("one", 1), ("two", 2), ("three", 3)] {
        fs::write(root.join(name), noise(seed, 40_000)).unwrap();
    }
    local
        .repo
        .backup_tree(std::slice::from_ref(&root), &TreeOptions::default(), &meta(), &Monitor::new())
        .unwrap();
    (local, root)
}

/// Replaces a stored file, which is read-only.
fn overwrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Reads everything there is in every way; whatever comes out must be what went in. Gives whether all was well.
fn everything_is_right_or_refused(path: &Path, root: &Path, scratch: &Path) -> Result<(), String> {
    let say = |e: repository::Error| format!("{} {e}", e.code());
    let repo = Repository::open(support::at(path), &support::password()).map_err(say)?;
    let repo = repo.without_read_locks();
    let report =
        repo.check(CheckOptions { read_data: true, ..Default::default() }, &Monitor::new()).map_err(say)?;
    let mut problem = report.damages.first().map(|d| format!("check: {} {}", d.object, d.detail));
    let snapshots = repo.snapshots().map_err(say)?;
    let mut dump = Vec::new();
    match repo.dump(&snapshots[0], "dump", &mut dump, &Monitor::new()) {
        Ok(_) => assert!(dump == sql(3000), "a damaged dump was given out as good"),
        Err(e) => problem = Some(say(e)),
    }
    let options = RestoreOptions { skip_damaged: true, ..RestoreOptions::default() };
    let restored =
        repo.restore_tree(&snapshots[1], root.to_str().unwrap(), scratch, options, &Monitor::new());
    match restored {
        Ok(summary) => {
            for entry in fs::read_dir(scratch).unwrap() {
                let entry = entry.unwrap();
                let wanted = fs::read(root.join(entry.file_name())).unwrap();
                assert!(fs::read(entry.path()).unwrap() == wanted, "a damaged file was restored as good");
            }
            let there = fs::read_dir(scratch).unwrap().count();
            if summary.damaged_count > 0 {
                problem = Some(format!("{:?}", summary.damaged));
            } else {
                assert_eq!(there, 3, "a file is missing and nobody said so");
            }
        }
        Err(e) => problem = Some(say(e)),
    }
    problem.map_or(Ok(()), Err)
}

/// How often: in the quick suite, and in the full one.
fn total(quick: usize, full: usize) -> usize {
    if std::env::var_os("LIFEBOAT_FULL").is_some() { full } else { quick }
}

/// Damages each stored file in many ways, one at a time; each must be noticed.
fn damage_all(
    folders: &[&str],
    total: usize,
    damage: impl Fn(&mut rand::rngs::StdRng, &[u8]) -> Vec<u8>,
) -> usize {
    let (local, root) = small();
    let mut random = rand::rngs::StdRng::seed_from_u64(53);
    let mut count = 0;
    let files = support::objects(&local.path(), folders);
    let per_file = total.div_ceil(files.len());
    for file in files {
        let good = fs::read(&file).unwrap();
        for _ in 0..per_file {
            let bad = damage(&mut random, &good);
            if bad == good {
                continue;
            }
            overwrite(&file, &bad);
            let scratch = tempfile::tempdir().unwrap();
            let noticed = everything_is_right_or_refused(&local.path(), &root, scratch.path());
            assert!(noticed.is_err(), "damage to {} went unnoticed", file.display());
            count += 1;
        }
        overwrite(&file, &good);
    }
    let scratch = tempfile::tempdir().unwrap();
    everything_is_right_or_refused(&local.path(), &root, scratch.path()).unwrap();
    count
}

#[test]
fn fault_53_every_flipped_bit_in_packs_snapshots_keys_and_index_is_noticed() {
    let count =
        damage_all(&["data", "snapshots", "index", "keys", "config"], total(200, 10_000), |random, good| {
            let mut bad = good.to_vec();
            bad[random.random_range(0..good.len())] ^= 1 << random.random_range(0..8);
            bad
        });
    println!("{count} flipped bits, all noticed");
    assert!(count >= total(190, 9_900));
}

#[test]
fn fault_54_every_truncated_or_empty_file_is_noticed() {
    let count =
        damage_all(&["data", "snapshots", "index", "keys", "config"], total(64, 1000), |random, good| {
            let cut = random.random_range(0..good.len());
            good[..if random.random_ratio(1, 4) { 0 } else { cut }].to_vec()
        });
    println!("{count} truncations, all noticed");
    assert!(count >= total(60, 990));
}

#[test]
fn fault_54_a_missing_pack_is_named_with_its_snapshots_and_files_and_other_files_restore() {
    let local = Local::new();
    let root = local.beside("data");
    fs::write(root.join("lost"), noise(1, 50_000)).unwrap();
    local
        .repo
        .backup_tree(std::slice::from_ref(&root), &TreeOptions::default(), &meta(), &Monitor::new())
        .unwrap();
    let before = support::objects(&local.path(), &["data"]);
    fs::write(root.join("kept"), noise(2, 50_000)).unwrap();
    local
        .repo
        .backup_tree(std::slice::from_ref(&root), &TreeOptions::default(), &meta(), &Monitor::new())
        .unwrap();
    let data_pack = before.iter().max_by_key(|p| fs::metadata(p).unwrap().len()).unwrap();
    fs::remove_file(data_pack).unwrap();

    let report = local.repo.check(CheckOptions::default(), &Monitor::new()).unwrap();
    assert_eq!(report.damages.len(), 1, "{:?}", report.damages);
    let damage = &report.damages[0];
    assert!(damage.object.ends_with(data_pack.file_name().unwrap().to_str().unwrap()));
    assert_eq!((damage.snapshots.len(), damage.files.len()), (2, 2), "{damage:?}");
    assert!(damage.files.iter().all(|f| f.ends_with("/lost")));

    let restore = |skip_damaged, name: &str| {
        let options = RestoreOptions { skip_damaged, ..RestoreOptions::default() };
        let target = local.folder.path().join(name);
        local.repo.restore_tree(&local.latest(), root.to_str().unwrap(), &target, options, &Monitor::new())
    };
    let error = restore(false, "strict").unwrap_err();
    assert_eq!((error.code(), error.class()), ("LB3021", Class::Integrity), "{error}");
    assert!(error.to_string().contains("/lost"), "{error}");
    let summary = restore(true, "lenient").unwrap();
    assert_eq!((summary.damaged_count, summary.files), (1, 1));
    for name in ["strict", "lenient"] {
        let target = local.folder.path().join(name);
        assert_eq!(
            fs::read(target.join("kept")).unwrap(),
            noise(2, 50_000),
            "other files are restored either way"
        );
        assert!(!target.join("lost").exists());
    }
}

#[test]
fn fault_55_a_lost_or_damaged_index_is_rebuilt_from_packs() {
    let (local, root) = small();
    let files = support::objects(&local.path(), &["index"]);
    fs::remove_file(&files[0]).unwrap();
    overwrite(&files[1], b"garbage");
    let scratch = tempfile::tempdir().unwrap();
    assert!(everything_is_right_or_refused(&local.path(), &root, scratch.path()).is_err());
    let summary = local.repo.rebuild_index(&Monitor::new()).unwrap();
    assert!(summary.damaged.is_empty());
    assert_eq!(summary.removed, 1);
    everything_is_right_or_refused(&local.path(), &root, scratch.path()).unwrap();
    restic_agrees(&local.path());
}

/// Not a test of its own: a process that backs up what it reads from stdin, to be killed or measured.
#[test]
fn backs_up_its_input_when_asked() {
    let Some(path) = std::env::var_os("LIFEBOAT_TEST_BACKUP_INTO") else { return };
    let repo = open(Path::new(&path));
    let mut input = std::io::stdin().lock();
    repo.backup_stream(&meta(), "killed", &mut input, ended_well, &Monitor::new()).unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    println!("\n{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
}

#[test]
fn a_backup_needs_no_more_memory_than_its_bound_however_large_the_stream() {
    const BOUND_KIB: u64 = 192 * 1024;
    let local = Local::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "backs_up_its_input_when_asked", "--nocapture"])
        .env("LIFEBOAT_TEST_BACKUP_INTO", local.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let mut block = noise(1, 4_000_000);
    for round in 0..100_u8 {
        block.iter_mut().for_each(|byte| *byte = byte.wrapping_add(round | 1));
        pipe.write_all(&block).unwrap();
    }
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).expect(&text);
    let used: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("400 MB backed up with {} MiB", used / 1024);
    assert!(used <= BOUND_KIB, "{line}");
}

#[test]
fn fault_57_kill_9_during_a_backup_leaves_earlier_snapshots_intact() {
    let local = Local::new();
    let first = sql(20_000);
    local.repo.backup_stream(&meta(), "first", &mut first.as_slice(), ended_well, &Monitor::new()).unwrap();
    let bytes = noise(9, 80_000_000);
    for round in 1..=4_usize {
        let packs_before = support::objects(&local.path(), &["data"]).len();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "backs_up_its_input_when_asked", "--nocapture"])
            .env("LIFEBOAT_TEST_BACKUP_INTO", local.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let part = bytes[..round * 20_000_000 - 1].to_vec();
        let feeder = std::thread::spawn(move || {
            // The pipe stays open, so the child never ends by itself; it breaks when the child is killed.
            let _ = pipe.write_all(&part);
            pipe
        });
        let begun = Instant::now();
        // Killed once it stored something new, or has had time enough to read everything.
        while support::objects(&local.path(), &["data"]).len() == packs_before
            && begun.elapsed() < Duration::from_secs(5)
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        drop(feeder.join());
        let repo = open(&local.path());
        assert_eq!(repo.snapshots().unwrap().len(), 1, "no snapshot appears");
        assert!(local.dump("first") == first);
        assert!(
            repo.check(CheckOptions { read_data: true, ..Default::default() }, &Monitor::new())
                .unwrap()
                .is_sound()
        );
    }
    // The killed processes' locks are honoured until they are stale; restic knows that they are dead.
    local.restic(&["unlock"]);
    restic_agrees(&local.path());
    local.repo.backup_stream(&meta(), "killed", &mut bytes.as_slice(), ended_well, &Monitor::new()).unwrap();
    assert!(local.dump("killed") == bytes);
    restic_agrees(&local.path());
}

/// A small file system of its own; unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .status();
        mounted.is_ok_and(|s| s.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn fault_61_a_full_disk_is_a_clear_error_and_earlier_snapshots_are_untouched() {
    let Some(disk) = SmallDisk::mount("24m") else {
        eprintln!("SKIPPED: fault_61 needs the right to mount a tmpfs");
        return;
    };
    let path = disk.0.path().join("r");
    let init = repository::InitOptions { kdf: repository::KdfParams::LIGHT };
    let repo = Repository::init(support::at(&path), &support::password(), init)
        .unwrap()
        .with_lock_times(support::quick_locks());
    let first = noise(1, 2_000_000);
    repo.backup_stream(&meta(), "first", &mut first.as_slice(), ended_well, &Monitor::new()).unwrap();
    let large = noise(2, 60_000_000);
    let error =
        repo.backup_stream(&meta(), "large", &mut large.as_slice(), ended_well, &Monitor::new()).unwrap_err();
    assert_eq!((error.code(), error.class()), ("LB3004", Class::Permanent), "{error}");
    assert!(error.advice().contains("space"));
    assert_eq!(repo.snapshots().unwrap().len(), 1);
    let mut out = Vec::new();
    repo.dump(&repo.find(&Filter::default()).unwrap(), "first", &mut out, &Monitor::new()).unwrap();
    assert!(out == first);
    let left = support::objects(&path, &["data", "index", "locks"]);
    assert!(
        left.iter().all(|p| !p.to_string_lossy().contains("-tmp-")),
        "what could not be written is removed"
    );
    restic_ok(&path, &["--no-lock", "check", "--read-data"]);
}

#[test]
fn fault_27_a_restore_onto_a_full_disk_is_a_clear_error_and_no_panic() {
    let Some(disk) = SmallDisk::mount("4m") else {
        eprintln!("SKIPPED: fault_27 needs the right to mount a tmpfs");
        return;
    };
    let local = Local::new();
    let root = local.beside("data");
    fs::write(root.join("large"), noise(1, 20_000_000)).unwrap();
    local
        .repo
        .backup_tree(std::slice::from_ref(&root), &TreeOptions::default(), &meta(), &Monitor::new())
        .unwrap();
    let target = disk.0.path().join("t");
    let restored = local.repo.restore_tree(
        &local.latest(),
        root.to_str().unwrap(),
        &target,
        RestoreOptions::default(),
        &Monitor::new(),
    );
    let error = restored.unwrap_err();
    assert_eq!((error.code(), error.class()), ("LB3060", Class::Permanent), "{error}");
}

#[test]
fn a_damaged_tree_costs_its_folder_and_no_other() {
    let local = Local::new();
    let root = local.beside("data");
    fs::create_dir_all(root.join("a")).unwrap();
    fs::write(root.join("a/file"), b"a").unwrap();
    local
        .repo
        .backup_tree(std::slice::from_ref(&root), &TreeOptions::default(), &meta(), &Monitor::new())
        .unwrap();
    let first: Vec<PathBuf> = support::objects(&local.path(), &["data"]);
    fs::write(root.join("b"), b"b").unwrap();
    local
        .repo
        .backup_tree(std::slice::from_ref(&root), &TreeOptions::default(), &meta(), &Monitor::new())
        .unwrap();
    // The first backup's packs hold the tree of `a`, the second's the tree above it.
    for pack in first {
        let mut bytes = Vec::new();
        fs::File::open(&pack).unwrap().read_to_end(&mut bytes).unwrap();
        bytes[20] ^= 1;
        overwrite(&pack, &bytes);
    }
    let target = local.folder.path().join("target");
    let options = RestoreOptions { skip_damaged: true, ..RestoreOptions::default() };
    let summary =
        local.repo.restore_tree(&local.latest(), root.to_str().unwrap(), &target, options, &Monitor::new());
    let summary = summary.unwrap();
    assert!(summary.damaged_count >= 1);
    assert_eq!(fs::read(target.join("b")).unwrap(), b"b");
    assert!(!target.join("a/file").exists());
}
