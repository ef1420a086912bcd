//! What this version only checks reaches no agent and no run.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use model::{HostName, Mode, Name, Work};
use plan::{CheckedEstate, Severity, SourceFile, check};
use std::collections::BTreeMap;

const DEMO: &str = include_str!("../testdata/demo/estate.yaml");

/// One noun of each kind that has a job to come, beside ones that have not.
const LATER: &str = r##"
services:
  stack: { kind: compose, project: tutor, hosts: [west-1] }
sources:
  tests: { kind: mongodb, database: tests, server: mongod, members: [east-1, west-1] }
  vaulted: { kind: postgres, database: v, password: { secret: vaulted }, members: [west-1] }
secrets:
  vaulted: { vault: { at: "https://vault.example:8200", path: secret/v } }
repositories:
  locked: { at: /srv/locked, region: west, password: { secret: vaulted } }
checks:
  pods: { of: app, pods: { namespace: tutor, selector: app=web } }
  alive: { of: tests, tcp: {} }
dns:
  aws: { kind: route53, zone: aws.test }
records:
  www: { name: www.aws.test, in: aws, ttl: 60s, values: { west: [127.2.0.20] } }
  alias: { name: alias.demo.test, in: demo-zone, ttl: 60s, targets: { west: lb.example.com } }
channels:
  chat: { kind: slack, channel: "#ops", token: { file: /etc/lifeboat/slack } }
schedules:
  of-tests: { backup: tests, on: west-1, to: [local], at: "0 1 * * *" }
  to-locked: { backup: app-db, on: west-1, to: [locked, local], at: "0 3 * * *", keep: { days: 7, months: 12 } }
"##;

fn files(more: &[&str]) -> Vec<SourceFile> {
    let later = LATER.replace("server: mongod, ", "");
    let texts = [DEMO, later.as_str()].into_iter().chain(more.iter().copied());
    let file =
        |(number, text): (usize, &str)| SourceFile { path: format!("{number}.yaml"), text: text.into() };
    texts.enumerate().map(file).collect()
}

fn estate(more: &[&str]) -> CheckedEstate {
    let checked = check(&files(more));
    let errors: Vec<String> = checked
        .diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    checked.estate.unwrap_or_else(|| panic!("{errors:#?}"))
}

#[test]
fn it_is_told_once_where_it_is_declared_and_is_no_error() {
    let checked = check(&files(&[]));
    assert!(checked.diagnostics.iter().all(|one| one.code == "LB0125" && one.severity == Severity::Warning));
    for what in ["compose", "mongodb", "vault", "pods", "route53", "point at names", "slack", "months"] {
        let told = checked.diagnostics.iter().filter(|one| one.message.contains(what)).count();
        assert_eq!(told, 1, "{what}: {:#?}", checked.diagnostics);
    }
}

