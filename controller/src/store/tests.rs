#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::database::Database;
use super::leadership::Claim;
use super::runs::{NewRun, Started};
use super::server::PostgresServer;
use super::*;
use engine::{Batch, Event};
use futures::FutureExt;
use model::nouns::Objectives;
use model::{Digest, Epoch, Micros, Mode, Name, RunId, UserName};
use plan::checked::{CheckedPlan, FORMAT, Scenario};
use std::sync::Mutex;
use std::time::Duration;
use uuid::Uuid;

const NOW: Micros = Micros(1_800_000_000_000_000);

struct Bed {
    folder: tempfile::TempDir,
    // Ends with the bed.
    server: Option<PostgresServer>,
    store: Store,
    epoch: Epoch,
}

async fn open(folder: &Path, database: Database) -> Store {
    let (store, task) = Store::open_in(folder, "main", database).await.unwrap();
    tokio::spawn(task.run());
    store
}

async fn sqlite() -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Database::in_folder(folder.path())).await;
    let epoch = store.lead_at_once("main", 1).await;
    Bed { folder, server: None, store, epoch }
}

async fn postgres() -> Bed {
    let (folder, server) = (tempfile::tempdir().unwrap(), PostgresServer::start().await);
    let store = open(folder.path(), server.database()).await;
    let epoch = store.lead_at_once("main", 1).await;
    Bed { folder, server: Some(server), store, epoch }
}

/// What is promised of one database is promised of the other.
async fn beds() -> [Bed; 2] {
    [sqlite().await, postgres().await]
}

