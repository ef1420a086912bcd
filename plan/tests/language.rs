//! The language of plans: calls, points, versions, outputs, what is allowed, and what is still to come.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use model::jobs::{Restore, Swap};
use model::nouns::Point;
use model::{Class, Mode, Name, Work};
use plan::checked::{Action, CheckedPlan, Precondition, Step, Undo};
use plan::{Diagnostic, SourceFile, check};
use std::collections::{BTreeMap, BTreeSet};

const ESTATE: &str = include_str!("../testdata/demo/estate.yaml");
const REACH: &str = "plan: reach\nalone: false\ninputs: { where: { type: text, default: west } }\nsteps:\n  \
                     promote: { promote: { source: app-db, region: \"${{ inputs.where }}\" } }\n  \
                     start: { after: promote, start: { services: [app], region: \"${{ inputs.where }}\" } }\n";

fn files(texts: &[&str]) -> Vec<SourceFile> {
    let file = |(number, text): (usize, &&str)| SourceFile {
        path: format!("{number}.yaml"),
        text: text.to_string(),
    };
    std::iter::once(&ESTATE).chain(texts).enumerate().map(file).collect()
}

fn found(texts: &[&str]) -> Vec<String> {
    check(&files(texts)).diagnostics.iter().map(ToString::to_string).collect()
}

fn compile(texts: &[&str], mode: Mode, inputs: &[(&str, &str)]) -> Result<CheckedPlan, Vec<Diagnostic>> {
    let checked = check(&files(texts));
    let told: Vec<String> = checked.diagnostics.iter().map(ToString::to_string).collect();
    let estate = checked.estate.unwrap_or_else(|| panic!("{told:#?}"));
    let inputs: BTreeMap<String, String> =
        inputs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    estate.compile(&Name::new("p").unwrap(), mode, &inputs)
}

fn codes(found: &[Diagnostic]) -> Vec<&str> {
    found.iter().map(|one| one.code.as_str()).collect()
}

fn step<'p>(plan: &'p CheckedPlan, path: &str) -> &'p Step {
    plan.steps.iter().find(|step| step.path.as_str() == path).unwrap_or_else(|| panic!("no step {path}"))
}

/// What the engine relies on: see its `runnable`.
fn is_runnable(plan: &CheckedPlan) {
    let mut seen = BTreeSet::new();
    for step in &plan.steps {
        assert!(step.after.iter().all(|before| seen.contains(before)), "{}", step.path);
        assert!(seen.insert(step.path.clone()), "{} stands twice", step.path);
        assert!(!step.summary.contains("still to come"), "{}", step.summary);
    }
}

#[test]
fn the_steps_of_a_called_plan_stand_in_its_place() {
    let plan = "plan: p\nsteps:\n  fence: { fence: { source: app-db, region: east } }\n  \
                go: { after: fence, call: { plan: reach } }\n  \
                told: { after: go, notify: { channel: ops, state: resolved } }\n";
    let plan = compile(&[REACH, plan], Mode::Live, &[]).unwrap();
    is_runnable(&plan);
    let order: Vec<(&str, Vec<&str>)> = plan
        .steps
        .iter()
        .map(|step| (step.path.as_str(), step.after.iter().map(|path| path.as_str()).collect()))
        .collect();
    assert_eq!(
        order,
        [
            ("fence", vec![]),
            ("go/promote", vec!["fence"]),
            ("go/start", vec!["go/promote"]),
            ("go", vec!["fence", "go/start"]),
            ("told", vec!["go"]),
        ]
    );
    let must = &step(&plan, "go/promote").preconditions;
    assert!(matches!(&must[..], [Precondition::Fenced { step, .. }] if step.as_str() == "fence"), "{must:?}");
    assert_eq!((step(&plan, "go").tasks.len(), step(&plan, "go").class), (0, Class::Read));
    assert!(plan.resources().contains(&"source/app-db".to_string()));
}

#[test]
fn a_call_that_is_left_out_leaves_out_its_steps() {
    let plan = "plan: p\nsteps:\n  go: { when: { mode: drill }, call: { plan: other } }\n  \
                told: { after: go, notify: { channel: ops, state: resolved } }\n";
    let other = "plan: other\nsteps: { a: { restart: { services: [app], region: west } } }\n";
    let plan = compile(&[other, plan], Mode::Live, &[]).unwrap();
    let paths: Vec<&str> = plan.steps.iter().map(|step| step.path.as_str()).collect();
    assert_eq!(paths, ["go", "told"]);
    assert!(step(&plan, "go").skipped.is_some());
}

