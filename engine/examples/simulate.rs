//! `cargo xtask simulate`: plays seeds of the simulation of the engine's tests, and prints what they came to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

#[path = "../tests/plans/mod.rs"]
mod plans;
#[path = "../tests/simulated/mod.rs"]
mod simulated;

use plans::random::Dice;
use std::process::ExitCode;
use std::time::Duration;

/// Which seeds: `--seed S` that one, `--seeds N [--from S]` so many from a first one on; `--tell` prints
/// all that happens.
fn wanted() -> Option<Vec<u64>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |key: &str| -> Option<u64> {
        let at = words.iter().position(|word| word == key)?;
        words.get(at + 1)?.parse().ok()
    };
    if let Some(seed) = number("--seed") {
        return Some(vec![seed]);
    }
    let (mut dice, count) = (Dice(number("--from").unwrap_or(1)), number("--seeds")?);
    Some((0..count).map(|_| dice.roll(u64::MAX)).collect())
}

fn main() -> ExitCode {
    let Some(seeds) = wanted() else {
        eprintln!("simulate --seed S [--tell] | --seeds N [--from S]");
        return ExitCode::from(2);
    };
    let told = std::env::args().any(|word| word == "--tell");
    let (mut promoted, mut took_over, mut froze, mut failures) = (0_u64, 0_u64, 0_u64, 0_u64);
    let (mut events, mut rows, mut simulated) = (0_u64, 0_u64, Duration::ZERO);
    for seed in &seeds {
        let outcome = simulated::play(*seed, told);
        promoted += u64::from(outcome.promoted);
        took_over += u64::from(outcome.took_over);
        froze += u64::from(outcome.froze);
        events += outcome.events;
        rows += outcome.rows;
        simulated += outcome.simulated;
        if seeds.len() == 1 {
            println!("seed {seed}: trace {}", outcome.hash);
        }
        if !outcome.wrong.is_empty() {
            failures += 1;
            println!("seed {seed} FAILED, trace {}", outcome.hash);
            outcome.wrong.iter().for_each(|wrong| println!("  {wrong}"));
            println!("  once more: cargo xtask simulate --seed {seed}");
        }
    }
    let share = |count: u64| count as f64 * 100.0 / seeds.len().max(1) as f64;
    println!(
        "{} seeds, {:.0} s simulated, {events} happenings, {rows} journal rows; {:.0} % saw a promotion, \
         {:.0} % a takeover, {:.0} % a frozen process; {failures} failures",
        seeds.len(),
        simulated.as_secs_f64(),
        share(promoted),
        share(took_over),
        share(froze)
    );
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
