//! Numbers from a seed, the same ones on every machine and with every release.
//!
//! The generators of the `rand` crate are free to give other numbers in another release, and then corpora of
//! two releases would not compare. SplitMix64 is five lines that never change.

/// A stream of numbers.
pub struct Seed(u64);

impl Seed {
    /// The stream that a number stands for.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// One of `choices`; early ones are more frequent, like words of a language.
    pub fn pick(&mut self, choices: &[&'static str]) -> &'static str {
        let count = choices.len() as u64;
        let at = self.below(count).min(self.below(count));
        usize::try_from(at).ok().and_then(|at| choices.get(at)).copied().unwrap_or_default()
    }

    /// A number around `median` as sizes of files are: half as often twice as large (log-normal).
    pub fn size(&mut self, median: f64) -> usize {
        let sum: f64 = (0..12).map(|_| (self.below(1 << 20) as f64) / f64::from(1 << 20)).sum();
        let size = median * (0.9 * (sum - 6.0)).exp();
        size.clamp(40.0, 400_000.0) as usize
    }

    /// Fills `bytes` with what cannot be compressed.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for eight in bytes.chunks_mut(8) {
            let next = self.next().to_le_bytes();
            for (byte, new) in eight.iter_mut().zip(next) {
                *byte = new;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_seed_never_change() {
        let mut seed = Seed::new(1);
        assert_eq!([seed.next(), seed.next()], [0x910A_2DEC_8902_5CC1, 0xBEEB_8DA1_658E_EC67]);
    }

    #[test]
    fn half_of_the_sizes_are_below_the_median() {
        let mut seed = Seed::new(7);
        let below = (0..1000).filter(|_| seed.size(4096.0) < 4096).count();
        assert!((450..550).contains(&below), "{below}");
    }
}
