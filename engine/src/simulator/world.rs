//! Agents without hosts: a spool, jobs that take time, and messages that get lost.

use crate::event::{Actor, ProbeAnswer, Revocation};
use crate::perform::Perform;
use crate::receive::Report;
use model::jobs::FenceOutput;
use model::{ControlAction, Evidence, HostName, Micros, Name, Outcome, Problem, Token, Work};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// What an order asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Of an agent.
    Work(Box<Work>),
    /// Of the controller itself.
    Control(Box<ControlAction>),
}

/// What becomes of one execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It has its effect and says so.
    Succeed(Value),
    /// It has no effect and says so.
    Fail(Problem),
    /// It is not even tried.
    Refuse(Problem),
    /// It dies in the middle; whether it had its effect only the probe knows.
    Die {
        /// It had.
        effect: bool,
    },
    /// It never ends by itself.
    Hang {
        /// The effect is there all the same.
        effect: bool,
    },
}

/// What becomes of one message to or from an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It arrives.
    Once,
    /// It arrives twice.
    Twice,
    /// The connection breaks before it arrives, and comes back.
    Lost,
}

/// One agent (or the controller's own actions).
#[derive(Debug, Default)]
pub struct Agent {
    /// Since when it cannot be reached.
    pub offline_since: Option<Micros>,
    spool: BTreeMap<Token, Held>,
}

#[derive(Debug)]
struct Held {
    runs: Option<(Micros, Fate)>,
    outcome: Option<Outcome>,
    revoked: Option<Revocation>,
    acknowledged: bool,
}

type Behave = Box<dyn FnMut(&Token, &Job) -> (Fate, Duration)>;
type Network = Box<dyn FnMut() -> Delivery>;
type Look = Box<dyn FnMut(&Token, bool) -> ProbeAnswer>;

/// All agents.
pub struct World {
    agents: BTreeMap<Option<HostName>, Agent>,
    behave: Behave,
    network: Network,
    look: Look,
    executions: BTreeMap<Token, u32>,
    effects: BTreeMap<Token, bool>,
    due: Vec<Report>,
    broken: Vec<HostName>,
    /// Channels that take every message.
    pub channels: Vec<Name>,
}

/// The output of a fence that obtained `evidence`.
pub fn fenced(evidence: Evidence) -> Value {
    let output = FenceOutput { evidence, detail: "server stopped and masked".to_string(), final_lsn: None };
    serde_json::to_value(output).unwrap_or(Value::Null)
}

/// What a job gives when all is well.
fn usual(job: &Job) -> Value {
    match job {
        Job::Work(work) if matches!(**work, Work::Fence(_)) => fenced(Evidence::Stopped),
        Job::Work(_) | Job::Control(_) => Value::Null,
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            agents: BTreeMap::new(),
            behave: Box::new(|_, job| (Fate::Succeed(usual(job)), Duration::from_millis(10))),
            network: Box::new(|| Delivery::Once),
            look: Box::new(|_, effect| {
                if effect { ProbeAnswer::Done { output: Value::Null } } else { ProbeAnswer::NotDone }
            }),
            executions: BTreeMap::new(),
            effects: BTreeMap::new(),
            due: Vec::new(),
            broken: Vec::new(),
            channels: Name::new("ops").into_iter().collect(),
        }
    }
}

impl World {
    /// A world in which everything succeeds after 10 ms.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what becomes of each execution, and how long it takes.
    pub fn behaving(
        mut self,
        mut behave: impl FnMut(&Token, &Job) -> (Option<Fate>, Duration) + 'static,
    ) -> Self {
        self.behave = Box::new(move |token, job| {
            let (fate, length) = behave(token, job);
            (fate.unwrap_or_else(|| Fate::Succeed(usual(job))), length)
        });
        self
    }

    /// Says what becomes of each message.
    pub fn delivering(mut self, network: impl FnMut() -> Delivery + 'static) -> Self {
        self.network = Box::new(network);
        self
    }

    /// Says what probes answer, given whether the effect is there.
    pub fn looking(mut self, look: impl FnMut(&Token, bool) -> ProbeAnswer + 'static) -> Self {
        self.look = Box::new(look);
        self
    }

    /// A host goes away, with its agent.
    pub fn take_offline(&mut self, host: &HostName, now: Micros) {
        self.agent(Some(host.clone())).offline_since = Some(now);
    }

    /// It comes back, with its spool. Reconnect the simulation to it then.
    pub fn bring_online(&mut self, host: &HostName) {
        self.agent(Some(host.clone())).offline_since = None;
    }

