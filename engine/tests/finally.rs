//! The `finally` part of a plan: it runs however the run ends, and changes nothing about that.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::simulator::{BEGINNING, Fate, Simulation, World};
use engine::{Command, RunStatus};
use model::Direction;
use plan::checked::{CheckedPlan, OnFailure, Step};
use plans::invariants::assert_invariants;
use plans::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(10);

fn with_last(on_failure: OnFailure) -> CheckedPlan {
    let mut work = start("work", &["before"], "a");
    work.on_failure = on_failure;
    let last = [start("tidy", &[], "b"), notify("told", &["tidy"])];
    let mut steps = vec![start("before", &[], "a"), work];
    steps.extend(last.map(|step| Step { finally: true, ..step }));
    plan(steps)
}

/// These steps fail.
fn failing(steps: &'static [&'static str]) -> World {
    World::new().behaving(move |token, _| {
        let bad = steps.contains(&token.step.as_str()) && token.direction == Direction::Do;
        (bad.then(|| Fate::Fail(problem("no"))), MS)
    })
}

fn done(run: &Simulation, step: &str) -> u32 {
    executed(run, step, Direction::Do)
}

#[test]
fn it_runs_after_everything_went_well_and_in_its_own_order() {
    let run = simulate(with_last(OnFailure::Ask), World::new());
    assert_eq!((word(&run), done(&run, "tidy"), done(&run, "told")), ("succeeded", 1, 1));
    assert_invariants(&run);
}

#[test]
fn it_runs_after_a_failure_that_stops_and_after_one_that_unwinds() {
    for on_failure in [OnFailure::Stop, OnFailure::Unwind] {
        let run = simulate(with_last(on_failure), failing(&["work"]));
        assert_eq!((word(&run), done(&run, "tidy"), done(&run, "told")), ("failed", 1, 1), "{on_failure:?}");
        let undone = executed(&run, "before", Direction::Undo);
        assert_eq!(undone, u32::from(on_failure == OnFailure::Unwind));
        assert_invariants(&run);
    }
}

#[test]
fn it_runs_when_a_person_calls_the_run_off_or_ends_it() {
    let reason = || "enough".to_string();
    for (command, word_then) in
        [(Command::Cancel { reason: reason() }, "cancelled"), (Command::End { reason: reason() }, "failed")]
    {
        let mut run = simulate(with_last(OnFailure::Ask), failing(&["work"]));
        assert_eq!((word(&run), done(&run, "tidy")), ("waiting", 0));
        tell(&mut run, &command);
        assert_eq!((word(&run), done(&run, "tidy"), done(&run, "told")), (word_then, 1, 1));
        assert_invariants(&run);
    }
}

#[test]
fn what_fails_in_it_changes_nothing_and_is_shown() {
    let run = simulate(with_last(OnFailure::Ask), failing(&["tidy"]));
    let RunStatus::Succeeded { incomplete, .. } = run.state.status() else {
        panic!("{:?}", run.state.status())
    };
    assert_eq!((incomplete, done(&run, "told")), (vec![path("tidy")], 1));
    let run = simulate(with_last(OnFailure::Stop), failing(&["work", "tidy"]));
    let RunStatus::Failed { problem, .. } = run.state.status() else { panic!("{:?}", run.state.status()) };
    assert!(problem.message.starts_with("work failed"), "{}", problem.message);
}

#[test]
fn a_host_that_is_gone_holds_up_the_end_until_a_person_gives_it_up_and_what_was_decided_stays() {
    let mut world = World::new();
    world.take_offline(&host("b"), BEGINNING);
    let mut run = simulate(with_last(OnFailure::Ask), world);
    assert_eq!((word(&run), done(&run, "told")), ("waiting", 0));
    let view = engine::view(&run.state, run.now);
    assert!(view.next.iter().any(|next| next.starts_with("lifeboat end ")), "{:?}", view.next);
    tell(&mut run, &Command::End { reason: "it will not come back".to_string() });
    assert_eq!(word(&run), "succeeded");
    assert_replays(&run);
}

#[test]
fn a_step_of_it_that_a_person_skips_because_its_host_is_gone_does_not_hold_up_the_end() {
    let mut world = World::new();
    world.take_offline(&host("b"), BEGINNING);
    let mut run = simulate(with_last(OnFailure::Ask), world);
    assert_eq!(word(&run), "waiting");
    tell(&mut run, &skip("tidy"));
    assert_eq!((word(&run), done(&run, "tidy"), done(&run, "told")), ("succeeded", 0, 1));
    assert_invariants(&run);
}

#[test]
fn a_crash_in_the_middle_of_it_goes_on_where_it_was() {
    let smooth = simulate(with_last(OnFailure::Stop), failing(&["work"]));
    for row in 2..smooth.journal.len() {
        let crash = vec![engine::simulator::Crash::AfterRow(row)];
        let plan = with_last(OnFailure::Stop);
        let mut run = Simulation::with_crashes(plan, user("ada"), failing(&["work"]), crash).unwrap();
        run.roles = commanders();
        assert!(run.run(10_000).unwrap());
        assert_eq!((word(&run), done(&run, "tidy")), ("failed", 1));
        // What the controller itself does may be done again after a crash.
        assert!(done(&run, "told") >= 1);
        assert_invariants(&run);
    }
}
