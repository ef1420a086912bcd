//! `kill -9` at every point of a failover of twelve steps, in the controller and in both agents.
//!
//! A first run, in which nothing happens, records what points a process passes and how often
//! (`LIFEBOAT_CRASH_RECORD`). Then the app moves to and fro between two regions, and each time the process
//! dies at the next of those points and starts again. Each run must come to the end of the first: everything
//! done, and nothing twice. The quick suite takes a few points by `LIFEBOAT_SEED`, the full one all
//! (`LIFEBOAT_FULL`). `LIFEBOAT_CRASH_POINT=ROLE=NAME:PASS` takes one: a failure says which.

pub mod stage;
mod verdict;

use stage::{Role, Stage};
use std::time::{Duration, Instant};

/// Points of one role in the quick suite.
const QUICK: usize = 3;
/// How often a point is tried that a run happens not to pass: what comes together and what apart is chance.
const TRIES: usize = 3;
/// Points that a sweep may miss all the same, as one of so many.
const MISSED: usize = 20;

/// A small generator, so that a seed gives the same slice again.
fn dice(seed: &mut u64, sides: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from((*seed >> 33) % sides.max(1) as u64).unwrap()
}

/// The points to die at: all, a slice, or the one that somebody wants to see again.
fn chosen(role: Role, all: &[String]) -> Vec<String> {
    if let Ok(wanted) = std::env::var("LIFEBOAT_CRASH_POINT") {
        let (of, point) = wanted.split_once('=').expect("LIFEBOAT_CRASH_POINT is ROLE=NAME:PASS");
        return if of == role.word() { vec![point.to_owned()] } else { Vec::new() };
    }
    if std::env::var_os("LIFEBOAT_FULL").is_some() {
        return all.to_vec();
    }
    let seed = std::env::var("LIFEBOAT_SEED").ok().and_then(|text| text.parse().ok());
    let mut seed: u64 = seed.unwrap_or_else(rand::random);
    println!("LIFEBOAT_SEED={seed}");
    let mut left = all.to_vec();
    (0..QUICK).map(|_| left.swap_remove(dice(&mut seed, left.len()))).collect()
}

/// Dies at each point of one role, one after another.
async fn sweep(role: Role, at_least: usize) {
    let mut stage = Stage::set(&format!("failover-{}", role.word())).await;
    let all = stage.record(role).await;
    println!("{} points of {} on the path of a failover", all.len(), role.word());
    assert!(all.len() >= at_least, "{} points: {all:#?}", all.len());
    let points = chosen(role, &all);
    let (began, mut missed) = (Instant::now(), Vec::new());
    for point in &points {
        let again = format!(
            "LIFEBOAT_CRASH_POINT={}={point} cargo nextest run -p lifeboat-tests failover",
            role.word()
        );
        let mut died = false;
        for _ in 0..TRIES {
            let took = Instant::now();
            let outcome = stage.case(role, point).await;
            died = outcome.unwrap_or_else(|wrong| panic!("{point}: {wrong}\nonce more: {again}"));
            println!(
                "{:>7.1} s  {} {point}",
                took.elapsed().as_secs_f64(),
                if died { "died at" } else { "missed " }
            );
            if died {
                break;
            }
        }
        if !died {
            missed.push(point.clone());
        }
    }
    let (deaths, took) = (points.len() - missed.len(), began.elapsed());
    println!(
        "{deaths} deaths of {} in {:.0} s, {} points missed: {missed:?}",
        role.word(),
        took.as_secs_f64(),
        missed.len()
    );
    assert!(
        missed.len() * MISSED <= points.len().max(MISSED),
        "points that were not passed again: {missed:?}"
    );
    assert!(took < Duration::from_secs(3600), "{took:?}");
}

#[tokio::test]
async fn fault_02_a_controller_killed_at_any_point_of_a_failover_finishes_it_and_does_nothing_twice() {
    sweep(Role::Controller, 100).await;
}

#[tokio::test]
async fn fault_24_the_agent_that_is_left_killed_at_any_point_of_a_failover_finishes_it_and_does_nothing_twice()
 {
    sweep(Role::Left, 60).await;
}

#[tokio::test]
async fn fault_24_the_agent_that_takes_over_killed_at_any_point_of_a_failover_finishes_it_and_does_nothing_twice()
 {
    sweep(Role::Taking, 60).await;
}
