//! Some seeds of the simulation, each with two minutes of trouble; `cargo xtask simulate` plays more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

mod plans;
mod simulated;

use plans::random::Dice;
use simulated::simulate;

/// Seeds of the quick suite, and of the full one.
fn seeds() -> u64 {
    if std::env::var_os("LIFEBOAT_FULL").is_some() { 500 } else { 12 }
}

#[test]
fn faults_14_and_33_whatever_happens_to_messages_and_processes_nothing_is_lost_or_done_twice() {
    let slice = std::env::var("LIFEBOAT_SEED").ok().and_then(|text| text.parse().ok());
    let mut dice = Dice(slice.unwrap_or(1));
    let (mut promoted, mut took_over, mut froze, mut events) = (0, 0, 0, 0);
    for _ in 0..seeds() {
        let seed = dice.roll(u64::MAX);
        let outcome = simulate(seed);
        assert!(outcome.wrong.is_empty(), "`cargo xtask simulate --seed {seed}`: {:#?}", outcome.wrong);
        promoted += u64::from(outcome.promoted);
        took_over += u64::from(outcome.took_over);
        froze += u64::from(outcome.froze);
        events += outcome.events;
    }
    println!(
        "{} seeds, {events} happenings: {promoted} promoted, {took_over} took over, {froze} froze",
        seeds()
    );
    for share in [promoted, took_over, froze] {
        assert!(share * 10 >= seeds() * 3, "too quiet: {promoted}, {took_over}, {froze} of {}", seeds());
    }
}

#[test]
fn a_seed_tells_the_same_story_again() {
    let (first, again) = (simulate(7), simulate(7));
    assert_eq!(first.hash, again.hash);
    assert_ne!(first.hash, simulate(8).hash);
}
