//! The two databases that the store can lie in, and all that differs between them.
//!
//! Statements are one text for both: `$1` for values, texts and 64-bit numbers alone, `on conflict`. What
//! one of them says in another way stands here: how a connection is made ready, how a transaction begins,
//! how a row is shared, what time it is, how long a commit may take, and how the file is closed. Only
//! the tables' files (`migrate`) exist twice.

use super::{StoreError, durability};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyRow};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A connection to either.
pub(crate) type Connection = AnyConnection;
/// A row of either.
pub(crate) type DbRow = AnyRow;

/// Connections that read.
const READERS: u32 = 4;
/// How long a server may take to let us in.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Name of the database in the data folder.
pub const DATABASE_FILE: &str = "lifeboat.sqlite";

/// Where the store lies.
#[derive(Clone)]
pub enum Database {
    /// A file of SQLite in the data folder, for one controller.
    Sqlite(PathBuf),
    /// A server that several controllers share.
    Postgres(Server),
}

/// A PostgreSQL.
#[derive(Clone)]
pub struct Server {
    options: AnyConnectOptions,
    /// Whether no synchronous standby is needed.
    pub(super) without_standby: bool,
    patience: Duration,
}

impl Server {
    /// A server by its URL, which holds no password. `patience` bounds one commit, and is the time after
    /// which the server ends a transaction whose controller says nothing more.
    pub fn new(
        url: &str,
        password: Option<&str>,
        without_standby: bool,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        let bad = |error| StoreError::Open { database: "the database of the settings".to_string(), error };
        let mut options: AnyConnectOptions = url.parse().map_err(bad)?;
        if let Some(password) = password {
            options.database_url.set_password(Some(password)).map_err(|()| {
                bad(sqlx::Error::Configuration("the URL has no place for a password".into()))
            })?;
        }
        Ok(Self { options: options.disable_statement_logging(), without_standby, patience })
    }
}

impl Server {
    /// Whether the URL holds a password, which it should not.
    pub fn has_password(&self) -> bool {
        let url = &self.options.database_url;
        url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password")
    }
}

/// Where it is, without user and password.
impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = &self.options.database_url;
        write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(url.path())
    }
}

impl std::fmt::Display for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Database::Sqlite(path) => write!(f, "{}", path.display()),
            Database::Postgres(server) => server.fmt(f),
        }
    }
}

impl Database {
    /// The file of a data folder.
    pub fn in_folder(folder: &Path) -> Self {
        Database::Sqlite(folder.join(DATABASE_FILE))
    }

    /// Whether several controllers may share it.
    pub fn is_shared(&self) -> bool {
        matches!(self, Database::Postgres(_))
    }

    /// A connection that writes, made ready, to a database that keeps what it acknowledges.
    pub(crate) async fn connect(&self) -> Result<Connection, StoreError> {
        sqlx::any::install_default_drivers();
        let opening = |error| StoreError::Open { database: self.to_string(), error };
        let (options, ready) = match self {
            Database::Sqlite(path) => (file(path, "rwc").map_err(opening)?, SQLITE_WRITER.to_string()),
            Database::Postgres(server) => (server.options.clone(), server.session()),
        };
        let late = |_| opening(sqlx::Error::PoolTimedOut);
        let connecting = tokio::time::timeout(CONNECT_WITHIN, options.connect());
        let mut connection = connecting.await.map_err(late)?.map_err(opening)?;
        run(&mut connection, ready).await.map_err(opening)?;
        if let Database::Postgres(server) = self {
            durability::require(&mut connection, server).await?;
        }
        Ok(connection)
    }

    /// Connections that read.
    pub(crate) async fn readers(&self) -> Result<AnyPool, StoreError> {
        let opening = |error| StoreError::Open { database: self.to_string(), error };
        let (options, ready) = match self {
            Database::Sqlite(path) => (file(path, "ro").map_err(opening)?, SQLITE_READER),
            Database::Postgres(server) => (server.options.clone(), POSTGRES_READER),
        };
        AnyPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(CONNECT_WITHIN)
            .after_connect(move |connection, _| {
                Box::pin(async move { run(connection, ready.to_string()).await })
            })
            .connect_with(options)
            .await
            .map_err(opening)
    }

