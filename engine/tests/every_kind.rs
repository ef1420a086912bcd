//! The suite that every step kind passes, with the work that its text really becomes: done, failed and tried
//! again, unwound, hanging, its undo failing; and a crash after each event. A kind whose job is still to come
//! stands in a list of its own, and leaves it when it can be run.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::simulator::{Crash, Simulation};
use model::Mode;
use plan::SourceFile;
use plan::checked::CheckedPlan;
use plans::fates::{Scenario, bring_to_an_end, scenarios, world};
use plans::invariants::assert_invariants;
use plans::*;
use std::collections::{BTreeMap, BTreeSet};

/// The estate of which the documentation of the kinds speaks.
const ESTATE: &str = include_str!("../../plan/testdata/reference.yaml");
/// The plan that `call` brings in.
const CALLED: &str = include_str!("../../plan/testdata/reference-call.yaml");

/// East is lost: everything that moves the app.
const FAILOVER: &str = "\
plan: failover
steps:
  declare: { approve: { role: incident-commander, within: 10m, question: Is it lost? } }
  bank: { after: declare, ask: { task: Tell the bank., role: incident-commander, within: 15m } }
  tell: { after: bank, notify: { channel: ops, state: investigating, text: moving } }
  fence:
    after: tell
    fence: { source: tutor-db, region: us-east, evidence: unreachable, silence: 3s, risk: it may live }
  promote: { after: fence, promote: { source: tutor-db, region: eu-west } }
  reach: { after: promote, call: { plan: bring-up-web, inputs: { place: eu-west } } }
  fresh: { after: reach, restart: { services: [web], region: eu-west } }
  settle: { after: fresh, wait: { for: 3s } }
  verify: { after: settle, check: { region: eu-west, checks: [health] } }
  cut-over: { after: verify, cutover: { record: api, to: eu-west } }
  follow: { after: cut-over, rejoin: { source: tutor-db, on: db-1 } }
";

/// It was a false alarm: the fence is lifted before anything was promoted.
const FALSE_ALARM: &str = "\
plan: false-alarm
steps:
  fence: { fence: { source: tutor-db, region: us-east } }
  lift: { after: fence, unfence: { source: tutor-db, region: us-east } }
  again: { after: lift, start: { services: [postgres], hosts: [db-1] } }
";

/// The data is wrong: everything that brings it back from a backup.
const RESTORATION: &str = "\
plan: restoration
steps:
  saved: { backup: { source: tutor-db, to: s3-eu, on: db-2 } }
  proven: { after: saved, prove: { source: tutor-db, from: s3-eu, on: db-2 } }
  copy: { after: proven, restore: { source: tutor-db, from: s3-eu, on: db-2, into: tutor_copy } }
  hold: { after: copy, stop: { services: [web] } }
  swap: { after: hold, swap: { source: tutor-db, copy: tutor_copy, on: db-2 } }
  start: { after: swap, start: { services: [web], region: eu-west } }
  warm: { after: start, undo: none, command: { script: /opt/warm.sh, hosts: [web-2] } }
";

/// Kinds whose job is still to come: a plan with one of them is refused.
const TO_COME: [&str; 9] =
    ["collect", "deploy", "isolate", "provision", "rollback", "rotate", "scale", "sql", "switch"];

fn compiled(text: &str) -> CheckedPlan {
    let file = |path: &str, text: &str| SourceFile { path: path.to_string(), text: text.to_string() };
    let checked =
        plan::check(&[file("estate.yaml", ESTATE), file("called.yaml", CALLED), file("plan.yaml", text)]);
    let estate = checked.estate.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
    let name = text.lines().next().unwrap().strip_prefix("plan: ").unwrap();
    estate.compile(&name.parse().unwrap(), Mode::Live, &BTreeMap::new()).unwrap()
}

fn plans() -> Vec<(&'static str, CheckedPlan)> {
    let all = [("failover", FAILOVER), ("restoration", RESTORATION), ("false alarm", FALSE_ALARM)];
    all.map(|(name, text)| (name, compiled(text))).into()
}

fn all() -> Vec<Scenario> {
    scenarios(plans())
}

#[test]
fn every_kind_is_in_one_of_the_plans_or_still_to_come() {
    // The steps of a call stand in its place.
    let mut found: BTreeSet<String> = BTreeSet::from(["call".to_string()]);
    for (_, plan) in plans() {
        assert!(
            plan.steps.iter().any(|step| step.path.as_str().contains('/'))
                || plan.name.as_str() != "failover"
        );
        found.extend(plan.steps.into_iter().map(|step| step.kind));
    }
    found.extend(TO_COME.map(str::to_string));
    let known: BTreeSet<String> = plan::step_kinds().map(|(name, _, _)| name.to_string()).collect();
    assert_eq!(found, known);
}

#[test]
fn every_kind_ends_well_or_honestly_whatever_happens_to_it() {
    for (what, plan, shape, at, behave, decide) in all() {
        let mut run = begun(plan, world(shape, at, behave));
        bring_to_an_end(&mut run, &decide);
        assert_invariants(&run);
        if what.ends_with("all well") || what.ends_with("fails, retried") {
            assert_eq!(word(&run), "succeeded", "{what}");
        }
    }
}

/// One part of three, so that cores share the work.
fn crash_after_each_event(part: usize) {
    for (what, plan, shape, at, behave, decide) in all().into_iter().skip(part).step_by(3) {
        let mut smooth = begun(plan.clone(), world(shape, at, behave));
        bring_to_an_end(&mut smooth, &decide);
        let rows = smooth.journal.len();
        for crash in (2..=rows).flat_map(|row| [Crash::AfterRow(row), Crash::AfterSending(row)]) {
            let world = world(shape, at, behave);
            let mut run = Simulation::with_crashes(plan.clone(), user("ada"), world, vec![crash]).unwrap();
            run.roles = commanders();
            bring_to_an_end(&mut run, &decide);
            assert_invariants(&run);
            assert_eq!(word(&run), word(&smooth), "{what}, {crash:?} of {rows}");
            let tokens = |run: &Simulation| run.world.executions().keys().cloned().collect::<Vec<_>>();
            assert_eq!(tokens(&run), tokens(&smooth), "{what}, {crash:?} of {rows}");
        }
    }
}

#[test]
fn a_crash_after_each_event_changes_nothing_of_any_kind() {
    crash_after_each_event(0);
}

#[test]
fn a_crash_after_each_event_changes_nothing_of_any_kind_either() {
    crash_after_each_event(1);
}

#[test]
fn a_crash_after_each_event_changes_nothing_of_any_kind_nor_here() {
    crash_after_each_event(2);
}
