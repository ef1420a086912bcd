//! What the rest of the controller holds to change records: a provider with time-outs, bounded
//! retries, the judgement of a failed condition, verification at every server, and spans.
//!
//! The race that this file settles: the answer to a write may be lost. Sending the same change again
//! is safe (its condition holds at most once), so that is what a retry does. When the condition then
//! fails, the zone is read: our own generation with our values means that the first try had worked;
//! anything else is someone else's write, and is never overwritten.

use super::DnsError;
use super::provider::{Answer, DnsProvider, ServerAddress, ServerAnswer, Verdict};
use super::record::{Change, Generation, Inverse, Observed, Planned, RecordName, Values, spell};
use futures::future::{BoxFuture, join_all};
use model::RunId;
use model::control::CutoverOutput;
use runtime::Backoff;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::instrument;

/// The bounds of every call.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Longest wait for one answer of one server.
    pub exchange: Duration,
    /// Waits between tries of a read or a write; their number is the bound.
    pub retries: Backoff,
    /// Longest time that verification goes on asking.
    pub verify: Duration,
}

impl Bounds {
    /// 2 s an answer, six tries (at most about 16 s in all), 30 s to verify.
    pub const DEFAULT: Bounds = Bounds {
        exchange: Duration::from_secs(2),
        retries: Backoff {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(2),
            tries: Some(5),
        },
        verify: Duration::from_secs(30),
    };
}

/// How soon, and how seldom at the end, a server is asked again while it does not agree yet.
const POLLS: Backoff =
    Backoff { first: Duration::from_millis(10), longest: Duration::from_millis(250), tries: None };

/// How a write ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applied {
    /// It was written now.
    Written,
    /// An earlier sending of the same change had written it.
    AlreadyDone,
}

/// Whether a change whose outcome was unknown has happened.
#[derive(Debug)]
pub enum Settled {
    /// The zone holds it.
    Done,
    /// The zone still holds what was before. A sending that is still on its way could yet write it:
    /// [`Zone::undo`] makes sure that it cannot.
    NotDone,
    /// The zone holds something else: the reason why the change will never happen.
    Superseded(DnsError),
}

/// How an undo ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undone {
    /// What was before is there again.
    Restored,
    /// The change had never arrived; it was made too old, so that it never will.
    Revoked,
}

/// A record that was moved, and how every server answers now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Whether this call wrote, or an earlier one.
    pub applied: Applied,
    /// The answer of each authoritative server; all agree.
    pub answers: Vec<ServerAnswer>,
    /// Milliseconds from sending the update until the last server agreed.
    pub verified_after_ms: u64,
}

impl Moved {
    /// The step's output: what was, what is, and how long resolvers may still hold what was.
    pub fn output(&self, planned: &Planned) -> CutoverOutput {
        let texts = |values: &Values| values.iter().map(ToString::to_string).collect();
        CutoverOutput {
            before: texts(&planned.inverse.before.values),
            after: texts(&planned.change.values),
            generation: planned.change.generation.number,
            verified_after_ms: self.verified_after_ms,
            servers: self.answers.iter().map(|answer| answer.server.to_string()).collect(),
            ttl_seconds: planned.inverse.before.ttl_seconds.unwrap_or(0).into(),
        }
    }
}

/// One zone, ready for changes. Cheap to clone.
#[derive(Clone)]
pub struct Zone {
    name: RecordName,
    provider: Arc<dyn DnsProvider>,
    bounds: Bounds,
}

impl std::fmt::Debug for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let servers = self.provider.servers();
        f.debug_struct("Zone").field("name", &self.name).field("servers", &servers).finish_non_exhaustive()
    }
}

impl Zone {
    /// Puts the façade in front of a provider.
    pub fn new(name: RecordName, provider: Arc<dyn DnsProvider>, bounds: Bounds) -> Self {
        Self { name, provider, bounds }
    }

    /// Every authoritative server; the first takes writes.
    pub fn servers(&self) -> &[ServerAddress] {
        self.provider.servers()
    }

