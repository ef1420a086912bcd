//! Undoing: newest first, journaled and retried like any step; and what cannot be undone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::simulator::{Fate, Simulation, World};
use engine::{Command, ProbeAnswer};
use model::{Direction, Evidence};
use plan::checked::{CheckedPlan, OnFailure};
use plans::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(10);

fn unwind() -> Command {
    Command::Unwind { reason: "wrong region".to_string() }
}

fn end() -> Command {
    Command::End { reason: "mended by hand".to_string() }
}

fn failing(step: &'static str, direction: Direction, times: u32) -> World {
    let mut count = 0;
    World::new().behaving(move |token, _| {
        let hit = token.step.as_str() == step && token.direction == direction && {
            count += 1;
            count <= times
        };
        (hit.then(|| Fate::Fail(problem("no"))), MS)
    })
}

fn three(on_failure: OnFailure) -> CheckedPlan {
    let mut last = start("c", &["b"], "h");
    last.on_failure = on_failure;
    plan(vec![start("a", &[], "h"), start("b", &["a"], "h"), last])
}

fn undone(run: &Simulation) -> Vec<String> {
    let steps = run.journal.iter().filter_map(|entry| match &entry.recorded.event {
        engine::Event::StepUndone { step } => Some(step.to_string()),
        _ => None,
    });
    steps.collect()
}

#[test]
fn what_was_done_is_undone_newest_first() {
    let run = simulate(three(OnFailure::Unwind), failing("c", Direction::Do, 99));
    assert_eq!(word(&run), "failed");
    assert_eq!(undone(&run), ["c", "b", "a"]);
    assert!(engine::view(&run.state, run.now).problem.unwrap().message.contains("c failed: no"));
    assert_replays(&run);
    assert_at_most_once(&run);
}

#[test]
fn a_run_that_a_person_unwinds_without_a_failure_is_cancelled() {
    let mut run = simulate(plan(vec![start("a", &[], "h"), approve("sure", &["a"])]), World::new());
    tell(&mut run, &unwind());
    assert_eq!((word(&run), undone(&run)), ("cancelled", vec!["a".to_string()]));
    assert!(run.kinds().contains(&"approval-voided"));
}

#[test]
fn an_undo_is_tried_again_and_then_the_run_is_stuck_and_loud() {
    let run = simulate(three(OnFailure::Unwind), {
        let mut count = 0;
        World::new().behaving(move |token, _| {
            let undo = token.step.as_str() == "b" && token.direction == Direction::Undo && {
                count += 1;
                count <= 4
            };
            let fail = token.step.as_str() == "c" && token.direction == Direction::Do;
            ((undo || fail).then(|| Fate::Fail(problem("no"))), MS)
        })
    });
    assert_eq!((word(&run), executed(&run, "b", Direction::Undo)), ("failed", 5));
}

fn stuck_at_b() -> Simulation {
    let world = World::new().behaving(|token, _| {
        let undo = token.step.as_str() == "b" && token.direction == Direction::Undo && token.attempt <= 5;
        let fail = token.step.as_str() == "c" && token.direction == Direction::Do;
        ((undo || fail).then(|| Fate::Fail(problem("port in use"))), MS)
    });
    let run = simulate(three(OnFailure::Unwind), world);
    assert_eq!((word(&run), undone(&run)), ("stuck", vec!["c".to_string()]));
    assert!(run.state.is_open());
    run
}

#[test]
fn a_stuck_undo_is_retried_skipped_or_ended_by_a_person() {
    let view = {
        let run = stuck_at_b();
        engine::view(&run.state, run.now)
    };
    assert_eq!(view.steps[1].state, "stuck");
    assert!(view.detail.contains("port in use"), "{}", view.detail);
    assert!(view.next[0].starts_with("lifeboat retry ") && view.next[0].ends_with(" b"));

    let mut run = stuck_at_b();
    tell(&mut run, &retry("b"));
    assert_eq!(
        (word(&run), undone(&run)),
        ("failed", vec!["c".to_string(), "b".to_string(), "a".to_string()])
    );
    assert_replays(&run);

    let mut run = stuck_at_b();
    tell(&mut run, &skip("b"));
    assert_eq!((word(&run), undone(&run)), ("failed", vec!["c".to_string(), "a".to_string()]));

    let mut run = stuck_at_b();
    assert_eq!(refused(&mut run, &retry("a")), "LB1307");
    assert_eq!(refused(&mut run, &unwind()), "LB1313");
    tell(&mut run, &end());
    assert_eq!((word(&run), undone(&run)), ("failed", vec!["c".to_string()]));
}

/// fence, promote, app, verify: unwound when `verify` fails.
fn with_promotion(world: World) -> Simulation {
    let mut verify = check("verify", &["app"], "west-1");
    verify.on_failure = OnFailure::Unwind;
    let steps = vec![
        fence(&[], &["east-1"], Evidence::Unreachable),
        promote(&["fence"], "west-1"),
        start("app", &["promote"], "west-1"),
        verify,
    ];
    simulate(plan(steps), world)
}

