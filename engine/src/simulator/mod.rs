//! A pure simulation of a run: a driver, its journal, agents and time, in one thread and without a clock.
//!
//! The driver here is the driver of a controller in miniature: it commits before it acts, dispatches each
//! effect once a session, and keeps nothing that a crash may not take. A crash cuts the journal where
//! the test says and drops everything that the process knew; agents keep their spools. What must hold
//! through all of it: no token is executed twice, and the run goes on where it was.

mod world;

use crate::advance::advance;
use crate::apply::{IllegalEvent, apply};
use crate::command::{Command, Refused, request};
use crate::event::Event;
use crate::journal::Entry;
use crate::people::{Person, Roles};
use crate::perform::{Key, Perform};
use crate::receive::{Report, receive};
use crate::start::start;
use crate::state::RunState;
use model::{Head, HostName, Micros, RunId, Token, UserName};
use plan::checked::CheckedPlan;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use uuid::Uuid;

pub use world::{Agent, Delivery, Fate, Job, World, fenced};

/// Where a crash cuts the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Once the journal has this many rows; what was to follow in the same commit is not durable, and
    /// nothing of it was acted on.
    AfterRow(usize),
    /// Once the journal has this many rows, right after everything that follows was sent.
    AfterSending(usize),
}

/// A run and its world.
pub struct Simulation {
    /// The journal: what is durable.
    pub journal: Vec<Entry>,
    /// The state that the process believes in.
    pub state: RunState,
    /// The agents.
    pub world: World,
    /// The time.
    pub now: Micros,
    /// Length of the journal after each commit.
    pub commits: Vec<usize>,
    /// Crashes to come.
    pub crashes: Vec<Crash>,
    /// Crashes that came.
    pub crashed: usize,
    /// Who has which role.
    pub roles: Roles,
    head: Head,
    epoch: u64,
    dispatched: BTreeSet<Key>,
    perform: Vec<Perform>,
    wake_at: Option<Micros>,
    inbox: VecDeque<Report>,
    counter: u128,
}

/// The moment at which simulations begin.
pub const BEGINNING: Micros = Micros(1_700_000_000_000_000);

