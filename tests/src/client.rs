//! A client under load: it resolves a name, writes ten times a second through whatever address it
//! gets, and keeps count of what was acknowledged. What it counts is what users would have seen:
//! the longest time without an acknowledged write, and acknowledged writes that are gone afterwards.
//!
//! It honours the record's time to live: the address is asked for again when that has passed, and
//! the old one is kept while the server does not answer, as resolvers do.

use std::{
    collections::{BTreeMap, HashSet},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{Failure, app::Write, polling::until, postgres::Postgres, resolve};

/// One write is begun every so often: ten a second.
pub const PERIOD: Duration = Duration::from_millis(100);
/// How long one write may take; then it counts as not acknowledged.
const WRITE: Duration = Duration::from_secs(3);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_millis(500);
/// Writes under way at most; when the app hangs, further ones are counted as failed.
const IN_FLIGHT: usize = 40;
/// The shortest time an address is kept, so that a TTL of zero is not a flood of questions.
const SHORTEST_TTL: Duration = Duration::from_millis(200);
/// How many failures keep their words.
const REASONS: usize = 200;

/// Where the client looks for its app.
#[derive(Debug, Clone)]
pub struct Target {
    /// The authoritative name server.
    pub server: SocketAddr,
    /// The app's name.
    pub name: String,
    /// The app's port, the same in each region.
    pub port: u16,
    /// The client's own name, written with each row.
    pub client: String,
}

/// What the client has seen until now.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Writes begun.
    pub attempted: u64,
    /// The ids that were acknowledged.
    pub acknowledged: Vec<i64>,
    /// Writes that were refused, or not answered in time.
    pub failed: u64,
    /// The longest time between two acknowledged writes, the present one included.
    pub longest_gap: Duration,
    /// Acknowledged writes by the address that took them.
    pub by_address: BTreeMap<Ipv4Addr, u64>,
    /// Failures in words, the first ones.
    pub reasons: Vec<String>,
    last_acknowledged: Option<Instant>,
}

impl Tally {
    fn acknowledge(&mut self, id: i64, at: Ipv4Addr, now: Instant) {
        self.close_gap(now);
        self.last_acknowledged = Some(now);
        self.acknowledged.push(id);
        *self.by_address.entry(at).or_default() += 1;
    }

    fn close_gap(&mut self, now: Instant) {
        if let Some(last) = self.last_acknowledged {
            self.longest_gap = self.longest_gap.max(now.saturating_duration_since(last));
        }
    }

    fn fail(&mut self, why: String) {
        self.failed += 1;
        if self.reasons.len() < REASONS {
            self.reasons.push(why);
        }
    }
}

/// A running client; stopped when dropped.
#[derive(Debug)]
pub struct Client {
    name: String,
    tally: Arc<Mutex<Tally>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Client {
    /// Starts writing.
    ///
    /// # Errors
    /// [`Failure`] when an HTTP client cannot be made.
    pub fn start(target: Target) -> Result<Self, Failure> {
        install_tls();
        let http = reqwest::Client::builder()
            .timeout(WRITE)
            .connect_timeout(CONNECT)
            .no_proxy()
            .build()
            .map_err(|error| Failure::Unexpected(format!("no HTTP client: {error}")))?;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let stop = CancellationToken::new();
        let name = target.client.clone();
        let task = tokio::spawn(write_until(target, http, Arc::clone(&tally), stop.clone()));
        Ok(Self { name, tally, stop, task })
    }

    /// What it has seen until now, the gap that is open right now included.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = lock(&self.tally).clone();
        tally.close_gap(Instant::now());
        tally
    }

    /// Waits until `count` more writes than now have been acknowledged.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] with the last reason of a failed write.
    pub async fn wait_for_writes(&self, count: usize, within: Duration) -> Result<(), Failure> {
        let goal = lock(&self.tally).acknowledged.len() + count;
        until(&format!("{count} acknowledged writes"), within, || async {
            let tally = lock(&self.tally);
            if tally.acknowledged.len() >= goal {
                return Ok(());
            }
            Err(format!("{} of {goal}, {:?}", tally.acknowledged.len(), tally.reasons.last()))
        })
        .await
    }

