//! The life of an agent's process: it dies, comes back, stands still, and opens sessions.

use super::agent::Held;
use super::message::{Happening, ToController};
use super::world::World;
use model::{HostName, Outcome, Problem};

impl World {
    /// The process dies; it is started again after a while. What it had begun is unknown then.
    pub fn kill_agent(&mut self, host: &HostName) {
        let back = 200_000 + self.dice.roll(4_000_000) as i64;
        let agent = self.agent(host);
        agent.up = false;
        agent.frozen = false;
        agent.mail.clear();
        agent.peer = None;
        agent.life += 1;
        self.broken(host);
        self.after(back, Happening::Back { host: host.clone() });
    }

    /// It is there again, with its spool.
    pub fn back(&mut self, host: &HostName) {
        let lost = Outcome::Unknown {
            problem: Problem::new("LB2203", "the agent stopped while this was running", "Look."),
        };
        let agent = self.agent(host);
        if agent.up {
            return;
        }
        (agent.up, agent.dark) = (true, false);
        agent.life += 1;
        for held in agent.spool.values_mut() {
            if matches!(held, Held::Running { .. }) {
                *held = Held::Ended { outcome: lost.clone(), delivered: false };
            }
        }
        let life = agent.life;
        self.after(1, Happening::Dial { host: host.clone(), life });
        self.after(500_000, Happening::Beat { host: host.clone(), life });
    }

    /// An agent that stood still reads what came meanwhile.
    pub fn agent_thaws(&mut self, host: &HostName) {
        let agent = self.agent(host);
        if !agent.frozen {
            return;
        }
        agent.frozen = false;
        for (from, message) in std::mem::take(&mut agent.mail) {
            self.at_agent(host, from, message);
        }
    }

    /// Opens a session with whoever is there, mostly the newest.
    pub fn dial(&mut self, host: &HostName, life: u64) {
        let agent = &self.agents[host];
        if agent.life != life || !agent.up || agent.frozen {
            return;
        }
        let there: Vec<usize> =
            (0..self.processes.len()).filter(|process| self.processes[*process].answers()).collect();
        let peer = match there.last() {
            Some(newest) if !agent.cut => {
                if self.dice.one_in(5) {
                    self.dice.pick(&there)
                } else {
                    *newest
                }
            }
            _ => {
                let again = 300_000 + self.dice.roll(1_000_000) as i64;
                self.after(again, Happening::Dial { host: host.clone(), life });
                return;
            }
        };
        let agent = self.agent(host);
        agent.peer = Some(peer);
        let epoch = agent.epoch;
        self.send_controller(host, ToController::Hello(epoch));
    }

    /// A heartbeat, and another one later. A session that broke is opened again.
    pub fn beat(&mut self, host: &HostName, life: u64) {
        let agent = &self.agents[host];
        if agent.life != life {
            return;
        }
        if agent.up && !agent.frozen {
            match agent.peer {
                Some(peer) if self.processes[peer].answers() && !self.dice.one_in(40) => {
                    self.send_controller(host, ToController::Beat);
                }
                _ => self.after(1, Happening::Dial { host: host.clone(), life }),
            }
        }
        self.after(1_000_000, Happening::Beat { host: host.clone(), life });
    }
}
