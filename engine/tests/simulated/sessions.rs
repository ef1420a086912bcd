//! What comes to a controller's process: from agents, from its own actions, and after it stood still.

use super::message::{Happening, ToAgent, ToController};
use super::world::World;
use engine::event::Actor;
use engine::{Batch, Report, receive};
use model::{Epoch, HostName, Outcome, Token};

/// How soon something is tried again that found the disk full.
const AGAIN_US: i64 = 400_000;

impl World {
    /// An action of the controller's own has ended.
    pub fn acted(&mut self, process: usize, token: &Token) {
        if !self.processes[process].alive || !self.processes[process].controls.remove(token) {
            return;
        }
        self.truth.effects.insert(token.clone());
        let outcome = Outcome::Succeeded { output: serde_json::Value::Null };
        let report = Report::Ended { token: token.clone(), outcome, by: Actor::Controller, took_us: None };
        self.own(process, report);
    }

    /// What a process reports to itself; while it stands still, or its disk is full, later.
    pub fn own(&mut self, process: usize, report: Report) {
        let own = &self.processes[process];
        if !own.alive {
            return;
        }
        if own.frozen || self.store.full {
            self.after(AGAIN_US, Happening::Own { process, report: Box::new(report) });
            return;
        }
        let run = self.run_of(process, &report);
        if let (Some(event), Some(run)) = (self.received(process, &report), run) {
            self.step(process, run, vec![event]);
        }
    }

    /// A message of an agent arrived.
    pub fn at_controller(&mut self, to: usize, host: &HostName, message: ToController) {
        if !self.processes[to].alive {
            self.broken(host);
            return;
        }
        if self.processes[to].frozen {
            self.processes[to].mail.push((host.clone(), message));
            return;
        }
        let now = self.now;
        self.processes[to].heard.insert(host.clone(), now);
        match message {
            // Now and then it looks whether it still leads.
            ToController::Beat if self.processes[to].epoch != self.store.leader && self.dice.one_in(3) => {
                self.processes[to].alive = false;
                self.broken(host);
            }
            ToController::Beat => {}
            ToController::Hello(seen) => self.hello(to, host, seen),
            ToController::Disobeys(seen) => {
                if Epoch::admit(Some(seen), self.processes[to].epoch).is_err() {
                    self.processes[to].alive = false;
                }
            }
            ToController::Report(report) => self.report(to, host, *report),
        }
    }

    fn hello(&mut self, to: usize, host: &HostName, seen: Option<Epoch>) {
        let own = self.processes[to].epoch;
        if Epoch::admit(seen, own).is_err() {
            self.processes[to].alive = false;
            self.broken(host);
            return;
        }
        let number = self.fresh().as_u64_pair().0;
        self.processes[to].sessions.insert(host.clone(), number);
        self.send_agent(to, host, ToAgent::Welcome(own));
        for run in self.processes[to].drivers.keys().copied().collect::<Vec<_>>() {
            self.step(to, run, Vec::new());
        }
    }

    fn report(&mut self, to: usize, host: &HostName, report: Report) {
        let Some(token) = report.token().cloned() else { return };
        let run = token.run;
        let is_end = matches!(report, Report::Ended { .. });
        let durable = if self.processes[to].drivers.contains_key(&run) {
            match self.received(to, &report) {
                Some(event) => self.step(to, run, vec![event]),
                None => true,
            }
        } else {
            self.late(to, &report)
        };
        if !self.processes[to].answers() {
            return;
        }
        match (durable, is_end) {
            (true, true) => {
                self.acknowledged.insert(token.clone());
                self.send_agent(to, host, ToAgent::Acknowledged { token });
            }
            (false, _) if self.store.full => {
                let message = ToController::Report(Box::new(report));
                self.after(AGAIN_US, Happening::AtController { to, host: host.clone(), message });
            }
            _ => {}
        }
    }

    /// What came after the end of a run.
    fn late(&mut self, to: usize, report: &Report) -> bool {
        let Some(run) = report.token().map(|token| token.run) else { return false };
        if !self.store.runs.contains_key(&run) {
            return false;
        }
        let (state, head) = self.store.load(run);
        if state.is_open() {
            return false;
        }
        let Some(event) = receive(&state, report.clone()) else { return true };
        let (now, epoch) = (self.clock(to), self.processes[to].epoch);
        match Batch::prepare(Some(state), Some(head), run, vec![event], now, epoch.number) {
            Ok(batch) => {
                let appended = self.store.append(epoch, &batch).is_ok();
                if appended {
                    self.note_durable(&batch);
                }
                appended
            }
            Err(error) => {
                self.wrong.push(format!("a late result of {run}: {error}"));
                false
            }
        }
    }

    /// A process that stood still goes on where it was: it acts on what it had decided, and reads its mail.
    pub fn thaws(&mut self, process: usize) {
        if !self.processes[process].frozen {
            return;
        }
        self.processes[process].frozen = false;
        for (run, perform) in std::mem::take(&mut self.processes[process].held) {
            self.act(process, run, perform);
        }
        for (host, message) in std::mem::take(&mut self.processes[process].mail) {
            self.at_controller(process, &host, message);
        }
        for run in self.processes[process].drivers.keys().copied().collect::<Vec<_>>() {
            if self.processes[process].answers() {
                self.step(process, run, Vec::new());
            }
        }
    }
}
