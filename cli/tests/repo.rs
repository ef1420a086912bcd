//! `lifeboat repo` as a person or a script uses it, with stock restic beside it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.ok(&["init"]);
        place
    }

    fn repo(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.arg("repo").args(args).stdin(Stdio::null());
        command.env("LIFEBOAT_REPOSITORY", self.repo()).env("LIFEBOAT_REPOSITORY_PASSWORD", "pw");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        self.exits(args, 0)
    }

    fn exits(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}\n{}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        let out = text(&output.stdout);
        assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
        out
    }

    fn json(&self, args: &[&str]) -> serde_json::Value {
        let output = self.run(&[args, &["--output", "json"]].concat());
        assert!(output.status.success(), "{args:?} {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn tree(&self) -> PathBuf {
        let tree = self.folder.path().join("tree");
        std::fs::create_dir_all(tree.join("etc")).unwrap();
        std::fs::write(tree.join("etc/app.conf"), b"listen 443\n").unwrap();
        std::fs::write(tree.join("dump.sql"), b"INSERT INTO t VALUES (1);\n".repeat(5000)).unwrap();
        tree
    }

    fn restic(&self, args: &[&str]) -> Output {
        let mut command = Command::new("restic");
        command.args(["--no-cache", "-r"]).arg(self.repo()).args(args).env("RESTIC_PASSWORD", "pw");
        command.output().expect("stock restic must be installed: it is the judge")
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_backup_is_listed_looked_at_restored_and_checked_and_restic_agrees() {
    let place = Place::new();
    let tree = place.tree();
    let made = place.json(&["backup", text(&tree), "--tag", "nightly"]);
    assert_eq!((made["files"].as_u64(), made["incomplete"].as_bool()), (Some(2), Some(false)));
    let again = place.ok(&["backup", text(&tree)]);
    assert!(again.starts_with("snapshot "), "{again}");
    assert_eq!(place.json(&["snapshots"]).as_array().unwrap().len(), 2);
    assert_eq!(place.json(&["snapshots", "--tag", "nightly"])[0]["id"], made["snapshot"]);
    place.ok(&["snapshots"]);
    assert!(place.ok(&["ls", "latest", "--flat"]).lines().count() >= 1);
    let conf = format!("{}/etc/app.conf", text(&tree));
    assert_eq!(place.ok(&["dump", "latest", &conf]), "listen 443\n");
    let out = place.folder.path().join("out");
    place.ok(&["restore", "latest", "--target", text(&out), "--path", text(&tree)]);
    assert_eq!(std::fs::read(out.join("etc/app.conf")).unwrap(), b"listen 443\n");
    assert_eq!(place.json(&["check", "--read-data"])["sound"], true);
    assert!(place.ok(&["check"]).contains("sound"));
    let parts = (1..=3).map(|n| place.json(&["check", "--read-data", "--subset", &format!("{n}/3")]));
    let read: u64 = parts.map(|report| report["packs_read"].as_u64().unwrap()).sum();
    assert_eq!(place.json(&["check"])["packs"], read);
    place.exits(&["check", "--read-data", "--subset", "4/3"], 2);
    assert_eq!(place.json(&["check"])["overwritten"].as_array().unwrap().len(), 0);
    place.ok(&["check", "--read-data", "--limit-download", "10MiB"]);
    // A folder has no lock of its own: said, not passed over.
    place.exits(&["protect", "--days", "30"], 1);
    place.exits(&["protect", "--days", "0"], 2);
    place.exits(&["check", "--limit-download", "fast"], 2);
    assert!(place.json(&["stats"])["blobs"].as_u64().unwrap() > 2);
    place.ok(&["stats"]);
    assert!(place.restic(&["check", "--read-data"]).status.success());
}

#[test]
fn a_stream_becomes_a_snapshot_only_when_its_program_ends_well() {
    let place = Place::new();
    place.exits(&["backup", "--stdin-command", "f", "--", "/bin/false"], 1);
    assert_eq!(place.json(&["snapshots"]).as_array().unwrap().len(), 0);
    place.ok(&["backup", "--stdin-command", "greeting", "--", "/bin/echo", "hello"]);
    assert_eq!(place.ok(&["dump", "latest", "greeting"]), "hello\n");
    assert_eq!(place.restic(&["dump", "latest", "/greeting"]).stdout, b"hello\n");
}

#[test]
fn one_backup_goes_into_two_repositories_and_one_that_fails_is_named() {
    let place = Place::new();
    let tree = place.tree();
    let (other, password) = (place.folder.path().join("other"), place.folder.path().join("password"));
    std::fs::write(&password, "of its own\n").unwrap();
    place.ok(&["init", "--repo", text(&other), "--password-file", text(&password)]);
    let both = ["backup", text(&tree), "--also", text(&other), "--also-password-file", text(&password)];
    let done = place.json(&both);
    let made = done["repositories"].as_array().unwrap();
    assert_eq!((made.len(), &made[0]["tree"], &made[0]["files"]), (2, &made[1]["tree"], &made[1]["files"]));
    assert_eq!((made[1]["repository"].as_str(), made[1]["problem"].is_null()), (Some(text(&other)), true));
    place.ok(&both);
    let there = ["--repo", text(&other), "--password-file", text(&password)];
    assert_eq!(place.json(&[&["snapshots"], &there[..]].concat()).as_array().unwrap().len(), 2);
    assert!(place.ok(&[&["check", "--read-data"], &there[..]].concat()).contains("sound"));

    // 3: one of them has it. 2: the command was wrong.
    std::fs::remove_dir_all(&other).unwrap();
    assert!(place.exits(&both, 3).contains("no snapshot"));
    assert_eq!(place.json(&["snapshots"]).as_array().unwrap().len(), 3);
    place.exits(&[&both[..], &["--also", "/third"]].concat(), 2);
    std::fs::remove_dir_all(place.repo()).unwrap();
    place.exits(&both, 2);
}

#[test]
fn an_image_of_a_device_is_a_file_of_its_name() {
    let place = Place::new();
    let image = place.folder.path().join("disk.img");
    std::fs::write(&image, b"boot").unwrap();
    std::fs::File::options().write(true).open(&image).unwrap().set_len(5_000_000).unwrap();
    place.ok(&["backup", "--device", text(&image)]);
    let out = place.folder.path().join("out");
    place.ok(&["restore", "--target", text(&out)]);
    assert!(std::fs::read(out.join("disk.img")).unwrap() == std::fs::read(&image).unwrap());
    place.exits(&["backup", "--device", text(place.folder.path())], 2);
}

#[test]
fn exit_codes_say_what_kind_of_no_it_was() {
    let place = Place::new();
    let tree = place.tree();
    place.ok(&["backup", text(&tree)]);
    // 2: the command was wrong.
    place.exits(&["dump", "zzzz", "x"], 2);
    place.exits(&["dump", "latest", "/not/there"], 2);
    place.exits(&["forget"], 2);
    place.exits(&["nonsense"], 2);
    assert_eq!(
        place.command(&["snapshots"]).env_remove("LIFEBOAT_REPOSITORY").output().unwrap().status.code(),
        Some(2)
    );
    let no_password =
        place.command(&["snapshots"]).env_remove("LIFEBOAT_REPOSITORY_PASSWORD").output().unwrap();
    assert_eq!(no_password.status.code(), Some(2));
    // 5: refused.
    let wrong = place.command(&["snapshots"]).env("LIFEBOAT_REPOSITORY_PASSWORD", "other").output().unwrap();
    assert_eq!(wrong.status.code(), Some(5));
    place.exits(&["init"], 5);
    place.exits(&["restore", "--target", text(&tree)], 5);
    // 1: nobody said yes.
    place.exits(&["restore", "--target", text(&tree), "--overwrite"], 1);
    // 3: done, but files are missing.
    std::fs::create_dir(tree.join("sub")).unwrap();
    std::os::unix::fs::symlink("loop", tree.join("sub/loop")).unwrap();
    place.exits(&["backup", text(&tree), "/proc/self/mem", "--keep-incomplete"], 3);
    // 1: damage.
    let pack = first_file(&place.repo().join("data"));
    std::fs::remove_file(pack).unwrap();
    let report = place.exits(&["check"], 1);
    assert!(report.contains("damaged:"), "{report}");
}

fn first_file(folder: &Path) -> PathBuf {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    let files = |path: &PathBuf| std::fs::read_dir(path).unwrap().next().map(|e| e.unwrap().path());
    entries.iter().find_map(files).unwrap()
}

#[test]
fn an_archive_takes_snapshots_and_gives_none_away() {
    let place = Place { folder: tempfile::tempdir().unwrap() };
    let at = place.folder.path().join("archive-{quarter}");
    let run = |args: &[&str]| place.command(args).args(["--repo", text(&at)]).output().unwrap();
    let code = |args: &[&str]| run(args).status.code();
    let made = run(&["init", "--archive", "glacier", "--output", "json"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let quarter = made["archive"].as_str().unwrap();
    assert!(place.folder.path().join(format!("archive-{quarter}/config")).exists(), "{made}");
    assert_eq!(code(&["backup", text(&place.tree())]), Some(0));
    assert_eq!(code(&["prune", "--yes"]), Some(5));
    assert_eq!(code(&["forget", "latest", "--yes"]), Some(5));
    // A folder is never cold.
    assert_eq!(code(&["thaw"]), Some(0));
    assert_eq!(code(&["check"]), Some(0));
    assert_eq!(code(&["init", "--archive", "TEPID"]), Some(2));
}

#[test]
fn retention_and_prune_show_what_goes_and_ask() {
    let place = Place::new();
    let tree = place.tree();
    let first = place.json(&["backup", text(&tree)]);
    std::fs::write(tree.join("dump.sql"), b"other").unwrap();
    place.ok(&["backup", text(&tree)]);
    assert_eq!(
        place.json(&["forget", "--keep-within", "30d", "--yes"])["forgotten"].as_array().unwrap().len(),
        0
    );
    let id = first["snapshot"].as_str().unwrap();
    place.exits(&["forget", id], 1);
    place.ok(&["forget", id, "--yes"]);
    assert_eq!(place.json(&["snapshots"]).as_array().unwrap().len(), 1);
    assert!(place.ok(&["prune", "--dry-run", "--max-unused", "0"]).contains("nothing was done"));
    place.exits(&["prune", "--max-unused", "0"], 1);
    let done = place.json(&["prune", "--max-unused", "0", "--yes"]);
    assert!(done["done"]["marked"]["packs"].as_u64().unwrap() > 0, "{done}");
    let done = place.json(&["prune", "--max-unused", "0", "--grace", "0s", "--yes"]);
    assert!(done["done"]["removed"]["packs"].as_u64().unwrap() > 0, "{done}");
    assert!(place.ok(&["check", "--read-data"]).contains("sound"));
    assert!(place.restic(&["check", "--read-data"]).status.success());
}

#[test]
fn keys_locks_copies_and_a_lost_index() {
    let place = Place::new();
    let tree = place.tree();
    place.ok(&["backup", text(&tree)]);
    let file = place.folder.path().join("second");
    std::fs::write(&file, "second password\n").unwrap();
    let added = place.json(&["key", "add", "--new-password-file", text(&file)]);
    assert_eq!(place.json(&["key", "list"]).as_array().unwrap().len(), 2);
    place.ok(&["key", "list"]);
    place.ok(&["snapshots", "--password-file", text(&file)]);
    place.ok(&["key", "remove", added["id"].as_str().unwrap(), "--yes"]);
    let opened = place.exits(&["snapshots", "--password-file", text(&file)], 5);
    assert!(opened.is_empty());
    assert!(place.ok(&["unlock"]).contains("0 locks removed"));

    let other = place.folder.path().join("other");
    place.ok(&["init", "--repo", text(&other)]);
    assert_eq!(place.json(&["copy", "--to", text(&other)])["copied"].as_array().unwrap().len(), 1);
    assert_eq!(place.json(&["copy", "--to", text(&other)])["present"].as_array().unwrap().len(), 1);
    assert!(place.ok(&["check", "--read-data", "--repo", text(&other)]).contains("sound"));

    for entry in std::fs::read_dir(place.repo().join("index")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    place.exits(&["check"], 1);
    assert!(place.json(&["rebuild-index"])["packs"].as_u64().unwrap() > 0);
    assert!(place.ok(&["check", "--read-data"]).contains("sound"));
}
