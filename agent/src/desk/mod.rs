//! The desk: takes orders in, has them done, keeps their answers.
//!
//! Order of events for one token, each arrow a durable append: taken → begun → job → ended → sent. Where a
//! place is free at once, taken and begun are one append, with one sync of the disk. The worker asks the guard just before its effect: a newer epoch or a revocation that came meanwhile
//! stops it there. Revoke and begin run under one lock, so a token is either never begun, or running
//! and then stopped; there is no moment between.

mod judge;
mod worker;

pub use judge::{Verdict, authority, judge};

use crate::jobs;
use crate::lease::Leases;
use crate::policy::Policy;
use crate::spool::{Spool, SpoolError, State};
use model::{Ack, Epoch, Micros, Order, Outcome, Problem, Progress, RunId, StepPath, Token};
use runtime::clock::Clock;
use runtime::crash;
use runtime::tasks::{self, Tasks};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// Jobs that run at once; more wait in the spool.
pub const MAX_JOBS: usize = 8;
/// News that a slow session may lag behind before it is reset.
const NEWS_BOUND: usize = 1024;

/// What happened at the desk, for whoever is connected. Results are only named here: they are read from
/// the spool, so news that is lost loses nothing.
#[derive(Debug, Clone)]
pub enum News {
    /// This token has ended.
    Ended(Token),
    /// A job reports how far it is.
    Progress(Token, Progress),
    /// A job printed lines.
    Output(Token, Vec<String>),
}

/// What an order is answered with at once.
#[derive(Debug)]
pub enum Reply {
    /// Taken, running or ended.
    Ack(Ack),
    /// Not taken; this is the outcome, which the spool does not keep.
    TurnedAway(Outcome),
}

/// What became of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// It will never begin.
    NeverBegun,
    /// It had begun; nothing of it runs any more.
    Stopped,
    /// It had ended.
    Ended,
}

/// Why a job was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Revoked,
    TimeOut,
    Shutdown,
}

pub(crate) struct Running {
    cancel: CancellationToken,
    stop: Arc<Mutex<Option<Stop>>>,
    over: watch::Receiver<bool>,
}

/// What the desk needs of its process.
pub struct Deps {
    /// The agent's folder of durable state.
    pub state_dir: PathBuf,
    /// What may be asked of this host.
    pub policy: Arc<Policy>,
    /// The leases that servers of this host need.
    pub leases: Leases,
    /// The time.
    pub clock: Clock,
    /// Who owns the workers.
    pub tasks: Tasks,
}

/// The desk, as a handle that is cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

pub(crate) struct Inner {
    deps: Deps,
    spool: Mutex<Spool>,
    running: Mutex<HashMap<String, Running>>,
    places: Arc<Semaphore>,
    news: broadcast::Sender<News>,
}

impl Desk {
    /// Opens the desk over a spool. What an earlier life began and did not end becomes `unknown` now:
    /// it never begins again under its token, and a probe finds out what came of it.
    pub fn open(deps: Deps, mut spool: Spool) -> Result<Desk, SpoolError> {
        settle_the_past(&deps.clock, &mut spool)?;
        Ok(Desk(Arc::new(Inner {
            deps,
            spool: Mutex::new(spool),
            running: Mutex::default(),
            places: Arc::new(Semaphore::new(MAX_JOBS)),
            news: broadcast::channel(NEWS_BOUND).0,
        })))
    }

