//! The controller's store: SQLite in WAL mode with `synchronous=FULL` in the data folder, or a PostgreSQL
//! that several controllers share. One writer, a few readers.
//!
//! Ordering. Every change goes through one [`Writer`] task that owns the only writing connection. It
//! takes what waits (at most [`writer::MAX_BATCH`] changes), runs each under a savepoint of one
//! transaction, commits once, and only then answers each waiter. So one fsync serves all that wait, a
//! change that fails takes no other with it, and an answer means: it is on the disk. Two processes never
//! use one data folder: [`lock::FolderLock`] is held on it for as long as the store is open. On a shared
//! server whoever does not lead is refused in the transaction itself: see [`leadership`].
//!
//! A disk that reports an I/O error may have lost what it acknowledged before, and a second fsync would
//! lie: such an error ends the process ([`StoreError::is_fatal`]). A full disk does not: nothing was
//! written, the waiters get [`StoreError::Full`], and the driver tries again when there is space. Nor does
//! a server that does not answer: the waiters get [`StoreError::Unreachable`], and whether their change
//! stands is found when they try again, because every append says what it follows.
//!
//! One text of SQL serves both: see [`database`].

pub mod agents;
pub mod authority;
pub mod checkpoints;
pub mod database;
mod durability;
pub mod error;
pub mod estates;
pub mod held;
pub mod inverses;
pub mod journal;
pub mod leadership;
pub mod leases;
pub mod lock;
pub mod logins;
pub mod merge;
pub mod points;
pub mod previews;
pub mod rescue;
pub mod runs;
pub mod scheduled;
pub mod tokens;
pub mod user_tokens;
pub mod writer;

pub use database::DATABASE_FILE;
pub use error::StoreError;
pub use writer::Writer;

use database::Database;
use lock::FolderLock;
use model::Epoch;
use sqlx::AnyPool;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The open store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    readers: AnyPool,
    shared: bool,
    led: Led,
    lock: Arc<FolderLock>,
}

/// The epoch under which this process has led last.
type Led = Arc<Mutex<Option<Epoch>>>;

impl Store {
    /// Opens the store in the file of a data folder.
    pub async fn open(folder: &Path, name: &str) -> Result<(Store, writer::WriterTask), StoreError> {
        Store::open_in(folder, name, Database::in_folder(folder)).await
    }

    /// Opens the store of a data folder in a database, making its tables when they are new, and brings
    /// them up to date. `name` is who we are, for whoever finds the folder locked. The task of the returned
    /// [`writer::WriterTask`] must run for any change to happen.
    pub async fn open_in(
        folder: &Path,
        name: &str,
        database: Database,
    ) -> Result<(Store, writer::WriterTask), StoreError> {
        let lock = FolderLock::take(folder, name)?;
        let mut connection = database.connect().await?;
        database.migrate(&mut connection).await?;
        let readers = database.readers().await?;
        let shared = database.is_shared();
        let led = Led::default();
        let (writer, task) = Writer::new(database, connection, led.clone());
        Ok((Store { writer, readers, shared, led, lock: Arc::new(lock) }, task))
    }

    /// Whether other controllers may share the database.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Where this process runs: the boot of its host and the locked data folder on it. Whoever led from
    /// here before is dead, or we would not have the lock. None when the kernel does not name its boot.
    pub fn place(&self, boot_id: &str) -> Option<String> {
        let folder = self.lock.identity()?;
        (!boot_id.is_empty()).then(|| format!("{boot_id}:{folder}"))
    }

    /// Whoever reads.
    pub(crate) fn readers(&self) -> &AnyPool {
        &self.readers
    }

    /// Whoever writes.
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }
}

#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;

#[cfg(test)]
mod audit_tests;
#[cfg(test)]
mod merge_tests;

#[cfg(test)]
impl Store {
    /// Takes the leadership from whoever has it, without a look at the time.
    pub(crate) async fn lead_at_once(&self, name: &str, holder: u128) -> Epoch {
        let (name, holder) = (name.to_string(), uuid::Uuid::from_u128(holder));
        let length = std::time::Duration::from_secs(5);
        let claim = leadership::Claim { name, holder, place: String::new(), length };
        let seen = self.leadership().await.unwrap_or_default();
        self.lead(claim, &seen, model::Micros(1)).await.unwrap_or(Epoch { number: 0, holder })
    }
}
