//! Jittered exponential back-off with named bounds. Pure: randomness is an argument.

use std::time::Duration;

/// How long to wait between tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Wait before the second try, before jitter.
    pub first: Duration,
    /// Longest wait.
    pub longest: Duration,
    /// How many waits there are; after them, give up. `None`: for ever.
    pub tries: Option<u32>,
}

impl Backoff {
    /// For connections that must come back by themselves: 200 ms to 5 s, for ever.
    pub const RECONNECT: Backoff =
        Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(5), tries: None };
    /// For one request: 100 ms to 2 s, five tries.
    pub const REQUEST: Backoff =
        Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(2), tries: Some(5) };

    /// The wait before try `number` (0 is the first wait): doubles up to the longest, of which a
    /// random half is taken off, so that many clients do not come back together. `random` is in 0..1.
    pub fn wait(&self, number: u32, random: f64) -> Option<Duration> {
        if self.tries.is_some_and(|tries| number >= tries) {
            return None;
        }
        let factor = 1u32.checked_shl(number.min(31)).unwrap_or(u32::MAX);
        let full = self.first.saturating_mul(factor).min(self.longest);
        Some(full.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0)))
    }

    /// The waits one after another, with the given randomness (each in 0..1).
    pub fn waits_with(self, mut random: impl FnMut() -> f64) -> impl Iterator<Item = Duration> {
        (0u32..).map_while(move |number| self.wait(number, random()))
    }

    /// The waits one after another, with this thread's randomness.
    pub fn waits(self) -> impl Iterator<Item = Duration> {
        self.waits_with(rand::random::<f64>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let backoff = Backoff { first: MS(100), longest: MS(500), tries: Some(5) };
        let waits: Vec<_> = backoff.waits_with(|| 1.0).collect();
        assert_eq!(waits, [MS(100), MS(200), MS(400), MS(500), MS(500)]);
    }

    #[test]
    fn jitter_takes_off_at_most_half() {
        let backoff = Backoff { first: MS(100), longest: MS(500), tries: None };
        assert_eq!(backoff.wait(0, 0.0), Some(MS(50)));
        assert_eq!(backoff.wait(1_000_000, 0.0), Some(MS(250)));
        assert!(Backoff::REQUEST.waits().all(|wait| wait >= MS(50) && wait <= MS(2000)));
    }
}
