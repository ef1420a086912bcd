//! The order of steps: cycles, a topological order, and who comes before whom.
//!
//! A step begins when all that it waits for is done, so every ancestor of a step dominates it: whatever
//! happens, the ancestor was done (or skipped, or failed with `on-failure: continue`, which the rules
//! look at) before the step began. The proofs of order are questions to [`Graph::before`].

use crate::codes;
use crate::diagnostic::Sink;
use crate::estate::Estate;
use crate::set::Set;
use crate::text::Span;
use model::Name;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Most cycles that are looked for: each costs a walk over all steps.
const MAX_CYCLES: usize = 100;

/// Steps with their order.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// A topological order that keeps the order of the text where it can.
    pub order: Vec<usize>,
    /// For each step those that are always over before it begins.
    earlier: Vec<Set>,
    /// For each step those that never begin before it is over.
    later: Vec<Set>,
}

impl Graph {
    /// Orders steps by what each waits for, or gives every cycle, see [`ordered`].
    pub fn of(after: &[Vec<usize>]) -> Result<Graph, Vec<Vec<usize>>> {
        let order = ordered(after)?;
        let earlier = earlier(after, &order);
        Ok(Graph { later: turned(&earlier), earlier, order })
    }

    /// Sets one pair of the order and no other: what the rules would say without it is a question of `objectives`.
    pub fn set_before(&mut self, first: usize, then: usize, before: bool) {
        if let (Some(earlier), Some(later)) = (self.earlier.get_mut(then), self.later.get_mut(first)) {
            earlier.put(first, before);
            later.put(then, before);
        }
    }

    /// Whether `first` is always over before `then` begins.
    pub fn before(&self, first: usize, then: usize) -> bool {
        self.earlier(then).has(first)
    }

    /// Steps that are always over before this one begins.
    pub fn earlier(&self, step: usize) -> &Set {
        self.earlier.get(step).unwrap_or(Set::EMPTY)
    }

    /// Steps that never begin before this one is over.
    pub fn later(&self, step: usize) -> &Set {
        self.later.get(step).unwrap_or(Set::EMPTY)
    }
}

/// A topological order that keeps the order of the text where it can, or cycles, each as its members in order: all
/// of them, up to [`MAX_CYCLES`].
fn ordered(after: &[Vec<usize>]) -> Result<Vec<usize>, Vec<Vec<usize>>> {
    let mut cycles = Vec::new();
    let mut dead = vec![false; after.len()];
    loop {
        let order = sort(after, &dead);
        let left: Vec<usize> = (0..after.len()).filter(|step| !dead[*step] && !order.has[*step]).collect();
        if left.is_empty() && cycles.is_empty() {
            return Ok(order.list);
        }
        if left.is_empty() || cycles.len() == MAX_CYCLES {
            return Err(cycles);
        }
        let cycle = find_cycle(after, &left, &dead);
        cycle.iter().for_each(|step| dead[*step] = true);
        cycles.push(cycle);
    }
}

struct Sorted {
    list: Vec<usize>,
    has: Vec<bool>,
}

/// Kahn's algorithm over the living; the smallest ready step first. Steps on or behind a cycle are left out.
fn sort(after: &[Vec<usize>], dead: &[bool]) -> Sorted {
    let mut waits: Vec<usize> = vec![0; after.len()];
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
    for (step, befores) in after.iter().enumerate() {
        for before in befores.iter().filter(|before| !dead[**before]) {
            waits[step] += 1;
            followers[*before].push(step);
        }
    }
    let ready = (0..after.len()).filter(|step| waits[*step] == 0 && !dead[*step]).map(Reverse);
    let mut ready: BinaryHeap<Reverse<usize>> = ready.collect();
    let mut out = Sorted { list: Vec::with_capacity(after.len()), has: vec![false; after.len()] };
    while let Some(Reverse(step)) = ready.pop() {
        out.list.push(step);
        out.has[step] = true;
        for follower in &followers[step] {
            waits[*follower] -= 1;
            if waits[*follower] == 0 && !dead[*follower] {
                ready.push(Reverse(*follower));
            }
        }
    }
    out
}