    /// The agent's process dies: what it was doing is cut off, its spool stays.
    pub fn kill_agent(&mut self, host: &HostName) {
        let lost = Problem::new("LB2201", "the agent was killed in the middle of the job", "");
        let agent = self.agent(Some(host.clone()));
        for held in agent.spool.values_mut() {
            if held.runs.take().is_some() {
                held.outcome = Some(Outcome::Unknown { problem: lost.clone() });
            }
        }
    }

    /// The effect of a token is still under way somewhere: nobody can know yet what it will be.
    pub fn is_running(&self, token: &Token) -> bool {
        self.agents.values().any(|agent| agent.spool.get(token).is_some_and(|held| held.runs.is_some()))
    }

    /// How often each token was executed.
    pub fn executions(&self) -> &BTreeMap<Token, u32> {
        &self.executions
    }

    /// Tokens whose effect is there.
    pub fn effects(&self) -> impl Iterator<Item = &Token> {
        self.effects.iter().filter(|(_, there)| **there).map(|(token, _)| token)
    }

    pub(super) fn silent_since(&self, host: &HostName) -> Option<Micros> {
        self.agents.get(&Some(host.clone()))?.offline_since
    }

    fn agent(&mut self, host: Option<HostName>) -> &mut Agent {
        self.agents.entry(host).or_default()
    }

    fn is_offline(&self, host: &Option<HostName>) -> bool {
        self.agents.get(host).is_some_and(|agent| agent.offline_since.is_some())
    }

    /// An effect is dispatched.
    pub(super) fn perform(&mut self, effect: &Perform, now: Micros) {
        let host = effect.host().cloned();
        if self.is_offline(&host) {
            return;
        }
        let times = match (&host, (self.network)()) {
            // The controller does not lose messages to itself.
            (None, _) | (Some(_), Delivery::Once) => 1,
            (Some(_), Delivery::Twice) => 2,
            (Some(host), Delivery::Lost) => {
                self.broken.push(host.clone());
                0
            }
        };
        for _ in 0..times {
            match effect {
                Perform::Send { token, work, .. } => {
                    self.order(host.clone(), token, Job::Work(Box::new(work.clone())), now)
                }
                Perform::Control { token, action, .. } => {
                    self.order(None, token, Job::Control(Box::new(action.clone())), now);
                }
                Perform::Revoke { token, .. } => self.revoke(host.clone(), token),
                Perform::Probe { token, .. } | Perform::ProbeControl { token, .. } => self.probe(token),
                Perform::Tell { approval, notice, .. } => self.due.push(Report::Told {
                    approval: *approval,
                    notice: *notice,
                    channels: self.channels.clone(),
                    failed: Vec::new(),
                }),
                Perform::WatchSilence { .. } | Perform::WatchLease { .. } | Perform::CloseRun { .. } => {}
            }
        }
    }

    fn order(&mut self, host: Option<HostName>, token: &Token, job: Job, now: Micros) {
        let known = self.agents.get(&host).is_some_and(|agent| agent.spool.contains_key(token));
        if !known {
            let (fate, length) = (self.behave)(token, &job);
            *self.executions.entry(token.clone()).or_default() += 1;
            let effect =
                matches!(fate, Fate::Succeed(_) | Fate::Die { effect: true } | Fate::Hang { effect: true });
            self.effects.insert(token.clone(), effect);
            let runs = Some((now.after(length), fate));
            let held = Held { runs, outcome: None, revoked: None, acknowledged: false };
            self.agent(host.clone()).spool.insert(token.clone(), held);
        }
        let held = self.agents.get(&host).and_then(|agent| agent.spool.get(token));
        match held {
            Some(Held { outcome: Some(outcome), .. }) => {
                let report = ended(&host, token, outcome);
                self.due.push(report);
            }
            // A revoked token never begins: the revocation is answered again when it is asked again.
            Some(Held { revoked: Some(_), .. }) | None => {}
            Some(Held { .. }) => self.due.push(Report::Accepted { token: token.clone() }),
        }
    }

    fn revoke(&mut self, host: Option<HostName>, token: &Token) {
        let effects = &mut self.effects;
        let agent = self.agents.entry(host).or_default();
        let held = agent.spool.entry(token.clone()).or_insert(Held {
            runs: None,
            outcome: None,
            revoked: Some(Revocation::NeverBegun),
            acknowledged: true,
        });
        let answer = match (&held.revoked, &held.outcome, held.runs.take()) {
            (Some(known), _, _) => *known,
            (None, Some(_), _) => Revocation::Ended,
            (None, None, running) => {
                let had = running.is_some_and(|(_, fate)| {
                    matches!(fate, Fate::Die { effect: true } | Fate::Hang { effect: true })
                });
                effects.insert(token.clone(), had);
                held.revoked = Some(Revocation::Stopped);
                Revocation::Stopped
            }
        };
        self.due.push(Report::Revoked { token: token.clone(), answer });
    }

