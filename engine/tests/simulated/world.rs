//! Everything there is, the clock, the queue of what will happen, and the network.

use super::agent::Agent;
use super::controller::Process;
use super::message::{Happening, ToAgent, ToController};
use super::store::Store;
use super::{Outcome, TROUBLE};
use crate::plans::host;
use crate::plans::random::{Dice, HOSTS};
use engine::simulator::BEGINNING;
use model::{Digest, HostName, Micros, RunId, Token, Work};
use sha2::Digest as _;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use uuid::Uuid;

/// Happenings of one seed at most: a simulation that goes on for ever has failed.
const MAX_HAPPENINGS: u64 = 400_000;
/// How long things may take to come to rest once all is well.
const REST: Duration = Duration::from_secs(6 * 3600);
/// Messages: one of so many is lost, one is doubled, one is slow.
const LOST: u64 = 60;
const DOUBLED: u64 = 30;
const SLOW: u64 = 10;

/// What is the case, whatever anybody believes.
#[derive(Debug, Default)]
pub struct Truth {
    pub executions: BTreeMap<Token, u32>,
    pub works: BTreeMap<Token, Work>,
    pub effects: BTreeSet<Token>,
    /// Hosts whose database takes writes, for each run its own.
    pub writable: BTreeSet<(RunId, HostName)>,
    /// Hosts whose database would take writes if it were started.
    pub primaries: BTreeSet<(RunId, HostName)>,
    pub promoted: bool,
}

/// Everything.
pub struct World {
    pub now: Micros,
    pub dice: Dice,
    pub store: Store,
    pub processes: Vec<Process>,
    pub agents: BTreeMap<HostName, Agent>,
    pub truth: Truth,
    /// Each happening and each new event of a journal is printed.
    pub told: bool,
    pub healed: bool,
    pub took_over: bool,
    pub froze: bool,
    pub wrong: Vec<String>,
    /// Rows that a process was told are durable.
    pub durable: Vec<(RunId, u64, Digest)>,
    /// Tokens whose results agents were told are durable.
    pub acknowledged: BTreeSet<Token>,
    queue: BTreeMap<(Micros, u64), Happening>,
    number: u64,
    happened: u64,
    ids: u128,
    trace: sha2::Sha256,
}

impl World {
    /// One controller and all agents, at the beginning.
    pub fn new(seed: u64, told: bool) -> Self {
        let agents = HOSTS.iter().map(|name| (host(name), Agent::default())).collect();
        let mut world = Self {
            now: BEGINNING,
            dice: Dice(seed),
            store: Store::new(),
            processes: Vec::new(),
            agents,
            truth: Truth::default(),
            told,
            healed: false,
            took_over: false,
            froze: false,
            wrong: Vec::new(),
            durable: Vec::new(),
            acknowledged: BTreeSet::new(),
            queue: BTreeMap::new(),
            number: 0,
            happened: 0,
            ids: u128::from(seed) << 64,
            trace: sha2::Sha256::new(),
        };
        world.take_over();
        world.took_over = false;
        for name in HOSTS {
            world.after(1, Happening::Back { host: host(name) });
        }
        world.after(1_000_000, Happening::Start);
        world.after(2_000_000, Happening::Fault);
        world.after(3_000_000, Happening::Person);
        world
    }

