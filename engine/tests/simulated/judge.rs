//! What must hold when it is over.

use super::world::World;
use engine::{Event, Recorded, chain, replay};
use model::Token;
use std::collections::{BTreeMap, BTreeSet};

/// Looks at journals, tokens and epochs, and notes what is wrong.
pub fn judge(world: &mut World) {
    let mut wrong = Vec::new();
    for (token, times) in &world.truth.executions {
        if *times > 1 {
            wrong.push(format!("{token} was begun {times} times"));
        }
    }
    for (run, sequence, hash) in &world.durable {
        let row = usize::try_from(*sequence - 1).ok().and_then(|row| world.store.runs.get(run)?.get(row));
        if row.is_none_or(|entry| entry.hash != *hash) {
            wrong.push(format!("event {sequence} of {run} was durable and is gone"));
        }
    }
    let mut states = BTreeMap::new();
    for (run, journal) in &world.store.runs {
        let rows: Vec<Recorded> = journal.iter().map(|entry| entry.recorded.clone()).collect();
        if rows.windows(2).any(|pair| pair[1].epoch < pair[0].epoch) {
            wrong.push(format!("the epochs of {run} do not only grow"));
        }
        if chain::verify(journal).is_err() {
            wrong.push(format!("the chain of {run} is broken"));
        }
        match replay(&rows) {
            Ok(state) if state.is_open() => wrong.push(format!("{run} is still open: {:?}", state.status())),
            Ok(state) => drop(states.insert(*run, state)),
            Err(error) => wrong.push(format!("{run} does not replay: {error}")),
        }
    }
    let rows = world.store.runs.values().flatten();
    let told: BTreeSet<&Token> = rows
        .filter_map(|entry| match &entry.recorded.event {
            Event::Ended { token, .. } | Event::LateResult { token, .. } => Some(token),
            _ => None,
        })
        .collect();
    for token in &world.acknowledged {
        // A repeat of what is known already has no event of its own.
        let attempt = states.get(&token.run).and_then(|state| state.attempt(token));
        let settled = attempt.is_some_and(|attempt| !attempt.state.is_open());
        if !settled && !told.contains(token) {
            wrong.push(format!("the result of {token} was acknowledged and is not in the journal"));
        }
    }
    world.wrong.extend(wrong);
}
