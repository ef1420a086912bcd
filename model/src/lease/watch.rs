//! The watchdog's side: deadlines that an agent writes to it, and what is due.
//!
//! An agent arms it before a server opens and with each grant; what is armed is written down before it is
//! answered, so a watchdog that was killed goes on with the same deadlines. A deadline of another boot is
//! void: its server is gone. Once a deadline has passed the ending cannot be called off, and nothing is armed
//! for that source until every process is gone: else it would be the next server that is ended.

use crate::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Sources that one watchdog guards.
pub const MAX_DUTIES: usize = 64;

/// What is to be ended, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duty {
    /// The source whose server it is.
    pub source: Name,
    /// The boot in which the deadline counts.
    pub boot: String,
    /// The deadline, in microseconds since that boot (suspend included).
    pub deadline_us: u64,
    /// From the deadline until every process must be gone, in milliseconds.
    pub stop_ms: u64,
    /// The folder of the server's control group.
    pub cgroup: PathBuf,
    /// The file on which its start is conditioned: written when this is armed, removed at the deadline.
    pub permit: PathBuf,
}

impl Duty {
    fn deadline(&self) -> Duration {
        Duration::from_micros(self.deadline_us)
    }

    /// When every process must be gone.
    fn limit(&self) -> Duration {
        self.deadline() + Duration::from_millis(self.stop_ms)
    }

    /// What stands in its permit.
    pub fn permit(&self) -> Permit {
        Permit { source: self.source.clone(), boot: self.boot.clone(), until_us: self.deadline_us }
    }
}

/// What stands in a permit: which server may run, in which boot, until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    /// The source.
    pub source: Name,
    /// The boot in which it counts.
    pub boot: String,
    /// Until when, in microseconds since that boot.
    pub until_us: u64,
}

impl Permit {
    /// Whether the source's server may be started now.
    pub fn opens(&self, source: &Name, boot: &str, now: Duration) -> bool {
        self.source == *source && self.boot == boot && now < Duration::from_micros(self.until_us)
    }
}

/// What an agent wants of its watchdog: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Guard this from now on, or until another deadline than before.
    Arm(Duty),
    /// Guard it no more: it does not run, and nobody wants it to.
    Disarm {
        /// The source.
        source: Name,
    },
    /// Only say what is guarded.
    Look,
}

/// What the watchdog answers to each: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Answer {
    /// Why it was not done; none when it was.
    pub refused: Option<String>,
    /// Everything that is guarded, and how it stands.
    pub duties: Vec<(Duty, State)>,
}

/// How a duty stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its deadline is still to come.
    Armed,
    /// Its deadline has passed, and its processes are being ended.
    Ending,
    /// Its deadline has passed, and nothing of it is left.
    Ended,
}

/// Everything that a watchdog holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    boot: String,
    duties: BTreeMap<Name, (Duty, State)>,
}

impl Watch {
    /// Nothing is guarded in this boot yet.
    pub fn new(boot: &str) -> Watch {
        Watch { boot: boot.to_string(), duties: BTreeMap::new() }
    }

    /// Goes on with what was written down; what another boot wrote is void, and given for its permits.
    pub fn resume(self, boot: &str) -> (Watch, Vec<Duty>) {
        if self.boot == boot {
            return (self, Vec::new());
        }
        let void = self.duties.into_values().map(|(duty, _)| duty);
        (Watch::new(boot), void.collect())
    }

    /// Guards a server.
    pub fn arm(&mut self, duty: Duty, now: Duration) -> Result<(), String> {
        if duty.boot != self.boot {
            return Err(format!("the deadline is of boot {}, this is {}", duty.boot, self.boot));
        }
        if duty.deadline() <= now {
            return Err("the deadline has passed".to_string());
        }
        match self.duties.get(&duty.source) {
            Some((_, State::Ending)) => {
                return Err(format!("the server of {} is still being ended", duty.source));
            }
            None if self.duties.len() >= MAX_DUTIES => {
                return Err(format!("{MAX_DUTIES} sources are guarded already"));
            }
            Some((_, State::Armed | State::Ended)) | None => {}
        }
        self.duties.insert(duty.source.clone(), (duty, State::Armed));
        Ok(())
    }

