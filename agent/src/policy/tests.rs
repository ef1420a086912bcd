#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

const SAMPLE: &str = include_str!("../../../deploy/agent-policy.yaml");

fn sample() -> Policy {
    file::parse(SAMPLE, Path::new("/etc/lifeboat/policy.yaml")).unwrap()
}

fn work(kind: &str, parameters: serde_json::Value) -> Work {
    Work::read(kind, 1, parameters.to_string().as_bytes()).unwrap()
}

fn tutor_db() -> serde_json::Value {
    json!({ "name": "tutor-db", "kind": "postgres", "database": "tutor" })
}

fn repository(at: &str) -> serde_json::Value {
    json!({ "name": "r", "at": at, "password": { "file": "/etc/lifeboat/secrets/r" } })
}

fn refused(policy: &Policy, work: &Work) -> Problem {
    policy.permits(work).expect_err("must be refused")
}

#[test]
fn an_empty_policy_denies_every_kind_of_work() {
    let check = json!({ "check": { "name": "d", "ask": "disk", "path": "/", "free_bytes": 1 } });
    let problem = refused(&Policy::default(), &work("check", check));
    assert_eq!(problem.code, "LB2180");
    assert!(problem.advice.contains("jobs: [check]"), "{problem:?}");
}

#[test]
fn what_the_sample_lists_is_allowed_and_nothing_beside_it() {
    let policy = sample();
    let backup = |at: &str| work("backup", json!({ "source": tutor_db(), "repository": repository(at) }));
    policy.permits(&backup("s3://tutor-backups/eu")).unwrap();
    policy.permits(&backup("s3://tutor-backups/eu/daily")).unwrap();
    policy.permits(&backup("/var/lib/lifeboat/repository")).unwrap();
    for other in [
        "s3://tutor-backups/eu-stolen",
        "s3://tutor-backups/eu/../x",
        "/var/lib/lifeboat/repository/../../x",
        "/tmp/r",
    ] {
        let problem = refused(&policy, &backup(other));
        assert_eq!(problem.code, "LB2183");
        assert!(problem.message.contains(other) && problem.advice.contains(other), "{problem:?}");
    }
}

#[test]
fn everything_that_is_not_allowed_is_named_at_once_with_the_line_to_add() {
    let mut source = tutor_db();
    source["database"] = json!("payroll");
    source["address"] = json!("10.9.9.9");
    source["password"] = json!({ "file": "/etc/shadow" });
    source["programs"] = json!("/tmp/evil");
    let problem =
        refused(&sample(), &work("backup", json!({ "source": source, "repository": repository("/x") })));
    for part in ["payroll", "10.9.9.9:5432", "/etc/shadow", "/tmp/evil", "/x", "/etc/lifeboat/policy.yaml"] {
        assert!(format!("{problem:?}").contains(part), "{part} is missing in {problem:?}");
    }
}

#[test]
fn a_copy_may_only_have_a_name_of_its_source() {
    let restore = |into: &str| {
        work(
            "restore",
            json!({ "source": tutor_db(), "repository": repository("/var/lib/lifeboat/repository"), "point": "latest", "into": into }),
        )
    };
    sample().permits(&restore("tutor_copy")).unwrap();
    for into in ["tutor", "tutorial", "payroll"] {
        assert_eq!(refused(&sample(), &restore(into)).code, "LB2182", "{into}");
    }
    let files = |into: &str| {
        let source = json!({ "name": "uploads", "kind": "files", "paths": ["/srv/tutor/uploads/a"] });
        work(
            "restore",
            json!({ "source": source, "repository": repository("/var/lib/lifeboat/repository"), "point": "latest", "into": into }),
        )
    };
    sample().permits(&files("/srv/tutor/restore/1")).unwrap();
    assert!(sample().permits(&files("/srv/tutor/restore/../uploads")).is_err());
}

