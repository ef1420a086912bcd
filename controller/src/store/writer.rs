//! The one writer, with group commit.
//!
//! See the argument in [`super`]. A waiter that gave up (its request was dropped) changes nothing: its
//! change is committed all the same, as if its answer had been lost on the way.

use super::StoreError;
use futures::future::{BoxFuture, FutureExt};
use sqlx::{Connection, SqliteConnection};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Changes that one commit serves at most.
pub const MAX_BATCH: usize = 256;

/// Changes that wait at most; whoever comes then waits for room.
const MAX_WAITING: usize = 1024;

/// Tells the waiter; its argument says why the commit failed, if it did.
type Answer = Box<dyn FnOnce(Option<CommitFailed>) + Send>;

/// One change: it runs in the transaction and gives whether it stays, and how to answer.
type Change = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Done> + Send>;

struct Done {
    keep: bool,
    fatal: bool,
    answer: Answer,
}

#[derive(Clone)]
struct CommitFailed {
    full: bool,
    text: String,
}

/// What happens when the disk fails: called once, must not return to business.
pub type OnFatal = Arc<dyn Fn(&StoreError) + Send + Sync>;

/// Sends changes to the writing task. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    changes: mpsc::Sender<Change>,
}

/// The writing task: give it to the supervisor.
pub struct WriterTask {
    connection: SqliteConnection,
    changes: mpsc::Receiver<Change>,
    on_fatal: OnFatal,
}

impl Writer {
    /// A writer over the only writing connection.
    pub fn new(connection: SqliteConnection) -> (Writer, WriterTask) {
        let (sender, changes) = mpsc::channel(MAX_WAITING);
        (Writer { changes: sender }, WriterTask { connection, changes, on_fatal: Arc::new(end_process) })
    }

    /// Runs `change` in a transaction and returns its value once it is on the disk. When it gives an
    /// error, nothing of it stays.
    pub async fn write<T, F>(&self, operation: &'static str, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let change: Change = Box::new(move |connection| {
            async move {
                let result = change(connection).await;
                let keep = result.is_ok();
                let fatal = result.as_ref().err().is_some_and(StoreError::is_fatal);
                let answer: Answer = Box::new(move |failed| {
                    let result = match failed {
                        Some(failed) if result.is_ok() => Err(failed.error(operation)),
                        Some(_) | None => result,
                    };
                    // Nobody listens any more: the change stands all the same.
                    let _ = sender.send(result);
                });
                Done { keep, fatal, answer }
            }
            .boxed()
        });
        self.changes.send(change).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl CommitFailed {
    fn error(self, operation: &'static str) -> StoreError {
        match self.full {
            true => StoreError::Full { operation },
            false => StoreError::Query { operation, error: sqlx::Error::Protocol(self.text) },
        }
    }
}

impl WriterTask {
    /// The same task with another end than the end of the process, for tests.
    #[must_use]
    pub fn with_on_fatal(mut self, on_fatal: OnFatal) -> Self {
        self.on_fatal = on_fatal;
        self
    }

    /// Writes until the token is cancelled: what was sent before is still written, what comes later
    /// hears [`StoreError::Closed`].
    pub async fn run_until(mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                taken = self.changes.recv_many(&mut batch, MAX_BATCH) => match taken {
                    0 => break,
                    _ => self.write(&mut batch).await,
                },
            }
        }
        self.changes.close();
        self.run().await;
    }

    /// Writes until every [`Writer`] is gone, then closes the database.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while self.changes.recv_many(&mut batch, MAX_BATCH).await > 0 {
            self.write(&mut batch).await;
        }
        // A clean stop leaves one file, so that a copy of it is a copy of everything. Readers may hold it up.
        let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut self.connection).await;
        if let Err(error) = folded {
            tracing::debug!(%error, "the log was not folded into the database; it recovers when it is opened");
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the database did not close cleanly; it recovers when it is opened");
        }
    }

    async fn write(&mut self, batch: &mut Vec<Change>) {
        let started = Instant::now();
        let size = batch.len();
        if let Err(error) = self.commit(batch).await {
            tracing::error!(error = %error.problem(), "a commit failed");
            if error.is_fatal() {
                (self.on_fatal)(&error);
                self.changes.close();
            }
        }
        metrics::histogram!("lifeboat_journal_append_seconds").record(started.elapsed().as_secs_f64());
        metrics::histogram!("lifeboat_journal_commit_changes").record(size as f64);
    }

    async fn commit(&mut self, batch: &mut Vec<Change>) -> Result<(), StoreError> {
        let mut answers: Vec<Answer> = Vec::with_capacity(batch.len());
        let result = self.try_commit(batch, &mut answers).await;
        let failed = result.as_ref().err().map(|error| CommitFailed {
            full: matches!(error, StoreError::Full { .. }),
            text: error.problem().to_string(),
        });
        for answer in answers {
            answer(failed.clone());
        }
        result
    }

    async fn try_commit(
        &mut self,
        batch: &mut Vec<Change>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), StoreError> {
        // A change that cannot even begin is dropped with its answer, and its waiter hears `Closed`; so
        // begin comes after the changes were taken over.
        let changes = std::mem::take(batch);
        let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut self.connection).await;
        if let Err(error) = begun {
            return Err(StoreError::query("begin a transaction")(error));
        }
        for change in changes {
            if let Err(error) = self.run_change(change, answers).await {
                self.roll_back().await;
                return Err(error);
            }
        }
        if let Err(error) = sqlx::query("COMMIT").execute(&mut self.connection).await {
            self.roll_back().await;
            return Err(StoreError::query("commit")(error));
        }
        Ok(())
    }

    async fn run_change(&mut self, change: Change, answers: &mut Vec<Answer>) -> Result<(), StoreError> {
        let marked = StoreError::query("mark a change");
        sqlx::query("SAVEPOINT change").execute(&mut self.connection).await.map_err(marked)?;
        let done = change(&mut self.connection).await;
        answers.push(done.answer);
        if done.fatal {
            let error = sqlx::Error::Io(std::io::Error::other("the device failed during a change"));
            return Err(StoreError::Query { operation: "write", error });
        }
        if !done.keep {
            let undone = StoreError::query("undo a change");
            sqlx::query("ROLLBACK TO change").execute(&mut self.connection).await.map_err(undone)?;
        }
        let released = StoreError::query("end a change");
        sqlx::query("RELEASE change").execute(&mut self.connection).await.map_err(released)?;
        Ok(())
    }

    async fn roll_back(&mut self) {
        // SQLite may have rolled back by itself (a full disk); then this says so, and nothing is lost.
        if let Err(error) = sqlx::query("ROLLBACK").execute(&mut self.connection).await {
            tracing::debug!(%error, "nothing was left to roll back");
        }
    }
}

/// Ends the process at once: no destructor may write anything more.
fn end_process(error: &StoreError) {
    tracing::error!(error = %error.problem(), "the disk failed: this controller stops and does not try again");
    eprintln!("lifeboat-controller: LB1213: the disk failed: {}", error.problem());
    std::process::abort();
}
