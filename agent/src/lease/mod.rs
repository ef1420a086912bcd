//! Leases: this host's right, bounded in time, to let the server of a source accept writes.
//!
//! One keeper a leased source asks for it over the session, about every third of its length, and hands each
//! deadline to the watchdog, which ends the server at it with or without us. What is promised rests on the
//! watchdog and on `model::lease`; here only is decided when to ask and when to start. The order that
//! matters: the watchdog holds a deadline before a server may open, and the request that says so is sent
//! after that. Whoever starts or promotes the server by an order first waits for the lease here.
//!
//! When no controller grants, a keeper asks the members of the set that its last grant named, at their agents'
//! port; and answers theirs: what it gives is on its disk first, and until that is over it takes no lease.

mod extend;
mod keeper;
mod members;
mod note;
mod pledges;
pub mod port;
mod see;
mod watchdog;

use crate::identity::Files;
use crate::policy::Policy;
use crate::services::leased::{self, Leased};
use model::lease::{Extend, Request};
use model::nouns::{ServiceSpec, SourceKind, SourceSpec};
use model::{Assignment, HostName, Leased as Assigned, Name, Problem};
use pledges::Pledged;
use proto::LeaseReply;
use runtime::clock::Clock;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Requests that a slow session may be behind; older ones are of no use.
const ASKS_BOUND: usize = 64;
/// Answers that wait for one keeper; older ones are of no use.
const ANSWERS_BOUND: usize = 16;
/// How long an order waits for the lease that it needs, beyond the time that another member's may still run.
const HOLD_GRACE: Duration = Duration::from_secs(30);
/// After an order ended, its server has so long to be seen as the primary.
const LINGER: Duration = Duration::from_secs(5);

/// What keepers need of their process.
#[derive(Clone)]
pub struct Deps {
    /// The agent's folder of durable state.
    pub state_dir: PathBuf,
    /// The folder that agent and watchdog share, below /run.
    pub run_dir: PathBuf,
    /// What may be asked of this host.
    pub policy: Arc<Policy>,
    /// The time.
    pub clock: Clock,
    /// This host.
    pub host: HostName,
    /// Who it is to other members.
    pub files: Files,
}

impl Deps {
    /// The permit of a source's server.
    fn permit(&self, source: &Name) -> PathBuf {
        self.run_dir.join("permits").join(source.as_str())
    }
}

/// The leases of this host, as a handle that is cheap to clone. The default has none.
#[derive(Clone, Default)]
pub struct Leases(Arc<Inner>);

struct Inner {
    sources: Mutex<BTreeMap<Name, Arc<Shared>>>,
    pledged: Mutex<BTreeMap<Name, Arc<Pledged>>>,
    asks: broadcast::Sender<(Name, Request)>,
    connected: watch::Sender<bool>,
}

impl Default for Inner {
    fn default() -> Self {
        let (asks, connected) = (broadcast::channel(ASKS_BOUND).0, watch::channel(false).0);
        Inner { sources: Mutex::default(), pledged: Mutex::default(), asks, connected }
    }
}

/// One leased source, between its keeper and everybody else.
struct Shared {
    service: Option<Name>,
    /// How long an order waits for it.
    limit: Duration,
    /// Orders that need it, and until when the last of them lingers (milliseconds since boot).
    holds: AtomicUsize,
    lingers_ms: AtomicU64,
    clock: Clock,
    answers: Mutex<VecDeque<LeaseReply>>,
    wake: Notify,
    /// Held and guarded, so that its server may write.
    open: watch::Sender<bool>,
    /// It runs, or should.
    pressing: watch::Sender<bool>,
    trouble: Mutex<Option<Problem>>,
    /// The other members, and where their agents listen.
    peers: BTreeMap<HostName, String>,
    /// Keys of members that a controller named.
    keys: Mutex<BTreeMap<HostName, String>>,
    /// What this host has promised them.
    pledged: Result<Arc<Pledged>, Problem>,
    /// What members of the set have answered.
    agreed: Mutex<VecDeque<Agreed>>,
}