#[test]
fn a_plan_that_is_only_called_cannot_be_run_and_is_proven_when_nobody_calls_it() {
    let caller = "plan: p\nsteps:\n  fence: { fence: { source: app-db, region: east } }\n  \
                  go: { after: fence, call: { plan: reach } }\n";
    let estate = check(&files(&[REACH, caller])).estate.unwrap();
    let refused = estate.compile(&Name::new("reach").unwrap(), Mode::Live, &BTreeMap::new()).unwrap_err();
    assert_eq!(codes(&refused), ["LB0208"]);
    assert!(!estate.plan(&Name::new("reach").unwrap()).unwrap().alone);
    assert_eq!(codes(&check(&files(&[REACH])).diagnostics), ["LB0302"]);
}

#[test]
fn plans_that_call_each_other_are_told_and_end() {
    let p = "plan: p\nsteps: { a: { call: { plan: q } } }\n";
    let q = "plan: q\nsteps: { a: { call: { plan: p } } }\n";
    assert_eq!(
        found(&[p, q]),
        [
            "1.yaml:2:29: error LB0209: plans call each other: q → p → q",
            "2.yaml:2:29: error LB0209: plans call each other: p → q → p"
        ]
    );
}

#[test]
fn what_is_wrong_in_a_called_plan_names_the_calls_that_make_it_so() {
    let called = "plan: q\nalone: false\nsteps: { a: { promote: { source: app-db, region: west } } }\n";
    let caller = |name: &str| format!("plan: {name}\nsteps: {{ go: {{ call: {{ plan: q }} }} }}\n");
    let what = "1.yaml:3:15: error LB0302: app-db is promoted on west-1 while its old primary may still accept writes";
    assert_eq!(found(&[called, &caller("p1")]), [format!("{what} (called by step \"go\" of plan \"p1\")")]);
    assert_eq!(
        found(&[called, &caller("p1"), &caller("p2")]),
        [format!("{what} (called by step \"go\" of plan \"p1\", by step \"go\" of plan \"p2\")")]
    );
    let all: Vec<String> = ["p1", "p2", "p3", "p4", "p5"].iter().map(|name| caller(name)).collect();
    let all: Vec<&str> = [called].into_iter().chain(all.iter().map(String::as_str)).collect();
    assert!(found(&all)[0].ends_with("by step \"go\" of plan \"p3\" and 2 more)"), "{:?}", found(&all));
    // What is wrong with a plan by itself has nothing to do with who calls it.
    let alone = called.replace("alone: false\n", "");
    assert_eq!(found(&[&alone, &caller("p1")]), [what.replace("1.yaml:3", "1.yaml:2")]);
}

#[test]
fn a_step_of_a_called_plan_is_slow_only_when_it_outlasts_its_own_time_out() {
    let called = |takes: &str| {
        format!(
            "plan: q\nsteps: {{ a: {{ takes: {takes}, start: {{ services: [web, app], region: west }} }} }}\n"
        )
    };
    let caller = "plan: p\nsteps: { go: { call: { plan: q } } }\n";
    assert_eq!(found(&[&called("2m"), caller]), [""; 0]);
    assert!(found(&[&called("4h"), caller])[0].contains("LB0404"), "{:?}", found(&[&called("4h"), caller]));
}

#[test]
fn calls_are_bounded_in_depth_and_number() {
    let level =
        |number: usize| format!("plan: l{number}\nsteps: {{ a: {{ call: {{ plan: l{} }} }} }}\n", number + 1);
    let end = |number: usize| format!("plan: l{number}\nsteps: {{ a: {{ wait: {{ for: 1s }} }} }}\n");
    let deep = |levels: usize| {
        let texts: Vec<String> = (0..levels).map(level).chain([end(levels)]).collect();
        check(&files(&texts.iter().map(String::as_str).collect::<Vec<_>>())).diagnostics
    };
    assert_eq!(deep(4), []);
    assert_eq!(codes(&deep(5)), ["LB0132"]);
    let wide: String = (0..1_500).map(|number| format!("  s{number}: {{ wait: {{ for: 1s }} }}\n")).collect();
    let wide = format!("plan: wide\nsteps:\n{wide}");
    let twice = "plan: p\nsteps: { a: { call: { plan: wide } }, b: { call: { plan: wide } } }\n";
    assert_eq!(codes(&check(&files(&[&wide, twice])).diagnostics), ["LB0132"]);
    // Each by itself is not too much, and all together are.
    let once = |number: usize| format!("plan: p{number}\nsteps: {{ a: {{ call: {{ plan: wide }} }} }}\n");
    let many = |plans: usize| {
        let texts: Vec<String> = (0..plans).map(once).chain([wide.clone()]).collect();
        check(&files(&texts.iter().map(String::as_str).collect::<Vec<_>>())).diagnostics
    };
    assert_eq!(many(30), []);
    assert_eq!(codes(&many(40)), ["LB0132"]);
}

