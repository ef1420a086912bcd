//! `plan check` in each of its formats, and its exit codes.

use crate::{Place, SOUND, root};

/// An unknown region, at a place that no other line has.
const BROKEN: &str = "regions: { east: {} }\nhosts:\n  a: { region: eas }\n";
/// No error: a step that only a drill cannot do.
const WARNED: &str = "regions: { east: {} }
hosts: { a: { region: east }, b: { region: east }, lab: { region: east } }
services:
  app: { kind: systemd, unit: app, hosts: [a] }
  web: { kind: systemd, unit: web, hosts: [b] }
drill: { hosts: { b: lab } }
";
const WARNED_PLAN: &str = "plan: p\nsteps:\n  a: { start: { services: [app], region: east } }\n";

#[test]
fn an_error_exits_with_1_warnings_alone_with_0_and_what_cannot_be_read_with_2() {
    let place = Place::new(&[("broken/estate.yaml", BROKEN), ("sound/estate.yaml", SOUND)]);
    place.write("warned/estate.yaml", WARNED);
    place.write("warned/plan.yaml", WARNED_PLAN);
    for format in ["text", "json", "sarif", "github"] {
        place.exits(&["check", "broken", "--format", format], 1);
        place.exits(&["check", "sound", "--format", format], 0);
        let warned = place.exits(&["check", "warned", "--format", format], 0);
        assert!(warned.err.contains("1 warning"), "{}", warned.err);
        place.exits(&["check", "nowhere", "--format", format], 2);
    }
    std::fs::write(place.path("sound/estate.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    place.exits(&["check", "sound"], 2);
}

#[test]
fn text_is_for_people_and_leaves_stdout_alone() {
    let place = Place::new(&[("estate.yaml", BROKEN)]);
    let said = place.exits(&["check"], 1);
    assert_eq!(said.out, "");
    for part in ["error[LB0201]", "--> estate.yaml:3:16", "^^^", "did you mean \"east\"?", "1 error"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
}

#[test]
fn json_is_the_findings_by_either_flag() {
    let place = Place::new(&[("estate.yaml", BROKEN)]);
    let by_format = place.exits(&["check", "--format", "json"], 1).out;
    let found: serde_json::Value = serde_json::from_str(&by_format).unwrap();
    assert_eq!((&found[0]["code"], &found[0]["line"]), (&"LB0201".into(), &3.into()));
    assert_eq!(place.exits(&["check", "--output", "json"], 1).out, by_format);
    assert_eq!(place.exits(&["check", "--output", "json", "--format", "text"], 1).out, "");
}

#[test]
fn a_code_host_finds_the_file_by_its_path_in_the_checkout() {
    let place = Place::new(&[("deploy/my estate/hosts, old.yaml", BROKEN)]);
    let whole = place.path("deploy/my estate").canonicalize().unwrap();
    for path in [
        "deploy/my estate",
        "./deploy/my estate",
        "deploy/my estate/hosts, old.yaml",
        whole.to_str().unwrap(),
    ] {
        let log: serde_json::Value =
            serde_json::from_str(&place.exits(&["check", path, "--format", "sarif"], 1).out).unwrap();
        let at = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(at["artifactLocation"]["uri"], "deploy/my%20estate/hosts%2C%20old.yaml");
        assert_eq!((&at["region"]["startLine"], &at["region"]["startColumn"]), (&3.into(), &16.into()));
        let lines = place.exits(&["check", path, "--format", "github"], 1).out;
        let begin =
            "::error file=deploy/my estate/hosts%2C old.yaml,line=3,col=16,endColumn=19,title=LB0201 ";
        assert!(lines.starts_with(begin) && lines.lines().count() == 1, "{lines}");
    }
}

#[test]
fn nothing_found_is_an_empty_list_an_empty_log_and_no_line() {
    let place = Place::new(&[("estate.yaml", SOUND)]);
    assert_eq!(place.exits(&["check", "--format", "json"], 0).out.trim(), "[]");
    assert_eq!(place.exits(&["check", "--format", "github"], 0).out, "");
    let log = place.exits(&["check", "--format", "sarif"], 0).out;
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!(log["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn the_shipped_example_is_clean() {
    let example = root().join("deploy/examples/region-failover");
    let said = Place::new(&[]).exits(&["check", example.to_str().unwrap()], 0);
    assert!(said.err.contains("3 files: 0 errors, 0 warnings"), "{}", said.err);
}
