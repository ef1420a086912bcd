//! What goes wrong, and how it all heals.

use super::message::Happening;
use super::world::World;
use crate::plans::host;
use crate::plans::random::HOSTS;
use model::HostName;

const SECOND: i64 = 1_000_000;

impl World {
    fn seconds(&mut self, from: u64, to: u64) -> i64 {
        (from + self.dice.roll(to - from)) as i64 * SECOND
    }

    fn some_agent(&mut self) -> Option<HostName> {
        let host = host(self.dice.pick(&HOSTS));
        self.agents[&host].up.then_some(host)
    }

    /// Something goes wrong, and another thing later.
    pub fn fault(&mut self) {
        if self.healed {
            return;
        }
        let next = 500_000 + self.dice.roll(6_000_000) as i64;
        self.after(next, Happening::Fault);
        match self.dice.roll(12) {
            0 | 1 => {
                if let Some(host) = self.some_agent() {
                    self.kill_agent(&host);
                }
            }
            2 => self.power_off(),
            3 | 4 => self.cut(),
            5 => self.freeze_agent(),
            6 => self.kill_leader(),
            7 | 8 => self.freeze_leader(),
            9 => {
                // An orderly handover that the old leader hears of last.
                self.after(1, Happening::TakeOver);
            }
            10 => self.set_clocks(),
            _ => self.fill_a_disk(),
        }
    }

    fn power_off(&mut self) {
        let Some(host) = self.some_agent() else { return };
        let back = self.seconds(2, 40);
        self.kill_agent(&host);
        let agent = self.agents.get_mut(&host).unwrap();
        agent.dark = true;
        // Databases do not start by themselves after a power cut.
        self.truth.writable.retain(|(_, on)| *on != host);
        self.after(back, Happening::Back { host });
    }

    fn cut(&mut self) {
        let Some(host) = self.some_agent() else { return };
        let joined = self.seconds(1, 30);
        self.agents.get_mut(&host).unwrap().cut = true;
        self.broken(&host);
        self.after(joined, Happening::Joined { host });
    }

    fn freeze_agent(&mut self) {
        let Some(host) = self.some_agent() else { return };
        let thaws = self.seconds(1, 15);
        self.agents.get_mut(&host).unwrap().frozen = true;
        self.froze = true;
        self.after(thaws, Happening::AgentThaws { host });
    }

    fn kill_leader(&mut self) {
        let Some(leader) = self.leader() else { return };
        self.processes[leader].alive = false;
        let after = self.seconds(1, 6);
        self.after(after, Happening::TakeOver);
    }

    /// It stands still: between two turns, or between a commit and what follows. Sometimes somebody takes
    /// over before it wakes up.
    fn freeze_leader(&mut self) {
        let Some(leader) = self.leader() else { return };
        match self.dice.one_in(2) {
            true => self.processes[leader].freezes_next = true,
            false => self.processes[leader].frozen = true,
        }
        self.froze = true;
        let thaws = self.seconds(1, 20);
        self.after(thaws, Happening::Thaws { process: leader });
        if !self.dice.one_in(3) {
            let after = self.seconds(2, 6);
            self.after(after, Happening::TakeOver);
        }
    }

    fn set_clocks(&mut self) {
        let Some(leader) = self.leader() else { return };
        let step = self.seconds(0, 120) - 60 * SECOND;
        self.processes[leader].skew_us += step;
    }

    fn fill_a_disk(&mut self) {
        let room = self.seconds(1, 8);
        match self.dice.one_in(2) {
            true => self.store.full = true,
            false => {
                if let Some(host) = self.some_agent() {
                    self.agents.get_mut(&host).unwrap().full = true;
                }
            }
        }
        self.after(room, Happening::Room);
    }

    /// All disks have room again.
    pub fn room(&mut self) {
        self.store.full = false;
        self.agents.values_mut().for_each(|agent| agent.full = false);
    }

    /// Everything works from now on, and whoever was away comes back.
    pub fn heal(&mut self) {
        self.healed = true;
        self.room();
        for name in HOSTS {
            let host = host(name);
            self.agents.get_mut(&host).unwrap().cut = false;
            self.agent_thaws(&host);
            self.back(&host);
        }
        for process in 0..self.processes.len() {
            self.processes[process].freezes_next = false;
            self.thaws(process);
        }
        if self.leader().is_none() {
            self.take_over();
        }
    }
}