/// An answer of a member of the set: who, what was asked, what it gives.
type Agreed = (HostName, Extend, Result<Duration, Problem>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The other members, and the keys that were named of them.
    fn known(&self) -> members::Known {
        let keys = lock(&self.keys);
        self.peers.keys().map(|host| (host.clone(), keys.get(host).cloned())).collect()
    }

    fn is_needed(&self) -> bool {
        let lingers = Duration::from_millis(self.lingers_ms.load(Ordering::Acquire));
        self.holds.load(Ordering::Acquire) > 0 || self.clock.since_boot() < lingers
    }
}

/// Keeps a lease needed until it is dropped.
pub struct Hold(Arc<Shared>);

impl Drop for Hold {
    fn drop(&mut self) {
        let until = self.0.clock.since_boot() + LINGER;
        let ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.0.lingers_ms.store(ms, Ordering::Release);
        self.0.holds.fetch_sub(1, Ordering::AcqRel);
        self.0.wake.notify_one();
    }
}

impl Leases {
    /// Requests from now on: whoever has a session sends them.
    pub fn asks(&self) -> broadcast::Receiver<(Name, Request)> {
        self.0.asks.subscribe()
    }

    /// A session opened or ended.
    pub fn connected(&self, connected: bool) {
        self.0.connected.send_replace(connected);
        for shared in lock(&self.0.sources).values() {
            shared.wake.notify_one();
        }
    }

    /// An answer came.
    pub fn answered(&self, source: &Name, reply: LeaseReply) {
        let Some(shared) = lock(&self.0.sources).get(source).cloned() else { return };
        let mut answers = lock(&shared.answers);
        if answers.len() >= ANSWERS_BOUND {
            answers.pop_front();
        }
        answers.push_back(reply);
        shared.wake.notify_one();
    }

    /// Whether a server runs, or should, that stops without a controller: dialling must not take its time.
    pub fn are_pressing(&self) -> bool {
        lock(&self.0.sources).values().any(|shared| *shared.pressing.borrow())
    }

    /// Waits for the lease of a source, and keeps it needed. None when the source is not leased here.
    pub async fn hold(&self, source: &Name) -> Result<Option<Hold>, Problem> {
        let Some(shared) = lock(&self.0.sources).get(source).cloned() else { return Ok(None) };
        shared.holds.fetch_add(1, Ordering::AcqRel);
        let hold = Hold(shared.clone());
        shared.wake.notify_one();
        let mut open = shared.open.subscribe();
        match tokio::time::timeout(shared.limit, open.wait_for(|open| *open)).await {
            Ok(Ok(_)) => Ok(Some(hold)),
            Ok(Err(_)) | Err(_) => {
                let cause = lock(&shared.trouble).clone();
                let problem = Problem::new(
                    "LB2432",
                    format!("no lease of {source} could be had within {} s", shared.limit.as_secs()),
                    "Nothing was started or promoted. Is the watchdog running, and is another member still the primary? See `lifeboat status`.",
                );
                Err(match cause {
                    Some(cause) => problem.caused_by(&cause),
                    None => problem,
                })
            }
        }
    }

    /// The same for whoever starts the server of a leased source; a standby needs none.
    pub async fn hold_for(&self, service: &ServiceSpec) -> Result<Option<Hold>, Problem> {
        let source = lock(&self.0.sources)
            .iter()
            .find(|(_, shared)| shared.service.as_ref() == Some(&service.name))
            .map(|(source, _)| source.clone());
        match source.filter(|_| !leased::follows(service)) {
            Some(source) => self.hold(&source).await,
            None => Ok(None),
        }
    }

