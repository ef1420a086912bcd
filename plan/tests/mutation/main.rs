//! The check against random estates with plans: in a right one it finds nothing, and in one that was broken in one
//! place it finds just that.
//!
//! `LIFEBOAT_SEED=n` begins with another seed, and `LIFEBOAT_FULL=1` tries more of them. A failure prints the seed of
//! its case: `LIFEBOAT_SEED=that` begins with it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod case;
mod defects;
mod estate;
mod found;
mod plans;
mod tree;
mod valid;
mod world;
mod write;

/// The first seed.
fn first_seed() -> u64 {
    let seed = std::env::var("LIFEBOAT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_127);
    println!("seed {seed}");
    seed
}

/// So many cases in the quick suite, so many in the full one.
fn extent(quick: u64, full: u64) -> u64 {
    if std::env::var_os("LIFEBOAT_FULL").is_some() { full } else { quick }
}
