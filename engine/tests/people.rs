//! What people command, and what is refused with a reason.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::Command;
use engine::simulator::{Fate, Simulation, World};
use model::{Direction, Mode};
use plans::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(10);

fn reason() -> String {
    "because".to_string()
}

fn slow() -> World {
    World::new().behaving(|_, _| (None, Duration::from_secs(5)))
}

fn begun(world: World) -> Simulation {
    let steps = vec![start("a", &[], "h"), start("b", &["a"], "h")];
    let mut run = plans::begun(plan(steps), world);
    let soon = run.after(Duration::from_secs(1));
    run.run_until(soon).unwrap();
    run
}

#[test]
fn a_paused_run_lets_finish_what_runs_and_begins_nothing_new() {
    let mut run = begun(slow());
    tell(&mut run, &Command::Pause { reason: reason() });
    assert_eq!((word(&run), executed(&run, "b", Direction::Do)), ("paused", 0));
    assert_eq!(engine::view(&run.state, run.now).steps[0].state, "succeeded");
    assert_eq!(engine::view(&run.state, run.now).next[0], format!("lifeboat resume {}", run.state.run));
    assert_eq!(refused(&mut run, &Command::Pause { reason: reason() }), "LB1311");
    tell(&mut run, &Command::Resume { reason: reason() });
    assert_eq!(word(&run), "succeeded");
    assert_replays(&run);
}

#[test]
fn cancel_stops_what_runs_and_is_confirmed() {
    let world = World::new().behaving(|_, _| (Some(Fate::Hang { effect: false }), MS));
    let mut run = begun(world);
    tell(&mut run, &Command::Cancel { reason: reason() });
    assert_eq!(word(&run), "cancelled");
    let view = engine::view(&run.state, run.now);
    assert_eq!((view.steps[0].state.as_str(), view.steps[1].state.as_str()), ("cancelled", "pending"));
    assert_eq!(view.steps[0].attempts[0].state, "cancelled");
    assert_eq!(view.detail, "cancelled by ada: because");
}

#[test]
fn what_was_done_when_it_was_cancelled_is_shown_as_done() {
    let world = World::new().behaving(|_, _| (Some(Fate::Hang { effect: true }), MS));
    let mut run = begun(world);
    tell(&mut run, &Command::Cancel { reason: reason() });
    assert_eq!(word(&run), "cancelled");
    assert_eq!(engine::view(&run.state, run.now).steps[0].state, "succeeded");
}

#[test]
fn a_cancel_that_cannot_be_confirmed_waits_for_an_answer() {
    let world = World::new()
        .behaving(|_, _| (Some(Fate::Hang { effect: true }), MS))
        .looking(|_, _| engine::ProbeAnswer::CannotTell { problem: problem("half done") });
    let mut run = begun(world);
    tell(&mut run, &Command::Cancel { reason: reason() });
    assert_eq!(word(&run), "waiting");
    let token = last(&run.state, "a").token;
    tell(&mut run, &answer(&token, false));
    assert_eq!(word(&run), "cancelled");
}

#[test]
fn a_cancel_while_the_host_is_away_waits_for_it_or_for_a_person() {
    let mut run = begun(World::new().behaving(|_, _| (Some(Fate::Hang { effect: true }), MS)));
    let now = run.now;
    run.world.take_offline(&host("h"), now);
    tell(&mut run, &Command::Cancel { reason: reason() });
    assert_eq!(word(&run), "waiting");
    let view = engine::view(&run.state, run.now);
    assert!(view.detail.contains("waits for host h, silent since"), "{}", view.detail);
    tell(&mut run, &Command::End { reason: reason() });
    assert_eq!(word(&run), "cancelled");
    assert_eq!(run.state.unsettled().len(), 1);
    assert!(run.perform().iter().any(|effect| matches!(effect, engine::Perform::Revoke { .. })));
    assert!(run.perform().iter().any(|effect| matches!(effect, engine::Perform::CloseRun { .. })));
}

#[test]
fn a_timer_is_cancelled_at_once() {
    let mut run = plans::begun(plan(vec![wait("w", &[], 600)]), World::new());
    run.command(&Command::Cancel { reason: reason() }, &user("ada")).unwrap().unwrap();
    assert_eq!(word(&run), "cancelled");
}

