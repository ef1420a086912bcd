//! Recorded stories: the shipped example, run by the real engine in its simulator, and what a person
//! sees of it. What is seen stands in `testdata/` and is reviewed like code; write it anew with
//! `LIFEBOAT_BLESS=1`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stage;

use engine::simulator::Fate;
use model::control::NotifyOutput;
use model::jobs::{
    BackupOutput, CheckOutput, FenceOutput, PromoteOutput, ProveOutput, RestoreOutput, RowComparison,
    ServiceOutput, ServiceState,
};
use model::{ControlAction, Evidence, Micros, Mode, Problem, Work};
use stage::{Stage, east_1, gives, ms, promoted};
use std::collections::BTreeMap;

/// The database of the east wrote up to here when it was last heard.
const LAST_KNOWN: u64 = 0x0500_0028;

#[test]
fn a_region_fails_over_and_the_report_says_what_was_lost_and_who_took_the_risk() {
    let mut stage = Stage::failover(|_, _| None);
    stage.observe(LAST_KNOWN, &["west"]);
    stage.lose(&east_1());
    stage.play(3_500);
    stage.check("failover-waits.txt", &stage.tree());
    stage.approve("fence");
    stage.play(600);
    stage.progress("start", "waiting for the port");
    stage.check("failover-runs.txt", &stage.tree());
    stage.finish();
    stage.check("failover-done.txt", &stage.tree());
    stage.check("failover-report.txt", &stage.report().in_zone(stage::berlin()).text());
    stage.check("failover-report.md", &stage.report().markdown());
}

#[test]
fn a_failed_check_shows_its_log_and_what_to_type() {
    let mut stage = Stage::failover(|token, _| {
        let problem = Problem::new(
            "LB2241",
            "http://198.51.100.20:8080/health answered 503 instead of 200",
            "Look at the service's log on west-1; `lifeboat retry` asks again when it is mended.",
        );
        let log = [
            "connecting to the database",
            "FATAL: password authentication failed for user \"app\"\u{1b}[31m",
        ];
        let failed = problem.with_log(log.map(String::from).to_vec());
        (token.step.as_str() == "verify" && token.target.name.as_str() == "app-health")
            .then(|| (Fate::Fail(failed), ms(5_000)))
    });
    stage.observe(LAST_KNOWN, &["west"]);
    stage.lose(&east_1());
    stage.play(3_500);
    stage.approve("fence");
    stage.play(30_000);
    stage.check("verify-failed.txt", &stage.tree());
    stage.check("verify-failed-report.txt", &stage.report().text());
}

#[test]
fn a_lost_agent_is_unknown_and_nothing_more_is_claimed() {
    let mut stage = Stage::failover(|token, _| {
        (token.step.as_str() == "promote").then(|| (Fate::Hang { effect: true }, ms(1)))
    });
    stage.observe(LAST_KNOWN, &[]);
    stage.lose(&east_1());
    stage.play(3_500);
    stage.approve("fence");
    stage.play(1_000);
    stage.lose(&stage::west_1());
    stage.play(700_000);
    stage.check("promote-unknown.txt", &stage.tree());
    stage.check("promote-unknown-report.txt", &stage.report().text());
}

#[test]
fn without_synchronous_commits_and_with_only_silence_the_loss_is_unknown() {
    let mut stage = Stage::failover(|_, _| None);
    stage.observe(LAST_KNOWN, &[]);
    stage.lose(&east_1());
    stage.play(3_500);
    stage.approve("fence");
    stage.finish();
    let text = stage.report().text();
    assert!(text.contains("Data loss: unknown."), "{text}");
    assert!(text.contains("only silence says that"), "{text}");
    assert!(text.contains("1 min: not proven"), "{text}");
    stage.check("asynchronous-report.txt", &text);
}