/// A plan without steps.
pub(super) fn plan() -> CheckedPlan {
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
    for bed in beds().await {
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
}

#[tokio::test]
async fn of_two_appends_on_one_state_exactly_one_moves_the_run() {
    for bed in beds().await {
        let first = bed.start(1, &[]).await.unwrap();
        let append = || bed.store.append(bed.epoch, next(&first), Vec::new());
        let (a, b) = tokio::join!(append(), append());
        let refused = match (a, b) {
            (Ok(()), Err(error)) | (Err(error), Ok(())) => error,
            other => panic!("{other:?}"),
        };
        assert!(matches!(refused, StoreError::Moved { expected: 1, found: 2, .. }), "{refused}");
    }
}

#[tokio::test]
async fn whoever_led_before_appends_nothing() {
    for bed in beds().await {
        let first = bed.start(1, &[]).await.unwrap();
        let newer = bed.store.lead_at_once("other", 2).await;
        assert_eq!(newer.number, bed.epoch.number + 1);
        let refused = bed.store.append(bed.epoch, next(&first), Vec::new()).await.unwrap_err();
        assert!(matches!(refused, StoreError::EpochOver { ours: 1, current: 2 }), "{refused}");
        let refused = bed.start(2, &[]).await.unwrap_err();
        assert!(matches!(refused, StoreError::EpochOver { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_start_that_is_refused_leaves_nothing_behind() {
    for bed in beds().await {
        bed.start(1, &["source/db", "service/app"]).await.unwrap();
        let refused = bed.start(2, &["record/api", "source/db"]).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Held { resource, .. } if resource == "source/db"),
            "{refused}"
        );
        assert_eq!(bed.store.run(RunId(Uuid::from_u128(2))).await.unwrap(), None);
        bed.start(3, &["record/api"]).await.unwrap();
    }
}

#[tokio::test]
async fn a_change_that_fails_takes_no_other_of_its_batch_with_it() {
    for bed in beds().await {
        let starts = (1..=50).map(|run| {
            let bed = &bed;
            async move { bed.start(run, if run % 2 == 0 { &["source/db"] } else { &[] }).await.is_ok() }
        });
        let good = futures::future::join_all(starts).await.into_iter().filter(|good| *good).count();
        assert_eq!(good, 26, "25 without a resource, and one with it");
        assert_eq!(bed.store.runs(true, 100).await.unwrap().len(), 26);
    }
}

#[tokio::test]
async fn the_epoch_grows_with_each_start_and_journals_stay() {
    for bed in beds().await {
        let first = bed.start(1, &[]).await.unwrap();
        let Bed { folder, server, store, .. } = bed;
        let database = || match &server {
            Some(server) => server.database(),
            None => Database::in_folder(folder.path()),
        };
        drop(store);
        // The lock goes with the last handle, which the writing task drops when it has closed the database.
        let store = loop {
            match Store::open_in(folder.path(), "main", database()).await {
                Ok((store, task)) => {
                    tokio::spawn(task.run());
                    break store;
                }
                Err(StoreError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("{error}"),
            }
        };
        // On a server no lock says when the first one has closed.
        let given_up = async {
            while !store.leadership().await.unwrap().is_given_up() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let soon = tokio::time::timeout(Duration::from_secs(20), given_up).await;
        assert!(soon.is_ok(), "a clean stop gives the leadership up");
        assert_eq!(store.lead_at_once("main", 2).await.number, 2);
        assert_eq!(store.load(first.run).await.unwrap().head, first.head);
    }
}

#[tokio::test]
async fn rows_of_a_journal_are_neither_changed_nor_deleted() {
    for bed in beds().await {
        bed.start(1, &[]).await.unwrap();
        for statement in ["update journal set at = 0", "delete from journal"] {
            let refused = bed.store.writer().write("meddle", move |connection| {
                async move {
                    let meddled = sqlx::query(statement).execute(connection).await;
                    meddled.map(drop).map_err(StoreError::query("meddle"))
                }
                .boxed()
            });
            let refused = refused.await.unwrap_err().problem().to_string();
            assert!(refused.contains("LB1209: journal rows are never"), "{refused}");
        }
    }
}

#[tokio::test]
async fn a_leadership_is_renewed_by_its_holder_alone_and_ends_by_the_databases_clock() {
    for bed in beds().await {
        let seen = bed.store.leadership().await.unwrap();
        assert_eq!((seen.epoch, seen.name.as_str(), seen.has_run_out()), (1, "main", false));
        bed.store.renew(bed.epoch, Duration::from_millis(50)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(bed.store.leadership().await.unwrap().has_run_out());
        bed.store.renew(bed.epoch, Duration::from_secs(5)).await.unwrap();
        assert!(!bed.store.leadership().await.unwrap().has_run_out(), "nobody took it meanwhile");
        let other = Epoch { holder: Uuid::from_u128(9), ..bed.epoch };
        let refused = bed.store.renew(other, Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(refused, StoreError::EpochOver { .. }), "{refused}");
        bed.store.lead_at_once("other", 2).await;
        let refused = bed.store.renew(bed.epoch, Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(refused, StoreError::EpochOver { ours: 1, current: 2 }), "{refused}");
    }
}

#[tokio::test]
async fn of_two_that_saw_the_same_end_one_leads() {
    for bed in beds().await {
        let seen = bed.store.leadership().await.unwrap();
        let claim = |holder| Claim {
            name: "other".to_string(),
            holder: Uuid::from_u128(holder),
            place: String::new(),
            length: Duration::from_secs(5),
        };
        let (a, b) = tokio::join!(bed.store.lead(claim(2), &seen, NOW), bed.store.lead(claim(3), &seen, NOW));
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        // And one who renewed after it was looked at keeps it.
        let seen = bed.store.leadership().await.unwrap();
        let epoch = a.or(b).unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        bed.store.renew(epoch, Duration::from_secs(5)).await.unwrap();
        let refused = bed.store.lead(claim(4), &seen, NOW).await.unwrap_err();
        assert!(matches!(refused, StoreError::EpochOver { .. }), "{refused}");
    }
}

#[tokio::test]
async fn fault_14_an_append_whose_controller_freezes_in_mid_transaction_is_undone_and_the_takeover_goes_on() {
    let bed = postgres().await;
    let first = bed.start(1, &[]).await.unwrap();
    let database = bed.server.as_ref().unwrap().database();
    // What a frozen controller leaves: a transaction that has read the leadership and written, and says no more.
    let mut frozen = database.connect().await.unwrap();
    sqlx::query("begin").execute(&mut frozen).await.unwrap();
    journal::write(&mut frozen, bed.epoch, next(&first)).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let standby = open(other.path(), database).await;
    let began = std::time::Instant::now();
    let newer = loop {
        let epoch = standby.lead_at_once("standby", 2).await;
        if epoch.number > 0 {
            break epoch;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "the takeover hangs on a frozen transaction");
    };
    assert_eq!(newer.number, 2);
    assert!(began.elapsed() > Duration::from_secs(1), "the takeover waited for the row");
    sqlx::query("commit").execute(&mut frozen).await.expect_err("its transaction is over");
    assert_eq!(standby.load(first.run).await.unwrap().head, first.head, "nothing of it stands");
    standby.append(newer, next(&Batch { epoch: 2, ..first.clone() }), Vec::new()).await.unwrap();
    let refused = bed.store.append(bed.epoch, next(&first), Vec::new()).await.unwrap_err();
    assert!(matches!(refused, StoreError::EpochOver { ours: 1, current: 2 }), "{refused}");
}

#[tokio::test]
async fn a_database_that_crashes_is_connected_to_again_and_has_what_it_acknowledged() {
    let mut bed = postgres().await;
    let first = bed.start(1, &[]).await.unwrap();
    bed.server.as_mut().unwrap().crash().await;
    let next = next(&first);
    let mut told = Vec::new();
    loop {
        match bed.store.append(bed.epoch, next.clone(), Vec::new()).await {
            Ok(()) => break,
            // The first try finds the connection broken; a later one may find that it stands.
            Err(StoreError::Moved { .. }) => break,
            Err(error) if told.len() < 50 => told.push(error.to_string()),
            Err(error) => panic!("{error}: {told:?}"),
        }
    }
    assert!(told.iter().all(|text| text.starts_with("LB1221")), "{told:?}");
    assert_eq!(bed.store.load(first.run).await.unwrap().head, next.head);
}

#[tokio::test]
async fn fault_11_a_full_disk_is_told_changes_nothing_and_passes() {
    let bed = sqlite().await;
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
    let after = store.renew(Epoch { number: 1, holder: Uuid::nil() }, Duration::from_secs(5)).await;
    assert!(matches!(after, Err(StoreError::Closed)), "{after:?}");
    assert_eq!(told.lock().unwrap().len(), 1);
}