    /// Brings the tables up to date.
    pub(crate) async fn migrate(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let migrated = match self {
            Database::Sqlite(_) => sqlx::migrate!("./migrations/sqlite").run(connection).await,
            Database::Postgres(_) => sqlx::migrate!("./migrations/postgres").run(connection).await,
        };
        migrated.map_err(|error| StoreError::Migrate { database: self.to_string(), error: Box::new(error) })
    }

    /// How a transaction that writes begins.
    pub(crate) fn begin(&self) -> &'static str {
        match self {
            // The lock at once: a reader that becomes a writer could be refused halfway.
            Database::Sqlite(_) => "begin immediate",
            Database::Postgres(_) => "begin",
        }
    }

    /// The bound of one commit with all that it commits. A disk has none: it answers or fails.
    pub(crate) fn commit_within(&self) -> Duration {
        match self {
            Database::Sqlite(_) => Duration::MAX,
            Database::Postgres(server) => server.patience,
        }
    }

    /// The last that a writer does.
    pub(crate) async fn close(&self, mut connection: Connection) {
        if let Database::Sqlite(_) = self {
            // A clean stop leaves one file, so that a copy of it is a copy of everything. Readers may hold it up.
            let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await;
            if let Err(error) = folded {
                tracing::debug!(%error, "the log was not folded into the database; it recovers when it is opened");
            }
        }
        if let Err(error) = connection.close().await {
            tracing::warn!(%error, "the database did not close cleanly; it recovers when it is opened");
        }
    }
}

/// What a connection to SQLite needs that writes. It waits for 5 s for a lock of another, and folds its log into
/// the file each 16 MiB: pages that change with each step are then written there once in hundreds of steps.
const SQLITE_WRITER: &str = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = on; \
     PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096";
/// What one needs that reads.
const SQLITE_READER: &str = "PRAGMA busy_timeout = 5000";
/// What one to a server needs that reads.
const POSTGRES_READER: &str = "set default_transaction_read_only = on";

impl Server {
    /// What a session needs that writes. A transaction whose controller was frozen or cut off is ended by
    /// the server, and with it its hold on the leadership.
    fn session(&self) -> String {
        let ms = (self.patience / 2).as_millis();
        format!(
            "set idle_in_transaction_session_timeout = {ms}; set lock_timeout = {ms}; \
             set statement_timeout = 0; set default_transaction_isolation = 'read committed'"
        )
    }
}

async fn run(connection: &mut Connection, statements: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(connection).await.map(drop)
}

/// The options of a SQLite file.
fn file(path: &Path, mode: &str) -> Result<AnyConnectOptions, sqlx::Error> {
    let mut options: AnyConnectOptions = "sqlite:///".parse()?;
    let path = std::path::absolute(path).map_err(sqlx::Error::Io)?;
    options.database_url.set_path(&path.to_string_lossy().replace('%', "%25"));
    options.database_url.set_query(Some(&format!("mode={mode}")));
    Ok(options.disable_statement_logging())
}

/// Whether a connection is one to a shared server.
fn is_postgres(connection: &Connection) -> bool {
    connection.backend_name() == "PostgreSQL"
}

/// At the end of a `select`: nobody may change the row of `table` until this transaction has ended. In
/// SQLite nobody else writes at all.
pub(crate) fn share(connection: &Connection, table: &str) -> String {
    if is_postgres(connection) { format!(" for share of {table}") } else { String::new() }
}

/// The database's own time in microseconds since the epoch, as an expression.
pub(crate) fn now(connection: &Connection) -> &'static str {
    match is_postgres(connection) {
        true => "cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)",
        false => "cast((julianday('now') - 2440587.5) * 86400000000 as bigint)",
    }
}