/// The old primary answers the fence and says where it was stopped.
fn stopped(at: u64) -> Stage {
    let mut stage = Stage::failover(move |token, _| {
        let output = FenceOutput {
            evidence: Evidence::Stopped,
            detail: "the server was stopped and masked".to_string(),
            final_lsn: Some(at),
        };
        (token.step.as_str() == "fence").then(|| gives(&output, 900)).flatten()
    });
    stage.observe(LAST_KNOWN, &[]);
    stage.finish();
    stage
}

#[test]
fn a_stopped_primary_whose_last_position_arrived_lost_nothing() {
    let stage = stopped(0x0500_0060);
    let text = stage.report().text();
    assert!(text.contains("none: the old primary was stopped at 0/5000060"), "{text}");
    stage.check("stopped-report.txt", &text);
}

#[test]
fn a_stopped_primary_that_was_ahead_lost_something() {
    let text = stopped(0x0500_1060).report().text();
    assert!(text.contains("Data loss: some.") && text.contains("1 min: not proven"), "{text}");
    assert!(text.contains("4.0 KiB of its log"), "{text}");
}

#[test]
fn a_second_sync_standby_a_wildcard_or_a_stranger_is_no_proof() {
    for names in [&["west", "other"][..], &["*"][..], &["reporting"][..], &["wes"][..], &[][..]] {
        let mut stage = Stage::failover(|_, _| None);
        stage.observe(LAST_KNOWN, names);
        stage.lose(&east_1());
        stage.play(3_500);
        stage.approve("fence");
        stage.finish();
        let report = serde_json::to_value(stage.report()).unwrap();
        assert_eq!(report["recovery"]["losses"][0]["certainty"], "unknown", "{names:?}");
    }
}

#[test]
fn a_primary_that_somebody_had_promoted_before_is_no_proof_of_anything() {
    let mut stage = Stage::failover(|token, _| {
        let output = PromoteOutput { already_primary: true, ..promoted(0) };
        (token.step.as_str() == "promote").then(|| gives(&output, 50)).flatten()
    });
    stage.observe(LAST_KNOWN, &[]);
    stage.lose(&east_1());
    stage.play(3_500);
    stage.approve("fence");
    stage.finish();
    let text = stage.report().text();
    assert!(text.contains("unknown: it was the primary already when this try began"), "{text}");
}