    /// Lets everything happen, heals, and waits until nothing more does.
    pub fn play(&mut self) {
        let (heals, gives_up) = (BEGINNING.after(TROUBLE), BEGINNING.after(TROUBLE).after(REST));
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if !self.healed && at >= heals {
                self.now = heals;
                self.heal();
            }
            self.now = self.now.max(at);
            self.happened += 1;
            let line = format!("{} {happening:?}\n", self.now.0 - BEGINNING.0);
            if self.told {
                print!("{line}");
            }
            self.trace.update(line);
            self.happen(happening);
            if self.healed && self.is_at_rest() {
                return;
            }
            if self.now > gives_up || self.happened > MAX_HAPPENINGS {
                let why = format!("no rest after {} happenings: {}", self.happened, self.restless());
                self.wrong.push(why);
                return;
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::AtAgent { host, from, message } => self.at_agent(&host, from, message),
            Happening::AtController { to, host, message } => self.at_controller(to, &host, message),
            Happening::Turn { process, run } => self.timer(process, run),
            Happening::Own { process, report } => self.own(process, *report),
            Happening::Acted { process, token } => self.acted(process, &token),
            Happening::Effect { host, life, token } => self.effect(&host, life, &token),
            Happening::Ended { host, life, token } => self.ended_at_agent(&host, life, &token),
            Happening::Beat { host, life } => self.beat(&host, life),
            Happening::Dial { host, life } => self.dial(&host, life),
            Happening::Back { host } => self.back(&host),
            Happening::Joined { host } => self.agents.get_mut(&host).unwrap().cut = false,
            Happening::AgentThaws { host } => self.agent_thaws(&host),
            Happening::Thaws { process } => self.thaws(process),
            Happening::TakeOver => self.take_over(),
            Happening::Room => self.room(),
            Happening::Fault => self.fault(),
            Happening::Person => self.person(),
            Happening::Start => self.start(),
        }
    }

    /// Puts something into the queue.
    pub fn after(&mut self, microseconds: i64, happening: Happening) {
        self.number += 1;
        self.queue.insert((Micros(self.now.0 + microseconds.max(0)), self.number), happening);
    }

    /// A fresh id.
    pub fn fresh(&mut self) -> Uuid {
        self.ids += 1;
        // Spread, so that the low bits serve as randomness.
        Uuid::from_u128(self.ids.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    fn delay(&mut self) -> i64 {
        match self.dice.roll(SLOW) {
            0 if !self.healed => 1 + self.dice.roll(2_000_000) as i64,
            _ => 1 + self.dice.roll(40_000) as i64,
        }
    }

    /// How often a message arrives; none when the session breaks over it.
    fn copies(&mut self, host: &HostName) -> usize {
        let lost = self.agents[host].cut || (!self.healed && self.dice.one_in(LOST));
        match lost {
            true => {
                self.broken(host);
                0
            }
            false if !self.healed && self.dice.one_in(DOUBLED) => 2,
            false => 1,
        }
    }

    /// Sends to an agent.
    pub fn send_agent(&mut self, from: usize, host: &HostName, message: ToAgent) {
        for _ in 0..self.copies(host) {
            let delay = self.delay();
            self.after(delay, Happening::AtAgent { host: host.clone(), from, message: message.clone() });
        }
    }

    /// Sends to the controller that an agent talks to.
    pub fn send_controller(&mut self, host: &HostName, message: ToController) {
        if let Some(peer) = self.agents[host].peer {
            self.say_to(peer, host, message);
        }
    }

    /// Sends to a process.
    pub fn say_to(&mut self, to: usize, host: &HostName, message: ToController) {
        for _ in 0..self.copies(host) {
            let delay = self.delay();
            self.after(delay, Happening::AtController { to, host: host.clone(), message: message.clone() });
        }
    }

    /// The session of a host is over; it opens another one.
    pub fn broken(&mut self, host: &HostName) {
        if let Some(peer) = self.agents.get_mut(host).unwrap().peer.take() {
            self.processes[peer].sessions.remove(host);
        }
    }

    /// Of one run at most one host takes writes.
    pub fn look_at_primaries(&mut self, run: RunId) {
        let hosts: Vec<&HostName> =
            self.truth.writable.iter().filter(|(of, _)| *of == run).map(|(_, host)| host).collect();
        if hosts.len() > 1 {
            let text = format!("at {} run {run} has the primaries {hosts:?}", self.now.0 - BEGINNING.0);
            self.wrong.push(text);
        }
    }

    /// What the seed came to.
    pub fn outcome(self, seed: u64) -> Outcome {
        Outcome {
            seed,
            hash: hex::encode(self.trace.finalize()),
            events: self.happened,
            rows: self.store.runs.values().map(|journal| journal.len() as u64).sum(),
            simulated: self.now.since(BEGINNING),
            promoted: self.truth.promoted,
            took_over: self.took_over,
            froze: self.froze,
            wrong: self.wrong,
        }
    }
}