#[test]
fn a_rollback_of_data_restores_beside_and_then_swaps() {
    let plan = "plan: p\ninputs: { point: { type: restore-point } }\nsteps:\n  stop: { stop: { services: [app] } }\n  \
                back: { after: stop, rollback: { source: app-db, to: \"${{ inputs.point }}\", from: local, on: west-1, keep-old: 24h } }\n  \
                start: { after: back, start: { services: [app], region: west } }\n";
    let plan = compile(&[plan], Mode::Live, &[("point", "deadbeef")]).unwrap();
    is_runnable(&plan);
    let (first, second) = (step(&plan, "back/1"), step(&plan, "back"));
    let Action::Agent { work: Work::Restore(Restore { point, into, .. }), .. } = &first.tasks[0].action
    else {
        panic!("{first:?}")
    };
    assert_eq!((point, into.as_str()), (&Point::Snapshot("deadbeef".into()), "app_rollback"));
    let Action::Agent { work: Work::Swap(Swap { copy, keep_old, .. }), .. } = &second.tasks[0].action else {
        panic!("{second:?}")
    };
    assert_eq!((copy.as_str(), keep_old.as_secs()), ("app_rollback", 24 * 3600));
    assert_eq!((&first.undo, &second.undo), (&Undo::Nothing, &Undo::Impossible));
    let must = &first.preconditions;
    assert!(matches!(&must[..], [Precondition::Succeeded { step }] if step.as_str() == "stop"), "{must:?}");
}

#[test]
fn a_task_for_a_person_is_a_gate() {
    let plan =
        "plan: p\nsteps:\n  a: { ask: { task: Tell the bank., role: incident-commander, within: 5m } }\n";
    let plan = compile(&[plan], Mode::Live, &[]).unwrap();
    let gate = step(&plan, "a").gate.as_ref().unwrap();
    assert_eq!(gate.question, "Tell the bank.\nApprove once it is done.");
    assert_eq!((gate.role.as_ref().unwrap().as_str(), gate.within.as_secs()), ("incident-commander", 300));
    assert!(step(&plan, "a").tasks.is_empty());
}

#[test]
fn what_is_still_to_come_is_a_warning_of_the_check_and_an_error_of_the_run() {
    let whole = |step: &str| {
        format!(
            "plan: p\nsteps:\n  look: {{ backup: {{ source: app-db, to: local, on: west-1 }} }}\n  {step}\n"
        )
    };
    let checked_after = |verb: &str| {
        whole(&format!(
            "a: {{ {verb} }}\n  then: {{ after: a, check: {{ checks: [app-health], region: west }} }}"
        ))
    };
    let cases = [
        checked_after("scale: { services: [app], to: declared, region: west }"),
        checked_after("deploy: { services: [app], version: 1.4.2, region: west }"),
        checked_after("rollback: { services: [app], to: last-good, region: west }"),
        whole("a: { after: look, command: { in: app, run: [migrate, up], region: west } }"),
        whole("a: { isolate: { hosts: [east-1] } }"),
        whole("a: { after: look, sql: { source: app-db, on: west-1, statement: vacuum } }"),
        whole("a: { collect: { services: [app], region: west, to: local } }"),
        whole("a: { ask: { task: Look., answers: { n: { type: number } } } }"),
        whole("a: { after: look, prove: { source: app-db, from: local, point: before-deploy, on: west-1 } }"),
        whole(
            "a: { after: look, prove: { source: app-db, from: local, point: \"${{ steps.look.outputs.at }}\", on: west-1 } }",
        ),
        whole("a: { after: look, when: { output: { look.at: latest } }, wait: { for: 1s } }"),
    ];
    for text in &cases {
        let checked = check(&files(&[text]));
        assert_eq!(codes(&checked.diagnostics), ["LB0128"], "{text}");
        let refused = compile(&[text], Mode::Live, &[]).unwrap_err();
        assert_eq!(codes(&refused), ["LB0128"], "{text}");
        assert_eq!(refused[0].severity, plan::Severity::Error);
    }
}

