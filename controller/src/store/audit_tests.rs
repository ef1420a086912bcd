//! The audit finds what was changed behind the triggers' back, on real files.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::checkpoints::{Audit, Mark};
use super::database::DATABASE_FILE;
use super::runs::NewRun;
use super::tests::plan;
use super::*;
use engine::{Batch, Event};
use model::{Epoch, Micros, RunId, UserName};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::collections::BTreeSet;
use std::time::Duration;
use uuid::Uuid;

const NOW: Micros = Micros(1_800_000_000_000_000);

fn run(number: u128) -> String {
    RunId(Uuid::from_u128(number)).to_string()
}

async fn open(folder: &Path) -> Store {
    loop {
        match Store::open(folder, "main").await {
            Ok((store, task)) => {
                tokio::spawn(task.run());
                return store;
            }
            Err(StoreError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// One more event of a run.
async fn append(store: &Store, epoch: Epoch, before: &Batch, event: Event) -> Batch {
    let (state, head) = (before.state.clone(), before.head.clone());
    let next = Batch::prepare(Some(state), Some(head), before.run, vec![event], NOW, epoch.number).unwrap();
    store.append(epoch, next.clone(), Vec::new()).await.unwrap();
    next
}

/// Three runs with four events each, their appends among each other.
async fn store(folder: &Path) -> Store {
    let store = open(folder).await;
    let epoch = store.lead_at_once("main", 1).await;
    let ada = || UserName::new("ada").unwrap();
    let mut runs = Vec::new();
    for number in 1..=3 {
        let (event, id) = (engine::start(plan(), ada(), None).unwrap(), RunId(Uuid::from_u128(number)));
        let first = Batch::prepare(None, None, id, vec![event], NOW, epoch.number).unwrap();
        store.start(epoch, NewRun { resources: Vec::new(), first: first.clone() }).await.unwrap();
        runs.push(first);
    }
    let events = || {
        let reason = "why".to_string();
        [
            Event::RunStarted,
            Event::PauseRequested { by: ada(), reason: reason.clone() },
            Event::ResumeRequested { by: ada(), reason },
        ]
    };
    for event in events() {
        for run in &mut runs {
            *run = append(&store, epoch, run, event.clone()).await;
        }
    }
    store
}

/// What an audit of a copy finds after somebody did this to it, with the triggers out of the way.
async fn after(statements: &[&str], known: Option<Mark>) -> Audit {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = store(folder.path()).await;
    let whole = store.audit(None).await.unwrap();
    assert_eq!((whole.runs, whole.events, whole.checkpoints), (3, 12, 12));
    assert_eq!(whole.findings, []);
    for name in [DATABASE_FILE.to_string(), format!("{DATABASE_FILE}-wal")] {
        std::fs::copy(folder.path().join(&name), copy.path().join(&name)).unwrap();
    }
    let path = copy.path().join(DATABASE_FILE);
    let options = SqliteConnectOptions::new().filename(&path).foreign_keys(false);
    let mut connection: SqliteConnection = options.connect().await.unwrap();
    let triggers: Vec<String> = sqlx::query_scalar("select name from sqlite_master where type = 'trigger'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert!(triggers.len() >= 4, "{triggers:?}");
    for trigger in triggers {
        let drop = sqlx::AssertSqlSafe(format!("drop trigger {trigger}"));
        sqlx::query(drop).execute(&mut connection).await.unwrap();
    }
    for statement in statements {
        let statement = statement.replace("RUN1", &run(1)).replace("RUN2", &run(2)).replace("RUN3", &run(3));
        let done =
            sqlx::query(sqlx::AssertSqlSafe(statement.clone())).execute(&mut connection).await.unwrap();
        assert!(done.rows_affected() > 0, "it damages nothing: {statement}");
    }
    connection.close().await.unwrap();
    open(copy.path()).await.audit(known).await.unwrap()
}

/// Runs and events that are named, and all words.
async fn found(statements: &[&str]) -> (BTreeSet<(String, u64)>, String) {
    let audit = after(statements, None).await;
    let named = audit.findings.iter().map(|one| (one.run.clone(), one.sequence)).collect();
    let words: Vec<&str> = audit.findings.iter().map(|one| one.what.as_str()).collect();
    (named, words.join("; "))
}

fn only(number: u128, sequence: u64) -> BTreeSet<(String, u64)> {
    BTreeSet::from([(run(number), sequence)])
}

#[tokio::test]
async fn a_changed_event_is_named() {
    let change =
        "update journal set event = replace(event, 'ada', 'eve') where run = 'RUN2' and sequence = 3";
    let (named, words) = found(&[change]).await;
    assert_eq!(named, only(2, 3), "{words}");
    let (named, _) = found(&["update journal set at = at + 1 where run = 'RUN1' and sequence = 2"]).await;
    assert_eq!(named, only(1, 2));
    let (named, words) = found(&["update journal set event = '{' where run = 'RUN1' and sequence = 4"]).await;
    assert_eq!(named, only(1, 4), "{words}");
}

#[tokio::test]
async fn a_removed_event_is_named() {
    let (named, words) = found(&["delete from journal where run = 'RUN2' and sequence = 2"]).await;
    assert_eq!((named, words.as_str()), (only(2, 2), "the event is gone"));
    let (named, _) = found(&["delete from journal where run = 'RUN2' and sequence = 1"]).await;
    assert_eq!(named, only(2, 1));
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_missed_also_when_the_runs_row_agrees() {
    let cut = "delete from journal where run = 'RUN3' and sequence > 2";
    let (named, _) = found(&[cut]).await;
    assert!(named.contains(&(run(3), 3)), "{named:?}");
    let agree = "update runs set sequence = 2, status = 'running', head = \
                 (select hash from journal where run = 'RUN3' and sequence = 2) where run = 'RUN3'";
    let (named, words) = found(&[cut, agree]).await;
    assert_eq!(named, only(3, 3), "{words}");
    assert!(words.contains("a checkpoint has 4"), "{words}");
}

#[tokio::test]
async fn a_run_that_was_removed_as_a_whole_is_missed() {
    let (named, words) =
        found(&["delete from journal where run = 'RUN2'", "delete from runs where run = 'RUN2'"]).await;
    assert_eq!(named, only(2, 4));
    assert!(words.contains("the run is gone"), "{words}");
    let (named, words) = found(&["delete from runs where run = 'RUN2'"]).await;
    assert_eq!(named, only(2, 4));
    assert!(words.contains("events without a run"), "{words}");
}

#[tokio::test]
async fn events_in_another_order_are_named() {
    let swap = [
        "update journal set sequence = 99 where run = 'RUN1' and sequence = 2",
        "update journal set sequence = 2 where run = 'RUN1' and sequence = 3",
        "update journal set sequence = 3 where run = 'RUN1' and sequence = 99",
    ];
    let (named, words) = found(&swap).await;
    assert_eq!(named, only(1, 2), "{words}");
}

#[tokio::test]
async fn an_event_that_was_written_by_hand_has_no_checkpoint() {
    // Its hash is right: whoever can write knows how to compute it.
    let probe = tempfile::tempdir().unwrap();
    let store = store(probe.path()).await;
    let loaded = store.load(RunId(Uuid::from_u128(1))).await.unwrap();
    let rows: Vec<_> = loaded.entries.iter().map(|entry| entry.recorded.clone()).collect();
    let (by, reason) = (UserName::new("eve").unwrap(), String::new());
    let event = vec![Event::PauseRequested { by, reason }];
    let state = Some(engine::replay(&rows).unwrap());
    let forged = Batch::prepare(state, Some(loaded.head), RunId(Uuid::from_u128(1)), event, NOW, 1).unwrap();
    let entry = &forged.entries[0];
    let insert = format!(
        "insert into journal (run, sequence, at, epoch, event, hash, previous) \
         select 'RUN1', 5, {}, 1, '{}', '{}', head from runs where run = 'RUN1'",
        NOW.0, entry.text, entry.hash
    );
    let row = format!(
        "update runs set sequence = 5, status = 'paused', head = '{}' where run = 'RUN1'",
        entry.hash
    );
    let (named, words) = found(&[&insert, &row]).await;
    assert_eq!((named, words.as_str()), (only(1, 5), "no checkpoint has the event"));
}

#[tokio::test]
async fn checkpoints_themselves_are_neither_changed_nor_removed_nor_reordered() {
    let (named, words) = found(&["update checkpoints set head = hash where number = 5"]).await;
    assert!(named.contains(&(run(2), 2)) && words.contains("checkpoint 5 was changed"), "{named:?} {words}");
    let (_, words) = found(&["delete from checkpoints where number = 6"]).await;
    assert!(words.contains("checkpoints 6 to 6 are gone"), "{words}");
    let swap = [
        "update checkpoints set number = 99 where number = 7",
        "update checkpoints set number = 7 where number = 8",
        "update checkpoints set number = 8 where number = 99",
    ];
    let (_, words) = found(&swap).await;
    assert!(words.contains("checkpoint 7 was changed, or does not follow"), "{words}");
    let (named, words) = found(&["delete from checkpoints where number >= 10"]).await;
    assert_eq!(named.len(), 3, "{words}");
    assert!(words.contains("no checkpoint has the event"), "{words}");
}

#[tokio::test]
async fn what_was_taken_from_every_end_at_once_only_a_checkpoint_written_down_elsewhere_can_tell() {
    let end = [
        "delete from journal where run = 'RUN3' and sequence = 4",
        "update runs set sequence = 3, status = 'paused', head = \
         (select hash from journal where run = 'RUN3' and sequence = 3) where run = 'RUN3'",
        "delete from checkpoints where number = 12",
    ];
    assert_eq!(after(&end, None).await.findings, []);
    let folder = tempfile::tempdir().unwrap();
    let known = store(folder.path()).await.audit(None).await.unwrap().last.unwrap();
    assert_eq!(known.number, 12);
    let audit = after(&end, Some(known)).await;
    assert_eq!((audit.findings.len(), audit.findings[0].sequence), (1, 12));
}

#[tokio::test]
async fn a_runs_row_that_says_otherwise_than_its_journal_is_named() {
    let (named, words) = found(&["update runs set requested_by = 'eve' where run = 'RUN1'"]).await;
    assert_eq!(named, only(1, 4));
    assert!(words.contains("requested by \"eve\", its journal \"ada\""), "{words}");
}

#[tokio::test]
async fn runs_from_before_there_were_checkpoints_get_them_at_the_next_start() {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    store(folder.path()).await;
    for name in [DATABASE_FILE.to_string(), format!("{DATABASE_FILE}-wal")] {
        std::fs::copy(folder.path().join(&name), copy.path().join(&name)).unwrap();
    }
    let options = SqliteConnectOptions::new().filename(copy.path().join(DATABASE_FILE));
    let mut connection = options.connect().await.unwrap();
    for statement in ["drop trigger checkpoints_are_never_deleted", "delete from checkpoints"] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let old = open(copy.path()).await;
    old.first_checkpoints(NOW).await.unwrap();
    old.first_checkpoints(NOW).await.unwrap();
    let audit = old.audit(None).await.unwrap();
    assert_eq!((audit.checkpoints, audit.findings.as_slice()), (3, &[][..]));
}