    /// News from now on.
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.0.news.subscribe()
    }

    /// Reads the spool. Keep it short.
    pub fn read<T>(&self, look: impl FnOnce(&Spool) -> T) -> T {
        look(&self.0.spool())
    }

    /// Changes the spool off the async threads: an append waits for the disk.
    pub async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Spool) -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let inner = self.0.clone();
        match tokio::task::spawn_blocking(move || change(&mut inner.spool())).await {
            Ok(result) => result,
            Err(_) => Err(SpoolError::Poisoned),
        }
    }

    /// Takes an order, or answers it from the spool.
    pub async fn order(&self, order: Order) -> Result<Reply, SpoolError> {
        let policy = self.0.deps.policy.permits(&order.work);
        let (now, boot) = (self.0.deps.clock.now(), self.0.deps.clock.boot_id());
        let (token, desk, span) = (order.token.clone(), self.clone(), tracing::Span::current());
        let reply = self
            .write(move |spool| match judged(spool, &order, policy) {
                Verdict::TurnAway(problem) => Ok(Reply::TurnedAway(Outcome::Refused { problem })),
                Verdict::Take => {
                    let _below = span.enter();
                    desk.take(spool, order, now, &boot).map(Reply::Ack)
                }
                Verdict::Refuse(problem) => {
                    spool.take_refused(order, problem, now, &boot)?;
                    Ok(Reply::Ack(Ack::Ended))
                }
                Verdict::Repeat => repeat(spool, &order),
            })
            .await;
        let reply = match reply {
            // Nothing was taken, and nothing is wrong with what is kept: the order is refused, the agent goes on.
            Err(full @ SpoolError::Full) => {
                return Ok(Reply::TurnedAway(Outcome::Refused { problem: full.problem() }));
            }
            other => other?,
        };
        crash::point_of("order-taken", &token.step);
        match &reply {
            // Taken and started already, unless it was spooled by an earlier life.
            Reply::Ack(Ack::Accepted) => self.start(token, None),
            Reply::Ack(Ack::Ended) => self.tell(News::Ended(token)),
            Reply::Ack(Ack::Running) | Reply::TurnedAway(_) => {}
        }
        Ok(reply)
    }

    /// Takes a new order in. It is started under the spool's lock, so that a revocation that finds it begun
    /// also finds it running.
    fn take(&self, spool: &mut Spool, order: Order, now: Micros, boot: &str) -> Result<Ack, SpoolError> {
        let token = order.token.clone();
        let Ok(place) = self.0.places.clone().try_acquire_owned() else {
            spool.take(order, None, now, boot)?;
            self.start(token, None);
            return Ok(Ack::Accepted);
        };
        let begun = worker::Begun { place, work: order.work.clone(), timeout: order.timeout };
        spool.take_and_begin(order, now, boot)?;
        self.start(token, Some(begun));
        Ok(Ack::Accepted)
    }

    /// Takes work that a schedule fired, and gives its end.
    pub async fn scheduled(&self, order: Order, schedule: StepPath) -> Result<Outcome, SpoolError> {
        let token = order.token.clone();
        let (now, boot) = (self.0.deps.clock.now(), self.0.deps.clock.boot_id());
        let policy = self.0.deps.policy.permits(&order.work);
        self.write(move |spool| {
            spool.take(order, Some(schedule), now, &boot)?;
            Ok(())
        })
        .await?;
        let mut news = self.news();
        match policy {
            Ok(()) => self.start(token.clone(), None),
            Err(problem) => self.finish_unstarted(&token, Outcome::Refused { problem }).await?,
        }
        loop {
            let ended = self.read(|spool| match spool.entry(&token).map(|entry| &entry.state) {
                Some(State::Ended(end)) => Some(end.outcome.clone()),
                Some(State::Revoked) => Some(Outcome::Cancelled),
                Some(State::Spooled | State::Running { .. }) | None => None,
            });
            match ended {
                Some(outcome) => return Ok(outcome),
                None => drop(news.recv().await),
            }
        }
    }

    /// Takes a token back. Durable before it returns.
    pub async fn revoke(&self, token: Token) -> Result<Revoked, SpoolError> {
        let key = token.clone();
        let inner = self.0.clone();
        let fresh = self
            .write(move |spool| match spool.entry(&key).map(|entry| &entry.state) {
                Some(State::Spooled) => spool.revoke(&key).map(|()| Some(Revoked::NeverBegun)),
                Some(State::Revoked) => Ok(Some(Revoked::NeverBegun)),
                None => spool.bar(&key).map(|()| Some(Revoked::NeverBegun)),
                Some(State::Ended(_)) => Ok(Some(Revoked::Ended)),
                Some(State::Running { .. }) => {
                    inner.stop(&key, Stop::Revoked);
                    Ok(None)
                }
            })
            .await?;
        match fresh {
            Some(answer) => Ok(answer),
            None => {
                self.over(&token).await;
                Ok(Revoked::Stopped)
            }
        }
    }

    /// Asks what became of work whose result was lost.
    pub async fn probe(&self, token: &Token, work: &model::Work) -> jobs::Probe {
        let context = self.0.context(token, CancellationToken::new(), || Ok(()));
        jobs::probe(work, &context.0).await
    }

    /// Asks a question that changes nothing, without a token. Anything else is refused.
    pub async fn look(&self, work: &model::Work) -> Outcome {
        if work.class() != model::Class::Read {
            let problem = Problem::new("LB2206", "only questions are asked without a token", "Report this.");
            return Outcome::Refused { problem };
        }
        let name = model::Name::new(work.kind());
        let Some(token) = name.ok().and_then(|name| {
            let host = model::HostName::new("self").ok()?;
            crate::spool::scheduled_token(RunId(uuid::Uuid::nil()), &name, &host, 0)
        }) else {
            return Outcome::Cancelled;
        };
        let context = self.0.context(&token, CancellationToken::new(), || Ok(()));
        jobs::perform(work, &context.0).await
    }

    /// The controller has the result.
    pub async fn delivered(&self, token: Token) -> Result<(), SpoolError> {
        let now = self.0.deps.clock.now();
        self.write(move |spool| spool.delivered(&token, now)).await
    }

    /// The run's tokens may go after the keeping time.
    pub async fn close(&self, run: RunId) -> Result<(), SpoolError> {
        let now = self.0.deps.clock.now();
        self.write(move |spool| spool.close(run, now)).await
    }

    /// Obeys an epoch from now on, or says why not.
    pub async fn obey(&self, epoch: Epoch) -> Result<Result<(), Problem>, SpoolError> {
        self.write(move |spool| match authority(spool.memory(), epoch) {
            Ok(()) => spool.obey(epoch).map(Ok),
            Err(problem) => Ok(Err(problem)),
        })
        .await
    }

    /// Stops every job for the end of the process, and waits for them.
    pub async fn shut(&self) {
        let tokens: Vec<_> =
            lock(&self.0.running).values().map(|job| (job.cancel.clone(), job.over.clone())).collect();
        for job in lock(&self.0.running).values() {
            lock(&job.stop).get_or_insert(Stop::Shutdown);
        }
        for (cancel, mut over) in tokens {
            cancel.cancel();
            let _ = over.wait_for(|over| *over).await;
        }
    }

    async fn over(&self, token: &Token) {
        let waiter = lock(&self.0.running).get(&token.key()).map(|job| job.over.clone());
        if let Some(mut over) = waiter {
            let _ = over.wait_for(|over| *over).await;
        }
    }

    async fn finish_unstarted(&self, token: &Token, outcome: Outcome) -> Result<(), SpoolError> {
        let (now, key) = (self.0.deps.clock.now(), token.clone());
        self.write(move |spool| spool.end(&key, outcome, now, now, std::time::Duration::ZERO)).await?;
        self.tell(News::Ended(token.clone()));
        Ok(())
    }

    fn tell(&self, news: News) {
        let _ = self.0.news.send(news);
    }

    fn start(&self, token: Token, begun: Option<worker::Begun>) {
        let inner = self.0.clone();
        let (over_tx, over) = watch::channel(false);
        let job = Running { cancel: CancellationToken::new(), stop: Arc::default(), over };
        let (cancel, stop) = (job.cancel.clone(), job.stop.clone());
        {
            let mut running = lock(&self.0.running);
            if running.contains_key(&token.key()) {
                return;
            }
            running.insert(token.key(), job);
        }
        let name = format!("job {token}");
        // Made here, below the span of its order; a job that begins after a restart has no such parent.
        let host = token.target.host.as_ref().map(tracing::field::display);
        let span =
            tracing::info_span!("job", run = %token.run, step = %token.step, attempt = token.attempt, host);
        let job = async move {
            let result = worker::work(&inner, &token, begun, cancel, stop).await;
            lock(&inner.running).remove(&token.key());
            let _ = over_tx.send(true);
            result
        };
        self.0.deps.tasks.spawn(name, tasks::Policy::VITAL, job.instrument(span));
    }
}