fn fresh_id(counter: &mut u128) -> Uuid {
    *counter += 1;
    // Spread, so that the low bits serve as randomness.
    Uuid::from_u128(counter.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

impl Simulation {
    /// A run of `plan`, requested and taken up.
    pub fn new(plan: CheckedPlan, by: UserName, world: World) -> Result<Self, IllegalEvent> {
        Self::with_crashes(plan, by, world, Vec::new())
    }

    /// The same, with crashes to come.
    pub fn with_crashes(
        plan: CheckedPlan,
        by: UserName,
        world: World,
        crashes: Vec<Crash>,
    ) -> Result<Self, IllegalEvent> {
        let run = RunId(Uuid::from_u128(7));
        let first =
            start(plan, by, None).map_err(|error| IllegalEvent::BadPlan { why: error.to_string() })?;
        let batch = crate::journal::Batch::prepare(None, None, run, vec![first], BEGINNING, 1)?;
        let mut simulation = Self {
            journal: batch.entries,
            state: batch.state,
            world,
            now: BEGINNING,
            commits: vec![1],
            crashes,
            crashed: 0,
            roles: Roles::default(),
            head: batch.head,
            epoch: 1,
            dispatched: BTreeSet::new(),
            perform: Vec::new(),
            wake_at: None,
            inbox: VecDeque::new(),
            counter: 0,
        };
        simulation.turn(Vec::new())?;
        Ok(simulation)
    }

    /// Runs until nothing more happens by itself but that a question expires, at most `limit` turns. True
    /// when it came to rest.
    pub fn run(&mut self, limit: usize) -> Result<bool, IllegalEvent> {
        for _ in 0..limit {
            if self.only_people_are_missing() || !self.step()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn only_people_are_missing(&self) -> bool {
        let questions = self.state.steps.iter().flat_map(|step| step.approvals());
        let mut expiries = questions.filter_map(|approval| approval.asked()).map(|asked| asked.expires_at);
        let next = self.next_moment();
        self.inbox.is_empty() && expiries.any(|expiry| next == Some(expiry))
    }

    /// Lets time pass until `moment`, with everything that happens until then.
    pub fn run_until(&mut self, moment: Micros) -> Result<(), IllegalEvent> {
        while self.next_moment().is_some_and(|next| next <= moment) {
            if !self.step()? {
                break;
            }
        }
        self.now = self.now.max(moment);
        self.turn(Vec::new())
    }

    /// The command of somebody with a certificate of their own, now.
    pub fn command(&mut self, command: &Command, by: &UserName) -> Result<Result<(), Refused>, IllegalEvent> {
        let person = Person { name: by.clone(), admin: false, roles: self.roles.clone() };
        self.command_of(command, &person)
    }

    /// The command of a person, now.
    pub fn command_of(
        &mut self,
        command: &Command,
        by: &Person,
    ) -> Result<Result<(), Refused>, IllegalEvent> {
        match request(&self.state, command, by, self.now) {
            Ok(events) => self.turn(events).map(Ok),
            Err(refused) => Ok(Err(refused)),
        }
    }

    /// Gives the driver a message that a test made up.
    pub fn report(&mut self, report: Report) -> Result<(), IllegalEvent> {
        match receive(&self.state, report) {
            Some(event) => self.turn(vec![event]),
            None => Ok(()),
        }
    }

    /// Effects that should be under way.
    pub fn perform(&self) -> &[Perform] {
        &self.perform
    }

    /// When the driver looks again by itself.
    pub fn wake_at(&self) -> Option<Micros> {
        self.wake_at
    }

    /// The connection to a host breaks and comes back: what was dispatched to it is dispatched again, and
    /// results that were not acknowledged come again.
    pub fn reconnect(&mut self, host: &HostName) -> Result<(), IllegalEvent> {
        self.forget(host);
        let again = self.world.unacknowledged(host);
        self.inbox.extend(again);
        self.turn(Vec::new())
    }

    /// The process dies and another one takes over, with a higher epoch and nothing but the journal.
    pub fn crash(&mut self) -> Result<(), IllegalEvent> {
        self.crashed += 1;
        self.epoch += 1;
        self.dispatched.clear();
        self.inbox.clear();
        self.perform.clear();
        let mut state = None;
        for entry in &self.journal {
            state = Some(apply(state, &entry.recorded)?);
        }
        let (Some(state), Some(last)) = (state, self.journal.last()) else { return Ok(()) };
        self.state = state;
        let recorded = &last.recorded;
        self.head = Head { run: recorded.run, sequence: recorded.sequence, hash: last.hash.clone() };
        let again = self.world.take_over();
        self.inbox.extend(again);
        self.turn(Vec::new())
    }

    fn forget(&mut self, host: &HostName) {
        let gone: Vec<Key> =
            self.perform.iter().filter(|effect| effect.host() == Some(host)).map(Perform::key).collect();
        self.dispatched.retain(|key| !gone.contains(key));
    }

    /// One thing happens. False when nothing will happen by itself any more.
    fn step(&mut self) -> Result<bool, IllegalEvent> {
        if let Some(report) = self.inbox.pop_front() {
            self.take(report)?;
            return Ok(true);
        }
        let Some(next) = self.next_moment() else { return Ok(false) };
        self.now = self.now.max(next);
        let (reports, broken) = self.world.pass(self.now);
        self.inbox.extend(reports);
        self.inbox.extend(self.silences());
        let mended = !broken.is_empty();
        for host in broken {
            self.forget(&host);
            let again = self.world.unacknowledged(&host);
            self.inbox.extend(again);
        }
        if mended || self.inbox.is_empty() {
            self.turn(Vec::new())?;
        }
        Ok(true)
    }

    fn take(&mut self, report: Report) -> Result<(), IllegalEvent> {
        let acknowledged = match &report {
            Report::Ended { token, .. } => Some(token.clone()),
            Report::Accepted { .. }
            | Report::Revoked { .. }
            | Report::Probed { .. }
            | Report::Told { .. }
            | Report::Silent { .. }
            | Report::LeaseExpired { .. } => None,
        };
        let crashed = self.crashed;
        self.report(report)?;
        // Acknowledged only once the event is durable, and by a process that is still there.
        if let Some(token) = acknowledged.filter(|_| crashed == self.crashed) {
            self.world.acknowledge(&token);
        }
        Ok(())
    }

    fn next_moment(&self) -> Option<Micros> {
        if !self.inbox.is_empty() {
            return Some(self.now);
        }
        let silences = self.perform.iter().filter_map(|effect| self.silence(effect)).map(|(at, _)| at);
        let own = self.wake_at.into_iter().chain(self.world.next_moment());
        own.chain(silences).min()
    }

    /// When the silence that an effect watches has lasted long enough, and the report of it.
    fn silence(&self, effect: &Perform) -> Option<(Micros, Report)> {
        let Perform::WatchSilence { token, host, after } = effect else { return None };
        let since = self.world.silent_since(host)?;
        let due = since.after(*after).max(self.started(token)?.after(*after));
        let silent = self.now.max(due).since(since);
        let silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
        Some((due, Report::Silent { token: token.clone(), host: host.clone(), silent_ms }))
    }

    fn started(&self, token: &Token) -> Option<Micros> {
        self.state.attempt(token)?.state.sent_at()
    }

    fn silences(&self) -> Vec<Report> {
        let due = self.perform.iter().filter_map(|effect| self.silence(effect));
        due.filter(|(at, _)| *at <= self.now).map(|(_, report)| report).collect()
    }

    /// Commit, then act.
    fn turn(&mut self, came: Vec<Event>) -> Result<(), IllegalEvent> {
        let mut counter = self.counter;
        let turn = advance(
            Some(self.state.clone()),
            Some(self.head.clone()),
            self.state.run,
            came,
            self.now,
            self.epoch,
            &mut || fresh_id(&mut counter),
        )?;
        self.counter = counter;
        let before = self.journal.len();
        self.journal.extend(turn.batch.entries);
        if self.journal.len() > before {
            self.commits.push(self.journal.len());
        }
        let reached = |rows: usize| before < rows && rows <= self.journal.len();
        let cut = self.crashes.iter().find_map(|crash| match crash {
            Crash::AfterRow(rows) if reached(*rows) => Some(*rows),
            Crash::AfterRow(_) | Crash::AfterSending(_) => None,
        });
        if let Some(rows) = cut {
            self.journal.truncate(rows);
            self.crashes.retain(|crash| *crash != Crash::AfterRow(rows));
            return self.crash();
        }
        let after_sending = self.crashes.iter().copied().find(|crash| match crash {
            Crash::AfterSending(rows) => reached(*rows),
            Crash::AfterRow(_) => false,
        });
        self.state = turn.batch.state;
        self.head = turn.batch.head;
        self.perform = turn.perform;
        self.wake_at = turn.wake_at;
        self.dispatch();
        if let Some(crash) = after_sending {
            self.crashes.retain(|other| *other != crash);
            return self.crash();
        }
        Ok(())
    }

    fn dispatch(&mut self) {
        let wanted: BTreeSet<Key> = self.perform.iter().map(Perform::key).collect();
        self.dispatched.retain(|key| wanted.contains(key));
        for effect in &self.perform {
            if !self.dispatched.insert(effect.key()) {
                continue;
            }
            self.world.perform(effect, self.now);
        }
    }

    /// Kinds of the events so far, for stories.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.journal.iter().map(|entry| entry.recorded.event.kind()).collect()
    }

    /// A time that lies `length` after now.
    pub fn after(&self, length: Duration) -> Micros {
        self.now.after(length)
    }
}
