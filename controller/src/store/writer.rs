//! The one writer, with group commit.
//!
//! See the argument in [`super`]. A waiter that gave up (its request was dropped) changes nothing: its
//! change is committed all the same, as if its answer had been lost on the way.

use super::database::{Connection, Database};
use super::{Led, StoreError, leadership};
use futures::future::{BoxFuture, FutureExt};
use std::sync::{Arc, PoisonError};
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
type Change = Box<dyn for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Done> + Send>;

struct Done {
    keep: bool,
    fatal: bool,
    answer: Answer,
}

#[derive(Clone)]
struct CommitFailed {
    kind: Failure,
    text: String,
}

#[derive(Clone, Copy)]
enum Failure {
    Full,
    Unreachable,
    Other,
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
    database: Database,
    /// None after a server was lost: the next batch connects again.
    connection: Option<Connection>,
    led: Led,
    changes: mpsc::Receiver<Change>,
    on_fatal: OnFatal,
}

impl Writer {
    /// A writer over the only writing connection.
    pub(super) fn new(database: Database, connection: Connection, led: Led) -> (Writer, WriterTask) {
        let (sender, changes) = mpsc::channel(MAX_WAITING);
        let connection = Some(connection);
        let on_fatal = Arc::new(end_process);
        (Writer { changes: sender }, WriterTask { database, connection, led, changes, on_fatal })
    }

    /// Runs `change` in a transaction and returns its value once it is on the disk. When it gives an
    /// error, nothing of it stays.
    pub(crate) async fn write<T, F>(&self, operation: &'static str, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
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
        // A change that is dropped without an answer was never begun, or was cut off with its connection.
        answer.await.unwrap_or_else(|_| match self.changes.is_closed() {
            true => Err(StoreError::Closed),
            false => Err(StoreError::Unreachable { operation, error: sqlx::Error::WorkerCrashed }),
        })
    }
}

impl CommitFailed {
    fn error(self, operation: &'static str) -> StoreError {
        let error = sqlx::Error::Protocol(self.text);
        match self.kind {
            Failure::Full => StoreError::Full { operation },
            Failure::Unreachable => StoreError::Unreachable { operation, error },
            Failure::Other => StoreError::Query { operation, error },
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
        if let Some(mut connection) = self.connection {
            let led = *self.led.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(epoch) = led
                && let Err(error) = leadership::give_up(&mut connection, epoch).await
            {
                tracing::warn!(%error, "the leadership was not given up; it runs out by itself");
            }
            self.database.close(connection).await;
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
        let result =
            match tokio::time::timeout(self.database.commit_within(), self.try_commit(batch, &mut answers))
                .await
            {
                Ok(result) => result,
                Err(_) => {
                    Err(StoreError::Unreachable { operation: "commit", error: sqlx::Error::PoolTimedOut })
                }
            };
        if let Err(StoreError::Unreachable { .. }) = result {
            // Whatever was under way in it is no longer ours to know.
            self.connection = None;
        }
        let failed = result.as_ref().err().map(|error| CommitFailed {
            kind: match error {
                StoreError::Full { .. } => Failure::Full,
                StoreError::Unreachable { .. } => Failure::Unreachable,
                _ => Failure::Other,
            },
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
        // A change that cannot even begin is dropped with its answer; so begin comes after the changes
        // were taken over.
        let changes = std::mem::take(batch);
        let connection = match &mut self.connection {
            Some(connection) => connection,
            lost => lost.insert(self.database.connect().await?),
        };
        execute(connection, self.database.begin(), "begin a transaction").await?;
        let alone = changes.len() == 1;
        for change in changes {
            match run_change(connection, change, alone, answers).await {
                Ok(true) => {}
                // It was the only one: nothing is to be committed.
                Ok(false) => {
                    roll_back(connection).await;
                    return Ok(());
                }
                Err(error) => {
                    roll_back(connection).await;
                    return Err(error);
                }
            }
        }
        if let Err(error) = execute(connection, "commit", "commit").await {
            roll_back(connection).await;
            return Err(error);
        }
        Ok(())
    }
}

async fn execute(
    connection: &mut Connection,
    statement: &'static str,
    operation: &'static str,
) -> Result<(), StoreError> {
    sqlx::query(statement).execute(connection).await.map(drop).map_err(StoreError::query(operation))
}

/// Runs one change and tells whether there is something to commit. One that is not alone has a savepoint,
/// so that what it leaves undone takes no other with it.
async fn run_change(
    connection: &mut Connection,
    change: Change,
    alone: bool,
    answers: &mut Vec<Answer>,
) -> Result<bool, StoreError> {
    if !alone {
        execute(connection, "savepoint change", "mark a change").await?;
    }
    let done = change(connection).await;
    answers.push(done.answer);
    if done.fatal {
        return Err(StoreError::Device { operation: "make a change" });
    }
    if alone {
        return Ok(done.keep);
    }
    if !done.keep {
        execute(connection, "rollback to savepoint change", "undo a change").await?;
    }
    execute(connection, "release savepoint change", "end a change").await?;
    Ok(true)
}

async fn roll_back(connection: &mut Connection) {
    // SQLite may have rolled back by itself (a full disk), a lost server has: then nothing is lost.
    if let Err(error) = sqlx::query("rollback").execute(connection).await {
        tracing::debug!(%error, "nothing was left to roll back");
    }
}

/// Ends the process at once: no destructor may write anything more.
fn end_process(error: &StoreError) {
    tracing::error!(error = %error.problem(), "the disk failed: this controller stops and does not try again");
    eprintln!("lifeboat-controller: LB1213: the disk failed: {}", error.problem());
    std::process::abort();
}
