//! The shipped examples are accepted, and a broken one is shown at once and whole.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use model::Mode;
use plan::SourceFile;
use std::collections::BTreeMap;
use std::path::Path;

fn example(name: &str) -> Vec<SourceFile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples").join(name);
    let mut files: Vec<SourceFile> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .map(|path| SourceFile {
            path: path.file_name().unwrap().to_string_lossy().into_owned(),
            text: std::fs::read_to_string(&path).unwrap(),
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

#[test]
fn every_example_is_accepted_without_a_finding_and_compiles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples");
    let mut plans = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if example(&name).is_empty() {
            continue; // a team's document, transcribed: the CLI's tests have these
        }
        let checked = plan::check(&example(&name));
        assert!(checked.diagnostics.is_empty(), "{name}:\n{}", report::diagnostics(&checked.diagnostics));
        let estate = checked.estate.unwrap();
        for plan in estate.plans() {
            let compiled = estate.compile(plan, Mode::Live, &BTreeMap::new());
            assert!(compiled.is_ok(), "{name}/{plan}: {:?}", compiled.err());
            plans += 1;
        }
    }
    assert!(plans > 0);
}

#[test]
fn an_unknown_host_and_service_and_a_cycle_are_all_shown_at_once() {
    let mut files = example("region-failover");
    let estate = &mut files[0].text;
    *estate = estate.replace("on: west-1", "on: west-9").replace("needs: [app-db]", "needs: [app-dv]");
    let plan = &mut files[1].text;
    *plan = plan.replace("after: fence\n", "after: cut-over\n").replace("services: [app]", "services: [ap]");
    let checked = plan::check(&files);
    let text = report::diagnostics(&checked.diagnostics);
    println!("{text}");
    assert!(checked.estate.is_none());
    for part in ["west-9", "app-dv", "\"ap\"", "error[LB0301]", "estate.yaml:", "region-failover.yaml:"] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(text.lines().all(|line| report::layout::width(line) <= 80), "{text}");
}