    /// Keeps the leases that the assignment names until told to stop. Keepers begin anew when it changes: what
    /// is held stands with the watchdog.
    pub async fn run(
        self,
        deps: Deps,
        mut assignment: watch::Receiver<Option<Assignment>>,
        stop: CancellationToken,
    ) -> Result<(), std::convert::Infallible> {
        loop {
            let wanted = assignment.borrow_and_update().clone();
            let mut keepers = JoinSet::new();
            let round = stop.child_token();
            self.release(&deps, wanted.as_ref()).await;
            for leased in wanted.iter().flat_map(|it| &it.leases) {
                let member = wanted.iter().flat_map(|it| &it.members).find(|it| it.name == leased.source);
                let Some(source) = member else { continue };
                let shared = self.share(&deps, source, leased);
                let keeper = keeper::Keeper::new(&self, shared, &deps, source.clone(), leased.terms);
                keepers.spawn(keeper.run(round.clone()));
            }
            tokio::select! {
                changed = assignment.changed() => if changed.is_err() { stop.cancelled().await },
                () = stop.cancelled() => {}
            }
            round.cancel();
            while keepers.join_next().await.is_some() {}
            if stop.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Lets go of sources that are leased no more: nobody ends their server, and it starts as any other.
    async fn release(&self, deps: &Deps, wanted: Option<&Assignment>) {
        let leases = |name: &Name| wanted.is_some_and(|it| it.leases.iter().any(|one| one.source == *name));
        lock(&self.0.sources).retain(|name, _| leases(name));
        for source in wanted.iter().flat_map(|it| &it.members).filter(|member| !leases(&member.name)) {
            if let Err(problem) = let_go(deps, source).await {
                tracing::error!(source = %source.name, %problem, "a server is still bound to a lease");
            }
        }
    }

    fn share(&self, deps: &Deps, source: &SourceSpec, leased: &Assigned) -> Arc<Shared> {
        // Before the lock: both are never held at once.
        let pledged = self.pledged(deps, &source.name);
        let limit = leased.terms.wait() + HOLD_GRACE;
        let mut sources = lock(&self.0.sources);
        let service = server(source).map(|service| service.name.clone());
        let is_same = |shared: &&Arc<Shared>| {
            shared.service == service
                && shared.limit == limit
                && shared.peers == leased.peers
                && shared.pledged.is_ok()
        };
        if let Some(shared) = sources.get(&source.name).filter(is_same) {
            return shared.clone();
        }
        let shared = Arc::new(Shared {
            service,
            limit,
            holds: AtomicUsize::new(0),
            lingers_ms: AtomicU64::new(0),
            clock: deps.clock.clone(),
            answers: Mutex::default(),
            wake: Notify::new(),
            open: watch::channel(false).0,
            pressing: watch::channel(false).0,
            trouble: Mutex::default(),
            peers: leased.peers.clone(),
            keys: Mutex::new(members::read_keys(&deps.state_dir, &source.name)),
            pledged,
            agreed: Mutex::default(),
        });
        sources.insert(source.name.clone(), shared.clone());
        shared
    }
}

/// Only what was bound is let go; the binding goes last, so that what failed is tried again.
async fn let_go(deps: &Deps, source: &SourceSpec) -> Result<(), Problem> {
    let Some(service) = server(source) else { return Ok(()) };
    if Leased::read(&service.name, &deps.state_dir)?.is_none_or(|leased| leased.source != source.name) {
        return Ok(());
    }
    match watchdog::Watchdog::below(&deps.run_dir).disarm(&source.name).await {
        Ok(()) => {}
        Err(watchdog::Unguarded::Away(problem)) => return Err(problem),
        Err(watchdog::Unguarded::Refused(why)) => {
            tracing::warn!(source = %source.name, why, "the watchdog still ends its server");
        }
    }
    Leased::write(&service.name, &deps.state_dir, None)
}

/// The service that runs a member's server.
fn server(source: &SourceSpec) -> Option<&ServiceSpec> {
    match &source.kind {
        SourceKind::Postgres(spec) => spec.server.as_ref(),
        SourceKind::Files(_) => None,
    }
}
