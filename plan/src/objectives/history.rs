//! What steps took in past runs, and what that says about the next one.
//!
//! A plan's quantiles are not sums of its steps' quantiles: chains compete, and nobody is unlucky everywhere
//! at once. So runs are simulated: each step takes one of the times that it took before, drawn at
//! random, and the longest chain decides. Steps are drawn independently of each other; a night on which
//! everything is slow is a little worse than the p90 says.

use super::path::ends;
use model::StepPath;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Fewest past times from which a step is drawn; with fewer, its kind's are taken, then the estimate.
pub const MIN_SAMPLES: usize = 3;
/// Most times that are kept of a step or kind; the oldest go first.
pub const MAX_SAMPLES: usize = 1_000;
/// Runs that are simulated. The p90 of so many is within a percent of rank of the true one.
pub const ROUNDS: usize = 4_000;

/// What steps took, by path and by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    by_path: BTreeMap<StepPath, Vec<Duration>>,
    by_kind: BTreeMap<String, Vec<Duration>>,
}

/// What simulated runs took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Half of the runs recover within this.
    #[serde(with = "model::duration")]
    pub p50: Duration,
    /// Nine of ten recover within this.
    #[serde(with = "model::duration")]
    pub p90: Duration,
    /// Steps of which there are past times; the others took their estimate.
    pub steps: usize,
}

impl History {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a step took when it succeeded: from its beginning to its end, people included. Oldest first.
    pub fn add(&mut self, path: &StepPath, kind: &str, took: Duration) {
        keep(self.by_path.entry(path.clone()).or_default(), took);
        self.add_kind(kind, took);
    }

    /// Adds what a step of another plan took.
    pub fn add_kind(&mut self, kind: &str, took: Duration) {
        keep(self.by_kind.entry(kind.to_string()).or_default(), took);
    }

    /// Past times of a step: its own, or those of its kind; empty when there are too few.
    pub fn past(&self, path: &StepPath, kind: &str) -> &[Duration] {
        let own = self.by_path.get(path).filter(|times| times.len() >= MIN_SAMPLES);
        let all = own.or_else(|| self.by_kind.get(kind)).filter(|times| times.len() >= MIN_SAMPLES);
        all.map_or(&[], Vec::as_slice)
    }
}

fn keep(times: &mut Vec<Duration>, took: Duration) {
    if times.len() == MAX_SAMPLES {
        times.remove(0);
    }
    times.push(took);
}

/// Simulates [`ROUNDS`] runs: `times` are the past times of each step (its estimate alone where there are
/// none), `random` gives uniform numbers.
pub(crate) fn simulate(
    after: &[Vec<usize>],
    times: &[Vec<Duration>],
    goals: &[usize],
    random: &mut dyn FnMut() -> u64,
) -> (Duration, Duration) {
    let mut totals: Vec<Duration> = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let drawn: Vec<Duration> = times.iter().map(|times| draw(times, random)).collect();
        let ends = ends(after, &drawn);
        totals.push(goals.iter().filter_map(|goal| ends.get(*goal)).max().copied().unwrap_or_default());
    }
    totals.sort_unstable();
    (quantile(&totals, 50), quantile(&totals, 90))
}

fn draw(times: &[Duration], random: &mut dyn FnMut() -> u64) -> Duration {
    if let [only] = times {
        return *only;
    }
    // A multiplication spreads 64 random bits over so few numbers without a bias that matters.
    let at = (u128::from(random()) * times.len() as u128) >> 64;
    usize::try_from(at).ok().and_then(|at| times.get(at)).copied().unwrap_or_default()
}

/// The smallest of the sorted lengths that at least so many percent do not exceed.
pub(crate) fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_that_enough_do_not_exceed() {
        let secs: Vec<Duration> = (1..=10).map(Duration::from_secs).collect();
        assert_eq!(quantile(&secs, 50).as_secs(), 5);
        assert_eq!(quantile(&secs, 90).as_secs(), 9);
        assert_eq!(quantile(&secs[..1], 50).as_secs(), 1);
        assert_eq!(quantile(&[], 50).as_secs(), 0);
    }

    #[test]
    fn only_the_newest_times_are_kept() {
        let mut times = Vec::new();
        (0..MAX_SAMPLES as u64 + 5).for_each(|at| keep(&mut times, Duration::from_secs(at)));
        assert_eq!((times.len(), times[0].as_secs()), (MAX_SAMPLES, 5));
    }
}
