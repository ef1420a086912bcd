//! A set of steps by their numbers, a bit each: a question about all steps of a plan at once is a few words.

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// A set of steps. It is as long as its highest number asks for; what is behind its end is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Set(Vec<u64>);

impl Set {
    /// None.
    pub const EMPTY: &'static Set = &Set(Vec::new());

    /// Puts a step in or takes it out.
    pub fn put(&mut self, step: usize, inside: bool) {
        let at = step / WORD;
        if self.0.len() <= at {
            if !inside {
                return;
            }
            self.0.resize(at + 1, 0);
        }
        let bit = 1 << (step % WORD);
        self.0[at] = if inside { self.0[at] | bit } else { self.0[at] & !bit };
    }

    /// Whether a step is in it.
    pub fn has(&self, step: usize) -> bool {
        self.0.get(step / WORD).is_some_and(|word| word >> (step % WORD) & 1 == 1)
    }

    /// Takes in all of another set.
    pub fn add(&mut self, other: &Set) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    /// What is in this set or the other one.
    pub fn or(&self, other: &Set) -> Set {
        let mut out = self.clone();
        out.add(other);
        out
    }

    /// What is in both.
    pub fn and(&self, other: &Set) -> Set {
        Set(self.0.iter().zip(&other.0).map(|(word, other)| word & other).collect())
    }

    /// What is in this set and not in the other one.
    pub fn without(&self, other: &Set) -> Set {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        Set(self.0.iter().zip(others).map(|(word, other)| word & !other).collect())
    }

    /// Whether some step is in both.
    pub fn meets(&self, other: &Set) -> bool {
        self.0.iter().zip(&other.0).any(|(word, other)| word & other != 0)
    }

    /// Whether no step is in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The steps, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = usize> + use<'_> {
        let words = self.0.iter().enumerate().filter(|(_, word)| **word != 0);
        words.flat_map(|(at, word)| {
            (0..WORD).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * WORD + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(steps: &BTreeSet<usize>) -> Set {
        let mut out = Set::default();
        steps.iter().for_each(|step| out.put(*step, true));
        out
    }

    fn list(set: &Set) -> BTreeSet<usize> {
        set.iter().collect()
    }

    proptest! {
        #[test]
        fn it_is_a_set(a in prop::collection::btree_set(0usize..300, 0..20), b in prop::collection::btree_set(0usize..300, 0..20)) {
            let (first, second) = (set(&a), set(&b));
            prop_assert_eq!(list(&first.and(&second)), &a & &b);
            prop_assert_eq!(list(&first.or(&second)), &a | &b);
            prop_assert_eq!(list(&first.without(&second)), &a - &b);
            prop_assert_eq!(first.meets(&second), !a.is_disjoint(&b));
            prop_assert_eq!(first.is_empty(), a.is_empty());
            prop_assert!((0..310).all(|step| first.has(step) == a.contains(&step)));
        }

        #[test]
        fn what_is_taken_out_is_not_in_it(a in prop::collection::btree_set(0usize..200, 1..20), out in 0usize..300) {
            let mut all = set(&a);
            all.put(out, false);
            prop_assert!(!all.has(out));
            prop_assert_eq!(list(&all), a.into_iter().filter(|step| *step != out).collect());
        }
    }
}