#[test]
fn a_word_for_a_point_may_come_with_an_input_and_then_keeps_the_run_back() {
    let plan = "plan: p\ninputs: { point: { type: restore-point, default: latest } }\nsteps:\n  \
                a: { prove: { source: app-db, from: local, point: \"${{ inputs.point }}\", on: west-1 } }\n";
    compile(&[plan], Mode::Live, &[]).unwrap();
    let refused = compile(&[plan], Mode::Live, &[("point", "last-proven")]).unwrap_err();
    assert_eq!(codes(&refused), ["LB0128"]);
    let refused = compile(&[plan], Mode::Live, &[("point", "yesterday")]).unwrap_err();
    assert_eq!(codes(&refused), ["LB0204"]);
}

#[test]
fn what_is_still_to_come_and_left_out_in_this_mode_does_not_keep_the_run_back() {
    let plan = "plan: p\nsteps:\n  a: { when: { mode: drill }, scale: { services: [app], to: 1, region: west } }\n  \
                b: { after: a, restart: { services: [app], region: west } }\n";
    let plan = compile(&[plan], Mode::Live, &[]).unwrap();
    assert!(step(&plan, "a").skipped.is_some());
}

#[test]
fn rules_are_asked_of_a_step_whose_point_is_not_known_yet() {
    let plan = "plan: p\ninputs: { point: { type: restore-point } }\nsteps:\n  stop: { stop: { services: [app] } }\n  \
                restore: { restore: { source: app-db, from: local, point: \"${{ inputs.point }}\", on: west-1, into: one } }\n  \
                swap: { after: [stop, restore], swap: { source: app-db, copy: other, on: west-1 } }\n";
    assert_eq!(codes(&check(&files(&[plan])).diagnostics), ["LB0371", "LB0307"]);
}

#[test]
fn an_allowed_warning_is_silent_in_its_own_step_only() {
    let text = |allow: &str| {
        format!(
            "plan: p\nsteps:\n  a:\n    {allow}\n    start: {{ services: [postgres], region: west }}\n  \
             b: {{ after: a, start: {{ services: [postgres], region: east }} }}\n"
        )
    };
    assert_eq!(found(&[&text("timeout: 1m")]).len(), 2);
    let told = found(&[&text("allow: LB0318   # east was taken apart")]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("1.yaml:6:18: warning LB0318"), "{told:?}");
    let listed = text("allow:\n      - LB0318   # east was taken apart");
    assert_eq!(found(&[&listed]).len(), 1);
}

#[test]
fn many_comments_are_no_hindrance_beside_an_allow() {
    let comments = "# a word\n".repeat(2_000);
    let plan = format!(
        "plan: p\nsteps:\n  a:\n{comments}    allow: [LB0318] # east was taken apart\n    start: {{ services: [postgres], region: west }}\n"
    );
    assert_eq!(found(&[&plan]), [""; 0]);
}

#[test]
fn a_finally_part_comes_last_in_the_plan_and_is_no_part_of_its_length() {
    let plan = "plan: p\nsteps:\n  a: { restart: { services: [app], region: west } }\n\
                finally:\n  pause: { wait: { for: 1h } }\n  told: { after: pause, notify: { channel: ops, state: resolved } }\n";
    let lowered = compile(&[plan], Mode::Live, &[]).unwrap();
    let steps: Vec<(&str, bool)> =
        lowered.steps.iter().map(|step| (step.path.as_str(), step.finally)).collect();
    assert_eq!(steps, [("a", false), ("pause", true), ("told", true)]);
    let predicted = plan::objectives::predict(&lowered, None);
    assert!(predicted.estimated.length < std::time::Duration::from_secs(600), "{predicted:?}");
}

#[test]
fn a_finally_part_is_checked_by_itself() {
    let plan = "plan: p\nsteps:\n  fence: { fence: { source: app-db, region: east } }\n\
                finally:\n  fence: { promote: { source: app-db, region: west } }\n";
    let mut told: Vec<String> = check(&files(&[plan])).diagnostics.into_iter().map(|one| one.code).collect();
    told.sort();
    assert_eq!(told, ["LB0111", "LB0208", "LB0302"]);
}
