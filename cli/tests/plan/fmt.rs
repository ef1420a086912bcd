//! `plan fmt` on files: what it writes, what it leaves alone, and its exit codes.

use crate::{Place, SOUND};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

const UGLY: &str = "regions:   {east: {}}   # where\n\n\nhosts:\n    a:   { region: east }\n";
const PRETTY: &str = "regions: { east: {} }  # where\n\nhosts:\n  a: { region: east }\n";

#[test]
fn what_is_not_laid_out_is_rewritten_and_named_and_the_rest_is_not_touched() {
    let place = Place::new(&[("estate/a.yaml", UGLY), ("estate/sub/b.yml", UGLY), ("estate/c.yaml", PRETTY)]);
    let untouched = std::fs::metadata(place.path("estate/c.yaml")).unwrap();
    std::fs::set_permissions(place.path("estate/a.yaml"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let said = place.exits(&["fmt", "estate"], 0);
    assert_eq!(said.out, "estate/a.yaml\nestate/sub/b.yml\n");
    assert!(said.err.contains("3 files: 2 changed"), "{}", said.err);
    for name in ["estate/a.yaml", "estate/sub/b.yml", "estate/c.yaml"] {
        assert_eq!(std::fs::read_to_string(place.path(name)).unwrap(), PRETTY);
    }
    let mode = std::fs::metadata(place.path("estate/a.yaml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    let after = std::fs::metadata(place.path("estate/c.yaml")).unwrap();
    assert_eq!((after.ino(), after.mtime_nsec()), (untouched.ino(), untouched.mtime_nsec()));
    // Nothing is left beside them, and the second time there is nothing to do.
    assert_eq!(std::fs::read_dir(place.path("estate")).unwrap().count(), 3);
    assert_eq!(place.exits(&["fmt", "estate"], 0).out, "");
}

#[test]
fn check_changes_nothing_and_names_what_would_change() {
    let place = Place::new(&[("a.yaml", UGLY), ("b.yaml", PRETTY)]);
    let said = place.exits(&["fmt", "--check"], 1);
    assert_eq!(said.out, "a.yaml\n");
    assert!(said.err.contains("2 files: 1 would change"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(place.path("a.yaml")).unwrap(), UGLY);
    place.exits(&["fmt", "--check", "b.yaml"], 0);
    let json: serde_json::Value =
        serde_json::from_str(&place.exits(&["fmt", "--check", "--output", "json"], 1).out).unwrap();
    assert_eq!(json, serde_json::json!({ "changed": ["a.yaml"], "files": 2 }));
}

#[test]
fn one_file_that_is_no_yaml_keeps_all_of_them_as_they_are() {
    let place = Place::new(&[("a.yaml", UGLY), ("b.yaml", "hosts: [\n")]);
    let said = place.exits(&["fmt"], 2);
    for part in ["error[LB0106]", "--> b.yaml:", "LB4060", "nothing was written"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    assert_eq!(said.out, "");
    assert_eq!(std::fs::read_to_string(place.path("a.yaml")).unwrap(), UGLY);
    place.write("b.yaml", "a: 1\n---\nb: 2\n");
    assert!(place.exits(&["fmt"], 2).err.contains("LB0124"));
    place.write("b.yaml", "? [a]\n: b\n");
    assert!(place.exits(&["fmt"], 2).err.contains("b.yaml:1:"));
    place.exits(&["fmt", "nowhere"], 2);
}

#[test]
fn an_error_of_the_estate_is_no_reason_not_to_lay_it_out() {
    let place = Place::new(&[("a.yaml", "hosts: {a: {region: nowhere}}\n"), ("ok.yaml", SOUND)]);
    place.exits(&["fmt", "a.yaml", "ok.yaml", "a.yaml"], 0);
    assert_eq!(std::fs::read_to_string(place.path("a.yaml")).unwrap(), "hosts: { a: { region: nowhere } }\n");
}

#[test]
fn a_link_stays_a_link() {
    let place = Place::new(&[("real/a.yaml", UGLY)]);
    std::fs::create_dir(place.path("estate")).unwrap();
    std::os::unix::fs::symlink("../real/a.yaml", place.path("estate/a.yaml")).unwrap();
    place.exits(&["fmt", "estate"], 0);
    assert!(std::fs::symlink_metadata(place.path("estate/a.yaml")).unwrap().is_symlink());
    assert_eq!(std::fs::read_to_string(place.path("real/a.yaml")).unwrap(), PRETTY);
}
