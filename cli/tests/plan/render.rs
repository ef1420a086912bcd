//! `lifeboat plan render` as a person or a pipeline uses it.

use super::{Place, root};
use std::process::Command;

const PLAN: &str = "plan: move\nsteps: { settle: { wait: { for: 1s } } }\n";
const OTHER: &str = "plan: other\ninputs: { pause: { type: duration } }\nsteps: { settle: { wait: { for: \"${{ inputs.pause }}\" } } }\n";

fn place() -> Place {
    Place::new(&[("estate.yaml", super::SOUND), ("move.yaml", PLAN), ("other.yaml", OTHER)])
}

#[test]
fn one_runbook_goes_to_stdout_and_nothing_else_does() {
    let said = place().exits(&["render", "--plan", "move"], 0);
    assert!(
        said.out.starts_with("<!-- lifeboat runbook -->\n\n# move\n") && said.err.is_empty(),
        "{}",
        said.err
    );
    let html = place().exits(&["render", "--plan", "move", "--format", "html"], 0).out;
    assert!(html.starts_with("<!doctype html>\n<!-- lifeboat runbook -->\n"), "{html}");
    let json = place().exits(&["render", "--plan", "move", "--output", "json"], 0).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["plan"], "move");
    assert!(place().exits(&["render"], 2).err.contains("LB4065"));
    assert!(place().exits(&["render", "--plan", "moove"], 1).err.contains("did you mean \"move\"?"));
    assert!(place().exits(&["render", "--plan", "move", "--mode", "preview"], 2).err.contains("LB4040"));
    assert!(Place::new(&[("estate.yaml", super::SOUND)]).exits(&["render"], 2).err.contains("LB4066"));
}

#[test]
fn an_input_is_filled_in_or_left_to_be_decided() {
    let open = place().exits(&["render", "--plan", "other"], 0).out;
    assert!(open.contains("**Decide** `pause`"), "{open}");
    let set = place().exits(&["render", "--plan", "other", "--set", "pause=7s"], 0).out;
    assert!(set.contains("Input `pause`: `7s`") && set.contains("sleep 7"), "{set}");
    assert!(place().exits(&["render", "--plan", "other", "--set", "pause=soon"], 1).err.contains("LB0204"));
    assert!(place().exits(&["render", "--plan", "move", "--set", "pause=7s"], 2).err.contains("LB4041"));
}

#[test]
fn all_runbooks_go_into_a_folder_with_a_list_and_are_written_anew() {
    let place = place();
    let said = place.exits(&["render", "--into", "books"], 0);
    assert_eq!(said.out, "books/move.md\nbooks/other.md\nbooks/index.md\n");
    let first = std::fs::read_to_string(place.path("books/move.md")).unwrap();
    assert!(std::fs::read_to_string(place.path("books/index.md")).unwrap().contains("[other](other.md)"));
    place.exits(&["render", "--into", "books"], 0);
    assert_eq!(std::fs::read_to_string(place.path("books/move.md")).unwrap(), first);
    let names: Vec<_> =
        std::fs::read_dir(place.path("books")).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn what_is_no_runbook_is_left_alone_and_then_nothing_is_written() {
    let place = place();
    place.write("books/other.md", "# My notes, with <!-- lifeboat runbook --> in them\n");
    let said = place.exits(&["render", "--into", "books"], 2);
    assert!(said.err.contains("LB4067") && said.err.contains("other.md"), "{}", said.err);
    assert!(!place.path("books/move.md").exists());
    place.exits(&["render", "--into", "books", "--force"], 0);
    assert!(std::fs::read_to_string(place.path("books/other.md")).unwrap().contains("# other"));
}

#[test]
fn a_promise_that_cannot_be_kept_is_told_and_written_all_the_same() {
    let place = Place::new(&[]);
    for name in ["estate.yaml", "region-failover.yaml"] {
        let text =
            std::fs::read_to_string(root().join("deploy/examples/region-failover").join(name)).unwrap();
        place.write(name, &text.replace("rto: 15m", "rto: 6m"));
    }
    let said = place.exits(&["render", "--plan", "region-failover"], 1);
    assert!(said.err.contains("LB0402") && said.out.contains("6m 53s by estimate"), "{}", said.err);
}

/// The runbook's own commands, on a repository that Lifeboat made: stock restic gives the data back.
#[test]
fn the_commands_of_a_restore_restore() {
    if Command::new("restic").arg("version").output().is_err() {
        eprintln!("restic is not installed");
        return;
    }
    let place = Place::new(&[("data/a b.txt", "what was saved\n"), ("password", "secret\n")]);
    let at = |name: &str| place.path(name).display().to_string();
    let repo = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        let command = command.arg("repo").args(args).env("LIFEBOAT_REPOSITORY", at("repository"));
        let output = command.env("LIFEBOAT_REPOSITORY_PASSWORD_FILE", at("password")).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    repo(&["init"]);
    repo(&["backup", &at("data"), "--tag", "lifeboat:source=files"]);
    let estate = format!(
        "regions: {{ east: {{}} }}\nhosts:\n  a: {{ region: east }}\nsources:\n  files: {{ kind: files, paths: [{}], members: [a] }}\n\
         repositories:\n  local: {{ at: {}, region: east, password: {{ file: {} }} }}\n",
        at("data"),
        at("repository"),
        at("password")
    );
    let plan = format!(
        "plan: back\nsteps:\n  restore: {{ restore: {{ source: files, from: local, on: a, into: \"{}\" }} }}\n",
        at("copy of it")
    );
    place.write("estate/estate.yaml", &estate);
    place.write("estate/back.yaml", &plan);
    let text = place.exits(&["render", "estate", "--plan", "back"], 0).out;
    let block = text.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    // What was recorded is written by agents alone; `lifeboat repo` has nothing to record.
    let block: String = block
        .lines()
        .filter(|line| !line.contains("/lifeboat.json"))
        .map(|line| format!("{line}\n"))
        .collect();
    let output = Command::new("bash").args(["-ec", &block]).env("HOME", at("home")).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{block}\n{said}");
    let copy = place.path("copy of it").join(place.path("data").strip_prefix("/").unwrap()).join("a b.txt");
    assert_eq!(
        std::fs::read_to_string(&copy).unwrap_or_else(|error| panic!("{}: {error}\n{said}", copy.display())),
        "what was saved\n"
    );
}
