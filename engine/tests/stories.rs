//! Stories of a region failover, from the first event to the last.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::event::About;
use engine::simulator::World;
use model::{Direction, Evidence};
use plans::*;

#[test]
fn everything_goes_well_when_east_still_answers() {
    let run = simulate(failover(), World::new());
    assert_eq!(word(&run), "succeeded");
    assert_eq!(run.state.step(&path("fence")).map(|step| step.risk.asked().is_some()), Some(false));
    assert_at_most_once(&run);
    assert_replays(&run);
    let view = engine::view(&run.state, run.now);
    assert_eq!(view.totals.succeeded, 6);
    assert_eq!(view.steps[1].evidence, Some(Evidence::Stopped));
    assert_eq!(view.steps[1].outcome, "stopped: server stopped and masked");
}

#[test]
fn east_is_dead_and_a_person_takes_the_risk() {
    let mut world = World::new();
    world.take_offline(&host("east-1"), engine::simulator::BEGINNING);
    let mut run = simulate(failover(), world);
    assert_eq!(word(&run), "waiting");
    assert!(is_asked(&run.state, About::Risk));
    assert!(question(&run.state).text.contains("Nothing but its silence"));
    assert!(
        question(&run.state).text.contains("east-1 has been silent for 3s"),
        "{}",
        question(&run.state).text
    );
    assert_eq!(executed(&run, "promote", Direction::Do), 0);
    let yes = yes(&run.state);
    tell(&mut run, &yes);
    assert_eq!(word(&run), "succeeded");
    assert_at_most_once(&run);
    assert_replays(&run);
    let view = engine::view(&run.state, run.now);
    assert_eq!(view.steps[1].evidence, Some(Evidence::Unreachable));
    assert!(view.steps[1].approved[0].starts_with("risk approved by ada"));
}
