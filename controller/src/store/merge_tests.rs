//! The old controller goes on from a rescue's store, on real files.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::database::DATABASE_FILE;
use super::rescue::RescueRow;
use super::runs::NewRun;
use super::tests::plan;
use super::*;
use crate::rescue::import::import;
use crate::settings::Settings;
use engine::{Batch, Event};
use model::{Epoch, Micros, RunId, UserName};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const NOW: Micros = Micros(1_800_000_000_000_000);

fn ada() -> UserName {
    UserName::new("ada").unwrap()
}

/// A store that is open until it is closed.
struct Open {
    store: Store,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    epoch: Epoch,
}

impl Open {
    async fn at(folder: &Path, holder: u128) -> Open {
        std::fs::write(folder.join("ca.pem"), "the same").unwrap();
        let (store, task) = Store::open(folder, "main").await.unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(task.run_until(stop.clone()));
        let epoch = store.lead_at_once("main", holder).await;
        Open { store, stop, task, epoch }
    }

    async fn start(&self, number: u128) -> Batch {
        let (event, id) = (engine::start(plan(), ada(), None).unwrap(), RunId(Uuid::from_u128(number)));
        let first = Batch::prepare(None, None, id, vec![event], NOW, self.epoch.number).unwrap();
        self.store.start(self.epoch, NewRun { resources: Vec::new(), first: first.clone() }).await.unwrap();
        first
    }

    async fn append(&self, before: &Batch, event: Event) -> Batch {
        let (state, head) = (before.state.clone(), before.head.clone());
        let number = self.epoch.number;
        let next = Batch::prepare(Some(state), Some(head), before.run, vec![event], NOW, number).unwrap();
        self.store.append(self.epoch, next.clone(), Vec::new()).await.unwrap();
        next
    }

    /// The same rows in another store, as a rescue brings them.
    async fn bring(&self, batch: &Batch) {
        let brought = NewRun { resources: Vec::new(), first: batch.clone() };
        self.store.start(self.epoch, brought).await.unwrap();
    }

    async fn close(self) {
        self.stop.cancel();
        drop(self.store);
        self.task.await.unwrap();
    }
}

fn rescue() -> RescueRow {
    RescueRow {
        id: Uuid::from_u128(9),
        epoch: 10_001,
        bundle_at: NOW,
        began_at: NOW,
        waits_for: String::new(),
        collected: true,
    }
}

fn settings(folder: &Path) -> Settings {
    Settings { data: folder.to_path_buf(), ..Settings::default() }
}

fn aside(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.to_string_lossy().contains("before-import")).collect()
}

#[tokio::test]
async fn the_rescues_journals_become_ours_and_what_only_we_have_stays_and_a_fork_is_told() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pause = || Event::PauseRequested { by: ada(), reason: String::new() };
    // Run 1 went on in both from its first event; run 2 is known to the old one alone.
    let ours = Open::at(old.path(), 1).await;
    let (first, only) = (ours.start(1).await, ours.start(2).await);
    ours.append(&first, Event::RunStarted).await;
    ours.append(&only, Event::RunStarted).await;
    let theirs = Open::at(new.path(), 2).await;
    theirs.bring(&first).await;
    let theirs_second = theirs.append(&first, pause()).await;
    theirs.store.continue_rescue(rescue()).await.unwrap();
    theirs.close().await;
    ours.close().await;

    let told = import(&settings(old.path()), new.path(), NOW).await.unwrap();
    assert!(told.contains("1 runs that only this controller had"), "{told}");
    assert!(told.contains(&format!("run {} went on in the rescue from before event 2", first.run)), "{told}");
    assert_eq!(aside(old.path()).len(), 1, "the old store is kept");
    let merged = Open::at(old.path(), 3).await;
    let loaded = merged.store.load(first.run).await.unwrap();
    assert_eq!(loaded.head, theirs_second.head);
    assert_eq!(merged.store.load(only.run).await.unwrap().head.sequence, 2);
    let audit = merged.store.audit(None).await.unwrap();
    assert_eq!((audit.runs, audit.findings), (2, Vec::new()));
    assert_eq!(merged.store.rescue().await.unwrap(), None, "it is a rescue no more");
    merged.close().await;
}

#[tokio::test]
async fn a_store_that_is_no_rescue_or_was_changed_is_not_taken_over_and_ours_stays_as_it_was() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ours = Open::at(old.path(), 1).await;
    let run = ours.start(1).await;
    ours.close().await;
    let theirs = Open::at(new.path(), 2).await;
    theirs.bring(&run).await;
    theirs.close().await;
    let before = std::fs::read(old.path().join(DATABASE_FILE)).unwrap();
    let refused = import(&settings(old.path()), new.path(), NOW).await.unwrap_err();
    assert_eq!(refused.code, "LB1253", "{refused}");

    let theirs = Open::at(new.path(), 3).await;
    theirs.store.continue_rescue(rescue()).await.unwrap();
    let changed = "update runs set head = 'ab' where sequence > 0";
    let change = theirs.store.writer().write("change a store", move |connection| {
        futures::FutureExt::boxed(async move {
            sqlx::query(changed).execute(connection).await.map(drop).map_err(StoreError::query("change it"))
        })
    });
    change.await.unwrap();
    theirs.close().await;
    let refused = import(&settings(old.path()), new.path(), NOW).await.unwrap_err();
    assert_eq!(refused.code, "LB1254", "{refused}");
    assert_eq!(std::fs::read(old.path().join(DATABASE_FILE)).unwrap(), before);
    assert!(aside(old.path()).is_empty());
}
