//! Texts that mean harm: whatever a file holds, its check ends soon, in little memory, and never with a panic.
//!
//! Each text is checked in a child process, so that a panic, a full stack or a flood of memory ends that one alone and
//! the peak of its memory is its own. The times are printed and only bounded by what nobody would wait for: they are
//! those of a build that is not optimised, on a machine that does other things too. `cargo xtask bench plan` shows
//! those of a release build.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod child;
mod mutate;
#[path = "../../fuzz/one.rs"]
mod one;
mod texts;

use child::{Measured, PATIENCE, job, spawn};
use std::time::Duration;

/// Most memory of a process that checks one text, its own program included.
const MOST_MIB: f64 = 64.0;
/// What a mutation may take on top, on a busy machine.
const MUTATION: Duration = Duration::from_millis(200);
/// What mutations of the corpus are, by name of the job.
const MUTATIONS: &str = "mutations";

/// What a child does; without a job it is a test like others: the whole corpus, as it is.
#[test]
fn the_corpus_is_checked_without_a_panic() {
    match job() {
        Some(name) if name == MUTATIONS => child::measured(|| mutate::run(mutate::rounds(), mutate::seed())),
        Some(name) => {
            let files = texts::named(&name).expect("a text of that name")();
            child::measured(|| drop(plan::check(&files)));
        }
        None => {
            let corpus = mutate::corpus();
            assert!(corpus.len() >= 90, "{} files", corpus.len());
            corpus.iter().for_each(|(_, bytes)| one::one(bytes));
        }
    }
}

fn checked(group: &str) {
    let names: Vec<&str> = texts::ALL.iter().filter(|one| one.group == group).map(|one| one.name).collect();
    assert!(!names.is_empty());
    let mut wrong = Vec::new();
    for name in names {
        match spawn(name, PATIENCE) {
            Ok(Measured { mib, ms }) if mib <= MOST_MIB => eprintln!("{name:<24} {ms:>8} ms {mib:>6.1} MiB"),
            Ok(Measured { mib, ms }) => wrong.push(format!("{name}: {mib:.1} MiB in {ms} ms")),
            Err(why) => wrong.push(format!("{name}: {why}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn deep_texts_end() {
    checked("deep");
}

#[test]
fn texts_that_grow_end() {
    checked("growing");
}

#[test]
fn long_texts_end() {
    checked("long");
}

#[test]
fn strange_texts_end() {
    checked("strange");
}

#[test]
fn plans_that_are_too_much_end() {
    checked("plans");
}

#[test]
fn mutations_of_the_corpus_end() {
    let patience = PATIENCE + MUTATION * u32::try_from(mutate::rounds()).unwrap();
    let Measured { ms, mib } =
        spawn(MUTATIONS, patience).unwrap_or_else(|why| panic!("{why}; seed {}", mutate::seed()));
    eprintln!("{} mutations: {ms} ms, {mib:.1} MiB", mutate::rounds());
    assert!(mib <= MOST_MIB, "{mib:.1} MiB; seed {}", mutate::seed());
}
