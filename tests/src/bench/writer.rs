//! A client that writes to whichever of two PostgreSQL servers takes writes, every few milliseconds, and knows
//! what was acknowledged. It waits for no name server: what it sees is the servers' own gap.

use crate::{Failure, postgres::SUPERUSER};
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions, postgres::PgSslMode};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Between two writes, and between two tries of one.
const EVERY: Duration = Duration::from_millis(5);
/// How long a connection and a write may take.
const CONNECT: Duration = Duration::from_millis(200);
const WRITE: Duration = Duration::from_millis(500);

/// The table that it writes to.
pub(super) const SCHEMA: &str = "create table writes (id bigint primary key)";

/// What it has seen until now.
#[derive(Debug, Default)]
struct Seen {
    acknowledged: Vec<i64>,
    last: Option<Instant>,
    longest: Duration,
}

impl Seen {
    fn acknowledge(&mut self, id: i64, now: Instant) {
        let gap = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.longest = self.longest.max(gap);
        self.last = Some(now);
        self.acknowledged.push(id);
    }
}

/// A writing client; it stops when it is dropped.
pub(super) struct Writer {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Begins to write to a database of either server.
    pub(super) fn start(servers: [SocketAddr; 2], database: &str) -> Writer {
        let seen = Arc::<Mutex<Seen>>::default();
        let task = tokio::spawn(write(servers, database.to_owned(), seen.clone()));
        Writer { seen, task }
    }

    /// How many writes were acknowledged.
    pub(super) fn count(&self) -> usize {
        lock(&self.seen).acknowledged.len()
    }

    /// Forgets the longest gap until now: what begins counts.
    pub(super) fn begin(&self) {
        lock(&self.seen).longest = Duration::ZERO;
    }

    /// Stops, and gives the longest time between two acknowledged writes and what was acknowledged.
    pub(super) fn finish(self) -> (Duration, Vec<i64>) {
        let mut seen = lock(&self.seen);
        (seen.longest, std::mem::take(&mut seen.acknowledged))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write(servers: [SocketAddr; 2], database: String, seen: Arc<Mutex<Seen>>) {
    let mut connections = [None, None];
    let mut place = 0;
    for id in 1.. {
        // The same row until somebody has taken it: one whose answer was lost may be there already.
        loop {
            let one = once(&mut connections[place], servers[place], &database, id);
            if one.await.is_ok() {
                break;
            }
            place = 1 - place;
            tokio::time::sleep(EVERY).await;
        }
        lock(&seen).acknowledge(id, Instant::now());
        tokio::time::sleep(EVERY).await;
    }
}

async fn once(
    connection: &mut Option<PgConnection>,
    server: SocketAddr,
    database: &str,
    id: i64,
) -> Result<(), sqlx::Error> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => {
            let options = PgConnectOptions::new_without_pgpass()
                .host(&server.ip().to_string())
                .port(server.port())
                .username(SUPERUSER)
                .database(database)
                .ssl_mode(PgSslMode::Disable);
            let connecting = tokio::time::timeout(CONNECT, PgConnection::connect_with(&options));
            connecting.await.map_err(|_| sqlx::Error::PoolTimedOut)??
        }
    };
    let query = sqlx::query("insert into writes values ($1) on conflict do nothing").bind(id);
    let written = tokio::time::timeout(WRITE, query.execute(&mut open)).await;
    match written.map_err(|_| sqlx::Error::PoolTimedOut)? {
        Ok(_) => {
            *connection = Some(open);
            Ok(())
        }
        Err(error) => {
            // A standby answers that it takes no writes: it is asked again over the same connection.
            let read_only =
                error.as_database_error().and_then(|error| error.code()).is_some_and(|it| it == "25006");
            if read_only {
                *connection = Some(open);
            }
            Err(error)
        }
    }
}

/// The acknowledged rows that a server does not have.
pub(super) async fn lost(
    server: &crate::postgres::Postgres,
    database: &str,
    acknowledged: &[i64],
) -> Result<usize, Failure> {
    let listed =
        server.text_in(database, "select coalesce(string_agg(id::text, ','), '') from writes").await?;
    let there: std::collections::HashSet<i64> = listed.split(',').filter_map(|id| id.parse().ok()).collect();
    Ok(acknowledged.iter().filter(|id| !there.contains(*id)).count())
}