    /// What the primary holds for a name.
    #[instrument(name = "dns.read", skip_all, fields(zone = %self.name, record = %name))]
    pub async fn read(&self, name: &RecordName) -> Result<Observed, DnsError> {
        self.must_hold(name)?;
        let primary = self.primary();
        let answer = self.patiently(|| self.observe(primary, name)).await?;
        Ok(answer.observed)
    }

    /// Reads the name and plans a write on top of it; writes nothing. The plan holds the inverse. Save
    /// it, then [`Zone::apply`] it. A run plans a change once: after a crash it applies the plan that
    /// it saved, because planning again would take its own write for what was there before.
    #[instrument(name = "dns.plan", skip_all, fields(zone = %self.name, record = %name))]
    pub async fn plan_change(
        &self,
        name: &RecordName,
        values: Values,
        ttl_seconds: u32,
        run: RunId,
    ) -> Result<Planned, DnsError> {
        super::record::check_values(name, &values)?;
        let seen = self.read(name).await?;
        let generation = Generation { number: seen.next_number(), run };
        Planned::on_top_of(seen, name.clone(), values, ttl_seconds, generation)
    }

    /// Writes a change whose inverse was saved. Repeating it is safe, whatever became of earlier
    /// sendings. When the error's outcome is unknown, [`Zone::settle`] tells what became of it.
    #[instrument(name = "dns.apply", skip_all,
        fields(zone = %self.name, record = %change.name, generation = change.generation.number))]
    pub async fn apply(&self, change: &Change) -> Result<Applied, DnsError> {
        self.must_hold(&change.name)?;
        change.check()?;
        let write = || self.timed("an update", self.primary(), self.provider.compare_and_set(change));
        let verdict = self.patiently(write).await?;
        runtime::crash::point("zone-written");
        match verdict {
            Verdict::Written => Ok(Applied::Written),
            Verdict::ConditionFailed => {
                let found = self.read(&change.name).await?;
                if change.is_done(&found) { Ok(Applied::AlreadyDone) } else { Err(change.refused_by(found)) }
            }
        }
    }

    /// Whether a change has happened: the probe of an unknown outcome. Reads only.
    #[instrument(name = "dns.settle", skip_all,
        fields(zone = %self.name, record = %change.name, generation = change.generation.number))]
    pub async fn settle(&self, change: &Change) -> Result<Settled, DnsError> {
        let found = self.read(&change.name).await?;
        if change.is_done(&found) {
            return Ok(Settled::Done);
        }
        if holds_same(&found, &change.expected) {
            return Ok(Settled::NotDone);
        }
        Ok(Settled::Superseded(change.refused_by(found)))
    }

    /// Puts back what was before a change, on condition that the zone holds what the change left. If
    /// the change never arrived, makes it too old to arrive. Repeating it is safe.
    #[instrument(name = "dns.undo", skip_all,
        fields(zone = %self.name, record = %inverse.name, generation = inverse.written.number))]
    pub async fn undo(&self, inverse: &Inverse) -> Result<Undone, DnsError> {
        match self.apply(&inverse.restoring()?).await {
            Ok(_) => Ok(Undone::Restored),
            Err(DnsError::Conflict { found, .. }) if holds_same(&found, &inverse.before) => {
                self.apply(&inverse.revoking()?).await.map(|_| Undone::Revoked)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks every authoritative server until all answer these values under this generation, or the
    /// bound is over; then the error names those that lag.
    #[instrument(name = "dns.verify", skip_all,
        fields(zone = %self.name, record = %name, generation = generation.number))]
    pub async fn verify(
        &self,
        name: &RecordName,
        values: &Values,
        generation: Generation,
    ) -> Result<Vec<ServerAnswer>, DnsError> {
        self.must_hold(name)?;
        let servers = self.provider.servers();
        let answers = join_all(servers.iter().map(|s| self.watch(*s, name, values, generation))).await;
        if answers.iter().all(|answer| answer.agrees) {
            return Ok(answers);
        }
        Err(DnsError::Lagging { name: name.clone(), expected: spell(values), answers })
    }

    /// The whole cut-over in its order: save the inverse, write, verify everywhere. `saving` must make
    /// the inverse durable; when it fails, nothing is written.
    #[instrument(name = "dns.cut_over", skip_all, fields(zone = %self.name, record = %planned.change.name))]
    pub async fn cut_over<E>(
        &self,
        planned: &Planned,
        saving: impl Future<Output = Result<(), E>> + Send,
    ) -> Result<Moved, DnsError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let change = &planned.change;
        let not_saved = |e: E| DnsError::InverseNotSaved { name: change.name.clone(), source: e.into() };
        saving.await.map_err(not_saved)?;
        let start = Instant::now();
        let applied = self.apply(change).await?;
        let answers = self.verify(&change.name, &change.values, change.generation).await?;
        let verified_after_ms = millis(start.elapsed());
        tracing::info!(record = %change.name, values = %spell(&change.values), verified_after_ms, "record moved");
        Ok(Moved { applied, answers, verified_after_ms })
    }

    /// Asks one server until it agrees or the bound is over; gives its last word.
    async fn watch(
        &self,
        server: ServerAddress,
        name: &RecordName,
        values: &Values,
        generation: Generation,
    ) -> ServerAnswer {
        let start = Instant::now();
        let mut waits = POLLS.waits();
        loop {
            let answer = self.observe(server, name).await;
            let elapsed_ms = millis(start.elapsed());
            let word = last_word(server, elapsed_ms, values, generation, answer);
            let wait = waits.next().unwrap_or(POLLS.longest);
            if word.agrees || start.elapsed() + wait > self.bounds.verify {
                return word;
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn primary(&self) -> ServerAddress {
        // A provider without servers cannot be built.
        self.provider.servers()[0]
    }

    fn must_hold(&self, name: &RecordName) -> Result<(), DnsError> {
        if name.is_in(&self.name) {
            return Ok(());
        }
        Err(DnsError::BadSettings { zone: self.name.to_string(), why: format!("{name} is not in it") })
    }

    fn observe<'a>(
        &'a self,
        server: ServerAddress,
        name: &'a RecordName,
    ) -> BoxFuture<'a, Result<Answer, DnsError>> {
        Box::pin(self.timed("a query", server, self.provider.observe(server, name)))
    }

    /// One try, within the bound of one answer.
    async fn timed<T>(
        &self,
        operation: &'static str,
        server: ServerAddress,
        call: BoxFuture<'_, Result<T, DnsError>>,
    ) -> Result<T, DnsError> {
        match tokio::time::timeout(self.bounds.exchange, call).await {
            Ok(result) => result,
            Err(_) => {
                let why = format!("no answer within {} ms", millis(self.bounds.exchange));
                let source = io::Error::new(io::ErrorKind::TimedOut, why);
                Err(DnsError::NoAnswer { server, operation, source })
            }
        }
    }

    /// Tries again after transient errors, with growing waits, until they are used up.
    async fn patiently<T, F: Future<Output = Result<T, DnsError>>>(
        &self,
        mut call: impl FnMut() -> F,
    ) -> Result<T, DnsError> {
        let mut waits = self.bounds.retries.waits();
        loop {
            let error = match call().await {
                Err(error) if error.is_transient() => error,
                decided => return decided,
            };
            let Some(wait) = waits.next() else { return Err(error) };
            tracing::debug!(%error, wait_ms = millis(wait), "trying again");
            tokio::time::sleep(wait).await;
        }
    }
}

/// Same values and generation; the time to live is no part of a condition.
fn holds_same(found: &Observed, expected: &Observed) -> bool {
    found.values == expected.values && found.generation == expected.generation
}

fn last_word(
    server: ServerAddress,
    elapsed_ms: u64,
    values: &Values,
    generation: Generation,
    answer: Result<Answer, DnsError>,
) -> ServerAnswer {
    match answer {
        Ok(Answer { observed, serial }) => ServerAnswer {
            server,
            agrees: observed.values == *values && observed.generation == Some(generation),
            values: observed.values,
            serial,
            generation: observed.generation,
            elapsed_ms,
            error: None,
        },
        Err(error) => ServerAnswer {
            server,
            agrees: false,
            values: Values::new(),
            serial: None,
            generation: None,
            elapsed_ms,
            error: Some(error.to_string()),
        },
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