    /// Waits until the app at `address` has acknowledged a write.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] with the last reason of a failed write.
    pub async fn wait_for_address(&self, address: Ipv4Addr, within: Duration) -> Result<(), Failure> {
        until(&format!("an acknowledged write at {address}"), within, || async {
            let tally = lock(&self.tally);
            if tally.by_address.contains_key(&address) {
                return Ok(());
            }
            Err(format!("{:?}, {:?}", tally.by_address, tally.reasons.last()))
        })
        .await
    }

    /// Stops writing, waits for what is under way, and gives the final count.
    ///
    /// # Errors
    /// [`Failure`] when the client itself died.
    pub async fn finish(mut self) -> Result<Tally, Failure> {
        self.stop.cancel();
        (&mut self.task).await.map_err(|error| Failure::Unexpected(format!("the client died: {error}")))?;
        Ok(lock(&self.tally).clone())
    }

    /// The name that its rows carry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The acknowledged ids of `client` that `database` of `server` does not have.
///
/// # Errors
/// [`Failure::Sql`] when the rows cannot be read.
pub async fn lost(
    tally: &Tally,
    client: &str,
    server: &Postgres,
    database: &str,
) -> Result<Vec<i64>, Failure> {
    let query = format!(
        "select coalesce(string_agg(id::text, ','), '') from writes where client = '{}'",
        client.replace('\'', "''")
    );
    let listed = server.text_in(database, &query).await?;
    let there: HashSet<i64> = listed.split(',').filter_map(|id| id.parse().ok()).collect();
    Ok(tally.acknowledged.iter().copied().filter(|id| !there.contains(id)).collect())
}

/// Gives rustls its one crypto provider; a second call changes nothing.
pub fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn write_until(
    target: Target,
    http: reqwest::Client,
    tally: Arc<Mutex<Tally>>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut address = Kept::default();
    let mut writes = JoinSet::new();
    for id in 1.. {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        while writes.try_join_next().is_some() {}
        let at = address.current(&target).await;
        let mut seen = lock(&tally);
        seen.attempted += 1;
        match at {
            Err(why) => seen.fail(why),
            Ok(_) if writes.len() >= IN_FLIGHT => seen.fail("too many writes under way".to_owned()),
            Ok(at) => {
                let write = Write { client: target.client.clone(), id };
                drop(writes.spawn(one(http.clone(), at, target.port, write, Arc::clone(&tally))));
            }
        }
    }
    // Each has a time-out of its own.
    while writes.join_next().await.is_some() {}
}

async fn one(http: reqwest::Client, at: Ipv4Addr, port: u16, write: Write, tally: Arc<Mutex<Tally>>) {
    let answer = http.post(format!("http://{at}:{port}/write")).json(&write).send().await;
    let mut tally = lock(&tally);
    match answer {
        Ok(answer) if answer.status() == reqwest::StatusCode::OK => {
            tally.acknowledge(write.id, at, Instant::now());
        }
        Ok(answer) => tally.fail(format!("{at} answered {}", answer.status())),
        Err(error) => tally.fail(format!("{at}: {error}")),
    }
}

/// The address in use and until when.
#[derive(Default)]
struct Kept {
    address: Option<Ipv4Addr>,
    until: Option<Instant>,
}

impl Kept {
    async fn current(&mut self, target: &Target) -> Result<Ipv4Addr, String> {
        let fresh = self.until.is_some_and(|until| Instant::now() < until);
        if let (true, Some(address)) = (fresh, self.address) {
            return Ok(address);
        }
        match resolve::addresses(target.server, &target.name).await {
            Ok(answer) => {
                self.address = answer.addresses.first().copied();
                self.until = Some(Instant::now() + answer.ttl.max(SHORTEST_TTL));
                self.address.ok_or_else(|| "an empty answer".to_owned())
            }
            Err(failure) => self.address.ok_or_else(|| failure.chain()),
        }
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
