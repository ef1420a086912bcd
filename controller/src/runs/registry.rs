//! The open runs and the way to the driver of each.
//!
//! A run has at most one driver in this process: it is entered here before its task begins, and leaves
//! when the task ends. A run that cannot be loaded is parked with its problem and shown; the others
//! go on.

use super::driver::{self, Input};
use super::live::Shown;
use super::{Live, RunError, late};
use crate::app::App;
use crate::store::StoreError;
use engine::lookup::undo_tasks;
use engine::{Command, Person, Report, RunState};
use model::{HostName, Problem, RunId, Token};
use plan::checked::Action;
use runtime::Policy;
use runtime::telemetry::trace;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

/// Runs that may be open at once.
pub const MAX_OPEN: usize = 4096;
/// Runs that are being loaded at once.
pub const MAX_LOADING: usize = 8;
/// Reports and commands that wait for one driver.
pub const MAX_WAITING: usize = 1024;

/// The way to one driver.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) inbox: mpsc::Sender<Input>,
    pub(super) shown: Arc<Shown>,
    pub(super) wake: Arc<Notify>,
    /// Hosts that have work in it, once it is loaded: a plan never changes.
    pub(super) hosts: Arc<OnceLock<BTreeSet<HostName>>>,
    pub(super) trace: Arc<str>,
}

struct Inner {
    app: OnceLock<Weak<App>>,
    open: Mutex<BTreeMap<RunId, Way>>,
    parked: Mutex<BTreeMap<RunId, Problem>>,
    loading: Arc<Semaphore>,
}

/// All runs. Cheap to clone.
#[derive(Clone)]
pub struct Runs(Arc<Inner>);

