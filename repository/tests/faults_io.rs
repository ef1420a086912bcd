//! A system that fails one call, or all from some call on: an error with a code or the whole work done, never
//! a panic, and never a success with something missing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use nix::errno::Errno;
use support::operation::{self, Operation, Outcome, failing, numbers};
use support::restic_agrees;
use support::scene::{Files, Scene, contents};
use support::tracer::{Call, Does, Harm};

/// How many calls of a kind are harmed in the quick suite.
const QUICK: u64 = 2;

/// What fails, and how.
type Fault = (Does, Errno);

const STORAGE: [Fault; 11] = [
    (Does::Make, Errno::ENOSPC),
    (Does::Make, Errno::EMFILE),
    (Does::Write, Errno::ENOSPC),
    (Does::Write, Errno::EIO),
    (Does::Sync, Errno::EIO),
    (Does::Name, Errno::EIO),
    (Does::Remove, Errno::EIO),
    (Does::Open, Errno::EMFILE),
    (Does::Open, Errno::EIO),
    (Does::Read, Errno::EIO),
    (Does::Describe, Errno::EIO),
];
const SOURCE: [Fault; 3] = [(Does::Open, Errno::EMFILE), (Does::Open, Errno::EIO), (Does::Read, Errno::EIO)];

/// Not a test of its own: see [`operation::serve`].
#[test]
fn does_one_operation_when_asked() {
    operation::serve();
}

type Snapshots = BTreeMap<repository::Id, Files>;

/// One operation that is harmed on one side.
struct Bench {
    scene: Scene,
    operation: Operation,
    side: PathBuf,
    /// Below it, and of no interest.
    apart: PathBuf,
    before: Snapshots,
}

impl Bench {
    fn new(operation: Operation, side: impl Fn(&Scene) -> PathBuf) -> Self {
        let scene = Scene::of(operation);
        let (side, before) = (side(&scene), scene.snapshots());
        scene.save();
        Self { apart: scene.folder.path().join("nothing"), scene, operation, side, before }
    }

    /// Runs it under every fault, and looks at each outcome.
    fn under(&self, faults: &[Fault], look: impl Fn(&Outcome, Fault)) {
        let (mut harmed, mut errors) = (0, 0);
        for fault in faults {
            let counts = |call: &Call| {
                let path = &call.path;
                call.does == fault.0 && path.starts_with(&self.side) && !path.starts_with(&self.apart)
            };
            self.scene.begin_again();
            let calls = self.scene.run(self.operation, Harm::None, &counts).calls();
            for number in numbers(calls, QUICK) {
                for from_then_on in [false, true] {
                    self.scene.begin_again();
                    let harm = failing(number, fault.1, from_then_on);
                    let outcome = self.scene.run(self.operation, harm, &counts);
                    harmed += 1;
                    errors += u32::from(matches!(outcome, Outcome::Failed { .. }));
                    if let Outcome::Failed { code, .. } = &outcome {
                        assert!(code.starts_with("LB30"), "{code}");
                    }
                    look(&outcome, *fault);
                }
            }
        }
        println!("a {} under {harmed} faults: {errors} errors, nothing lost", self.operation.word());
        assert!(harmed > 0 && errors > 0, "{harmed} faults, {errors} errors");
    }

    /// After a backup that failed there is no new snapshot; after another, one that is whole.
    fn no_snapshot_or_a_whole_one(&self, outcome: &Outcome) {
        self.scene.open().unlock(true).unwrap();
        self.scene.is_intact(&self.before);
        let after = self.scene.snapshots();
        let new: Vec<_> = after.iter().filter(|(id, _)| !self.before.contains_key(id)).collect();
        match outcome {
            Outcome::Failed { .. } => assert!(new.is_empty(), "an error, and a snapshot all the same"),
            _ => assert!(new.len() == 1 && *new[0].1 == contents(&self.scene.source())),
        }
    }
}

#[test]
fn fault_61_a_backup_whose_storage_fails_writes_no_snapshot_and_harms_none() {
    let bench = Bench::new(Operation::Backup, Scene::repository);
    bench.under(&STORAGE, |outcome, _| bench.no_snapshot_or_a_whole_one(outcome));
    restic_agrees(&bench.scene.repository());
}

#[test]
fn fault_61_a_sync_that_fails_never_leads_to_a_snapshot() {
    let mut bench = Bench::new(Operation::Backup, Scene::repository);
    // A lock that is not on disk, or still there, harms no snapshot.
    bench.apart = bench.scene.repository().join("locks");
    bench.under(&[(Does::Sync, Errno::EIO)], |outcome, _| {
        bench.no_snapshot_or_a_whole_one(outcome);
        assert!(
            matches!(outcome, Outcome::Failed { .. }),
            "{outcome:?} although something may not be on disk"
        );
    });
}

#[test]
fn fault_62_a_backup_whose_source_fails_writes_no_snapshot() {
    let bench = Bench::new(Operation::Backup, Scene::source);
    bench.under(&SOURCE, |outcome, _| bench.no_snapshot_or_a_whole_one(outcome));
}

fn a_prune_whose_storage_fails(operation: Operation) {
    let bench = Bench::new(operation, Scene::repository);
    bench.under(&STORAGE, |_, _| {
        bench.scene.open().unlock(true).unwrap();
        bench.scene.is_intact(&bench.before);
    });
    restic_agrees(&bench.scene.repository());
}

#[test]
fn fault_58_a_prune_that_marks_and_whose_storage_fails_loses_nothing() {
    a_prune_whose_storage_fails(Operation::PruneMarks);
}

#[test]
fn fault_58_a_prune_that_removes_and_whose_storage_fails_loses_nothing() {
    a_prune_whose_storage_fails(Operation::PruneRemoves);
}

/// A restore that ends well has brought everything back.
fn complete_or_an_error(bench: &Bench, outcome: &Outcome) {
    if let Outcome::Done { .. } = outcome {
        assert!(contents(&bench.scene.target()) == contents(&bench.scene.source()), "something is missing");
    }
}

#[test]
fn a_restore_whose_storage_fails_says_so() {
    let bench = Bench::new(Operation::Restore, Scene::repository);
    bench.under(&STORAGE, |outcome, _| complete_or_an_error(&bench, outcome));
}

#[test]
fn fault_27_a_restore_whose_target_fails_says_so() {
    let bench = Bench::new(Operation::Restore, Scene::target);
    bench.under(&STORAGE, |outcome, fault| {
        complete_or_an_error(&bench, outcome);
        match (outcome, fault.0) {
            (Outcome::Done { warnings, .. }, Does::Describe) => assert!(*warnings > 0, "nobody was told"),
            (Outcome::Done { .. }, Does::Sync) => panic!("it ended well although nothing may be on disk"),
            _ => {}
        }
    });
}
