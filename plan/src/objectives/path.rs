//! The longest chain of steps: each begins when all that it waits for are over.
//!
//! Steps are numbers in an order in which nothing waits for a later one; `after[step]` are those that it
//! waits for.

use std::time::Duration;

/// A chain of steps, one after another, and its length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The sum.
    pub total: Duration,
    /// The steps, first to last.
    pub steps: Vec<usize>,
}

/// When each step is over, from the beginning of the run.
pub(crate) fn ends(after: &[Vec<usize>], lengths: &[Duration]) -> Vec<Duration> {
    let mut ends: Vec<Duration> = Vec::with_capacity(after.len());
    for (befores, length) in after.iter().zip(lengths) {
        let begin = befores.iter().filter_map(|before| ends.get(*before)).max();
        ends.push(begin.copied().unwrap_or_default().saturating_add(*length));
    }
    ends
}

/// The longest chain that ends in one of the goals. Of two equal ones the one of earlier steps.
pub(crate) fn longest(after: &[Vec<usize>], lengths: &[Duration], goals: &[usize]) -> Chain {
    let ends = ends(after, lengths);
    let end = |step: usize| ends.get(step).copied().unwrap_or_default();
    let latest = |among: &[usize]| among.iter().copied().rev().max_by_key(|step| end(*step));
    let mut sorted = goals.to_vec();
    sorted.sort_unstable();
    let Some(mut step) = latest(&sorted) else { return Chain::default() };
    let mut chain = Chain { total: end(step), steps: vec![step] };
    while let Some(before) = after.get(step).and_then(|befores| {
        let mut sorted = befores.clone();
        sorted.sort_unstable();
        latest(&sorted)
    }) {
        chain.steps.push(before);
        step = before;
    }
    chain.steps.reverse();
    chain
}

/// How much longer each step could take without making the goals later; `None` where none waits for it.
pub(crate) fn spare(after: &[Vec<usize>], lengths: &[Duration], goals: &[usize]) -> Vec<Option<Duration>> {
    let ends = ends(after, lengths);
    let total = goals.iter().filter_map(|goal| ends.get(*goal)).max().copied().unwrap_or_default();
    // The latest moment at which each may be over.
    let mut latest: Vec<Option<Duration>> = vec![None; after.len()];
    for goal in goals {
        if let Some(slot) = latest.get_mut(*goal) {
            *slot = Some(total);
        }
    }
    for step in (0..after.len()).rev() {
        let Some(begin) = latest[step].map(|end| end.saturating_sub(lengths[step])) else { continue };
        for before in &after[step] {
            let own = latest[*before].map_or(begin, |own| own.min(begin));
            latest[*before] = Some(own);
        }
    }
    latest.iter().zip(&ends).map(|(latest, end)| latest.map(|latest| latest.saturating_sub(*end))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(all: &[u64]) -> Vec<Duration> {
        all.iter().map(|count| Duration::from_secs(*count)).collect()
    }

    #[test]
    fn the_longest_chain_is_found_with_what_the_others_have_to_spare() {
        // 0 ─► 1 ─► 3 ─► 4;  2 ─► 3
        let (after, lengths) = (vec![vec![], vec![0], vec![], vec![1, 2], vec![3]], secs(&[5, 7, 10, 1, 9]));
        let chain = longest(&after, &lengths, &[3]);
        assert_eq!((chain.total.as_secs(), chain.steps), (13, vec![0, 1, 3]));
        let spare = spare(&after, &lengths, &[3]);
        let spare: Vec<Option<u64>> = spare.iter().map(|one| one.map(|one| one.as_secs())).collect();
        assert_eq!(spare, [Some(0), Some(0), Some(2), Some(0), None]);
    }

    #[test]
    fn nothing_has_no_length() {
        assert_eq!(longest(&[], &[], &[]), Chain::default());
    }
}