impl Inner {
    fn spool(&self) -> MutexGuard<'_, Spool> {
        lock(&self.spool)
    }

    fn stop(&self, token: &Token, why: Stop) {
        if let Some(job) = lock(&self.running).get(&token.key()) {
            lock(&job.stop).get_or_insert(why);
            job.cancel.cancel();
        }
    }
}

/// What the rules say of an order; nothing has happened by then.
fn judged(spool: &Spool, order: &Order, policy: Result<(), Problem>) -> Verdict {
    let verdict = judge(spool.memory(), order, policy);
    crash::point_of("order-judged", &order.token.step);
    verdict
}

/// A token that is known: its state, and the newer epoch under which it came.
fn repeat(spool: &mut Spool, order: &Order) -> Result<Reply, SpoolError> {
    spool.reorder(&order.token, order.epoch)?;
    Ok(Reply::Ack(match spool.entry(&order.token).map(|entry| &entry.state) {
        Some(State::Running { .. }) => Ack::Running,
        Some(State::Ended(_) | State::Revoked) => Ack::Ended,
        Some(State::Spooled) | None => Ack::Accepted,
    }))
}

/// Ends what an earlier life left open and nobody would ever take up again.
fn settle_the_past(clock: &Clock, spool: &mut Spool) -> Result<(), SpoolError> {
    let mut ends: Vec<(Token, Outcome, Micros)> = Vec::new();
    for entry in spool.memory().entries.values() {
        let token = entry.order.token.clone();
        match &entry.state {
            State::Running { started } => ends.push((token, interrupted(), *started)),
            // An order is sent again by its controller; what a schedule fired is known to nobody else.
            State::Spooled if entry.schedule.is_some() => ends.push((token, never_begun(), entry.taken)),
            State::Spooled | State::Ended(_) | State::Revoked => {}
        }
    }
    for (token, outcome, started) in ends {
        let now = clock.now();
        tracing::warn!(%token, outcome = outcome.as_str(), "an earlier life of this agent did not end this");
        spool.end(&token, outcome, started, now, now.since(started))?;
    }
    Ok(())
}

fn never_begun() -> Outcome {
    let problem = Problem::new(
        "LB2207",
        "the agent stopped before this began",
        "Nothing was done. The schedule fires again at its next time; `lifeboat backup` makes one now.",
    );
    Outcome::Failed { problem }
}

fn interrupted() -> Outcome {
    let problem = Problem::new(
        "LB2203",
        "the agent stopped while this was running",
        "Nothing to do: the controller asks what came of it. If it cannot tell, look and use `lifeboat answer`.",
    );
    Outcome::Unknown { problem }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
