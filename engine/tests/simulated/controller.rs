//! A controller's process: the drivers of its open runs, and its sessions.

use super::message::{Happening, ToAgent, ToController};
use super::store::NotAppended;
use super::world::World;
use crate::plans::{random::random_plan, user};
use engine::event::{Event, ProbeAnswer, Revocation};
use engine::perform::Key;
use engine::{Batch, Perform, Report, RunState, advance, receive};
use model::{Epoch, Head, HostName, Micros, RunId, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Longest wait between two turns.
const NAP: Duration = Duration::from_secs(5);
/// How soon an append is tried again that found the disk full.
const AGAIN_US: i64 = 400_000;

/// The driver of one run.
pub struct Driver {
    pub state: RunState,
    head: Head,
    dispatched: BTreeMap<Key, u64>,
    watches: Vec<(Token, HostName, Duration)>,
    next_turn: Option<Micros>,
}

/// One process.
pub struct Process {
    pub epoch: Epoch,
    pub alive: bool,
    pub frozen: bool,
    /// It will stand still between its next commit and what follows from it.
    pub freezes_next: bool,
    /// Its wall clock, beside the true one.
    pub skew_us: i64,
    pub sessions: BTreeMap<HostName, u64>,
    pub drivers: BTreeMap<RunId, Driver>,
    pub heard: BTreeMap<HostName, Micros>,
    started: Micros,
    pub controls: BTreeSet<Token>,
    pub mail: Vec<(HostName, ToController)>,
    /// Decided and durable, and not acted on when it stood still.
    pub held: Vec<(RunId, Vec<Perform>)>,
}

impl Process {
    /// Somebody who dials it gets an answer.
    pub fn answers(&self) -> bool {
        self.alive && !self.frozen
    }
}

impl World {
    pub fn clock(&self, process: usize) -> Micros {
        Micros(self.now.0 + self.processes[process].skew_us)
    }

    /// The process that leads, if it can do anything.
    pub fn leader(&self) -> Option<usize> {
        let leads = |process: &usize| self.processes[*process].epoch == self.store.leader;
        (0..self.processes.len()).rev().find(leads).filter(|process| self.processes[*process].answers())
    }

    /// A new process takes the next epoch and every open run. Agents find it when they dial.
    pub fn take_over(&mut self) {
        let epoch = {
            let holder = self.fresh();
            self.store.lead(holder)
        };
        let process = self.processes.len();
        let skew_us = self.processes.last().map_or(0, |process| process.skew_us);
        self.processes.push(Process {
            epoch,
            alive: true,
            frozen: false,
            freezes_next: false,
            skew_us,
            sessions: BTreeMap::new(),
            drivers: BTreeMap::new(),
            heard: BTreeMap::new(),
            started: self.now,
            controls: BTreeSet::new(),
            mail: Vec::new(),
            held: Vec::new(),
        });
        self.took_over = true;
        for run in self.store.runs.keys().copied().collect::<Vec<_>>() {
            let (state, head) = self.store.load(run);
            if state.is_open() {
                self.drive(process, state, head);
                self.step(process, run, Vec::new());
            }
        }
    }

    fn drive(&mut self, process: usize, state: RunState, head: Head) {
        let driver =
            Driver { head, dispatched: BTreeMap::new(), watches: Vec::new(), next_turn: None, state };
        self.processes[process].drivers.insert(driver.state.run, driver);
    }

    /// Starts a run, and another one later.
    pub fn start(&mut self) {
        if self.healed {
            return;
        }
        let next = 500_000 + self.dice.roll(5_000_000) as i64;
        self.after(next, Happening::Start);
        let Some(process) = self.leader() else { return };
        let plan = random_plan(&mut self.dice);
        let run = RunId(self.fresh());
        let Ok(first) = engine::start(plan, user("ada"), None) else { return };
        let (now, epoch) = (self.clock(process), self.processes[process].epoch);
        let batch = Batch::prepare(None, None, run, vec![first], now, epoch.number).unwrap();
        if self.store.append(epoch, &batch).is_err() {
            return;
        }
        self.note_durable(&batch);
        self.truth.writable.insert((run, crate::plans::host("a")));
        self.truth.primaries.insert((run, crate::plans::host("a")));
        self.drive(process, batch.state, batch.head);
        self.step(process, run, Vec::new());
    }

    pub fn note_durable(&mut self, batch: &Batch) {
        let rows = batch.entries.iter();
        if self.told {
            rows.clone().for_each(|entry| println!("  journal {}: {}", batch.run, entry.text));
        }
        self.durable.extend(rows.map(|entry| (batch.run, entry.recorded.sequence, entry.hash.clone())));
    }

    /// Folds, decides, commits, acts. False when nothing was made durable.
    pub fn step(&mut self, process: usize, run: RunId, came: Vec<Event>) -> bool {
        let (now, epoch) = (self.clock(process), self.processes[process].epoch);
        let Some(driver) = self.processes[process].drivers.get(&run) else { return false };
        let (state, head) = (driver.state.clone(), driver.head.clone());
        let mut ids: Vec<_> = Vec::new();
        let turn = advance(Some(state), Some(head), run, came, now, epoch.number, &mut || {
            let id = self.fresh();
            ids.push(id);
            id
        });
        let turn = match turn {
            Ok(turn) => turn,
            Err(error) => {
                self.wrong.push(format!("run {run}: {error}"));
                self.processes[process].drivers.remove(&run);
                return false;
            }
        };
        if !turn.batch.entries.is_empty() {
            match self.store.append(epoch, &turn.batch) {
                Ok(()) => self.note_durable(&turn.batch),
                Err(NotAppended::EpochOver) => {
                    self.processes[process].alive = false;
                    return false;
                }
                Err(NotAppended::Full) => {
                    self.plan_turn(process, run, Micros(self.now.0 + AGAIN_US));
                    return false;
                }
                Err(NotAppended::Moved) => {
                    let (state, head) = self.store.load(run);
                    self.drive(process, state, head);
                    self.plan_turn(process, run, Micros(self.now.0 + 1));
                    return false;
                }
            }
        }
        let skew = self.processes[process].skew_us;
        let own = &mut self.processes[process];
        if let Some(driver) = own.drivers.get_mut(&run) {
            (driver.state, driver.head) = (turn.batch.state, turn.batch.head);
        }
        if own.freezes_next && !turn.batch.entries.is_empty() {
            own.freezes_next = false;
            own.frozen = true;
            own.held.push((run, turn.perform));
            return true;
        }
        self.act(process, run, turn.perform);
        let nap = self.now.after(NAP);
        let wake = turn.wake_at.map_or(nap, |at| Micros(at.0 - skew).clamp(Micros(self.now.0 + 1), nap));
        self.plan_turn(process, run, wake);
        true
    }

    fn plan_turn(&mut self, process: usize, run: RunId, at: Micros) {
        let now = self.now;
        let Some(driver) = self.processes[process].drivers.get_mut(&run) else { return };
        if driver.next_turn.is_none_or(|planned| planned > at || planned <= now) {
            driver.next_turn = Some(at);
            self.after(at.0 - now.0, Happening::Turn { process, run });
        }
    }

    /// A driver looks by itself: at its clock, and at whom it has not heard for long.
    pub fn timer(&mut self, process: usize, run: RunId) {
        let (own, now) = (&self.processes[process], self.now);
        let Some(driver) = own.drivers.get(&run) else { return };
        if !own.answers() || driver.next_turn.is_some_and(|planned| planned > now) {
            return;
        }
        let silent = |host: &HostName| now.since(own.heard.get(host).copied().unwrap_or(own.started));
        let reports: Vec<Report> = driver
            .watches
            .iter()
            .filter(|(_, host, after)| silent(host) >= *after)
            .map(|(token, host, _)| Report::Silent {
                token: token.clone(),
                host: host.clone(),
                silent_ms: silent(host).as_millis() as u64,
            })
            .collect();
        for report in reports {
            if let Some(event) = self.received(process, &report) {
                self.step(process, run, vec![event]);
            }
        }
        self.step(process, run, Vec::new());
    }

    pub fn received(&self, process: usize, report: &Report) -> Option<Event> {
        let run = self.run_of(process, report)?;
        receive(&self.processes[process].drivers.get(&run)?.state, report.clone())
    }

    /// The run that a report is about: that of its token, or the one that asked the question.
    pub fn run_of(&self, process: usize, report: &Report) -> Option<RunId> {
        let Report::Told { approval, .. } = report else { return report.token().map(|token| token.run) };
        let drivers = self.processes[process].drivers.iter();
        let asks = |state: &engine::RunState| {
            let slots = state.steps.iter().flat_map(|step| step.approvals());
            slots.filter_map(|slot| slot.question()).any(|question| question.id == *approval)
        };
        drivers.filter(|(_, driver)| asks(&driver.state)).map(|(run, _)| *run).next()
    }

    pub fn act(&mut self, process: usize, run: RunId, perform: Vec<Perform>) {
        let wanted: BTreeSet<Key> = perform.iter().map(Perform::key).collect();
        let epoch = self.processes[process].epoch;
        let Some(driver) = self.processes[process].drivers.get_mut(&run) else { return };
        driver.dispatched.retain(|key, _| wanted.contains(key));
        driver.watches.clear();
        let head = driver.head.sequence;
        for effect in perform {
            let own = &mut self.processes[process];
            let Some(driver) = own.drivers.get_mut(&run) else { return };
            if let Perform::WatchSilence { token, host, after } = effect {
                let due = own.heard.get(&host).copied().unwrap_or(own.started).after(after);
                driver.watches.push((token, host, after));
                let soon = Micros(self.now.0 + 50_000);
                self.plan_turn(process, run, due.max(soon));
                continue;
            }
            let key = effect.key();
            let session = match effect.host() {
                Some(host) => own.sessions.get(host).copied(),
                None => Some(0),
            };
            let Some(session) = session.filter(|session| driver.dispatched.get(&key) != Some(session)) else {
                continue;
            };
            driver.dispatched.insert(key, session);
            self.perform(process, epoch, head, effect);
        }
        let Some(driver) = self.processes[process].drivers.get(&run) else { return };
        if !driver.state.is_open() {
            self.processes[process].drivers.remove(&run);
        }
    }

    fn perform(&mut self, process: usize, epoch: Epoch, head: u64, effect: Perform) {
        match effect {
            Perform::Send { token, host, work, timeout } => {
                let timeout_us = timeout.as_micros() as i64;
                let message = ToAgent::Order { token, epoch, work: Box::new(work), head, timeout_us };
                self.send_agent(process, &host, message);
            }
            Perform::Revoke { token, host: Some(host) } => {
                self.send_agent(process, &host, ToAgent::Revoke { token, epoch });
            }
            Perform::Probe { token, host, .. } => {
                self.send_agent(process, &host, ToAgent::Probe { token, epoch });
            }
            Perform::Control { token, .. } => {
                let length = 1 + self.dice.roll(1_000_000) as i64;
                self.processes[process].controls.insert(token.clone());
                self.after(length, Happening::Acted { process, token });
            }
            Perform::Revoke { token, host: None } => {
                self.processes[process].controls.remove(&token);
                let report = Box::new(Report::Revoked { token, answer: Revocation::Stopped });
                self.after(1, Happening::Own { process, report });
            }
            Perform::ProbeControl { token, .. } => {
                let there = self.truth.effects.contains(&token);
                let answer = match there {
                    true => ProbeAnswer::Done { output: serde_json::Value::Null },
                    false => ProbeAnswer::NotDone,
                };
                self.after(
                    1000,
                    Happening::Own { process, report: Box::new(Report::Probed { token, answer }) },
                );
            }
            Perform::CloseRun { run, hosts } => {
                hosts.iter().for_each(|host| self.send_agent(process, host, ToAgent::Closed { run }));
            }
            Perform::Tell { approval, notice, .. } => {
                let channels = vec![crate::plans::name("ops")];
                let report = Box::new(Report::Told { approval, notice, channels, failed: Vec::new() });
                self.after(1000, Happening::Own { process, report });
            }
            Perform::WatchSilence { .. } | Perform::WatchLease { .. } => {}
        }
    }
}
