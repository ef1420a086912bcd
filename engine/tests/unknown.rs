//! No answer is never a failure: unknown, revoked, probed, and only then asked.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::attempt::{AttemptState, Failure, Resolution};
use engine::event::Actor;
use engine::simulator::{Fate, Simulation, World};
use engine::{Perform, ProbeAnswer, Report};
use model::{Class, Direction, Outcome};
use plan::checked::{CheckedPlan, Step, Undo};
use plans::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(10);

fn hangs(effect: bool) -> World {
    let mut count = 0;
    World::new().behaving(move |_, _| {
        count += 1;
        ((count == 1).then_some(Fate::Hang { effect }), MS)
    })
}

fn one(mut step: Step, class: Class) -> CheckedPlan {
    step.class = class;
    step.tries = 2;
    step.undo = Undo::Nothing;
    plan(vec![step])
}

fn blind(_: &model::Token, _: bool) -> ProbeAnswer {
    ProbeAnswer::CannotTell { problem: problem("the log is gone") }
}

#[test]
fn a_passed_time_is_unknown_then_revoked_then_probed_and_not_done_is_tried_again() {
    for class in [Class::Idempotent, Class::Probed] {
        let run = simulate(one(start("x", &[], "a"), class), hangs(false));
        assert_eq!((word(&run), executed(&run, "x", Direction::Do)), ("succeeded", 2));
        let kinds = run.kinds();
        let order = ["timed-out", "revoked", "probed", "attempt-scheduled"];
        let at: Vec<_> =
            order.iter().map(|kind| kinds.iter().position(|other| other == kind).unwrap()).collect();
        assert!(at.is_sorted(), "{kinds:?}");
        assert_at_most_once(&run);
    }
}

#[test]
fn a_probe_that_says_done_makes_the_attempt_succeed() {
    for class in [Class::Idempotent, Class::Probed, Class::Unsafe] {
        let run = simulate(one(start("x", &[], "a"), class), hangs(true));
        assert_eq!((word(&run), executed(&run, "x", Direction::Do)), ("succeeded", 1));
    }
}

#[test]
fn unsafe_work_that_was_not_done_fails_instead_of_being_tried_again() {
    let run = simulate(one(start("x", &[], "a"), Class::Unsafe), hangs(false));
    assert_eq!((word(&run), executed(&run, "x", Direction::Do)), ("waiting", 1));
    assert!(matches!(last(&run.state, "x").state, AttemptState::Failed { failure: Failure::NotDone, .. }));
}

#[test]
fn an_unknown_read_is_just_asked_again() {
    let run = simulate(one(check("x", &[], "a"), Class::Read), hangs(false));
    assert_eq!((word(&run), executed(&run, "x", Direction::Do)), ("succeeded", 2));
    assert!(!run.kinds().contains(&"revoked"));
}

#[test]
fn only_what_cannot_be_told_asks_a_person_and_the_command_is_exact() {
    let world = hangs(true).looking(blind);
    let mut run = simulate(one(script("x", &[], "a"), Class::Unsafe), world);
    assert_eq!(word(&run), "waiting");
    let view = engine::view(&run.state, run.now);
    assert!(view.detail.contains("the log is gone"), "{}", view.detail);
    assert_eq!(view.next[0], format!("lifeboat answer {} x --done|--not-done --reason \"…\"", run.state.run));
    assert_eq!(view.steps[0].state, "unknown");
    let token = view.open_questions("x")[0].clone();
    let empty = engine::Command::Answer { token: token.clone(), done: true, reason: " ".to_string() };
    assert_eq!(refused(&mut run, &empty), "LB1310");
    tell(&mut run, &answer(&token, true));
    assert_eq!(word(&run), "succeeded");
    assert_eq!(engine::view(&run.state, run.now).steps[0].outcome, "done, says ada");
}

#[test]
fn a_persons_not_done_is_tried_again_where_the_class_allows_it_and_else_fails() {
    for (class, word_after, times) in
        [(Class::Idempotent, "succeeded", 2), (Class::Probed, "succeeded", 2), (Class::Unsafe, "waiting", 1)]
    {
        let mut run = simulate(one(start("x", &[], "a"), class), hangs(false).looking(blind));
        let token = last(&run.state, "x").token;
        tell(&mut run, &answer(&token, false));
        assert_eq!((word(&run), executed(&run, "x", Direction::Do)), (word_after, times));
    }
}

fn cut_off(effect: bool) -> Simulation {
    let mut run = begun(one(start("x", &[], "a"), Class::Probed), hangs(effect));
    let soon = run.after(Duration::from_secs(1));
    run.run_until(soon).unwrap();
    let now = run.now;
    run.world.take_offline(&host("a"), now);
    assert!(run.run(1_000).unwrap());
    run
}

#[test]
fn fault_29_a_silent_host_is_waited_for_and_shown_and_only_a_person_ends_the_waiting() {
    let mut run = cut_off(true);
    assert_eq!(word(&run), "waiting");
    let view = engine::view(&run.state, run.now);
    assert!(view.detail.contains("waits for host a, silent since"), "{}", view.detail);
    assert!(view.next[0].starts_with("lifeboat answer "));
    assert!(run.perform().iter().any(|effect| matches!(effect, Perform::Revoke { .. })));
    assert!(!run.perform().iter().any(|effect| matches!(effect, Perform::Probe { .. })));
    let week = run.after(Duration::from_secs(7 * 86_400));
    run.run_until(week).unwrap();
    assert_eq!(word(&run), "waiting");
    let token = last(&run.state, "x").token;
    tell(&mut run, &answer(&token, true));
    assert_eq!(word(&run), "succeeded");
}