#[test]
fn a_timer_waits_its_time_and_no_longer() {
    let run = simulate(plan(vec![wait("w", &[], 600)]), World::new());
    assert_eq!(word(&run), "succeeded");
    assert_eq!(run.now.since(engine::simulator::BEGINNING), Duration::from_secs(600));
}

#[test]
fn a_running_step_is_neither_skipped_nor_retried_nor_answered_nor_ended() {
    let mut run = begun(slow());
    let token = last(&run.state, "a").token;
    assert_eq!(refused(&mut run, &skip("a")), "LB1308");
    assert_eq!(refused(&mut run, &retry("a")), "LB1307");
    assert_eq!(refused(&mut run, &retry("nope")), "LB1303");
    assert_eq!(refused(&mut run, &answer(&token, true)), "LB1309");
    assert_eq!(refused(&mut run, &Command::End { reason: reason() }), "LB1314");
    assert_eq!(refused(&mut run, &Command::Resume { reason: reason() }), "LB1311");
    let unexplained = Command::Skip { step: path("b"), reason: String::new() };
    assert_eq!(refused(&mut run, &unexplained), "LB1310");
}

#[test]
fn a_step_that_has_not_begun_can_be_skipped_and_counts_as_done() {
    let mut run = begun(slow());
    tell(&mut run, &skip("b"));
    assert_eq!((word(&run), executed(&run, "b", Direction::Do)), ("succeeded", 0));
    assert_eq!(engine::view(&run.state, run.now).steps[1].outcome, "skipped by ada: done by hand");
}

#[test]
fn a_finished_run_takes_no_command() {
    let mut run = simulate(plan(vec![check("x", &[], "a")]), World::new());
    for command in [
        Command::Pause { reason: reason() },
        Command::Resume { reason: reason() },
        Command::Cancel { reason: reason() },
        Command::Unwind { reason: reason() },
        Command::End { reason: reason() },
        retry("x"),
        skip("x"),
    ] {
        assert_eq!(refused(&mut run, &command), "LB1302");
    }
}

#[test]
fn a_command_for_what_the_run_was_before_is_refused() {
    let run = begun(slow());
    assert!(engine::expect_sequence(&run.state, 0).is_ok());
    assert!(engine::expect_sequence(&run.state, run.state.sequence).is_ok());
    let refused = engine::expect_sequence(&run.state, run.state.sequence - 1).unwrap_err();
    assert_eq!(refused.problem.code, "LB1301");
}

#[test]
fn a_step_whose_when_says_no_counts_as_done() {
    let mut no = start("no", &[], "a");
    no.skipped = Some("only in a drill".to_string());
    let run = simulate(plan(vec![no, check("x", &["no"], "a")]), World::new());
    assert_eq!((word(&run), executed(&run, "no", Direction::Do)), ("succeeded", 0));
    assert_eq!(engine::view(&run.state, run.now).steps[0].outcome, "only in a drill");
}

#[test]
fn a_skipped_step_does_not_satisfy_who_needs_it_to_have_succeeded() {
    let mut swap = start("swap", &["copy"], "a");
    swap.preconditions = vec![plan::checked::Precondition::Succeeded { step: path("copy") }];
    let world = World::new()
        .behaving(|token, _| ((token.step.as_str() == "copy").then(|| Fate::Fail(problem("no"))), MS));
    let mut run = simulate(plan(vec![start("copy", &[], "a"), swap]), world);
    tell(&mut run, &skip("copy"));
    assert_eq!((word(&run), executed(&run, "swap", Direction::Do)), ("waiting", 0));
    assert_eq!(engine::view(&run.state, run.now).steps[1].problem.as_ref().unwrap().code, "LB1322");
}

#[test]
fn a_preview_asks_nobody_waits_for_nothing_and_shows_everything_that_would_be_refused() {
    let mut preview = failover();
    preview.mode = Mode::Preview;
    preview.steps.insert(0, approve("sure", &[]));
    preview.steps.insert(1, wait("hour", &[], 3_600));
    let world = World::new().behaving(|token, _| {
        let refused = token.step.as_str() == "fence" || token.step.as_str() == "app";
        (refused.then(|| Fate::Refuse(problem("not listed"))), MS)
    });
    let run = simulate(preview, world);
    assert_eq!(word(&run), "failed");
    assert!(run.now.since(engine::simulator::BEGINNING) < Duration::from_secs(1));
    let view = engine::view(&run.state, run.now);
    assert_eq!((view.totals.failed, view.totals.succeeded), (2, 6));
}
