//! `lifeboat plan explain` as a person or a script uses it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn explain(folder: &Path, more: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.args(["plan", "explain", "--path"]).arg(folder).args(more).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/region-failover")
}

/// The example with a text replaced.
fn altered(from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["estate.yaml", "region-failover.yaml"] {
        let text = std::fs::read_to_string(example().join(name)).unwrap();
        std::fs::write(folder.path().join(name), text.replace(from, to)).unwrap();
    }
    folder
}

#[test]
fn the_example_is_explained_on_stdout_alone() {
    let said = explain(&example(), &["region-failover"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    for part in ["▶ fence", "6m 53s", "agent of west-1: promote", "/etc/lifeboat/secrets/hook", "no return"]
    {
        assert!(said.out.contains(part), "{part} is missing in:\n{}", said.out);
    }
    assert!(said.out.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn what_is_still_to_come_stands_without_orders_among_the_rest() {
    let seed = example().join("../ai-interview/mended");
    for (mode, old, new) in [("live", "app-1", "app-2"), ("drill", "lab-1", "lab-2")] {
        let said = explain(&seed, &["lose-east", "--mode", mode]);
        assert_eq!(said.code, 0, "{}", said.err);
        let parts = [
            format!("fence-redis: fence cache on {old} (still to come)"),
            "technical-lead, within 10m".to_string(),
            format!("promote-redis: promote cache on {new} (still to come)"),
            format!("agent of {old}: fence on source/interview-db@{old}"),
            format!("agent of {new}: promote on source/interview-db@{new}"),
        ];
        for part in parts {
            assert!(said.out.contains(&part), "{part} is missing in:\n{}", said.out);
        }
    }
    let said = explain(&seed, &["backup-by-hand"]);
    assert!(said.out.contains("it has no objective"), "a backup recovers nothing:\n{}", said.out);
    let point = ["database-failure", "--input", "point=2026-11-20T21:00:00Z"];
    assert!(explain(&seed, &point).out.contains("point.not-after: 2026-11-20T21:00:00Z"));
}

#[test]
fn programs_get_the_same_as_data() {
    let said = explain(&example(), &["region-failover", "--output", "json"]);
    let value: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(value["prediction"]["estimated"]["length"], "6m53s");
    assert_eq!(value["steps"][2]["orders"][0]["job"], "promote");
    assert_eq!(value["steps"][2]["point_of_no_return"], true);
}

#[test]
fn a_promise_that_cannot_be_kept_is_told_and_explained_all_the_same() {
    let folder = altered("rto: 15m", "rto: 6m");
    let said = explain(folder.path(), &["region-failover"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("error[LB0402]"), "{}", said.err);
    assert!(said.out.contains("more than its objective of 6m"), "{}", said.out);
}

#[test]
fn what_is_wrong_otherwise_is_told_and_nothing_is_explained() {
    let folder = altered("after: fence", "after: fense");
    let said = explain(folder.path(), &["region-failover"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("LB0202"), "{}", said.err);
    let said = explain(&example(), &["region-failovr"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("did you mean \"region-failover\"?"), "{}", said.err);
    assert_eq!(explain(&example(), &["region-failover", "--mode", "dry"]).code, 2);
    assert_eq!(explain(&example(), &["region-failover", "--input", "x"]).code, 2);
}

#[test]
fn reports_of_past_runs_give_the_half_and_the_nine_of_ten() {
    let folder = tempfile::tempdir().unwrap();
    let mut more = vec!["region-failover".to_string()];
    for took in [200_000, 250_000, 400_000] {
        let path = folder.path().join(format!("{took}.json"));
        let text = format!(
            r#"{{"plan":"region-failover","mode":"live","steps":[{{"step":"fence","kind":"fence","state":"succeeded","took_ms":{took}}}]}}"#
        );
        std::fs::write(&path, text).unwrap();
        more.extend(["--history".to_string(), path.display().to_string()]);
    }
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let said = explain(&example(), &more);
    assert_eq!(said.code, 0, "{}", said.err);
    // 100 s of the other steps, and 250 s or 400 s for the fence.
    assert!(said.out.contains("within 5m 50s (p50), nine of ten within 8m 20s"), "{}", said.out);
    assert_eq!(said.out, explain(&example(), &more).out, "the same past gives the same figures");
}