#[test]
fn what_never_arrived_and_what_is_not_known_is_said_so() {
    for (last, expected) in
        [(0x0600_0000, "some: at 22:13:17 UTC"), (0, "what the old primary wrote last is not")]
    {
        let mut stage = Stage::failover(|_, _| None);
        stage.observe(last, &[]);
        stage.lose(&east_1());
        stage.play(3_500);
        stage.approve("fence");
        stage.finish();
        let report = serde_json::to_value(stage.report()).unwrap();
        let words = report["recovery"]["losses"][0]["words"].as_str().unwrap();
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn a_backup_its_proof_and_a_restore_are_reported_with_rows() {
    let tables = |found: u64| {
        let line = |table: &str, expected, found| RowComparison { table: table.to_string(), expected, found };
        vec![line("public.writes", 1204, found), line("public.users", 3, 3)]
    };
    let snapshot = || "4bba301e8f0b2d2f".parse().unwrap();
    let shows = Micros(stage::BEGINNING.0 - 3_600_000_000);
    let backup = BackupOutput {
        snapshot: snapshot(),
        at: shows,
        read_bytes: 73_400_320,
        stored_bytes: 9_830_400,
        files: 1,
        rows: BTreeMap::from([("public.writes".to_string(), 1204), ("public.users".to_string(), 3)]),
        warnings: Vec::new(),
        server_version: Some("15.10".to_string()),
    };
    let mut stage =
        Stage::single("backup", "{source: app-db, to: local, on: west-1}", move |_, _| gives(&backup, 4_200));
    stage.play(1_000);
    stage.progress("backup", "dump 12.0 MiB");
    stage.check("backup-runs.txt", &stage.tree());
    stage.finish();
    stage.check("backup-report.txt", &stage.report().text());

    let proof = ProveOutput {
        snapshot: snapshot(),
        at: shows,
        tables: tables(1204),
        files: 0,
        checks: vec!["rows-present".to_string()],
        took_ms: 2_900,
    };
    let mut stage =
        Stage::single("prove", "{source: app-db, from: local, on: west-1}", move |_, _| gives(&proof, 3_000));
    stage.finish();
    stage.check("prove-report.txt", &stage.report().text());

    let restore = RestoreOutput {
        snapshot: snapshot(),
        at: shows,
        into: "app_restored".to_string(),
        bytes: 73_400_320,
        tables: tables(1203),
        files: 0,
        matches: false,
        took_ms: 2_900,
    };
    let parameters = "{source: app-db, from: local, into: app_restored, on: west-1}";
    let mut stage = Stage::single("restore", parameters, move |_, _| gives(&restore, 3_000));
    stage.finish();
    stage.check("restore-report.txt", &stage.report().text());
}

#[test]
fn a_report_is_json_for_programs() {
    let mut stage = Stage::failover(|_, _| None);
    stage.observe(LAST_KNOWN, &["west"]);
    stage.lose(&east_1());
    stage.play(3_500);
    stage.approve("fence");
    stage.finish();
    let value = serde_json::to_value(stage.report()).unwrap();
    assert_eq!(value["status"], "succeeded");
    assert_eq!(value["recovery"]["verdict"], "met");
    assert_eq!(value["recovery"]["losses"][0]["certainty"], "none");
    assert_eq!(value["recovery"]["losses"][0]["last_known_lsn"], LAST_KNOWN);
    assert_eq!(value["fences"][0]["evidence"], "unreachable");
    assert_eq!(value["fences"][0]["decisions"][0]["by"], "second");
    assert_eq!(value["cutovers"][0]["after"][0], "198.51.100.20");
}

#[test]
fn a_view_that_crossed_the_wire_gives_the_same_picture() {
    let mut stage = Stage::failover(|_, _| None);
    stage.lose(&east_1());
    stage.play(3_500);
    let view = stage.view();
    let text = serde_json::to_string(&view).unwrap();
    let back: report::View = serde_json::from_str(&text).unwrap();
    assert_eq!(back, view);
    for columns in [0, 40, 60, 80, 132] {
        let lines = report::tree(&back, stage.now(), columns, &BTreeMap::new());
        let widest = lines.iter().map(|line| report::layout::width(&line.text)).max().unwrap();
        assert!(widest <= columns.max(40), "{widest} at {columns}");
    }
}

#[test]
fn a_preview_recovers_nothing() {
    let stage = Stage::failover_in(Mode::Preview, |_, _| None);
    assert!(stage.report().recovery.is_none());
}

/// What the jobs of the example give when all is well.
fn usual(job: &Work) -> Option<serde_json::Value> {
    Some(match job {
        Work::Promote(_) => serde_json::to_value(promoted(0x0500_0060)).unwrap(),
        Work::Check(check) => {
            let answer = if check.check.name.as_str() == "app-health" { "200 in 3 ms" } else { "1204 rows" };
            serde_json::to_value(CheckOutput { answer: answer.to_string(), latency_ms: 3, tries: 2 }).unwrap()
        }
        Work::Service(_) => {
            let output = ServiceOutput {
                before: ServiceState::Stopped,
                after: ServiceState::Running,
                pid: Some(4711),
            };
            serde_json::to_value(output).unwrap()
        }
        _ => return None,
    })
}

fn usual_control(action: &ControlAction) -> Option<serde_json::Value> {
    Some(match action {
        ControlAction::Notify { channel, .. } => {
            serde_json::to_value(NotifyOutput { channel: channel.name.clone(), tries: 1 }).unwrap()
        }
        ControlAction::Cutover { .. } => serde_json::to_value(stage::cut_over()).unwrap(),
        ControlAction::RestoreRecord { .. } => return None,
    })
}
