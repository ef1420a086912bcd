//! An agent: it executes a token at most once, answers a repeat from its spool, and obeys the highest epoch
//! that it has seen.

use super::message::{Happening, ToAgent, ToController};
use super::world::World;
use engine::Report;
use engine::event::{Actor, ProbeAnswer, Revocation};
use engine::simulator::fenced;
use model::jobs::ServiceAction;
use model::{Epoch, Evidence, HostName, Mode, Outcome, Problem, RunId, Token, Work};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is kept of one token.
#[derive(Debug, Clone)]
pub enum Held {
    /// It runs, under this epoch.
    Running { epoch: Epoch, fate: Fate },
    /// It ended; whether the controller has the result.
    Ended { outcome: Outcome, delivered: bool },
    /// It will never begin.
    Revoked,
}

/// What becomes of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It has its effect and says so.
    Succeed,
    /// It has none and says so.
    Fail,
    /// It never ends by itself; whether it has its effect.
    Hang(bool),
}

/// One host with its agent.
#[derive(Debug, Default)]
pub struct Agent {
    /// There is power, and the process runs.
    pub up: bool,
    /// The host itself is off: nothing on it runs.
    pub dark: bool,
    pub frozen: bool,
    /// Nothing comes in or out.
    pub cut: bool,
    /// Another number for each life of the process.
    pub life: u64,
    /// The controller's process that it talks to.
    pub peer: Option<usize>,
    /// Its disk takes nothing.
    pub full: bool,
    /// Durable: survives each death.
    pub epoch: Option<Epoch>,
    pub spool: BTreeMap<Token, Held>,
    pub barred: BTreeSet<Token>,
    pub heads: BTreeMap<RunId, u64>,
    /// What arrived while it stood still.
    pub mail: Vec<(usize, ToAgent)>,
}

fn ended(host: &HostName, token: &Token, outcome: &Outcome) -> Report {
    let by = Actor::Agent { host: host.clone() };
    Report::Ended { token: token.clone(), outcome: outcome.clone(), by, took_us: None }
}

fn problem(code: &str, text: &str) -> Problem {
    Problem::new(code, text, "Look.")
}

impl World {
    pub fn agent(&mut self, host: &HostName) -> &mut Agent {
        self.agents.get_mut(host).unwrap()
    }

    fn say(&mut self, host: &HostName, report: Report) {
        self.send_controller(host, ToController::Report(Box::new(report)));
    }

    /// A message arrived.
    pub fn at_agent(&mut self, host: &HostName, from: usize, message: ToAgent) {
        let agent = self.agent(host);
        if !agent.up || agent.cut {
            return;
        }
        if agent.frozen {
            agent.mail.push((from, message));
            return;
        }
        let offered = match &message {
            ToAgent::Welcome(epoch)
            | ToAgent::Order { epoch, .. }
            | ToAgent::Revoke { epoch, .. }
            | ToAgent::Probe { epoch, .. } => Some(*epoch),
            ToAgent::Acknowledged { .. } | ToAgent::Closed { .. } => None,
        };
        if let Some(offered) = offered {
            let agent = self.agent(host);
            if Epoch::admit(agent.epoch, offered).is_err() {
                let seen = agent.epoch.unwrap();
                self.say_to(from, host, ToController::Disobeys(seen));
                return;
            }
            agent.epoch = Some(offered);
        }
        match message {
            ToAgent::Welcome(_) => self.deliver_again(host),
            ToAgent::Order { token, epoch, work, head, timeout_us } => {
                self.order(host, token, epoch, &work, head, timeout_us);
            }
            ToAgent::Revoke { token, .. } => self.revoke(host, &token),
            ToAgent::Probe { token, .. } => self.probe(host, &token),
            ToAgent::Acknowledged { token } => {
                if let Some(Held::Ended { delivered, .. }) = self.agent(host).spool.get_mut(&token) {
                    *delivered = true;
                }
            }
            ToAgent::Closed { .. } => {}
        }
    }

    fn deliver_again(&mut self, host: &HostName) {
        let results: Vec<Report> = self.agents[host]
            .spool
            .iter()
            .filter_map(|(token, held)| match held {
                Held::Ended { outcome, delivered: false } => Some(ended(host, token, outcome)),
                _ => None,
            })
            .collect();
        results.into_iter().for_each(|report| self.say(host, report));
    }

    #[allow(clippy::too_many_arguments)]
    fn order(
        &mut self,
        host: &HostName,
        token: Token,
        epoch: Epoch,
        work: &Work,
        head: u64,
        timeout_us: i64,
    ) {
        let agent = self.agent(host);
        if agent.heads.get(&token.run).is_some_and(|seen| head < *seen) {
            // Overtaken by a newer order of the same run: the sender sends it again with its newest head.
            self.broken(host);
            return;
        }
        if agent.barred.contains(&token) {
            let outcome = Outcome::Refused { problem: problem("LB2112", "taken back before it arrived") };
            self.say(host, ended(host, &token, &outcome));
            return;
        }
        match agent.spool.get_mut(&token) {
            Some(Held::Running { epoch: held, .. }) => {
                *held = epoch;
                self.say(host, Report::Accepted { token });
            }
            Some(Held::Ended { outcome, .. }) => {
                let report = ended(host, &token, &outcome.clone());
                self.say(host, report);
            }
            Some(Held::Revoked) => {
                let report = ended(host, &token, &Outcome::Cancelled);
                self.say(host, report);
            }
            None if agent.full => self.kill_agent(host),
            None => self.begin(host, token, epoch, work, head, timeout_us),
        }
    }