    fn probe(&mut self, token: &Token) {
        let effect = self.effects.get(token).copied().unwrap_or(false);
        let answer = (self.look)(token, effect);
        self.due.push(Report::Probed { token: token.clone(), answer });
    }

    /// What is due by now, and hosts whose connection broke.
    pub(super) fn pass(&mut self, now: Micros) -> (Vec<Report>, Vec<HostName>) {
        let mut reports = std::mem::take(&mut self.due);
        let hosts: Vec<Option<HostName>> = self.agents.keys().cloned().collect();
        for host in hosts {
            let ended = self.end_jobs(&host, now);
            if !self.is_offline(&host) {
                reports.extend(ended);
            }
        }
        let mut delivered = Vec::new();
        for report in reports {
            match (self.network)() {
                Delivery::Once => delivered.push(report),
                Delivery::Twice => delivered.extend([report.clone(), report]),
                Delivery::Lost => match report.token().and_then(|token| token.target.host.clone()) {
                    Some(host) => self.broken.push(host),
                    None => delivered.push(report),
                },
            }
        }
        (delivered, std::mem::take(&mut self.broken))
    }

    fn end_jobs(&mut self, host: &Option<HostName>, now: Micros) -> Vec<Report> {
        let Some(agent) = self.agents.get_mut(host) else { return Vec::new() };
        let mut reports = Vec::new();
        for (token, held) in &mut agent.spool {
            let over = held
                .runs
                .as_ref()
                .is_some_and(|(ends, fate)| *ends <= now && !matches!(fate, Fate::Hang { .. }));
            let Some((_, fate)) = held.runs.take_if(|_| over) else { continue };
            let outcome = match fate {
                Fate::Succeed(output) => Outcome::Succeeded { output },
                Fate::Fail(problem) => Outcome::Failed { problem },
                Fate::Refuse(problem) => Outcome::Refused { problem },
                Fate::Die { .. } | Fate::Hang { .. } => {
                    Outcome::Unknown { problem: Problem::new("LB2201", "the job died in the middle", "") }
                }
            };
            reports.push(ended(host, token, &outcome));
            held.outcome = Some(outcome);
        }
        reports
    }

    /// When something will happen here by itself.
    pub(super) fn next_moment(&self) -> Option<Micros> {
        if !self.due.is_empty() || !self.broken.is_empty() {
            return Some(Micros(i64::MIN));
        }
        let held = self.agents.values().flat_map(|agent| agent.spool.values());
        held.filter_map(|held| held.runs.as_ref())
            .filter(|(_, fate)| !matches!(fate, Fate::Hang { .. }))
            .map(|(ends, _)| *ends)
            .min()
    }

    /// The result is durable at the controller.
    pub(super) fn acknowledge(&mut self, token: &Token) {
        for agent in self.agents.values_mut() {
            if let Some(held) = agent.spool.get_mut(token) {
                held.acknowledged = true;
            }
        }
    }

    /// Results that come again when a host connects.
    pub(super) fn unacknowledged(&self, host: &HostName) -> Vec<Report> {
        let key = Some(host.clone());
        if self.is_offline(&key) {
            return Vec::new();
        }
        let spool = self.agents.get(&key).into_iter().flat_map(|agent| agent.spool.iter());
        spool
            .filter(|(_, held)| !held.acknowledged)
            .filter_map(|(token, held)| held.outcome.as_ref().map(|outcome| ended(&key, token, outcome)))
            .collect()
    }

    /// A new controller: its predecessor's own actions are gone, agents connect anew.
    pub(super) fn take_over(&mut self) -> Vec<Report> {
        self.due.clear();
        self.broken.clear();
        self.agents.remove(&None);
        let hosts: Vec<HostName> = self.agents.keys().flatten().cloned().collect();
        hosts.iter().flat_map(|host| self.unacknowledged(host)).collect()
    }
}

fn ended(host: &Option<HostName>, token: &Token, outcome: &Outcome) -> Report {
    let by = match host {
        Some(host) => Actor::Agent { host: host.clone() },
        None => Actor::Controller,
    };
    Report::Ended { token: token.clone(), outcome: outcome.clone(), by, took_us: None }
}
