//! Plans as people write them, from text to the end of a run: what the language adds needs nothing new here.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::event::About;
use engine::simulator::{Fate, World};
use model::{Mode, Name};
use plan::checked::CheckedPlan;
use plan::{SourceFile, check};
use plans::invariants::assert_invariants;
use plans::*;
use std::collections::BTreeMap;
use std::time::Duration;

const ESTATE: &str = include_str!("../../plan/testdata/demo/estate.yaml");
/// A rollback by hand and machine, with the way back up in a plan of its own.
const ROLLBACK: &str = "plan: p
steps:
  bank: { ask: { task: Tell the bank that payments pause. } }
  stop: { after: bank, stop: { services: [app] } }
  back: { after: stop, on-failure: stop, rollback: { source: app-db, to: deadbeef, from: local, on: west-1 } }
  up: { after: back, call: { plan: up } }
  told: { after: up, notify: { channel: ops, state: resolved } }
";
const UP: &str = "plan: up
steps:
  start: { start: { services: [app], region: west } }
  verify: { after: start, check: { checks: [app-health], region: west } }
";

fn rollback() -> CheckedPlan {
    let file =
        |(number, text): (usize, &str)| SourceFile { path: format!("{number}.yaml"), text: text.to_string() };
    let files: Vec<SourceFile> = [ESTATE, ROLLBACK, UP].into_iter().enumerate().map(file).collect();
    let checked = check(&files);
    let estate = checked.estate.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
    estate.compile(&Name::new("p").unwrap(), Mode::Live, &BTreeMap::new()).unwrap()
}

/// Steps that have succeeded, by the journal.
fn succeeded(run: &engine::simulator::Simulation) -> Vec<String> {
    let events = run.journal.iter().map(|entry| &entry.recorded.event);
    events
        .filter_map(|event| match event {
            engine::Event::StepSucceeded { step, .. } => Some(step.to_string()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_task_a_rollback_and_a_call_run_to_their_end() {
    let mut run = simulate(rollback(), World::new());
    assert!(is_asked(&run.state, About::Gate));
    assert!(question(&run.state).text.starts_with("Tell the bank"));
    let yes = yes(&run.state);
    tell(&mut run, &yes);
    assert_eq!(word(&run), "succeeded");
    assert_eq!(succeeded(&run), ["bank", "stop", "back/1", "back", "up/start", "up/verify", "up", "told"]);
    assert_invariants(&run);
}

#[test]
fn a_rollback_whose_copy_cannot_be_made_touches_nothing_that_is_live() {
    let world = World::new().behaving(|token, _| {
        let damaged = token.step.as_str() == "back/1";
        (damaged.then(|| Fate::Fail(problem("the snapshot is damaged"))), Duration::from_millis(10))
    });
    let mut run = simulate(rollback(), world);
    let yes = yes(&run.state);
    tell(&mut run, &yes);
    assert_eq!(word(&run), "failed");
    assert_eq!(succeeded(&run), ["bank", "stop"]);
    assert_invariants(&run);
}
