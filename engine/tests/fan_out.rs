//! A step on many hosts: how many at once, who goes first, how many may fail, and what a retry takes up.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::RunStatus;
use engine::event::{Ending, Event};
use engine::simulator::{Fate, Simulation, World};
use model::{Direction, Mode};
use plan::checked::{CheckedPlan, FanOut};
use plans::invariants::assert_invariants;
use plans::*;
use proptest::prelude::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(10);

fn ten(at_once: u32, canary: u32, failures: u32) -> CheckedPlan {
    plan(vec![start_many("fleet", 10, FanOut { at_once, canary, failures })])
}

/// The first try of the step fails on these hosts.
fn failing(hosts: &'static [&'static str]) -> World {
    World::new().behaving(move |token, _| {
        let host = token.target.host.as_ref().map_or("", |host| host.as_str());
        let bad = hosts.contains(&host) && token.attempt == 1 && token.direction == Direction::Do;
        (bad.then(|| Fate::Fail(problem("no"))), MS)
    })
}

/// Hosts on which the step was begun, in that order.
fn begun(run: &Simulation, direction: Direction) -> Vec<String> {
    let tokens = run.journal.iter().filter_map(|entry| match &entry.recorded.event {
        Event::AttemptStarted { token } if token.direction == direction => token.target.host.as_ref(),
        _ => None,
    });
    tokens.map(ToString::to_string).collect()
}

/// The most that were open at the same time.
fn most_at_once(run: &Simulation) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for entry in &run.journal {
        match &entry.recorded.event {
            Event::AttemptStarted { .. } => open += 1,
            Event::Ended { .. } => open -= 1,
            _ => {}
        }
        most = most.max(open);
    }
    most
}

#[test]
fn no_more_than_so_many_are_at_work_at_the_same_time() {
    for at_once in [1, 3, 10] {
        let run = simulate(ten(at_once, 0, 0), World::new());
        assert_eq!((word(&run), most_at_once(&run)), ("succeeded", at_once as usize));
        assert_invariants(&run);
    }
}

#[test]
fn a_canary_that_fails_lets_no_other_begin_however_many_may_fail() {
    let run = simulate(ten(10, 2, 9), failing(&["h2"]));
    assert_eq!(
        (word(&run), begun(&run, Direction::Do)),
        ("waiting", vec!["h1".to_string(), "h2".to_string()])
    );
    assert_invariants(&run);
}

#[test]
fn with_one_failure_too_many_no_further_host_begins_and_a_retry_takes_up_the_rest() {
    let mut run = simulate(ten(2, 0, 1), failing(&["h2", "h3"]));
    assert_eq!(begun(&run, Direction::Do), ["h1", "h2", "h3", "h4"]);
    let RunStatus::Waiting { needs } = run.state.status() else { panic!("{:?}", run.state.status()) };
    let engine::Need::Decision { problem, .. } = &needs[0] else { panic!("{needs:?}") };
    assert_eq!(problem.code, "LB1333");
    assert_eq!(problem.message, "2 of 10 hosts failed (h2, h3); not begun: h5, h6, h7, h8, h9, h10");
    tell(&mut run, &retry("fleet"));
    assert_eq!(word(&run), "succeeded");
    let all = begun(&run, Direction::Do);
    assert_eq!(all[4..], ["h2", "h3", "h5", "h6", "h7", "h8", "h9", "h10"], "only what is missing");
    assert_eq!(most_at_once(&run), 2);
    assert_invariants(&run);
}

#[test]
fn a_step_that_can_do_without_a_host_is_done_and_the_run_is_incomplete() {
    let run = simulate(ten(3, 1, 2), failing(&["h4", "h9"]));
    let RunStatus::Succeeded { incomplete, .. } = run.state.status() else {
        panic!("{:?}", run.state.status())
    };
    assert_eq!(incomplete, [path("fleet")]);
    let view = engine::view::view(&run.state, run.state.last_at);
    assert!(view.steps[0].outcome.starts_with("8 of 10 hosts done, 2 failed; "), "{}", view.steps[0].outcome);
    assert_invariants(&run);
}

#[test]
fn undoing_touches_no_host_that_was_never_begun() {
    let mut run = simulate(ten(2, 0, 0), failing(&["h2"]));
    tell(&mut run, &engine::Command::Unwind { reason: "it failed".to_string() });
    let Some(Event::Finished { ending: Ending::Failed { .. } }) =
        run.journal.last().map(|entry| entry.recorded.event.clone())
    else {
        panic!("{:?}", run.state.status())
    };
    assert_eq!(begun(&run, Direction::Do), ["h1", "h2", "h3"]);
    assert_eq!(begun(&run, Direction::Undo), ["h1", "h2", "h3"]);
    assert_invariants(&run);
}

#[test]
fn a_preview_asks_every_host_and_tells_of_each() {
    let mut plan = ten(1, 1, 0);
    plan.mode = Mode::Preview;
    let run = simulate(plan, failing(&["h1", "h7"]));
    assert_eq!(begun(&run, Direction::Do).len(), 10);
    assert_eq!(word(&run), "failed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_and_dies_the_bounds_hold_and_it_comes_to_an_end(
        at_once in 1u32..6, canary in 0u32..4, failures in 0u32..5, tries in 1u32..3,
        fates in prop::collection::vec(0u8..8, 10..40),
    ) {
        let mut plan = ten(at_once, canary, failures);
        plan.steps[0].tries = tries;
        let mut next = 0;
        let world = World::new().behaving(move |_, _| {
            next += 1;
            let fate = match fates.get(next) {
                Some(0 | 1) => Some(Fate::Fail(problem("no"))),
                Some(2) => Some(Fate::Die { effect: true }),
                Some(3) => Some(Fate::Die { effect: false }),
                _ => None,
            };
            (fate, MS)
        });
        let mut run = simulate(plan, world);
        for _ in 0..50 {
            match run.state.status() {
                RunStatus::Waiting { needs } => match &needs[0] {
                    engine::Need::Answer { token, .. } => {
                        let done = run.world.effects().any(|there| there == &**token);
                        tell(&mut run, &answer(token, done));
                    }
                    _ => tell(&mut run, &retry("fleet")),
                },
                _ => break,
            }
        }
        prop_assert_eq!(word(&run), "succeeded");
        assert_invariants(&run);
    }
}