    /// Guards a server no more.
    pub fn disarm(&mut self, source: &Name) -> Result<Option<Duty>, String> {
        match self.duties.get(source) {
            Some((_, State::Ending)) => Err(format!("the server of {source} is still being ended")),
            Some((_, State::Armed | State::Ended)) | None => {
                Ok(self.duties.remove(source).map(|(duty, _)| duty))
            }
        }
    }

    /// Deadlines that have passed just now: their ending begins.
    pub fn due(&mut self, now: Duration) -> Vec<Duty> {
        let passed = |(duty, state): &&mut (Duty, State)| *state == State::Armed && duty.deadline() <= now;
        let due = self.duties.values_mut().filter(passed);
        due.map(|(duty, state)| {
            *state = State::Ending;
            duty.clone()
        })
        .collect()
    }

    /// Those whose ending has begun and is not over, and whether their time for it is.
    pub fn ending(&self, now: Duration) -> Vec<(Duty, bool)> {
        let ending = self.duties.values().filter(|(_, state)| *state == State::Ending);
        ending.map(|(duty, _)| (duty.clone(), now >= duty.limit())).collect()
    }

    /// Nothing is left of it.
    pub fn ended(&mut self, source: &Name) {
        if let Some((_, state)) = self.duties.get_mut(source).filter(|(_, state)| *state == State::Ending) {
            *state = State::Ended;
        }
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Duration> {
        let armed = self.duties.values().filter(|(_, state)| *state == State::Armed);
        armed.map(|(duty, _)| duty.deadline()).min()
    }

    /// Everything that is guarded.
    pub fn duties(&self) -> Vec<(Duty, State)> {
        self.duties.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn duty(deadline: u64) -> Duty {
        Duty {
            source: Name::new("db").unwrap(),
            boot: "one".to_string(),
            deadline_us: deadline * 1_000_000,
            stop_ms: 2000,
            cgroup: PathBuf::from("/cgroup/db"),
            permit: PathBuf::from("/run/db"),
        }
    }

    #[test]
    fn what_is_due_is_ended_once_and_armed_again_only_when_nothing_is_left() {
        let mut watch = Watch::new("one");
        watch.arm(duty(10), S(1)).unwrap();
        assert_eq!((watch.next(), watch.due(S(9)).len()), (Some(S(10)), 0));
        assert_eq!((watch.due(S(10)).len(), watch.due(S(10)).len()), (1, 0));
        assert!(watch.arm(duty(20), S(10)).is_err() && watch.disarm(&duty(0).source).is_err());
        assert_eq!(watch.ending(S(11)), [(duty(10), false)]);
        assert!(watch.ending(S(12))[0].1, "its stop time is over");
        watch.ended(&duty(0).source);
        watch.arm(duty(20), S(12)).unwrap();
    }

    #[test]
    fn a_restart_goes_on_with_its_deadlines_and_a_reboot_does_not() {
        let mut watch = Watch::new("one");
        watch.arm(duty(10), S(1)).unwrap();
        let text = serde_json::to_string(&watch).unwrap();
        let read = || serde_json::from_str::<Watch>(&text).unwrap();
        assert_eq!(read().resume("one").0.next(), Some(S(10)));
        let (after, void) = read().resume("two");
        assert_eq!((after.next(), void.len()), (None, 1));
        assert!(watch.arm(Duty { boot: "two".into(), ..duty(20) }, S(1)).is_err());
    }

    #[test]
    fn fault_45_a_permit_of_an_earlier_boot_or_of_a_time_that_is_over_opens_nothing() {
        let permit = duty(10).permit();
        let source = Name::new("db").unwrap();
        assert!(permit.opens(&source, "one", S(9)));
        assert!(!permit.opens(&source, "two", S(9)));
        assert!(!permit.opens(&source, "one", S(10)));
        assert!(!permit.opens(&Name::new("other").unwrap(), "one", S(9)));
    }
}
