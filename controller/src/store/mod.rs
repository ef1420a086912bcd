//! The controller's store: SQLite in WAL mode with `synchronous=FULL`, one writer, a few readers.
//!
//! Ordering. Every change goes through one [`Writer`] task that owns the only writing connection. It
//! takes what waits (at most [`writer::MAX_BATCH`] changes), runs each under a savepoint of one
//! transaction, commits once, and only then answers each waiter. So one fsync serves all that wait, a
//! change that fails takes no other with it, and an answer means: it is on the disk. Two processes never
//! write: [`lock::FolderLock`] is held on the data folder for as long as the store is open.
//!
//! A disk that reports an I/O error may have lost what it acknowledged before, and a second fsync would
//! lie: such an error ends the process ([`StoreError::is_fatal`]). A full disk does not: nothing was
//! written, the waiters get [`StoreError::Full`], and the driver tries again when there is space.
//!
//! The SQL is written so that PostgreSQL takes it too; what is SQLite's own stands in this file.

pub mod agents;
pub mod checkpoints;
pub mod error;
pub mod estates;
pub mod held;
pub mod inverses;
pub mod journal;
pub mod leadership;
pub mod lock;
pub mod logins;
pub mod points;
pub mod previews;
pub mod runs;
pub mod scheduled;
pub mod tokens;
pub mod user_tokens;
pub mod writer;

pub use error::StoreError;
pub use writer::Writer;

use lock::FolderLock;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Connections that read.
const READERS: u32 = 4;

/// How long a connection waits for a lock of another.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Name of the database in the data folder.
pub const DATABASE_FILE: &str = "lifeboat.sqlite";

/// The open store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    readers: SqlitePool,
    _lock: Arc<FolderLock>,
}

impl Store {
    /// Opens the store in a data folder, making it when it is new, and brings its tables up to date.
    /// `name` is who we are, for whoever finds the folder locked. The task of the returned
    /// [`writer::WriterTask`] must run for any change to happen.
    pub async fn open(folder: &Path, name: &str) -> Result<(Store, writer::WriterTask), StoreError> {
        let lock = FolderLock::take(folder, name)?;
        let path = folder.join(DATABASE_FILE);
        let opening = |error| StoreError::Open { path: path.clone(), error };
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(opening)?;
        sqlx::migrate!("./migrations/sqlite")
            .run(&mut connection)
            .await
            .map_err(|error| StoreError::Migrate { path: path.clone(), error: Box::new(error) })?;
        connection.ping().await.map_err(opening)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.create_if_missing(false).read_only(true))
            .await
            .map_err(opening)?;
        let (writer, task) = Writer::new(connection);
        Ok((Store { writer, readers, _lock: Arc::new(lock) }, task))
    }

    /// Whoever reads.
    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Whoever writes.
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod audit_tests;
