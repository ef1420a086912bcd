#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::runs::{NewRun, Started};
use super::*;
use engine::{Batch, Event};
use futures::FutureExt;
use model::nouns::Objectives;
use model::{Digest, Epoch, Micros, Mode, Name, RunId, UserName};
use plan::checked::{CheckedPlan, FORMAT, Scenario};
use std::sync::Mutex;
use uuid::Uuid;

const NOW: Micros = Micros(1_800_000_000_000_000);

struct Bed {
    folder: tempfile::TempDir,
    store: Store,
    epoch: Epoch,
}

async fn open(folder: &Path) -> Store {
    let (store, task) = Store::open(folder, "main").await.unwrap();
    tokio::spawn(task.run());
    store
}

async fn bed() -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let epoch = store.lead("main", Uuid::from_u128(1), NOW).await.unwrap();
    Bed { folder, store, epoch }
}

fn plan() -> CheckedPlan {
    CheckedPlan {
        format: FORMAT,
        name: Name::new("empty").unwrap(),
        title: "Nothing".to_string(),
        mode: Mode::Live,
        scenario: Scenario::default(),
        objectives: Objectives::default(),
        inputs: Default::default(),
        estate: Digest::new("0".repeat(64)).unwrap(),
        steps: Vec::new(),
    }
}

fn first(run: u128, epoch: Epoch) -> Batch {
    let event = engine::start(plan(), UserName::new("ada").unwrap(), None).unwrap();
    Batch::prepare(None, None, RunId(Uuid::from_u128(run)), vec![event], NOW, epoch.number).unwrap()
}

fn next(before: &Batch) -> Batch {
    let (state, head) = (before.state.clone(), before.head.clone());
    Batch::prepare(Some(state), Some(head), before.run, vec![Event::RunStarted], NOW, before.epoch).unwrap()
}

impl Bed {
    async fn start(&self, run: u128, resources: &[&str]) -> Result<Batch, StoreError> {
        let first = first(run, self.epoch);
        let resources = resources.iter().map(ToString::to_string).collect();
        let started = self.store.start(self.epoch, NewRun { resources, first: first.clone() }).await?;
        assert_eq!(started, Started::New);
        Ok(first)
    }
}

#[tokio::test]
async fn what_was_appended_is_read_back_and_the_row_says_the_same() {
    let bed = bed().await;
    let first = bed.start(1, &[]).await.unwrap();
    let next = next(&first);
    bed.store.append(bed.epoch, next.clone(), Vec::new()).await.unwrap();
    let loaded = bed.store.load(first.run).await.unwrap();
    assert_eq!(loaded.head, next.head);
    assert_eq!(loaded.entries, [first.entries, next.entries.clone()].concat());
    let row = bed.store.run(first.run).await.unwrap().unwrap();
    assert_eq!((row.sequence, row.head.as_str()), (2, next.head.hash.as_str()));
    assert_eq!(row.status, next.summary.status);
    assert_eq!(bed.store.hash_at(first.run, 2).await.unwrap().as_deref(), Some(next.head.hash.as_str()));
    assert_eq!(bed.store.hash_at(first.run, 3).await.unwrap(), None);
}

#[tokio::test]
async fn of_two_appends_on_one_state_exactly_one_moves_the_run() {
    let bed = bed().await;
    let first = bed.start(1, &[]).await.unwrap();
    let append = || bed.store.append(bed.epoch, next(&first), Vec::new());
    let (a, b) = tokio::join!(append(), append());
    let refused = match (a, b) {
        (Ok(()), Err(error)) | (Err(error), Ok(())) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused, StoreError::Moved { expected: 1, found: 2, .. }), "{refused}");
}

#[tokio::test]
async fn whoever_led_before_appends_nothing() {
    let bed = bed().await;
    let first = bed.start(1, &[]).await.unwrap();
    let newer = bed.store.lead("other", Uuid::from_u128(2), NOW).await.unwrap();
    assert_eq!(newer.number, bed.epoch.number + 1);
    let refused = bed.store.append(bed.epoch, next(&first), Vec::new()).await.unwrap_err();
    assert!(matches!(refused, StoreError::EpochOver { ours: 1, current: 2 }), "{refused}");
    let refused = bed.start(2, &[]).await.unwrap_err();
    assert!(matches!(refused, StoreError::EpochOver { .. }), "{refused}");
}

#[tokio::test]
async fn a_start_that_is_refused_leaves_nothing_behind() {
    let bed = bed().await;
    bed.start(1, &["source/db", "service/app"]).await.unwrap();
    let refused = bed.start(2, &["record/api", "source/db"]).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Held { resource, .. } if resource == "source/db"), "{refused}");
    assert_eq!(bed.store.run(RunId(Uuid::from_u128(2))).await.unwrap(), None);
    bed.start(3, &["record/api"]).await.unwrap();
}