#[test]
fn a_process_is_judged_by_program_arguments_user_and_environment() {
    let service = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut manager = json!({ "kind": "process", "argv": ["/usr/local/bin/tutor-app", "--port", "8080"], "user": "tutor" });
        change(&mut manager);
        work("service", json!({ "service": { "name": "app", "manager": manager }, "action": "start" }))
    };
    sample().permits(&service(&|_| ())).unwrap();
    sample().permits(&service(&|m| m["environment"] = json!({ "TUTOR_LOG": "debug" }))).unwrap();
    assert!(sample().permits(&service(&|m| m["argv"][0] = json!("/bin/sh"))).is_err());
    assert!(sample().permits(&service(&|m| m["argv"][2] = json!("22"))).is_err());
    assert!(sample().permits(&service(&|m| m["argv"] = json!([]))).is_err());
    assert!(sample().permits(&service(&|m| m["user"] = json!("root"))).is_err());
    assert!(sample().permits(&service(&|m| m["user"] = json!(null))).is_err());
    let preload = refused(&sample(), &service(&|m| m["environment"] = json!({ "LD_PRELOAD": "/tmp/x.so" })));
    assert!(preload.advice.contains("environment: [LD_PRELOAD]"), "{preload:?}");
}

#[test]
fn a_fence_needs_the_source_and_the_service_of_its_server() {
    let fence = |unit: &str| {
        let mut source = tutor_db();
        source["server"] =
            json!({ "name": "tutor-db-server", "manager": { "kind": "systemd", "unit": unit } });
        work("fence", json!({ "source": source }))
    };
    sample().permits(&fence("postgresql@15-main.service")).unwrap();
    assert_eq!(refused(&sample(), &fence("ssh.service")).code, "LB2181");
}

#[test]
fn checks_are_judged_by_whom_they_ask() {
    let check = |question: serde_json::Value| {
        let mut check = json!({ "name": "c" });
        check.as_object_mut().unwrap().extend(question.as_object().unwrap().clone());
        work("check", json!({ "check": check }))
    };
    let policy = sample();
    policy.permits(&check(json!({ "ask": "tcp", "address": "127.0.0.1:5432" }))).unwrap();
    policy
        .permits(&check(json!({ "ask": "http", "url": "http://127.0.0.1:8080/health", "status": 200 })))
        .unwrap();
    let metadata = check(json!({ "ask": "http", "url": "http://169.254.169.254/latest", "status": 200 }));
    assert!(refused(&policy, &metadata).advice.contains("169.254.169.254:80"));
    let user_trick = check(json!({ "ask": "http", "url": "http://127.0.0.1@evil.example/", "status": 200 }));
    assert!(policy.permits(&user_trick).is_err());
    assert_eq!(refused(&policy, &check(json!({ "ask": "command", "script": "/bin/sh" }))).code, "LB2185");
}

#[test]
fn a_script_that_the_plan_pins_must_be_the_one_that_the_policy_lists() {
    let (listed, other) = ("0f1e".repeat(16), "0f1d".repeat(16));
    let text =
        format!("version: 1\njobs: [command, check]\nscripts: [{{ path: /opt/a.sh, sha256: {listed} }}]\n");
    let policy = file::parse(&text, Path::new("p")).unwrap();
    let pinned = |sha256: &str| json!({ "script": "/opt/a.sh", "sha256": sha256 });
    policy.permits(&work("command", json!({ "script": "/opt/a.sh" }))).unwrap();
    policy.permits(&work("command", pinned(&listed))).unwrap();
    let refused_one = refused(&policy, &work("command", pinned(&other)));
    assert_eq!(refused_one.code, "LB2185");
    assert!(refused_one.message.contains(&other), "{refused_one:?}");
    let mut check = pinned(&other);
    check["name"] = json!("c");
    check["ask"] = json!("command");
    assert!(policy.permits(&work("check", json!({ "check": check }))).is_err());
}

#[test]
fn every_mistake_of_the_file_is_told_at_once() {
    let text = "version: 2\njobs: [dance]\nservices: [{ name: a }]\nsources: [{ name: s, kind: mysql }]\nscripts: [{ path: x, sha256: AB }]\n";
    let faults = file::parse(text, Path::new("p")).unwrap_err();
    assert_eq!(faults.len(), 6, "{faults:?}");
    let unknown = file::parse("version: 1\njbos: []\n", Path::new("p")).unwrap_err();
    assert!(unknown[0].contains("jbos"), "{unknown:?}");
}

#[test]
fn a_file_that_others_may_write_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    assert!(matches!(Policy::load(&path), Err(PolicyError::Read { .. })));
    std::fs::write(&path, SAMPLE).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o664)).unwrap();
    let problem = Problem::from(Policy::load(&path).unwrap_err());
    assert_eq!(problem.code, "LB2191");
    assert!(problem.message.contains("0664"), "{problem:?}");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    Policy::load(&path).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert!(matches!(Policy::load(&path), Err(PolicyError::Unusable { .. })));
    }
}
