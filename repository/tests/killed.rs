//! Killed with SIGKILL at every write: what was stored before stays, and what was stored by then is used again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;
use std::time::Duration;

use support::operation::{self, DAY, Operation, Outcome, numbers};
use support::restic_agrees;
use support::scene::{Scene, contents};
use support::tracer::{Call, Harm};
use support::trees::look;

/// How many kills of an operation in the quick suite.
const QUICK: u64 = 24;
/// Stock restic looks at the result of every such kill.
const RESTIC_EVERY: usize = 6;

/// Not a test of its own: see [`operation::serve`].
#[test]
fn does_one_operation_when_asked() {
    operation::serve();
}

fn changes_below(folder: &Path) -> impl Fn(&Call) -> bool + use<> {
    let folder = folder.to_owned();
    move |call: &Call| call.does.changes() && call.path.starts_with(&folder)
}

/// Runs an operation once to count its writes below `folder`, then kills it at them, each time from the start.
fn kill_at_each(scene: &Scene, operation: Operation, folder: &Path, mut look_after: impl FnMut(usize)) {
    scene.save();
    let calls = scene.run(operation, Harm::None, &changes_below(folder)).calls();
    assert!(calls > 10, "{calls} writes of a {} are too few to be all", operation.word());
    let mut kills = 0;
    for (n, number) in numbers(calls, QUICK).into_iter().enumerate() {
        scene.begin_again();
        // Threads do not always do the same in the same order; the last writes may be fewer.
        if let Outcome::Killed = scene.run(operation, Harm::Kill(number), &changes_below(folder)) {
            kills += 1;
            look_after(n);
        }
    }
    println!("a {} was killed at {kills} of its {calls} writes", operation.word());
    assert!(kills >= numbers(calls, QUICK).len() * 9 / 10, "{kills} of {calls}");
}

/// The killed process's lock is honoured until it is stale; here somebody says that it is dead.
fn unlock(scene: &Scene) {
    scene.open().unlock(true).unwrap();
}

#[test]
fn fault_57_kill_9_at_every_write_of_a_backup_loses_nothing_and_nothing_is_sent_again() {
    // In the full suite enough for several packs, and an index on the way.
    let scene = Scene::sized(Operation::Backup, if support::is_full() { 40_000_000 } else { 300_000 });
    let (before, source) = (scene.snapshots(), contents(&scene.source()));
    let blobs_before = scene.open().stats().unwrap().blobs;
    scene.save();
    let blobs_new = scene.back_up().blobs_new;
    scene.begin_again();
    // Folders above the source may have changed: other tests share the temporary folder.
    let above = scene.source().components().count() as u64;
    kill_at_each(&scene, Operation::Backup, &scene.repository(), |n| {
        scene.is_intact(&before);
        let repo = scene.open();
        let after = scene.snapshots();
        for (id, files) in &after {
            assert!(before.contains_key(id) || *files == source, "a snapshot that is not whole");
        }
        unlock(&scene);
        let found = repo.stats().unwrap().blobs - blobs_before;
        let again = scene.back_up();
        assert!(
            again.blobs_new + found <= blobs_new + above,
            "{} blobs sent, though {found} of {blobs_new} were there",
            again.blobs_new
        );
        assert!(scene.restored(&scene.open(), &repository::Filter::default()) == source);
        if n % RESTIC_EVERY == 0 {
            restic_agrees(&scene.repository());
        }
    });
}

fn kill_a_prune(operation: Operation, later: Duration) {
    let scene = Scene::of(operation);
    let before = scene.snapshots();
    kill_at_each(&scene, operation, &scene.repository(), |n| {
        unlock(&scene);
        scene.is_intact(&before);
        if n % RESTIC_EVERY == 0 {
            restic_agrees(&scene.repository());
        }
        operation::prune(&scene.open(), later + 2 * DAY).unwrap();
        operation::prune(&scene.open(), later + 4 * DAY).unwrap();
        scene.is_intact(&before);
        assert_eq!(scene.open().stats().unwrap().packs_unindexed, 0, "nothing is left behind");
    });
}

#[test]
fn fault_58_kill_9_at_every_write_of_a_prune_that_marks_loses_nothing_and_it_can_be_run_again() {
    kill_a_prune(Operation::PruneMarks, Duration::ZERO);
}

#[test]
fn fault_58_kill_9_at_every_write_of_a_prune_that_removes_loses_nothing_and_it_can_be_run_again() {
    kill_a_prune(Operation::PruneRemoves, 2 * DAY);
}

#[test]
fn kill_9_at_every_write_of_a_restore_and_a_second_run_completes_it() {
    let scene = Scene::of(Operation::Restore);
    let (before, source) = (scene.snapshots(), look(&scene.source()));
    kill_at_each(&scene, Operation::Restore, &scene.target(), |n| {
        if n % RESTIC_EVERY == 0 {
            scene.is_intact(&before);
        }
        assert_eq!(operation::restore(&scene.open(), &scene.source(), &scene.target()).unwrap(), 0);
        assert_eq!(look(&scene.target()), source);
    });
}
