#![allow(clippy::unwrap_used)]
//! The spool against restarts, repeats and loss.

use super::*;
use model::jobs::Command;
use model::{Digest, Direction, Mode, Name, Target, Work};
use uuid::Uuid;

fn order(run: u128, attempt: u32) -> Order {
    let run = RunId(Uuid::from_u128(run));
    Order {
        token: Token {
            run,
            step: StepPath::new("promote").unwrap(),
            target: Target { noun: Name::new("source").unwrap(), name: Name::new("db").unwrap(), host: None },
            direction: Direction::Do,
            attempt,
            mode: Mode::Live,
        },
        epoch: Epoch { number: 1, holder: Uuid::from_u128(1) },
        head: Head { run, sequence: 4, hash: Digest::new("ab").unwrap() },
        work: Work::Command(Command { script: "/x".into(), args: vec![], sha256: None }),
        timeout: Duration::from_secs(5),
    }
}

fn done() -> Outcome {
    Outcome::Succeeded { output: serde_json::json!({"exit_code": 0}) }
}

#[test]
fn what_was_taken_begun_and_ended_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path()).unwrap();
    for attempt in 1..=3 {
        spool.take(order(1, attempt), None, Micros(1), "boot").unwrap();
    }
    spool.begin(&order(1, 2).token, Micros(2)).unwrap();
    spool.begin(&order(1, 3).token, Micros(2)).unwrap();
    spool.end(&order(1, 3).token, done(), Micros(2), Micros(3), Duration::from_micros(1)).unwrap();
    drop(spool);
    let spool = Spool::open(folder.path()).unwrap();
    let state = |attempt| spool.entry(&order(1, attempt).token).unwrap().state.clone();
    assert_eq!(state(1), State::Spooled);
    assert_eq!(state(2), State::Running { started: Micros(2) });
    assert!(matches!(state(3), State::Ended(end) if end.outcome == done() && !end.delivered));
    assert_eq!(spool.open_heads().len(), 1);
}

#[test]
fn a_repeat_under_a_newer_epoch_raises_the_epoch_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path()).unwrap();
    spool.take(order(1, 1), None, Micros(1), "boot").unwrap();
    let newer = Epoch { number: 2, holder: Uuid::from_u128(2) };
    spool.reorder(&order(1, 1).token, newer).unwrap();
    spool.take(order(1, 1), None, Micros(9), "boot").unwrap();
    assert_eq!(spool.memory().epoch, Some(newer));
    assert_eq!(spool.entry(&order(1, 1).token).unwrap().order.epoch, newer);
    assert_eq!(spool.entry(&order(1, 1).token).unwrap().taken, Micros(1));
}

#[test]
fn fault_09_a_spool_that_is_gone_is_not_taken_for_a_fresh_one() {
    let folder = tempfile::tempdir().unwrap();
    drop(Spool::open(folder.path()).unwrap());
    std::fs::remove_file(folder.path().join("spool.log")).unwrap();
    let error = Spool::open(folder.path()).unwrap_err();
    assert!(matches!(error, SpoolError::Gone { .. }));
    assert_eq!(error.problem().code, "LB2126");
    Spool::reset(folder.path(), Micros(1)).unwrap();
    Spool::open(folder.path()).unwrap();
}

#[test]
fn compaction_forgets_only_what_was_closed_long_ago() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path()).unwrap();
    for run in 1..=3 {
        spool.take(order(run, 1), None, Micros(1), "boot").unwrap();
        spool.begin(&order(run, 1).token, Micros(1)).unwrap();
        spool.end(&order(run, 1).token, done(), Micros(1), Micros(2), Duration::ZERO).unwrap();
        spool.delivered(&order(run, 1).token, Micros(2)).unwrap();
    }
    spool.close(RunId(Uuid::from_u128(1)), Micros(10)).unwrap();
    spool.close(RunId(Uuid::from_u128(2)), Micros(100)).unwrap();
    let mut memory = Memory::default();
    for record in spool.memory().compacted(Micros(50)) {
        memory.apply(record).unwrap();
    }
    let known = |run| memory.entries.contains_key(&order(run, 1).token.key());
    assert!(!known(1) && known(2) && known(3));
    assert_eq!(memory.epoch, spool.memory().epoch);
    assert_eq!(memory.entries[&order(3, 1).token.key()], spool.memory().entries[&order(3, 1).token.key()]);
}

#[test]
fn a_refused_order_keeps_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path()).unwrap();
    spool.take_refused(order(1, 1), Problem::new("LB2110", "no", "list it"), Micros(1), "boot").unwrap();
    drop(spool);
    let spool = Spool::open(folder.path()).unwrap();
    let State::Ended(end) = &spool.entry(&order(1, 1).token).unwrap().state else { panic!("not ended") };
    assert!(matches!(&end.outcome, Outcome::Refused { problem } if problem.code == "LB2110"));
}

#[test]
fn a_record_that_is_too_large_is_refused_and_the_spool_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path()).unwrap();
    spool.take(order(1, 1), None, Micros(1), "boot").unwrap();
    spool.begin(&order(1, 1).token, Micros(1)).unwrap();
    let outcome = Outcome::Succeeded { output: serde_json::json!("x".repeat(log::MAX_RECORD_BYTES)) };
    let refused = spool.end(&order(1, 1).token, outcome, Micros(1), Micros(2), Duration::ZERO);
    assert!(matches!(refused, Err(SpoolError::TooLarge { .. })));
    spool.end(&order(1, 1).token, done(), Micros(1), Micros(2), Duration::ZERO).unwrap();
}

#[test]
fn fault_07_an_order_that_was_to_begin_at_once_and_was_torn_in_between_has_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool.log");
    let mut spool = Spool::open(folder.path()).unwrap();
    let before = std::fs::metadata(&path).unwrap().len();
    spool.take_and_begin(order(1, 1), Micros(1), "boot").unwrap();
    drop(spool);
    let whole = std::fs::read(&path).unwrap();
    let mut states = Vec::new();
    for length in usize::try_from(before).unwrap()..=whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        states.push(match spool.entry(&order(1, 1).token).map(|entry| entry.state.clone()) {
            None => "unknown",
            Some(State::Spooled) => "spooled",
            Some(State::Running { .. }) => "begun",
            Some(other) => panic!("{other:?}"),
        });
    }
    states.dedup();
    assert_eq!(states, ["unknown", "spooled", "begun"]);
}

#[test]
fn fault_06_a_delivery_that_the_disk_lost_leaves_the_result_to_be_sent_again_and_nothing_else_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool.log");
    let mut spool = Spool::open(folder.path()).unwrap();
    spool.take_and_begin(order(1, 1), Micros(1), "boot").unwrap();
    spool.end(&order(1, 1).token, done(), Micros(1), Micros(2), Duration::ZERO).unwrap();
    let synced = std::fs::metadata(&path).unwrap().len();
    spool.delivered(&order(1, 1).token, Micros(3)).unwrap();
    assert_eq!(spool.open_entries().len(), 0);
    drop(spool);
    let whole = std::fs::read(&path).unwrap();
    // The power goes: anything between nothing and all of it was written out.
    for length in usize::try_from(synced).unwrap()..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        assert_eq!(spool.open_entries().len(), 1, "{length} of {} bytes", whole.len());
    }
    std::fs::write(&path, &whole).unwrap();
    let mut spool = Spool::open(folder.path()).unwrap();
    assert_eq!(spool.open_entries().len(), 0);
    spool.take(order(1, 2), None, Micros(4), "boot").unwrap();
    drop(spool);
    assert_eq!(Spool::open(folder.path()).unwrap().open_entries().len(), 1);
}