#[test]
fn a_host_that_comes_back_settles_what_waited_for_it() {
    let mut run = cut_off(true);
    run.world.bring_online(&host("a"));
    run.reconnect(&host("a")).unwrap();
    assert!(run.run(1_000).unwrap());
    assert_eq!((word(&run), executed(&run, "x", Direction::Do)), ("succeeded", 1));
}

#[test]
fn fault_24_an_agent_that_died_in_the_middle_is_probed_never_guessed() {
    for (effect, times) in [(true, 1), (false, 2)] {
        let mut count = 0;
        let world = World::new().behaving(move |_, _| {
            count += 1;
            ((count == 1).then_some(Fate::Die { effect }), MS)
        });
        let run = simulate(one(start("x", &[], "a"), Class::Probed), world);
        assert_eq!((word(&run), executed(&run, "x", Direction::Do)), ("succeeded", times));
        assert!(run.kinds().contains(&"probed"));
    }
}

#[test]
fn a_result_that_arrives_before_an_unknown_attempt_is_settled_is_the_truth() {
    let mut run = cut_off(false);
    let token = last(&run.state, "x").token;
    let by = Actor::Agent { host: host("a") };
    let outcome = Outcome::Succeeded { output: serde_json::Value::Null };
    run.report(Report::Ended { token, outcome, by, took_us: None }).unwrap();
    assert!(run.run(100).unwrap());
    assert_eq!(word(&run), "succeeded");
}

#[test]
fn a_late_result_of_a_replaced_attempt_is_recorded_and_refused() {
    let mut step = start("x", &[], "a");
    step.tries = 3;
    let mut count = 0;
    let world = World::new().behaving(move |_, _| {
        count += 1;
        (Some(if count == 1 { Fate::Hang { effect: false } } else { Fate::Fail(problem("no")) }), MS)
    });
    let mut run = simulate(plan(vec![step]), world);
    let first = run.state.steps[0].tasks[0].attempts[0].token.clone();
    let before = run.state.steps[0].stage.clone();
    let by = Actor::Agent { host: host("a") };
    let late = Report::Ended {
        token: first.clone(),
        outcome: Outcome::Succeeded { output: serde_json::Value::Null },
        by,
        took_us: None,
    };
    run.report(late.clone()).unwrap();
    assert_eq!(run.state.steps[0].stage, before);
    assert_eq!(run.kinds().last(), Some(&"late-result"));
    let rows = run.journal.len();
    run.report(late).unwrap();
    assert_eq!(run.journal.len(), rows, "the same late result is recorded once");
    assert!(run.state.attempt(&first).unwrap().late.is_some());
    assert_replays(&run);
}

#[test]
fn a_repeated_result_is_nothing_new() {
    let mut run = simulate(plan(vec![start("x", &[], "a"), wait("hold", &["x"], 60)]), World::new());
    let token = last(&run.state, "x").token;
    let rows = run.journal.len();
    let outcome = Outcome::Succeeded { output: serde_json::Value::Null };
    let by = Actor::Agent { host: host("a") };
    run.report(Report::Ended { token, outcome, by, took_us: None }).unwrap();
    assert_eq!(run.journal.len(), rows);
}

#[test]
fn a_late_result_may_come_even_after_the_end_and_changes_nothing() {
    let mut run = simulate(plan(vec![check("x", &[], "a")]), World::new());
    assert_eq!(word(&run), "succeeded");
    let token = last(&run.state, "x").token;
    let by = Actor::Agent { host: host("a") };
    run.report(Report::Ended {
        token,
        outcome: Outcome::Failed { problem: problem("no") },
        by,
        took_us: None,
    })
    .unwrap();
    assert_eq!((word(&run), run.kinds().last()), ("succeeded", Some(&"late-result")));
    assert_replays(&run);
}

#[test]
fn an_agent_that_never_began_has_not_done_it_and_no_probe_is_needed() {
    let mut world = World::new();
    world.take_offline(&host("a"), engine::simulator::BEGINNING);
    let mut run = simulate(one(start("x", &[], "a"), Class::Probed), world);
    assert!(matches!(
        last(&run.state, "x").state,
        AttemptState::Unknown { resolution: Resolution::Revoking { silence: Some(_), .. }, .. }
    ));
    run.world.bring_online(&host("a"));
    run.reconnect(&host("a")).unwrap();
    assert!(run.run(1_000).unwrap());
    assert_eq!((word(&run), executed(&run, "x", Direction::Do)), ("succeeded", 1));
    assert!(!run.kinds().contains(&"probed"));
}

#[test]
fn an_action_of_the_controller_that_never_answers_is_revoked_and_probed_too() {
    let mut step = notify("x", &[]);
    step.tries = 2;
    let run = simulate(plan(vec![step]), hangs(false));
    assert_eq!(word(&run), "succeeded");
    assert!(run.kinds().contains(&"probed"));
}
