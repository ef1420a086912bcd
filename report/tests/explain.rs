//! Explanations as people see them. `UPDATE=1 cargo test` records anew; read the difference like code.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use model::{Mode, Name, StepPath};
use plan::objectives::History;
use plan::{CheckedEstate, SourceFile, explainable};
use report::explain::{Explained, explain};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

fn example(plan: &str) -> CheckedEstate {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/region-failover");
    let estate = std::fs::read_to_string(folder.join("estate.yaml")).unwrap();
    let failover = std::fs::read_to_string(folder.join("region-failover.yaml")).unwrap();
    let file = |path: &str, text: String| SourceFile { path: path.to_string(), text };
    let mut files = vec![file("estate.yaml", estate), file("region-failover.yaml", failover)];
    if !plan.is_empty() {
        files.push(file("plan.yaml", plan.to_string()));
    }
    let checked = explainable(&files);
    checked.estate.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

fn explained(estate: &CheckedEstate, plan: &str, mode: Mode, history: Option<&History>) -> Explained {
    let mut number = 0u64;
    let mut random = || {
        number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
        number
    };
    let past = history.map(|history| (history, &mut random as &mut dyn FnMut() -> u64));
    explain(&estate.explain(&Name::new(plan).unwrap(), mode, &BTreeMap::new(), past).unwrap())
}

fn recorded(name: &str, text: &str) {
    let now = &format!("{text}\n");
    assert!(now.lines().all(|line| report::layout::width(line) <= 80), "{now}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, now).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), *now, "{name}");
}

#[test]
fn the_failover_is_explained_with_its_path_its_sum_and_its_exact_orders() {
    let explained = explained(&example(""), "region-failover", Mode::Live, None);
    recorded("explain-failover.txt", &explained.text());
    recorded_json("explain-failover.json", &explained);
}

fn recorded_json(name: &str, explained: &Explained) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    let now = serde_json::to_string_pretty(explained).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), now, "{name}");
}

const BRANCHES: &str = "\
plan: branches
title: Bring everything back from backups, some of it at once
objectives: { rto: 1h }
steps:
  declare: { approve: { role: incident-commander, within: 20m, question: Is the data really bad? } }
  tell: { after: declare, notify: { channel: ops, state: investigating } }
  hold-west: { after: declare, stop: { services: [app], region: west } }
  hold-east: { after: declare, stop: { services: [app], region: east } }
  look-at-the-disks-of-both-regions-before-anything-else: { after: declare, takes: 3m, timeout: 5m, check: { region: west, checks: [rows-present] } }
  restore: { after: look-at-the-disks-of-both-regions-before-anything-else, restore: { source: app-db, from: local, on: west-1 } }
  settle: { after: hold-west, when: { mode: drill }, wait: { for: 10m } }
  swap: { after: [restore, hold-east, hold-west, settle], swap: { source: app-db, copy: app_restored, on: west-1 } }
  start: { after: swap, start: { services: [app], region: west } }
  told: { after: start, notify: { channel: ops, state: resolved } }
";

#[test]
fn a_plan_with_branches_that_takes_too_long_is_drawn_with_what_each_has_to_spare() {
    let explained = explained(&example(BRANCHES), "branches", Mode::Live, None);
    recorded("explain-branches.txt", &explained.text());
    assert!(explained.markdown().starts_with("# Bring everything back"));
}

#[test]
fn with_past_runs_half_and_nine_of_ten_are_told() {
    let mut history = History::new();
    for took in [3, 4, 5, 9] {
        history.add(&StepPath::new("start").unwrap(), "start", Duration::from_secs(took));
        history.add(&StepPath::new("fence").unwrap(), "fence", Duration::from_secs(took * 100));
    }
    let text = explained(&example(""), "region-failover", Mode::Live, Some(&history)).text();
    let measured: Vec<&str> = text.lines().skip_while(|line| !line.contains("measured")).take(2).collect();
    assert!(
        measured[0].contains("half of the runs within") && measured[1].contains("2 of 7 steps"),
        "{measured:#?}"
    );
}

#[test]
fn long_chains_and_wide_fans_fit_the_screen() {
    let mut plan = "plan: long\nsteps:\n  s0: { wait: { for: 1s } }\n".to_string();
    for at in 1..300 {
        let after = if at % 3 == 0 { at - 3 } else { at - 1 };
        plan += &format!("  s{at}: {{ after: s{after}, wait: {{ for: {}s }} }}\n", at % 7 + 1);
    }
    let text = explained(&example(&plan), "long", Mode::Live, None).text();
    assert!(text.lines().all(|line| report::layout::width(line) <= 80));
    assert!((0..300).all(|at| text.contains(&format!(" s{at} "))));
}