#[tokio::test]
async fn a_change_that_fails_takes_no_other_of_its_batch_with_it() {
    let bed = bed().await;
    let starts = (1..=50).map(|run| {
        let bed = &bed;
        async move { bed.start(run, if run % 2 == 0 { &["source/db"] } else { &[] }).await.is_ok() }
    });
    let good = futures::future::join_all(starts).await.into_iter().filter(|good| *good).count();
    assert_eq!(good, 26, "25 without a resource, and one with it");
    assert_eq!(bed.store.runs(true, 100).await.unwrap().len(), 26);
}

#[tokio::test]
async fn the_epoch_grows_with_each_start_and_journals_stay() {
    let Bed { folder, store, epoch } = bed().await;
    let bed = Bed { folder, store, epoch };
    let first = bed.start(1, &[]).await.unwrap();
    let Bed { folder, store, .. } = bed;
    drop(store);
    // The lock goes with the last handle, which the writing task drops when it has closed the database.
    let store = loop {
        match Store::open(folder.path(), "main").await {
            Ok((store, task)) => {
                tokio::spawn(task.run());
                break store;
            }
            Err(StoreError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(store.lead("main", Uuid::from_u128(2), NOW).await.unwrap().number, 2);
    assert_eq!(store.load(first.run).await.unwrap().head, first.head);
}

#[tokio::test]
async fn fault_11_a_full_disk_is_told_changes_nothing_and_passes() {
    let bed = bed().await;
    let first = bed.start(1, &[]).await.unwrap();
    let limit = |pages: i64| {
        bed.store.writer().write("limit the file", move |connection| {
            async move {
                let pragma = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
                sqlx::query(pragma).execute(connection).await.map_err(StoreError::query("limit"))?;
                Ok(())
            }
            .boxed()
        })
    };
    let mut last = next(&first);
    bed.store.append(bed.epoch, last.clone(), Vec::new()).await.unwrap();
    // No page more than there are: SQLite says SQLITE_FULL, as it does when the disk is.
    limit(1).await.unwrap();
    let refused = loop {
        let next = padded(&last);
        match bed.store.append(bed.epoch, next.clone(), Vec::new()).await {
            Ok(()) => last = next,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Full { .. }) && !refused.is_fatal(), "{refused}");
    assert_eq!(bed.store.load(last.run).await.unwrap().head, last.head, "nothing of it is there");
    limit(1_000_000).await.unwrap();
    let next = padded(&last);
    bed.store.append(bed.epoch, next.clone(), Vec::new()).await.unwrap();
    assert_eq!(bed.store.load(last.run).await.unwrap().head, next.head);
}

/// A batch that needs pages of its own: a pause, or the end of one.
fn padded(before: &Batch) -> Batch {
    let (by, reason) = (UserName::new("ada").unwrap(), "x".repeat(1900));
    let event = match before.state.sequence % 2 {
        0 => Event::PauseRequested { by, reason },
        _ => Event::ResumeRequested { by, reason },
    };
    let (state, head) = (before.state.clone(), before.head.clone());
    Batch::prepare(Some(state), Some(head), before.run, vec![event], NOW, before.epoch).unwrap()
}

#[derive(Debug)]
struct Failing(&'static str);

impl std::fmt::Display for Failing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the device said so")
    }
}

impl std::error::Error for Failing {}

impl sqlx::error::DatabaseError for Failing {
    fn message(&self) -> &str {
        "the device said so"
    }
    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.0.into())
    }
    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }
    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }
    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }
    fn kind(&self) -> sqlx::error::ErrorKind {
        sqlx::error::ErrorKind::Other
    }
}

#[tokio::test]
async fn fault_12_a_failing_device_stops_the_writer_for_good_and_nothing_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, task) = Store::open(folder.path(), "main").await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    tokio::spawn(
        task.with_on_fatal(Arc::new(move |error| seen.lock().unwrap().push(error.to_string()))).run(),
    );
    // 1034 is SQLITE_IOERR_FSYNC.
    let failed: Result<(), _> = store
        .writer()
        .write("write", |_| {
            let error = sqlx::Error::Database(Box::new(Failing("1034")));
            async move { Err(StoreError::query("write")(error)) }.boxed()
        })
        .await;
    assert!(failed.unwrap_err().is_fatal());
    let after = store.lead("main", Uuid::from_u128(1), NOW).await;
    assert!(matches!(after, Err(StoreError::Closed)), "{after:?}");
    assert_eq!(told.lock().unwrap().len(), 1);
}
