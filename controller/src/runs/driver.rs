//! The driver of one run: load, decide, commit, act, wait; and again.
//!
//! Nothing is performed before the events that call for it are durable: a turn folds what came, lets
//! the engine decide on the result, appends both in one transaction, and only then answers whoever
//! reported and dispatches effects. The driver takes no input that it could not lose: what it has
//! dispatched it remembers by session, and a restart, a reconnect or a timer makes the same turn. An
//! append that the store cannot take (a full disk) is tried again as it is, so neither the decision nor
//! the answers run ahead of the journal; one that found the run moved means a second driver, and the
//! journal is read again.

use super::act::Acting;
use super::registry::{MAX_LOADING, Way, hosts_of};
use super::{RunError, late};
use crate::app::App;
use crate::rescue::copies::Keepers;
use crate::store::StoreError;
use crate::store::points::PointRow;
use engine::{Advance, Batch, Command, Entry, Event, Person, Recorded, Report, RunState};
use model::{Head, HostName, Micros, RunId, Token};
use plan::checked::Action;
use runtime::{Backoff, crash};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Inputs that one turn takes at most. What a turn costs grows with its run, so that with a step on ten thousand
/// hosts few turns that take much are what counts.
const MAX_INPUTS: usize = 1024;
/// Longest wait between two turns: wall clocks may be set, so no timer is trusted for longer.
const MAX_NAP: Duration = Duration::from_secs(5);
/// How long the news that an order arrived may wait for other news, to be recorded in one commit: work that
/// takes no time has ended by then.
const COMPANY: Duration = Duration::from_millis(20);
/// Waits between two tries of an append that the store could not take.
const PATIENCE: Backoff =
    Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(5), tries: None };

/// What comes to a driver.
pub(super) enum Input {
    /// What an agent (or an action of our own) says of an attempt.
    Report {
        /// The agent's host; none for our own actions and clocks.
        from: Option<HostName>,
        /// What it says.
        report: Report,
        /// Told once it is durable.
        done: Option<oneshot::Sender<Result<(), RunError>>>,
    },
    /// What a person wants.
    Command {
        /// What.
        command: Command,
        /// Who.
        by: Person,
        /// The event that they had seen last; 0 for any.
        expected: u64,
        /// Told once it is durable.
        done: oneshot::Sender<Result<Arc<RunState>, RunError>>,
    },
}

impl Input {
    /// Only says that an order has arrived. Should it be lost, the order is sent again.
    fn is_acceptance(&self) -> bool {
        matches!(self, Input::Report { report: Report::Accepted { .. }, .. })
    }
}

/// Whom to tell after the commit.
enum Waiter {
    Reporter(oneshot::Sender<Result<(), RunError>>),
    Person(oneshot::Sender<Result<Arc<RunState>, RunError>>),
}

struct Driver<'a> {
    app: &'a Arc<App>,
    run: RunId,
    way: Way,
    state: RunState,
    head: Head,
    acting: Acting,
    keepers: Arc<Keepers>,
    wake_at: Option<Micros>,
}

/// Drives a run until it is over or the process stops. An error means that it must stand aside.
pub(super) async fn drive(
    app: &Arc<App>,
    run: RunId,
    way: Way,
    mut inbox: mpsc::Receiver<Input>,
    loading: &Semaphore,
) -> Result<(), RunError> {
    debug_assert!(loading.available_permits() <= MAX_LOADING);
    let (state, head) = {
        let _turn = loading.acquire().await.map_err(|_| RunError::NotDriven { run })?;
        late::load(&app.runs, run).await?
    };
    // It is set once: this run has one driver.
    let _ = way.hosts.set(hosts_of(&state).cloned().collect());
    let keepers = Arc::new(Keepers::of(&state));
    let acting = Acting::new(app.clone(), run, way.inbox.clone(), way.trace.clone(), keepers.clone());
    let mut driver = Driver { app, run, way, state, head, acting, keepers, wake_at: None };
    driver.way.shown.publish(Arc::new(driver.state.clone()));
    let mut came = Vec::new();
    loop {
        if let Some(problem) = app.standing.lost() {
            return Err(RunError::Halted(problem));
        }
        match driver.turn(came).await {
            Ok(()) if !driver.state.is_open() => {
                app.leases.run_over(app, &driver.state);
                return Ok(());
            }
            Ok(()) => {}
            // The process is stopping: whoever starts next goes on from the journal.
            Err(RunError::Store(StoreError::Closed)) => return Ok(()),
            Err(error) => return Err(error),
        }
        match driver.wait(&mut inbox).await {
            Some(next) => came = next,
            None => return Ok(()),
        }
    }
}

