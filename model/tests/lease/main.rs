//! Leases under random events: hosts, watchdogs, grantors and their successors, frozen and killed processes,
//! reboots, clocks that drift, messages that are late, lost and doubled. Never are two servers writable.
//!
//! The same world with one rule left out must be found wrong: a test that cannot fail proves nothing.
#![allow(clippy::unwrap_used, clippy::panic)]

mod grantors;
mod hosts;
mod members;
mod world;

use world::{Broken, Seen, World};

/// Random events of the quick suite and of the full one.
const EVENTS: (u64, u64) = (300_000, 3_000_000);
/// Events of one world; then another seed begins.
const EACH: u64 = 20_000;
/// Worlds in which a broken rule must show.
const TRIES: u64 = 400;

fn events() -> u64 {
    if std::env::var_os("LIFEBOAT_FULL").is_some() { EVENTS.1 } else { EVENTS.0 }
}

#[test]
fn never_are_two_servers_writable() {
    let mut seen = Seen::default();
    for seed in 0..events() / EACH {
        let mut world = World::new(seed, None);
        if let Err(wrong) = world.run(EACH) {
            panic!("seed {seed}: {wrong}");
        }
        seen.add(&world.seen);
    }
    println!("{} events: {seen:?}", events());
    // The worlds must have been eventful, or the result means nothing.
    let worlds = events() / EACH;
    assert!(seen.promoted >= worlds && seen.expired >= worlds, "{seen:?}");
    assert!(seen.lapsed >= worlds && seen.resumed >= worlds / 2, "{seen:?}");
    assert!(seen.extended >= worlds * 5 && seen.words >= worlds && seen.promised >= worlds, "{seen:?}");
    assert!(seen.reboots >= worlds && seen.successors >= worlds && seen.freezes >= worlds, "{seen:?}");
}

fn is_found(broken: Broken) {
    let found = (0..TRIES).any(|seed| World::new(seed, Some(broken)).run(EACH).is_err());
    assert!(found, "{broken:?} makes two primaries, and the worlds did not show it");
}

#[test]
fn a_deadline_that_counts_from_the_grants_arrival_is_found_wrong() {
    is_found(Broken::DeadlineFromArrival);
}

#[test]
fn a_wait_without_the_drift_is_found_wrong() {
    is_found(Broken::NoDrift);
}

#[test]
fn a_wait_without_the_stop_time_is_found_wrong() {
    is_found(Broken::NoStopTime);
}

#[test]
fn a_wait_for_a_member_that_may_still_ask_is_found_wrong() {
    is_found(Broken::NotClosed);
}

#[test]
fn a_successor_that_does_not_wait_is_found_wrong() {
    is_found(Broken::HastySuccessor);
}

#[test]
fn a_permit_that_outlives_its_boot_is_found_wrong() {
    is_found(Broken::PermitOutlivesBoot);
}

#[test]
fn a_lease_without_an_armed_watchdog_that_counts_is_found_wrong() {
    is_found(Broken::UnarmedCounts);
}

#[test]
fn an_extension_by_one_member_of_several_is_found_wrong() {
    is_found(Broken::OneIsEnough);
}

#[test]
fn a_member_that_is_promoted_before_the_primary_knows_of_it_is_found_wrong() {
    is_found(Broken::Unacknowledged);
}

#[test]
fn a_member_that_does_not_sync_what_it_promised_is_found_wrong() {
    is_found(Broken::ForgetsPromise);
}

#[test]
fn a_member_that_is_promoted_under_its_own_promise_is_found_wrong() {
    is_found(Broken::PromotesUnderPromise);
}

#[test]
fn a_member_that_does_not_wait_after_a_reboot_is_found_wrong() {
    is_found(Broken::NoWaitAfterReboot);
}

#[test]
fn a_member_that_extends_terms_that_are_over_is_found_wrong() {
    is_found(Broken::NoFloor);
}

#[test]
fn consents_of_an_earlier_set_that_count_for_the_next_are_found_wrong() {
    is_found(Broken::MidwaySet);
}

#[test]
fn an_extension_by_a_set_with_nobody_in_it_is_found_wrong() {
    is_found(Broken::EmptySetExtends);
}

#[test]
fn an_extension_that_counts_from_its_arrival_is_found_wrong() {
    is_found(Broken::ExtendsFromArrival);
}

#[test]
fn a_lease_that_is_called_expired_without_a_word_of_its_set_is_found_wrong() {
    is_found(Broken::NoWord);
}

#[test]
fn an_extension_of_an_unguarded_server_is_found_wrong() {
    is_found(Broken::UnarmedExtends);
}

#[test]
fn a_member_outside_of_the_set_that_follows_one_whose_machine_is_off_is_found_wrong() {
    is_found(Broken::OffIsCut);
}