/// Walks back from one that is left until a step comes again. Each one that is left waits for another
/// one that is left, so the walk never ends before.
fn find_cycle(after: &[Vec<usize>], left: &[usize], dead: &[bool]) -> Vec<usize> {
    let mut inside = vec![false; after.len()];
    left.iter().for_each(|step| inside[*step] = true);
    let mut seen_at: BTreeMap<usize, usize> = BTreeMap::new();
    let mut walk = Vec::new();
    let mut step = left[0];
    loop {
        if let Some(at) = seen_at.get(&step) {
            let mut cycle: Vec<usize> = walk[*at..].to_vec();
            cycle.reverse();
            let first = (0..cycle.len()).min_by_key(|at| cycle[*at]).unwrap_or(0);
            cycle.rotate_left(first);
            return cycle;
        }
        seen_at.insert(step, walk.len());
        walk.push(step);
        match after[step].iter().find(|before| inside[**before] && !dead[**before]) {
            Some(before) => step = *before,
            None => return walk,
        }
    }
}

fn earlier(after: &[Vec<usize>], order: &[usize]) -> Vec<Set> {
    let mut out: Vec<Set> = vec![Set::default(); after.len()];
    for step in order {
        let mut all = Set::default();
        for before in &after[*step] {
            all.put(*before, true);
            all.add(&out[*before]);
        }
        out[*step] = all;
    }
    out
}

/// The same pairs, looked at from the first one.
fn turned(earlier: &[Set]) -> Vec<Set> {
    let mut out: Vec<Set> = vec![Set::default(); earlier.len()];
    for (then, firsts) in earlier.iter().enumerate() {
        firsts.iter().for_each(|first| out[first].put(then, true));
    }
    out
}

/// Tells services whose `needs` form a circle.
pub(crate) fn needs_cycles(estate: &Estate, sink: &mut Sink) {
    let names: Vec<&Name> = estate.services.keys().collect();
    let index: BTreeMap<&Name, usize> = names.iter().enumerate().map(|(at, name)| (*name, at)).collect();
    let after: Vec<Vec<usize>> = names
        .iter()
        .map(|name| {
            needed_services(estate, name).iter().filter_map(|need| index.get(need).copied()).collect()
        })
        .collect();
    let Err(cycles) = ordered(&after) else { return };
    for cycle in cycles {
        let path: Vec<&str> = cycle.iter().chain(cycle.first()).map(|at| names[*at].as_str()).collect();
        let place = estate.place("service", path[0]).unwrap_or_default();
        sink.push(&codes::CYCLE, place, format!("services need each other: {}", path.join(" → ")));
    }
}

/// Services that one needs, sources replaced by the services that run their servers.
pub(crate) fn needed_services(estate: &Estate, service: &Name) -> Vec<Name> {
    let Some(service) = estate.services.get(service) else { return Vec::new() };
    let needs = service.needs.iter().filter_map(|need| match estate.sources.get(&need.value) {
        Some(source) => source.server.as_ref().map(|server| server.value.clone()),
        None => Some(need.value.clone()),
    });
    needs.collect()
}

/// Tells every cycle of a plan's steps with its path.
pub(crate) fn tell_cycles(cycles: &[Vec<usize>], names: &[(String, Span)], sink: &mut Sink) {
    for cycle in cycles {
        let path: Vec<&str> = cycle.iter().chain(cycle.first()).map(|at| names[*at].0.as_str()).collect();
        let place = cycle.first().map_or_else(Span::default, |at| names[*at].1);
        sink.push(&codes::CYCLE, place, format!("steps wait for each other: {}", path.join(" → ")));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_order_respects_after_and_keeps_the_text_where_it_can() {
        let graph = Graph::of(&[vec![2], vec![], vec![], vec![0, 1]]).unwrap();
        assert_eq!(graph.order, [1, 2, 0, 3]);
        assert!(graph.before(2, 3) && graph.before(2, 0) && !graph.before(1, 0) && !graph.before(3, 3));
    }

    #[test]
    fn every_cycle_is_found_with_its_path() {
        let cycles = Graph::of(&[vec![2], vec![0], vec![1], vec![3], vec![0]]).unwrap_err();
        assert_eq!(cycles, [vec![0, 1, 2], vec![3]]);
    }

    proptest! {
        #[test]
        fn any_graph_is_ordered_or_has_a_true_cycle(edges in prop::collection::vec(prop::collection::vec(0usize..12, 0..4), 12)) {
            match Graph::of(&edges) {
                Ok(graph) => {
                    let at = |step: usize| graph.order.iter().position(|other| *other == step).unwrap();
                    for (step, befores) in edges.iter().enumerate() {
                        for before in befores {
                            prop_assert!(at(*before) < at(step));
                            prop_assert!(graph.before(*before, step));
                        }
                    }
                }
                Err(cycles) => {
                    for cycle in cycles {
                        for (at, step) in cycle.iter().enumerate() {
                            let next = cycle[(at + 1) % cycle.len()];
                            prop_assert!(edges[next].contains(step));
                        }
                    }
                }
            }
        }
    }
}
