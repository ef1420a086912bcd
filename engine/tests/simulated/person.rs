//! A person who looks every few seconds: mostly sensible, sometimes not; what is asked is answered by the
//! truth.

use super::message::Happening;
use super::world::World;
use crate::plans::{answer, by, commanders, host, no, question, retry, skip, yes};
use engine::event::About;
use engine::{Command, Need, Person, RunState, RunStatus, request};
use model::{RunId, Token};

impl World {
    /// Looks at each open run, and looks again later.
    pub fn person(&mut self) {
        self.after(if self.healed { 2_000_000 } else { 3_000_000 }, Happening::Person);
        let Some(leader) = self.leader() else {
            if self.healed {
                self.take_over();
            }
            return;
        };
        for run in self.processes[leader].drivers.keys().copied().collect::<Vec<_>>() {
            let Some(driver) = self.processes[leader].drivers.get(&run) else { continue };
            let state = driver.state.clone();
            let wanted = match self.healed {
                true => self.settling(&state),
                false => self.whim(&state),
            };
            let Some(command) = wanted else { continue };
            let person = Person { name: by(&command), admin: false, roles: commanders() };
            let now = model::Micros(self.now.0 + self.processes[leader].skew_us);
            if let Ok(events) = request(&state, &command, &person, now) {
                self.step(leader, run, events);
            }
        }
    }

    fn truth_of(&self, token: &Token) -> bool {
        self.truth.effects.contains(token)
    }

    /// What is asked may be said yes to: a risk only when nothing takes writes any more.
    fn consent(&self, state: &RunState) -> Option<Command> {
        let asked = question(state);
        let safe =
            asked.about == About::Gate || !self.truth.writable.iter().any(|(run, _)| *run == state.run);
        safe.then(|| yes(state))
    }

    fn is_gone(&self, token: &Token) -> bool {
        let Some(host) = &token.target.host else { return true };
        self.agents[host].dark
    }

    fn whim(&mut self, state: &RunState) -> Option<Command> {
        let reason = || "a whim".to_string();
        if self.dice.one_in(3) {
            return None;
        }
        if let RunStatus::Waiting { needs } = state.status() {
            return match &needs[self.dice.roll(needs.len() as u64) as usize] {
                Need::Approval { .. } if self.dice.one_in(12) => Some(no(state)),
                Need::Approval { .. } => self.consent(state),
                Need::Asking { step, .. } => Some(retry(step.as_str())),
                Need::Decision { step, .. } if self.dice.one_in(5) => Some(skip(step.as_str())),
                Need::Decision { .. } if self.dice.one_in(5) => Some(Command::Unwind { reason: reason() }),
                Need::Decision { step, .. } => Some(retry(step.as_str())),
                Need::Answer { token, .. } => Some(answer(token, self.truth_of(token))),
                Need::Host { token, .. } => self.is_gone(token).then(|| answer(token, self.truth_of(token))),
            };
        }
        match self.dice.roll(40) {
            0 => Some(Command::Pause { reason: reason() }),
            1..=8 => Some(Command::Resume { reason: reason() }),
            9 => Some(Command::Cancel { reason: reason() }),
            10 => Some(Command::Unwind { reason: reason() }),
            _ => None,
        }
    }

    /// What brings a run to its end once all is well.
    fn settling(&mut self, state: &RunState) -> Option<Command> {
        match state.status() {
            RunStatus::Waiting { needs } => match &needs[0] {
                Need::Approval { .. } => self.consent(state).or_else(|| Some(no(state))),
                Need::Asking { step, .. } => Some(retry(step.as_str())),
                Need::Decision { .. } if self.dice.one_in(2) => {
                    Some(Command::Unwind { reason: "enough".to_string() })
                }
                Need::Decision { step, .. } => Some(retry(step.as_str())),
                Need::Answer { token, .. } => Some(answer(token, self.truth_of(token))),
                // It is there again: its agent will say.
                Need::Host { .. } => None,
            },
            RunStatus::Stuck { .. } => Some(Command::End { reason: "enough".to_string() }),
            RunStatus::Paused { .. } => Some(Command::Resume { reason: String::new() }),
            _ => None,
        }
    }

    /// Every run is over.
    pub fn is_at_rest(&self) -> bool {
        self.leader().is_some_and(|leader| self.processes[leader].drivers.is_empty())
    }

    /// What is still open, for a simulation that does not come to rest.
    pub fn restless(&self) -> String {
        let Some(leader) = self.leader() else { return "nobody leads".to_string() };
        let open: Vec<(RunId, RunStatus)> = self.processes[leader]
            .drivers
            .iter()
            .map(|(run, driver)| (*run, driver.state.status()))
            .collect();
        let up: Vec<bool> =
            crate::plans::random::HOSTS.iter().map(|name| self.agents[&host(name)].up).collect();
        format!("agents up {up:?}, open {open:#?}")
    }
}
