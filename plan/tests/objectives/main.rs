//! The arithmetic of objectives against simulators that know none of it: they only let things happen, one
//! after another. The seed is fixed; `SEED=n` tries another one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calendar;
mod loss;
mod order;
mod path;

/// Uniform random numbers (SplitMix64).
pub struct Random(u64);

impl Random {
    /// Of the seed in `SEED`, or a fixed one, mixed with a number that is the test's own.
    pub fn new(own: u64) -> Random {
        let seed = std::env::var("SEED").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(20_261_127);
        println!("seed {seed}");
        Random(seed.wrapping_mul(0x9E37_79B9).wrapping_add(own))
    }

    /// All 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.bits() % bound as u64).unwrap()
    }

    /// Yes in so many of a hundred cases.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of some.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