impl Default for Runs {
    fn default() -> Self {
        Self(Arc::new(Inner {
            app: OnceLock::new(),
            open: Mutex::default(),
            parked: Mutex::default(),
            loading: Arc::new(Semaphore::new(MAX_LOADING)),
        }))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runs {
    /// Binds the app that drives. Once, before anything is opened.
    pub fn bind(&self, app: &Arc<App>) {
        // A second call changes nothing.
        let _ = self.0.app.set(Arc::downgrade(app));
    }

    pub(super) fn app(&self) -> Result<Arc<App>, RunError> {
        let app = self.0.app.get().and_then(Weak::upgrade);
        app.ok_or(RunError::Store(StoreError::Closed))
    }

    /// Takes up every open run of the store, by the same path as a new one. Gives how many.
    pub async fn open_all(&self) -> Result<usize, RunError> {
        let limit = u32::try_from(MAX_OPEN).unwrap_or(u32::MAX);
        let rows = self.app()?.store.runs(true, limit).await?;
        for row in &rows {
            self.open(row.run);
        }
        Ok(rows.len())
    }

    /// Starts the driver of a run, unless it has one.
    pub fn open(&self, run: RunId) {
        let Ok(app) = self.app() else { return };
        let (inbox, waiting) = mpsc::channel(MAX_WAITING);
        // Whoever starts a run is the parent of its orders' spans; a restart begins a trace of its own.
        let trace = trace::current().unwrap_or_default();
        let (shown, wake, hosts) = Default::default();
        let way = Way { inbox, shown, wake, hosts, trace: trace.into() };
        {
            let mut open = lock(&self.0.open);
            if open.contains_key(&run) {
                return;
            }
            open.insert(run, way.clone());
        }
        let (runs, loading, tasks) = (self.clone(), self.0.loading.clone(), app.tasks.clone());
        tasks.spawn(format!("run {run}"), Policy::WORKER, async move {
            let _leave = Leave { runs: runs.clone(), run };
            if let Err(error) = driver::drive(&app, run, way, waiting, &loading).await {
                runs.park(run, error.problem());
            }
            Ok::<_, Infallible>(())
        });
    }

    fn park(&self, run: RunId, problem: Problem) {
        tracing::error!(%run, %problem, "run parked");
        metrics::counter!("lifeboat_runs_parked_total").increment(1);
        lock(&self.0.parked).insert(run, problem);
    }

    /// Why a run stands aside, if it does.
    pub fn parked(&self, run: RunId) -> Option<Problem> {
        lock(&self.0.parked).get(&run).cloned()
    }

    /// How many runs have a driver.
    pub fn open_count(&self) -> usize {
        lock(&self.0.open).len()
    }

    fn way(&self, run: RunId) -> Option<Way> {
        lock(&self.0.open).get(&run).cloned()
    }

    /// What is shown of a run, while it is driven.
    pub fn shown(&self, run: RunId) -> Option<Arc<Shown>> {
        self.way(run).map(|way| way.shown)
    }

    /// What an agent says of an attempt. Returns once it is durable, or known not to matter.
    pub async fn report(&self, host: &HostName, token: &Token, report: Report) -> Result<(), RunError> {
        let run = token.run;
        if let Some(way) = self.way(run) {
            let (done, answer) = oneshot::channel();
            let input = Input::Report { from: Some(host.clone()), report, done: Some(done) };
            way.inbox.send(input).await.map_err(|_| RunError::NotDriven { run })?;
            return answer.await.map_err(|_| RunError::NotDriven { run })?;
        }
        match self.parked(run) {
            Some(problem) => Err(RunError::Parked(problem)),
            None => late::record(self, host, run, report).await,
        }
    }

    /// What a person wants. Returns the state once it is durable.
    pub async fn command(
        &self,
        run: RunId,
        command: Command,
        by: Person,
        expected: u64,
    ) -> Result<Arc<RunState>, RunError> {
        if let Some(way) = self.way(run) {
            let (done, answer) = oneshot::channel();
            let input = Input::Command { command, by, expected, done };
            way.inbox.send(input).await.map_err(|_| RunError::NotDriven { run })?;
            return answer.await.map_err(|_| RunError::NotDriven { run })?;
        }
        match self.parked(run) {
            Some(problem) => Err(RunError::Parked(problem)),
            None => Err(late::refuse(self, run, &command, &by).await?),
        }
    }

    /// Tells a run which hosts of its open attempts are not connected, before it would ask by itself.
    pub(super) async fn tell_silent(&self, state: &RunState) {
        let (Ok(app), Some(way)) = (self.app(), self.way(state.run)) else { return };
        for token in state.unsettled() {
            let action = state.place(token).and_then(|place| state.action(place));
            let Some(Action::Agent { host, .. }) = action else { continue };
            if app.fleet.is_connected(host) {
                continue;
            }
            let silent_ms = u64::try_from(app.fleet.silent_for(host).as_millis()).unwrap_or(u64::MAX);
            let report = Report::Silent { token: token.clone(), host: host.clone(), silent_ms };
            // A driver that has just ended needs it no more.
            let _ = way.inbox.send(Input::Report { from: None, report, done: None }).await;
        }
    }

    /// The newest durable state of a run.
    pub async fn state(&self, run: RunId) -> Result<Arc<RunState>, RunError> {
        if let Some(state) = self.way(run).and_then(|way| way.shown.state()) {
            return Ok(state);
        }
        match self.parked(run) {
            Some(problem) => Err(RunError::Parked(problem)),
            None => Ok(Arc::new(late::load(self, run).await?.0)),
        }
    }

    /// Shows progress or output to whoever watches.
    pub fn live(&self, live: Live) {
        if let Some(way) = self.way(live.token().run) {
            way.shown.live(live);
        }
    }

    /// Wakes the driver of one run.
    pub fn poke(&self, run: RunId) {
        if let Some(way) = self.way(run) {
            way.wake.notify_one();
        }
    }

    /// Wakes the drivers of runs that have work for a host: its session opened, or has room again. Each looks for
    /// itself what is to be sent there. The others are left alone: when ten thousand come back, each wake would
    /// be a turn of every run.
    pub fn poke_host(&self, host: &HostName) {
        let is_of = |way: &&Way| way.hosts.get().is_none_or(|hosts| hosts.contains(host));
        for way in lock(&self.0.open).values().filter(is_of) {
            way.wake.notify_one();
        }
    }

    /// Wakes every driver.
    pub fn poke_all(&self) {
        for way in lock(&self.0.open).values() {
            way.wake.notify_one();
        }
    }

    /// Whether a host may speak for the journal of a run. Not when the run is here and never had work for
    /// it; of a run that is missing or cannot be read, what the host says is all there is.
    pub async fn concerns(&self, run: RunId, host: &HostName) -> bool {
        let Ok(state) = self.state(run).await else { return true };
        hosts_of(&state).any(|owner| owner == host)
    }

    /// Whether a token names work of a known run for this host.
    pub async fn is_of(&self, host: &HostName, token: &Token) -> bool {
        let Ok(state) = self.state(token.run).await else { return false };
        let action = state.place(token).and_then(|place| state.action(place));
        matches!(action, Some(Action::Agent { host: owner, .. }) if owner == host)
    }

    /// Whether a run is known and over.
    pub async fn is_finished(&self, run: RunId) -> bool {
        let Ok(app) = self.app() else { return false };
        matches!(app.store.run(run).await, Ok(Some(row)) if !row.open)
    }
}

/// Every host that has work in a run, once for each task.
pub(crate) fn hosts_of(state: &RunState) -> impl Iterator<Item = &HostName> {
    let tasks = state.plan.steps.iter().flat_map(|step| step.tasks.iter().chain(undo_tasks(step)));
    tasks.filter_map(|task| match &task.action {
        Action::Agent { host, .. } => Some(host),
        Action::Controller { .. } | Action::Timer { .. } => None,
    })
}

struct Leave {
    runs: Runs,
    run: RunId,
}

impl Drop for Leave {
    fn drop(&mut self) {
        lock(&self.runs.0.open).remove(&self.run);
    }
}