impl Driver<'_> {
    async fn turn(&mut self, came: Vec<Input>) -> Result<(), RunError> {
        let now = self.app.clock.now();
        let (events, waiters) = self.fold(came, now)?;
        let ids = self.app.ids.clone();
        let Advance { batch, perform, wake_at } = engine::advance(
            Some(self.state.clone()),
            Some(self.head.clone()),
            self.run,
            events,
            now,
            self.app.epoch.number,
            &mut || ids.fresh(),
        )
        .map_err(|error| RunError::Illegal { run: self.run, error })?;
        if !batch.entries.is_empty() {
            crash::point_of("before-commit", First(&batch.entries));
            if !self.commit(&batch).await? {
                // Somebody else moved the run: read it again. Whoever waits hears nothing and asks again.
                (self.state, self.head) = late::load(&self.app.runs, self.run).await?;
                return Ok(());
            }
            crash::point_of("after-commit", First(&batch.entries));
            self.app.leases.learn(self.app, &batch);
            self.acting.learn(&batch.entries);
            if batch.entries.iter().any(|entry| matches!(entry.recorded.event, Event::Approved { .. })) {
                self.app.bundles.wanted();
            }
            (self.state, self.head) = (batch.state, batch.head);
        }
        self.app.copies.send(self.app, &self.keepers, &self.state, &self.head, &batch.entries).await;
        let shown = Arc::new(self.state.clone());
        if !batch.entries.is_empty() {
            self.way.shown.publish(shown.clone());
        }
        for waiter in waiters {
            // Whoever has gone away hears nothing.
            match waiter {
                Waiter::Reporter(done) => drop(done.send(Ok(()))),
                Waiter::Person(done) => drop(done.send(Ok(shown.clone()))),
            }
        }
        self.wake_at = wake_at;
        if !batch.entries.is_empty() {
            crash::point_of("before-acting", First(&batch.entries));
        }
        self.acting.act(perform, &self.head);
        Ok(())
    }

    /// What came, as events that fit one after another, and whom to tell.
    fn fold(&mut self, came: Vec<Input>, now: Micros) -> Result<(Vec<Event>, Vec<Waiter>), RunError> {
        let mut scratch = self.state.clone();
        let mut events = Vec::new();
        let mut waiters = Vec::new();
        for input in came {
            let new = match input {
                Input::Report { from, report, done } => {
                    let claimed = from.zip(report.token());
                    if let Some(Err(error)) = claimed.map(|(host, of)| check_owner(&scratch, &host, of)) {
                        done.map(|done| done.send(Err(error)));
                        continue;
                    }
                    if let Report::Ended { token, .. } = &report {
                        crash::point_of("after-result", &token.step);
                        self.acting.ended(token);
                    }
                    waiters.extend(done.map(Waiter::Reporter));
                    engine::receive(&scratch, report).into_iter().collect()
                }
                Input::Command { command, mut by, expected, done } => {
                    // The estate may be another one since it was asked for.
                    by.roles = self.app.estate.roles();
                    let wanted = engine::expect_sequence(&scratch, expected)
                        .and_then(|()| engine::request(&scratch, &command, &by, now));
                    match wanted {
                        Ok(new) => {
                            waiters.push(Waiter::Person(done));
                            new
                        }
                        Err(refused) => {
                            drop(done.send(Err(refused.into())));
                            continue;
                        }
                    }
                }
            };
            for event in new {
                let (sequence, epoch) = (scratch.sequence + 1, self.app.epoch.number);
                let recorded = Recorded { run: self.run, sequence, at: now, epoch, event };
                scratch = engine::apply(Some(scratch), &recorded)
                    .map_err(|error| RunError::Illegal { run: self.run, error })?;
                events.push(recorded.event);
            }
        }
        Ok((events, waiters))
    }

    /// Makes a batch durable. False when the run had moved on.
    async fn commit(&self, batch: &Batch) -> Result<bool, RunError> {
        let points = self.points(batch);
        let mut tries = 0;
        loop {
            let error = match self.app.store.append(self.app.epoch, batch.clone(), points.clone()).await {
                Ok(()) => return Ok(true),
                Err(StoreError::Moved { run, expected, found }) if found < expected => {
                    return Err(RunError::Halted(self.app.standing.lost_events(run, expected, found)));
                }
                Err(StoreError::NoRun { run }) => {
                    let expected = batch.expected;
                    return Err(RunError::Halted(self.app.standing.lost_events(run, expected, 0)));
                }
                Err(StoreError::Moved { .. }) => return Ok(false),
                Err(
                    error @ (StoreError::Full { .. }
                    | StoreError::Query { .. }
                    | StoreError::Unreachable { .. }),
                ) => error,
                Err(error) => {
                    self.app.judge(&error);
                    return Err(error.into());
                }
            };
            tracing::error!(run = %self.run, error = %error.problem(), "nothing goes on until this can be recorded");
            let wait = PATIENCE.wait(tries, 0.5).unwrap_or(PATIENCE.longest);
            tries += 1;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.app.stopping.cancelled() => return Err(StoreError::Closed.into()),
            }
        }
    }

    /// Restore points that the batch's results report.
    fn points(&self, batch: &Batch) -> Vec<PointRow> {
        let ended = batch.entries.iter().filter_map(|entry| match &entry.recorded.event {
            Event::Ended { token, outcome, .. } => Some((token, outcome)),
            _ => None,
        });
        ended
            .filter_map(|(token, outcome)| {
                metrics::counter!("lifeboat_attempts_total", "outcome" => outcome.as_str()).increment(1);
                let Action::Agent { host, work } = batch.state.action(batch.state.place(token)?)? else {
                    return None;
                };
                PointRow::of(work, outcome, host, &format!("run/{}", self.run), self.app.clock.now())
            })
            .collect()
    }

    /// Waits for the next thing to look at. None when the process stops.
    async fn wait(&mut self, inbox: &mut mpsc::Receiver<Input>) -> Option<Vec<Input>> {
        let mut came = self.acting.take_own();
        if came.is_empty() {
            let timer = self.wake_at.map_or(MAX_NAP, |at| at.since(self.app.clock.now()));
            let nap = timer.min(self.acting.until_silence()).min(MAX_NAP);
            tokio::select! {
                () = self.app.stopping.cancelled() => return None,
                first = inbox.recv() => came.extend(first),
                () = self.way.wake.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
        take_waiting(inbox, &mut came);
        self.wait_for_company(inbox, &mut came).await;
        came.extend(self.acting.silences());
        Some(came)
    }

    /// Waits a moment for more while nothing came but that orders arrived.
    async fn wait_for_company(&self, inbox: &mut mpsc::Receiver<Input>, came: &mut Vec<Input>) {
        let deadline = tokio::time::Instant::now() + COMPANY;
        while !came.is_empty() && came.len() < MAX_INPUTS && came.iter().all(Input::is_acceptance) {
            tokio::select! {
                () = self.app.stopping.cancelled() => return,
                () = self.way.wake.notified() => return,
                () = tokio::time::sleep_until(deadline) => return,
                more = inbox.recv() => match more {
                    Some(more) => came.push(more),
                    None => return,
                },
            }
            take_waiting(inbox, came);
        }
    }
}

/// What waits already, as far as one turn takes it.
fn take_waiting(inbox: &mut mpsc::Receiver<Input>, came: &mut Vec<Input>) {
    while came.len() < MAX_INPUTS {
        match inbox.try_recv() {
            Ok(input) => came.push(input),
            Err(_) => break,
        }
    }
}

/// The first event of a batch, as crash points name it.
struct First<'a>(&'a [Entry]);

impl std::fmt::Display for First<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(first) = self.0.first() else { return f.write_str("nothing") };
        let event = &first.recorded.event;
        let json = serde_json::to_value(event).unwrap_or_default();
        let step = json["token"]["step"].as_str().or(json["step"].as_str());
        write!(f, "{}-{}", event.kind(), step.unwrap_or("run"))
    }
}

/// Refuses what a host says about work of another.
pub(super) fn check_owner(state: &RunState, host: &HostName, token: &Token) -> Result<(), RunError> {
    let owner = match state.place(token).and_then(|place| state.action(place)) {
        Some(Action::Agent { host, .. }) => host.to_string(),
        Some(Action::Controller { .. } | Action::Timer { .. }) => "the controller".to_string(),
        // Nothing of this run: the engine ignores it.
        None => return Ok(()),
    };
    match owner == host.as_str() {
        true => Ok(()),
        false => Err(RunError::NotYours { host: host.clone(), owner }),
    }
}
