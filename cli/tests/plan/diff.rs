//! `plan diff` on folders and files, and its exit codes.

use crate::{Place, SOUND, root};

#[test]
fn equal_exits_with_0_different_with_1_and_unreadable_with_2() {
    let place =
        Place::new(&[("a/one.yaml", SOUND), ("b.yaml", SOUND), ("c.yaml", "regions: { west: {} }\n")]);
    assert_eq!(place.exits(&["diff", "a", "b.yaml"], 0).out, "no difference\n");
    let said = place.exits(&["diff", "a", "c.yaml"], 1);
    for line in ["- hosts/a", "- regions/east", "+ regions/west", "1 added, 2 removed, 0 changed"] {
        assert!(said.out.lines().any(|one| one == line), "{line}\n{}", said.out);
    }
    place.exits(&["diff", "a", "nowhere"], 2);
    place.write("bad.yaml", "a: [\n");
    let said = place.exits(&["diff", "bad.yaml", "a"], 2);
    assert!(said.err.contains("bad.yaml:1:") && said.err.contains("LB4060"), "{}", said.err);
}

#[test]
fn json_says_whether_they_are_equal_and_what_changed() {
    let place = Place::new(&[("a.yaml", SOUND), ("b.yaml", &SOUND.replace("east }\n", "west }\n"))]);
    let json = |args: &[&str], code| -> serde_json::Value {
        serde_json::from_str(&place.exits(&[args, &["--output", "json"]].concat(), code).out).unwrap()
    };
    assert_eq!(json(&["diff", "a.yaml", "a.yaml"], 0), serde_json::json!({ "equal": true, "changes": [] }));
    let field = serde_json::json!({ "path": "region", "kind": "changed", "old": "east", "new": "west" });
    let change = serde_json::json!({ "what": "hosts/a", "kind": "changed", "fields": [field] });
    assert_eq!(
        json(&["diff", "a.yaml", "b.yaml"], 1),
        serde_json::json!({ "equal": false, "changes": [change] })
    );
}

#[test]
fn laying_files_out_is_no_difference() {
    let example = root().join("deploy/examples/region-failover");
    let place = Place::new(&[]);
    for name in ["estate.yaml", "region-failover.yaml", "region-return.yaml"] {
        let text = std::fs::read_to_string(example.join(name)).unwrap();
        place.write(&format!("copy/{name}"), &text);
    }
    place.exits(&["fmt", "copy"], 0);
    assert_eq!(place.exits(&["diff", example.to_str().unwrap(), "copy"], 0).out, "no difference\n");
}
