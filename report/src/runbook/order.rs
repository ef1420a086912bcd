//! What one person may begin while another step goes on.

use plan::checked::Step;
use std::collections::HashMap;

/// For each step, the steps that neither wait for it nor are waited for by it.
pub fn beside(steps: &[&Step]) -> Vec<Vec<usize>> {
    let index: HashMap<&str, usize> =
        steps.iter().enumerate().map(|(at, step)| (step.path.as_str(), at)).collect();
    // Steps stand in an order that respects `after`, so whoever is waited for is known already.
    let mut before: Vec<Vec<bool>> = Vec::with_capacity(steps.len());
    for (at, step) in steps.iter().enumerate() {
        let mut all = vec![false; at];
        for first in
            step.after.iter().filter_map(|path| index.get(path.as_str())).filter(|first| **first < at)
        {
            all[*first] = true;
            before[*first]
                .iter()
                .enumerate()
                .filter(|(_, set)| **set)
                .for_each(|(earlier, _)| all[earlier] = true);
        }
        before.push(all);
    }
    let free = |at: usize, other: usize| {
        let (late, early) = (at.max(other), at.min(other));
        at != other && !before[late][early]
    };
    (0..steps.len()).map(|at| (0..steps.len()).filter(|other| free(at, *other)).collect()).collect()
}
