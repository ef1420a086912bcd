//! The journal: hash chain, compare-and-set, epochs, faults, and what cannot have happened.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::journal::memory::Fault;
use engine::journal::{Batch, Journal, JournalError, MemoryJournal};
use engine::simulator::World;
use engine::{Event, IllegalEvent, Recorded, advance, chain};
use model::{Micros, RunId};
use plans::*;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use uuid::Uuid;

const RUN: RunId = RunId(Uuid::from_u128(1));
const NOW: Micros = Micros(1_000_000);

/// Futures of the store in memory are ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the store in memory never waits"),
    }
}

fn first() -> Batch {
    let event = engine::start(plan(vec![check("x", &[], "a")]), user("ada"), None).unwrap();
    Batch::prepare(None, None, RUN, vec![event], NOW, 1).unwrap()
}

fn next(before: &Batch, epoch: u64) -> Batch {
    let turn = advance(
        Some(before.state.clone()),
        Some(before.head.clone()),
        RUN,
        Vec::new(),
        NOW,
        epoch,
        &mut ids(),
    );
    turn.unwrap().batch
}

#[test]
fn what_is_appended_is_loaded_and_verifies() {
    let store = MemoryJournal::new();
    let batch = first();
    now(store.append(&batch)).unwrap();
    let second = next(&batch, 1);
    assert_eq!(second.expected, 1);
    now(store.append(&second)).unwrap();
    let loaded = now(store.load(RUN)).unwrap();
    let head = chain::verify(&loaded).unwrap().unwrap();
    assert_eq!(head, second.head);
    let rows: Vec<Recorded> = loaded.into_iter().map(|entry| entry.recorded).collect();
    assert_eq!(engine::replay(&rows).unwrap(), second.state);
    assert_eq!(now(store.open_runs()).unwrap(), [RUN]);
    assert!(matches!(now(store.load(RunId(Uuid::from_u128(9)))), Err(JournalError::NoRun { .. })));
}

#[test]
fn of_two_drivers_of_one_run_only_one_appends() {
    let store = MemoryJournal::new();
    let batch = first();
    now(store.append(&batch)).unwrap();
    let (one, other) = (next(&batch, 1), next(&batch, 1));
    now(store.append(&one)).unwrap();
    assert!(matches!(now(store.append(&other)), Err(JournalError::Conflict { expected: 1, found: 4, .. })));
}

#[test]
fn fault_14_a_leader_that_was_superseded_cannot_append() {
    let store = MemoryJournal::new();
    let batch = first();
    now(store.append(&batch)).unwrap();
    store.raise_epoch(2);
    let zombie = next(&batch, 1);
    assert!(matches!(now(store.append(&zombie)), Err(JournalError::Superseded { offered: 1, current: 2 })));
    now(store.append(&next(&batch, 2))).unwrap();
}

#[test]
fn fault_01_and_02_an_append_that_failed_is_all_there_or_not_at_all() {
    for (fault, rows) in [(Fault::BeforeWrite, 1), (Fault::AfterWrite, 4)] {
        let store = MemoryJournal::new();
        let batch = first();
        now(store.append(&batch)).unwrap();
        store.fail_next(fault);
        assert!(matches!(now(store.append(&next(&batch, 1))), Err(JournalError::Storage { .. })));
        let loaded = now(store.load(RUN)).unwrap();
        assert_eq!(loaded.len(), rows);
        chain::verify(&loaded).unwrap();
    }
}

#[test]
fn fault_08_a_changed_removed_or_swapped_row_is_found_and_named() {
    let store = MemoryJournal::new();
    let batch = first();
    now(store.append(&batch)).unwrap();
    now(store.append(&next(&batch, 1))).unwrap();
    let sound = now(store.load(RUN)).unwrap();

    let mut changed = sound.clone();
    changed[2].text = changed[2].text.replace("\"x\"", "\"y\"");
    assert!(matches!(chain::verify(&changed), Err(JournalError::Damaged { sequence: 3, .. })));

    let mut removed = sound.clone();
    removed.remove(1);
    assert!(matches!(chain::verify(&removed), Err(JournalError::Damaged { sequence: 2, .. })));

    let mut swapped = sound.clone();
    swapped.swap(1, 2);
    assert!(matches!(chain::verify(&swapped), Err(JournalError::Damaged { sequence: 2, .. })));

    let mut later = sound;
    later[1].recorded.at = Micros(0);
    assert!(matches!(chain::verify(&later), Err(JournalError::Damaged { sequence: 2, .. })));

    store.damage(RUN, 2, |entry| entry.text.truncate(3));
    assert!(matches!(now(store.load(RUN)), Err(JournalError::Damaged { sequence: 2, .. })));
}