#[test]
fn nothing_before_a_point_of_no_return_is_undone() {
    let mut run = with_promotion(failing("verify", Direction::Do, 9));
    assert_eq!((word(&run), undone(&run)), ("stuck", vec!["app".to_string()]));
    assert_eq!(executed(&run, "fence", Direction::Undo), 0);
    assert_eq!(refused(&mut run, &retry("promote")), "LB1307");
    assert_eq!(refused(&mut run, &skip("promote")), "LB1308");
    let view = engine::view(&run.state, run.now);
    assert_eq!(view.next, [format!("lifeboat end {} --reason \"…\"", run.state.run)]);
    tell(&mut run, &end());
    assert_eq!(word(&run), "failed");
    assert_eq!(executed(&run, "fence", Direction::Undo), 0);
}

fn promotion_fails(look: fn(&model::Token, bool) -> ProbeAnswer) -> Simulation {
    let mut steps = failover().steps;
    for step in &mut steps {
        step.on_failure = OnFailure::Unwind;
    }
    simulate(plan(steps), failing("promote", Direction::Do, 9).looking(look))
}

#[test]
fn fault_43_a_failed_promotion_is_passed_only_when_a_probe_proves_that_it_was_not_done() {
    let run = promotion_fails(|_, _| ProbeAnswer::NotDone);
    assert_eq!((word(&run), undone(&run)), ("failed", vec!["fence".to_string()]));

    let run = promotion_fails(|_, _| ProbeAnswer::Done { output: serde_json::Value::Null });
    assert_eq!((word(&run), executed(&run, "fence", Direction::Undo)), ("stuck", 0));

    let run = promotion_fails(|_, _| ProbeAnswer::CannotTell { problem: problem("dark") });
    assert_eq!((word(&run), executed(&run, "fence", Direction::Undo)), ("stuck", 0));
}

#[test]
fn a_promotion_that_was_only_sent_counts_as_a_point_of_no_return() {
    let world = World::new()
        .behaving(|token, _| ((token.step.as_str() == "promote").then_some(Fate::Hang { effect: true }), MS));
    let mut run = begun(failover(), world);
    let soon = run.after(Duration::from_secs(1));
    run.run_until(soon).unwrap();
    tell(&mut run, &unwind());
    assert_eq!((word(&run), executed(&run, "fence", Direction::Undo)), ("stuck", 0));
}

#[test]
fn fault_51_what_runs_when_a_person_unwinds_is_revoked_and_settled_before_anything_is_undone() {
    let world = World::new().behaving(|token, _| {
        (
            (token.step.as_str() == "b" && token.direction == Direction::Do)
                .then_some(Fate::Hang { effect: false }),
            MS,
        )
    });
    let mut run = begun(three(OnFailure::Ask), world);
    let soon = run.after(Duration::from_secs(1));
    run.run_until(soon).unwrap();
    tell(&mut run, &unwind());
    assert_eq!((word(&run), undone(&run)), ("cancelled", vec!["a".to_string()]));
    let kinds = run.kinds();
    let at = |kind: &str| kinds.iter().position(|other| *other == kind).unwrap();
    assert!(at("revoked") < at("probed") && at("probed") < at("step-cancelled"), "{kinds:?}");
    assert!(at("step-cancelled") < at("step-undone"));
}

#[test]
fn fault_05_undoing_twice_sends_the_same_token_and_executes_it_once() {
    let mut run = simulate(three(OnFailure::Ask), failing("c", Direction::Do, 9));
    run.command(&unwind(), &user("ada")).unwrap().unwrap();
    run.crash().unwrap();
    run.crash().unwrap();
    assert!(run.run(1_000).unwrap());
    assert_eq!(word(&run), "failed");
    assert_eq!(executed(&run, "a", Direction::Undo), 1);
    assert_at_most_once(&run);
}

#[test]
fn steps_that_had_no_effect_are_not_undone() {
    let mut refused = start("b", &["a"], "h");
    refused.on_failure = OnFailure::Unwind;
    let world = World::new()
        .behaving(|token, _| ((token.step.as_str() == "b").then(|| Fate::Refuse(problem("not listed"))), MS));
    let run = simulate(plan(vec![start("a", &[], "h"), refused]), world);
    assert_eq!((word(&run), undone(&run)), ("failed", vec!["a".to_string()]));
}

#[test]
fn what_completed_after_a_point_of_no_return_was_sent_is_undone_even_if_it_completed_first() {
    let slow = script("no-way-back", &[], "a");
    let quick = start("quick", &[], "b");
    let mut bad = check("bad", &["no-way-back", "quick"], "b");
    bad.on_failure = OnFailure::Unwind;
    let world = World::new().behaving(|token, _| match token.step.as_str() {
        "no-way-back" => (None, Duration::from_secs(5)),
        "bad" => (Some(Fate::Fail(problem("no"))), MS),
        _ => (None, MS),
    });
    let run = simulate(plan(vec![slow, quick, bad]), world);
    assert_eq!((word(&run), undone(&run)), ("stuck", vec!["quick".to_string()]));
}
