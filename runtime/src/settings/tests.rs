//! Settings from file, environment and flags, and what is refused.

#![allow(clippy::unwrap_used)]
use super::*;
use serde::Deserialize;
use std::time::Duration;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Boat {
    name: String,
    seats: u32,
    #[serde(with = "model::duration")]
    drain: Duration,
    flags: Vec<String>,
    engine: Engine,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Engine {
    power: u32,
    fuel: Option<String>,
}

impl Default for Boat {
    fn default() -> Self {
        let drain = Duration::from_secs(20);
        Boat { name: "one".into(), seats: 4, drain, flags: Vec::new(), engine: Engine::default() }
    }
}

impl Documented for Boat {
    const TITLE: &'static str = "Settings of a boat";
    fn keys() -> Vec<Key> {
        vec![
            Key::new("name", "LIFEBOAT_NAME", "one", "What it is called."),
            Key::new("seats", "LIFEBOAT_SEATS", "4", "How many sit in it.\nAt least one."),
            Key::new("drain", "", "20s", "How long it takes to get out."),
            Key::new("flags", "LIFEBOAT_FLAGS", "[]", "What it flies."),
            Key::new("power", "LIFEBOAT_POWER", "0", "In kW.").within("engine"),
            Key::new("fuel", "", "diesel", "What it burns.").within("engine"),
        ]
    }
    fn check(&self) -> Vec<String> {
        if self.seats == 0 { vec!["seats must be at least 1".into()] } else { Vec::new() }
    }
}

fn read(text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Boat, SettingsError> {
    let lookup = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
    let flags = flags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    parse("boat.yaml", text, &Sources { file: None, env: &lookup, flags })
}

fn flaws(result: Result<Boat, SettingsError>) -> Vec<String> {
    match result {
        Err(SettingsError::Flaws { flaws }) => flaws.iter().map(Flaw::to_string).collect(),
        other => panic!("expected flaws, got {other:?}"),
    }
}

#[test]
fn without_any_setting_defaults_hold() {
    assert_eq!(read("", &[], &[]).unwrap(), Boat::default());
    assert_eq!(read("# nothing\n", &[], &[]).unwrap(), Boat::default());
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let text = "name: file\nseats: 1\nengine:\n  power: 1\n  fuel: coal\n";
    let env = [("LIFEBOAT_SEATS", "2"), ("LIFEBOAT_POWER", "2"), ("LIFEBOAT_FLAGS", "[a, b]")];
    let boat = read(text, &env, &[("seats", "3")]).unwrap();
    assert_eq!((boat.name.as_str(), boat.seats, boat.engine.power), ("file", 3, 2));
    assert_eq!(boat.engine.fuel.as_deref(), Some("coal"), "the rest of the section stays");
    assert_eq!(boat.flags, ["a", "b"]);
}

#[test]
fn a_text_that_looks_like_a_number_stays_a_text() {
    assert_eq!(read("", &[("LIFEBOAT_NAME", "007")], &[]).unwrap().name, "007");
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let text = "name: x\nseets: 4\nseats: many\ndrain: 5 parsecs\nengine: { power: 1, sail: 2 }\n";
    let found = flaws(read(text, &[("LIFEBOAT_POWER", "lots")], &[("wheels", "4")]));
    assert_eq!(found.len(), 6, "{found:#?}");
    assert!(
        found[0].starts_with("boat.yaml:2:8: unknown key \"seets\"; did you mean \"seats\"?"),
        "{found:#?}"
    );
    assert!(found.iter().any(|flaw| flaw.starts_with("boat.yaml:3:8: seats: invalid type")), "{found:#?}");
    assert!(found.iter().any(|flaw| flaw.starts_with("boat.yaml:4:8: drain: LB0102")), "{found:#?}");
    assert!(found.iter().any(|flaw| flaw.contains("unknown field `sail`")), "{found:#?}");
    assert!(found.iter().any(|flaw| flaw.starts_with("LIFEBOAT_POWER: invalid type")), "{found:#?}");
    assert!(found.iter().any(|flaw| flaw == "flag wheels: there is no setting \"wheels\""), "{found:#?}");
}

#[test]
fn values_that_are_wrong_together_are_refused() {
    assert_eq!(flaws(read("seats: 0", &[], &[])), ["boat.yaml: seats must be at least 1"]);
}

#[test]
fn text_that_is_not_yaml_is_refused_with_its_place() {
    let error = read("name: [a\nseats: 1\n", &[], &[]).unwrap_err();
    assert_eq!(error.code(), "LB5002");
    assert!(error.to_string().starts_with("LB5002: boat.yaml:"), "{error}");
    assert!(read("name: a\nname: b\n", &[], &[]).is_err(), "a key twice");
}

#[test]
fn a_file_that_is_named_must_exist() {
    let sources = Sources { file: Some("/nonexistent/boat.yaml".into()), env: &|_| None, flags: vec![] };
    assert_eq!(load::<Boat>(&sources).unwrap_err().code(), "LB5001");
}

#[test]
fn the_sample_explains_every_key_and_changes_nothing() {
    let text = sample::<Boat>();
    assert!(
        text.contains("# How many sit in it.\n# At least one.\n# Environment: LIFEBOAT_SEATS\n#seats: 4\n"),
        "{text}"
    );
    assert!(text.contains("#engine:\n# In kW.\n# Environment: LIFEBOAT_POWER\n#  power: 0\n"), "{text}");
    assert_eq!(read(&text, &[], &[]).unwrap(), Boat::default());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sample.yaml");
    std::fs::write(&path, &text).unwrap();
    assert_sample_is_current::<Boat>(&path);
    std::fs::write(&path, text + "# old\n").unwrap();
    let stale = std::panic::catch_unwind(|| assert_sample_is_current::<Boat>(&path));
    assert!(stale.is_err(), "a stale sample is noticed");
}