#[test]
fn numbers_have_no_gaps_and_a_journal_begins_with_its_request() {
    let batch = first();
    let row = |sequence, event| Recorded { run: RUN, sequence, at: NOW, epoch: 1, event };
    assert!(matches!(
        engine::apply(Some(batch.state.clone()), &row(3, Event::RunStarted)),
        Err(IllegalEvent::Gap { expected: 2, found: 3 })
    ));
    assert!(matches!(engine::apply(None, &row(1, Event::RunStarted)), Err(IllegalEvent::NoBeginning { .. })));
    assert!(matches!(engine::replay(&[]), Err(IllegalEvent::NoBeginning { .. })));
    let mut stranger = row(2, Event::RunStarted);
    stranger.run = RunId(Uuid::from_u128(9));
    assert!(matches!(engine::apply(Some(batch.state), &stranger), Err(IllegalEvent::OtherRun { .. })));
}

#[test]
fn fault_52_a_plan_that_was_edited_in_the_journal_does_not_run() {
    let batch = first();
    let Event::RunRequested { mut plan, digest, by, request } = batch.entries[0].recorded.event.clone()
    else {
        panic!("the first event is the request")
    };
    plan.title = "something else".to_string();
    let event = Event::RunRequested { plan, digest, by, request };
    let row = Recorded { run: RUN, sequence: 1, at: NOW, epoch: 1, event };
    assert!(matches!(engine::apply(None, &row), Err(IllegalEvent::BadPlan { .. })));
}

#[test]
fn plans_that_no_check_would_pass_are_refused() {
    let twice = plan(vec![check("x", &[], "a"), check("x", &[], "b")]);
    let backwards = plan(vec![check("x", &["y"], "a"), check("y", &[], "a")]);
    let mut doubled = check("x", &[], "a");
    doubled.tasks.push(doubled.tasks[0].clone());
    for bad in [twice, backwards, plan(vec![doubled])] {
        assert!(engine::start(bad, user("ada"), None).is_err());
    }
}

#[test]
fn every_event_survives_being_written() {
    let run = simulate(failover(), World::new());
    for entry in &run.journal {
        let row = &entry.recorded;
        let text = serde_json::to_string(&row.event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), row.event);
        assert!(text.starts_with(&format!("{{\"event\":\"{}\"", row.event.kind())), "{text}");
    }
}

#[test]
fn what_was_observed_is_kept_once_and_shown() {
    let mut run = simulate(failover(), World::new());
    assert_eq!(engine::view(&run.state, run.now).observed, None);
    let event = engine::start(plan(vec![check("x", &[], "a")]), user("ada"), None).unwrap();
    let heard = std::collections::BTreeMap::from([(host("a"), NOW)]);
    let observed = Event::Observed { members: Vec::new(), heard: heard.clone() };
    let turn = advance(None, None, RUN, vec![event, observed.clone()], NOW, 1, &mut ids()).unwrap();
    assert_eq!(engine::view(&turn.batch.state, NOW).observed.unwrap().heard, heard);
    let again =
        advance(Some(turn.batch.state), Some(turn.batch.head), RUN, vec![observed], NOW, 1, &mut ids());
    assert!(matches!(again, Err(IllegalEvent::Run { .. })));
    run.now = NOW;
}

#[test]
fn a_view_survives_the_wire() {
    let run = simulate(failover(), World::new());
    let view = engine::view(&run.state, run.now);
    let text = serde_json::to_string(&view).unwrap();
    assert_eq!(serde_json::from_str::<engine::View>(&text).unwrap(), view);
}