#[test]
fn no_assignment_holds_it() {
    for host in ["east-1", "west-1"] {
        let assignment = estate(&[]).assignment(&HostName::new(host).unwrap(), 1).unwrap();
        let text = serde_json::to_string(&assignment).unwrap();
        for word in ["mongodb", "tests", "vaulted", "locked\"", "pods", "alive", "stack"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }
    let west = estate(&[]).assignment(&HostName::new("west-1").unwrap(), 1).unwrap();
    let to_local = west.schedules.iter().find(|one| one.name.as_str() == "to-locked.local").unwrap();
    let jobs: Vec<&str> = to_local.work.iter().map(Work::kind).collect();
    assert_eq!(jobs, ["backup"], "nothing is let go while months are not counted");
    assert!(west.schedules.iter().all(|one| one.name.as_str() != "to-locked.locked"));
}

#[test]
fn what_the_estate_gives_out_can_be_used() {
    let estate = estate(&[]);
    assert!(estate.repositories().all(|(spec, _)| spec.name.as_str() != "locked"));
    assert!(estate.repository(&Name::new("locked").unwrap()).is_none());
    assert!(estate.channels().all(|spec| spec.name.as_str() != "chat"));
    assert!(estate.records().all(|spec| spec.name.as_str() == "app"));
    let west = HostName::new("west-1").unwrap();
    for source in ["tests", "vaulted"] {
        assert!(estate.source_on(&Name::new(source).unwrap(), &west).is_none(), "{source}");
    }
    assert!(estate.service_on(&Name::new("stack").unwrap(), &west).is_none());
}

#[test]
fn a_plan_that_needs_it_is_checked_and_does_not_compile() {
    let steps = [
        "backup: { source: tests, to: local, on: west-1 }",
        "backup: { source: app-db, to: locked, on: west-1 }",
        "restore: { source: tests, from: local, on: west-1, into: copy }",
        "prove: { source: vaulted, from: local }",
        "start: { services: [stack], region: west }",
        "check: { region: west, checks: [pods] }",
        "check: { region: west, checks: [alive] }",
        "notify: { channel: chat, state: resolved }",
    ];
    for step in steps {
        let text = format!("plan: p\nsteps:\n  a: {{ {step} }}\n");
        let checked = check(&files(&[&text]));
        // Nobody backs up what has no schedule here: LB0422.
        let here = |one: &&plan::Diagnostic| one.path == "2.yaml" && one.code != "LB0422";
        let told: Vec<String> = checked.diagnostics.iter().filter(here).map(ToString::to_string).collect();
        assert_eq!((checked.errors(), told.len()), (0, 1), "{step}: {told:#?}");
        for mode in [Mode::Live, Mode::Preview] {
            let refused =
                checked.estate.as_ref().unwrap().compile(&Name::new("p").unwrap(), mode, &BTreeMap::new());
            let refused = refused.expect_err(step);
            assert!(
                refused.iter().any(|one| one.code == "LB0125" && one.severity == Severity::Error),
                "{step}: {refused:#?}"
            );
        }
        let (kind, parameters) = step.split_once(": ").unwrap();
        assert!(estate(&[]).single(kind, parameters, Mode::Live).is_err(), "{step}");
    }
}

#[test]
fn the_rules_of_order_hold_for_it_too() {
    let early = "plan: p\nsteps:\n  a: { promote: { source: tests, region: west } }\n";
    let found = check(&files(&[early]));
    assert!(found.diagnostics.iter().any(|one| one.code == "LB0302"), "{:#?}", found.diagnostics);
    let unchecked = "plan: p\nsteps:\n  a: { cutover: { record: www, to: west } }\n";
    let found = check(&files(&[unchecked]));
    assert!(found.diagnostics.iter().any(|one| one.code == "LB0303"), "{:#?}", found.diagnostics);
}

#[test]
fn a_named_secret_is_used_where_it_is_named_whatever_file_declares_it() {
    let uses = "repositories:\n  named: { at: /srv/named, region: west, password: { secret: pass } }\n";
    let declares = "secrets:\n  pass: { file: /etc/lifeboat/pass }\n";
    let estate = estate(&[uses, declares]);
    let spec = estate.repository(&Name::new("named").unwrap()).unwrap();
    assert_eq!(spec.password, model::SecretRef::File("/etc/lifeboat/pass".into()));
}

#[test]
fn a_proof_by_its_own_clock_is_work_of_its_own() {
    let weekly = "schedules:\n  s: { backup: app-db, on: west-1, to: [local], at: \"0 1 * * *\", zone: Europe/Berlin, prove: weekly }\n";
    let assignment = estate(&[weekly]).assignment(&HostName::new("west-1").unwrap(), 1).unwrap();
    let find = |name: &str| assignment.schedules.iter().find(|one| one.name.as_str() == name).unwrap();
    assert_eq!(find("s").work.iter().map(Work::kind).collect::<Vec<_>>(), ["backup"]);
    let proof = find("s.prove");
    assert_eq!(proof.work.iter().map(Work::kind).collect::<Vec<_>>(), ["prove"]);
    assert_eq!((proof.at.expression.as_str(), proof.at.zone.as_str()), ("0 4 * * 0", "Europe/Berlin"));
}

#[test]
fn a_bucket_s_class_and_lock_reach_the_agent() {
    let text = "repositories:\n  b: { at: \"s3://b/x\", region: west, password: { env: P }, class: GLACIER_IR, object-lock: { mode: compliance, days: 90 } }\n";
    let estate = estate(&[text]);
    let json = serde_json::to_value(estate.repository(&Name::new("b").unwrap()).unwrap()).unwrap();
    assert_eq!(json["class"], "GLACIER_IR");
    assert_eq!(json["object_lock"], serde_json::json!({ "mode": "compliance", "days": 90 }));
}
