//! The demo's estate and plan lower to exactly the recorded tasks. `UPDATE=1 cargo test` records anew.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use model::{HostName, Mode, Name, Work};
use plan::checked::{Action, CheckedPlan, Precondition, Undo};
use plan::{CheckedEstate, SourceFile, check};
use std::collections::BTreeMap;
use std::path::Path;

fn file(name: &str) -> SourceFile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo").join(name);
    SourceFile { path: name.to_string(), text: std::fs::read_to_string(path).unwrap() }
}

fn demo() -> CheckedEstate {
    let checked = check(&[file("estate.yaml"), file("region-failover.yaml"), file("region-return.yaml")]);
    let found: Vec<String> = checked.diagnostics.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{found:#?}");
    checked.estate.unwrap()
}

fn failover() -> CheckedPlan {
    let name = Name::new("region-failover").unwrap();
    demo().compile(&name, Mode::Live, &BTreeMap::new()).unwrap()
}

fn recorded(name: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, now).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), now, "{name}");
}

#[test]
fn the_failover_lowers_to_exactly_the_recorded_tasks() {
    recorded("region-failover.json", &(serde_json::to_string_pretty(&failover()).unwrap() + "\n"));
}

#[test]
fn each_host_is_assigned_what_it_does_without_a_controller() {
    for host in ["east-1", "west-1"] {
        let assignment = demo().assignment(&HostName::new(host).unwrap(), 7).unwrap();
        recorded(
            &format!("assignment-{host}.json"),
            &(serde_json::to_string_pretty(&assignment).unwrap() + "\n"),
        );
    }
    let west = demo().assignment(&HostName::new("west-1").unwrap(), 1).unwrap();
    let jobs: Vec<&str> = west.schedules[0].work.iter().map(Work::kind).collect();
    assert_eq!(jobs, ["backup", "prove", "retain"]);
    assert_eq!(demo().assignment(&HostName::new("nobody").unwrap(), 1), None);
}

#[test]
fn a_checked_plan_survives_json_and_its_digest_is_stable() {
    let plan = failover();
    let back: CheckedPlan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(plan, back);
    assert_eq!(plan.digest().unwrap(), failover().digest().unwrap());
}

#[test]
fn a_plan_that_was_stored_before_still_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo/region-failover.json");
    let stored: CheckedPlan = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(stored, failover());
}

#[test]
fn the_promotion_waits_for_the_fence_and_the_cut_over_for_the_check() {
    let plan = failover();
    let step = |name: &str| plan.steps.iter().find(|step| step.path.as_str() == name).unwrap();
    assert!(
        matches!(&step("promote").preconditions[..], [Precondition::Fenced { step, .. }] if step.as_str() == "fence")
    );
    assert!(
        matches!(&step("cut-over").preconditions[..], [Precondition::Succeeded { step }] if step.as_str() == "verify")
    );
    assert_eq!(step("promote").undo, Undo::Impossible);
    assert!(step("fence").evidence.as_ref().unwrap().risk.starts_with("east-1 does not answer"));
    assert!(
        matches!(&step("promote").tasks[0].action, Action::Agent { host, .. } if host.as_str() == "west-1")
    );
}

#[test]
fn plain_verbs_are_plans_of_one_step() {
    let estate = demo();
    let backup = estate.single("backup", "{ source: app-db, to: local, on: west-1 }", Mode::Live).unwrap();
    assert_eq!(backup.steps.len(), 1);
    let restore = estate.single("restore", "source: app-db\nfrom: local\non: west-1", Mode::Live).unwrap();
    assert!(restore.steps[0].summary.contains("app_restored"), "{}", restore.steps[0].summary);
    estate.single("check", "checks: [app-health]", Mode::Live).unwrap();
    let refused = estate.single("backup", "{ source: app-bd, to: local }", Mode::Live).unwrap_err();
    assert_eq!(
        (refused[0].code.as_str(), refused[0].path.as_str(), refused[0].column),
        ("LB0201", plan::PARAMETERS, 11)
    );
    let refused = estate.single("promote", "{ source: app-db, region: west }", Mode::Live).unwrap_err();
    assert_eq!(refused[0].code, "LB0302");
}

#[test]
fn comments_and_layout_do_not_change_the_digest_and_values_do() {
    let with = |from: &str, to: &str| {
        let mut files = [file("estate.yaml"), file("region-failover.yaml"), file("region-return.yaml")];
        assert!(files[0].text.contains(from));
        files[0].text = files[0].text.replace(from, to);
        check(&files).estate.unwrap()
    };
    let (demo, comment) = (demo(), with("hosts:\n  east-1", "# a comment\nhosts:\n\n  east-1"));
    assert_eq!(demo.digest(), comment.digest());
    let changed = with("ttl: 1s", "ttl: 2s");
    assert_ne!(demo.digest(), changed.digest());
    let differ: Vec<String> = demo
        .nouns()
        .into_iter()
        .filter(|(name, digest)| changed.nouns()[name] != *digest)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(differ, ["record/app"]);
}