    fn begin(&mut self, host: &HostName, token: Token, epoch: Epoch, work: &Work, head: u64, limit_us: i64) {
        let fate = match self.dice.roll(20) {
            0 | 1 => Fate::Fail,
            2 => Fate::Hang(self.dice.one_in(2)),
            _ => Fate::Succeed,
        };
        let length = match self.dice.roll(15) {
            0 => 1 + self.dice.roll(30_000_000) as i64,
            _ => 1 + self.dice.roll(2_000_000) as i64,
        };
        let length =
            if fate == Fate::Succeed || fate == Fate::Fail { length.min(limit_us) } else { limit_us };
        *self.truth.executions.entry(token.clone()).or_default() += 1;
        self.truth.works.insert(token.clone(), work.clone());
        let agent = self.agent(host);
        agent.heads.insert(token.run, head);
        agent.spool.insert(token.clone(), Held::Running { epoch, fate });
        let life = agent.life;
        let effect = self.dice.roll(length as u64) as i64;
        self.after(effect, Happening::Effect { host: host.clone(), life, token: token.clone() });
        self.after(length, Happening::Ended { host: host.clone(), life, token: token.clone() });
        self.say(host, Report::Accepted { token });
    }

    /// The moment of the effect: the epoch is compared once more.
    pub fn effect(&mut self, host: &HostName, life: u64, token: &Token) {
        let agent = self.agent(host);
        if agent.life != life || !agent.up {
            return;
        }
        let Some(Held::Running { epoch, fate }) = agent.spool.get(token).cloned() else { return };
        if Epoch::admit(agent.epoch, epoch).is_err() {
            let outcome = Outcome::Unknown { problem: problem("LB2209", "another controller took over") };
            self.settle(host, token, outcome);
            return;
        }
        if matches!(fate, Fate::Succeed | Fate::Hang(true)) {
            self.have_effect(host, token);
        }
    }

    fn have_effect(&mut self, host: &HostName, token: &Token) {
        self.truth.effects.insert(token.clone());
        if token.mode == Mode::Preview {
            return;
        }
        let place = (token.run, host.clone());
        let writable = match &self.truth.works[token] {
            Work::Fence(_) => false,
            Work::Promote(_) => true,
            Work::Service(service) if service.service.name.as_str() == "db" => {
                // A standby that is started stays one.
                service.action == ServiceAction::Start && self.truth.primaries.contains(&place)
            }
            _ => return,
        };
        match writable {
            true => self.truth.writable.insert(place),
            false => self.truth.writable.remove(&place),
        };
        if matches!(self.truth.works[token], Work::Promote(_)) {
            self.truth.promoted = true;
            self.truth.primaries.insert((token.run, host.clone()));
        }
        self.look_at_primaries(token.run);
    }

    /// Work ends by itself, or because its time is over.
    pub fn ended_at_agent(&mut self, host: &HostName, life: u64, token: &Token) {
        let agent = self.agent(host);
        if agent.life != life || !agent.up {
            return;
        }
        if agent.frozen {
            // It ends when it goes on.
            self.after(1_000_000, Happening::Ended { host: host.clone(), life, token: token.clone() });
            return;
        }
        let Some(Held::Running { fate, .. }) = agent.spool.get(token).cloned() else { return };
        let outcome = match fate {
            Fate::Succeed => Outcome::Succeeded { output: self.output(token) },
            Fate::Fail => Outcome::Failed { problem: problem("LB2201", "no") },
            Fate::Hang(_) => Outcome::Unknown { problem: problem("LB2202", "not done in time") },
        };
        self.settle(host, token, outcome);
    }

    fn output(&self, token: &Token) -> Value {
        match &self.truth.works[token] {
            Work::Fence(_) => fenced(Evidence::Stopped),
            _ => Value::Null,
        }
    }

    fn settle(&mut self, host: &HostName, token: &Token, outcome: Outcome) {
        let report = ended(host, token, &outcome);
        self.agent(host).spool.insert(token.clone(), Held::Ended { outcome, delivered: false });
        self.say(host, report);
    }

    fn revoke(&mut self, host: &HostName, token: &Token) {
        let agent = self.agent(host);
        let answer = match agent.spool.get(token) {
            None => {
                agent.barred.insert(token.clone());
                Revocation::NeverBegun
            }
            Some(Held::Revoked) => Revocation::NeverBegun,
            Some(Held::Ended { .. }) => Revocation::Ended,
            Some(Held::Running { .. }) => {
                self.settle(host, token, Outcome::Cancelled);
                Revocation::Stopped
            }
        };
        self.say(host, Report::Revoked { token: token.clone(), answer });
    }

    fn probe(&mut self, host: &HostName, token: &Token) {
        let there = self.truth.effects.contains(token);
        let answer = match (self.truth.works.get(token), there) {
            (Some(Work::Command(_)), _) => {
                ProbeAnswer::CannotTell { problem: problem("LB2218", "nobody but its author knows") }
            }
            (_, true) => ProbeAnswer::Done { output: self.output(token) },
            (_, false) => ProbeAnswer::NotDone,
        };
        self.say(host, Report::Probed { token: token.clone(), answer });
    }
}
