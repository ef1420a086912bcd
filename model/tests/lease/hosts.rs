//! Hosts: a clock, a server, an agent that may be frozen or dead, and a watchdog.

use crate::world::{Broken, Dice, Message, World};
use model::lease::{Duty, Grant, Holder, Member, Pledges, Promotable, Standing, State, Terms, Watch};
use model::{HostName, Name};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

pub const LENGTH_US: u64 = 10_000_000;
pub const STOP_US: u64 = 2_000_000;

pub fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap()
}

pub fn terms() -> Terms {
    Terms { length: Duration::from_micros(LENGTH_US), stop: Duration::from_micros(STOP_US) }
}

fn source() -> Name {
    Name::new("db").unwrap()
}

pub struct Host {
    pub name: HostName,
    rate: u64,
    booted: u64,
    boot: u64,
    /// What its data say: it is the primary when it runs.
    primary: bool,
    running: bool,
    /// It is to be promoted.
    pub chosen: bool,
    pub agent: Option<Holder>,
    pub frozen_until: u64,
    asked: Duration,
    /// Without a watchdog, the agent itself ends the server then.
    alone_until: Option<Duration>,
    watch: Option<Watch>,
    /// What the watchdog wrote down; lost with a reboot.
    written: Watch,
    watchdog_back: u64,
    /// When the server that is being ended is gone, in real time.
    pub gone_at: Option<u64>,
    /// What the agent wrote down: the set that it holds, and what it has promised.
    pub set: Promotable,
    pub pledges: Pledges,
    /// When it last asked its set.
    pub set_asked: Duration,
    /// Who was asked last, as one counts who does not look at which set it was.
    pub naive: (Duration, BTreeSet<HostName>),
}

impl Host {
    pub fn new(at: usize, dice: &mut Dice) -> Host {
        let watch = Watch::new("0");
        Host {
            name: HostName::new(format!("h{at}")).unwrap(),
            rate: dice.rate(),
            booted: 0,
            boot: 0,
            primary: at == 0,
            running: at != 0,
            chosen: false,
            agent: Some(Holder::new("0", terms())),
            frozen_until: 0,
            asked: Duration::ZERO,
            alone_until: None,
            watch: Some(watch.clone()),
            written: watch,
            watchdog_back: 0,
            gone_at: None,
            set: Promotable::default(),
            pledges: Pledges::default(),
            set_asked: Duration::ZERO,
            naive: (Duration::ZERO, BTreeSet::new()),
        }
    }

    /// What its data say.
    pub fn primary(&self) -> bool {
        self.primary
    }

    pub fn boot_id(&self) -> String {
        self.boot.to_string()
    }

    pub fn watch_answers(&self) -> bool {
        self.watch.is_some()
    }

    pub fn writable(&self) -> bool {
        self.running && self.primary
    }

    pub fn local(&self, now: u64) -> Duration {
        Duration::from_micros(1 + (now - self.booted) * self.rate / 1_000_000)
    }

    /// The member's side, from what is written down.
    pub fn member(&self) -> Member {
        Member::new(&self.boot.to_string(), self.pledges.clone())
    }

    /// What the watchdog guards.
    pub fn guarded(&self) -> Option<(Duty, State)> {
        self.watch.as_ref().map(Watch::duties).unwrap_or_default().first().cloned()
    }

    /// When its next deadline is due, in real time, or its server gone.
    pub fn next_due(&self) -> Option<u64> {
        let real = |local: Duration| self.booted + us(local).saturating_sub(1) * 1_000_000 / self.rate + 1;
        let deadline = self.watch.as_ref().and_then(Watch::next).map(real);
        let back = self.watch.is_none().then_some(self.watchdog_back);
        [deadline, self.gone_at, back].into_iter().flatten().min()
    }

    pub fn agent_dies(&mut self) {
        self.agent = None;
        self.alone_until = None;
    }

    fn stop(&mut self) {
        self.running = false;
        self.gone_at = None;
    }
}

impl World {
    /// Whatever is due at this moment happens, frozen agents or not.
    pub fn settle(&mut self) {
        for at in 0..self.hosts.len() {
            let slow = self.dice.one_in(2);
            let within = self.dice.roll(STOP_US / 2);
            let host = &mut self.hosts[at];
            if host.watch.is_none() && self.now >= host.watchdog_back {
                host.watch = Some(host.written.clone());
            }
            if host.gone_at.is_some_and(|gone| self.now >= gone) {
                host.stop();
            }
            let local = host.local(self.now);
            let Some(watch) = host.watch.as_mut() else { continue };
            if !watch.due(local).is_empty() {
                // The whole stop time by its own clock, less what a restart of the watchdog may have taken.
                let took = if slow { STOP_US - STOP_US / 4 - 1 } else { within } * 1_000_000 / host.rate;
                host.gone_at = Some(self.now + took);
                self.seen.lapsed += u64::from(host.running && host.primary);
            }
            if host.gone_at.is_none() && !watch.ending(local).is_empty() {
                if host.running { host.gone_at = Some(self.now + 1) } else { watch.ended(&source()) }
            }
            host.written = watch.clone();
        }
    }

    pub fn watchdog_dies(&mut self, at: usize, away: u64) {
        let host = &mut self.hosts[at];
        // A deadline that passes while it is away for long would be found late: only who is not armed, or who
        // never asked with it, may lose it for long.
        let armed = host.written.duties().iter().any(|(_, state)| *state != State::Ended);
        let away = if armed { away.min(STOP_US / 4) } else { away };
        host.watch = None;
        host.watchdog_back = self.now + away * 1_000_000 / host.rate;
        self.seen.watchdogs += 1;
    }

    pub fn reboot(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        host.boot += 1;
        host.booted = self.now;
        host.rate = self.dice.rate();
        host.stop();
        host.frozen_until = 0;
        host.asked = Duration::ZERO;
        host.set_asked = Duration::ZERO;
        if self.broken == Some(Broken::NoWaitAfterReboot) {
            host.pledges.promise = None;
        }
        host.chosen = false;
        host.alone_until = None;
        host.agent = None;
        let boot = host.boot.to_string();
        host.written = Watch::new(&boot);
        host.watch = Some(host.written.clone());
        host.running = !host.primary || self.broken == Some(Broken::PermitOutlivesBoot);
        self.seen.reboots += 1;
    }

    pub fn agent_acts(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        let (now, boot) = (host.local(self.now), host.boot.to_string());
        if self.now < host.frozen_until {
            return;
        }
        let guarded = host.guarded();
        if host.agent.is_none() {
            let mut holder = Holder::new(&boot, terms()).with_set(host.set.clone());
            match &guarded {
                Some((duty, State::Armed)) => holder.resume(Duration::from_micros(duty.deadline_us)),
                // A server of which nobody holds a deadline: doubt means closed.
                _ if host.writable() => host.stop(),
                _ => {}
            }
            host.agent = Some(holder);
        }
        let Some(holder) = host.agent.as_mut() else { return };
        let standing = holder.standing(now);
        let armed = matches!(guarded, Some((_, State::Armed)));
        if let Some(until) = host.alone_until
            && now >= until
        {
            host.alone_until = None;
            host.stop();
            return;
        }
        if let Standing::Held { until } = standing {
            let permit = armed || host.alone_until == Some(until);
            if permit && host.primary && !host.running && host.gone_at.is_none() {
                host.running = true;
                self.seen.resumed += 1;
            }
            if permit && host.chosen && host.running && !host.primary {
                host.primary = true;
                host.chosen = false;
                self.seen.promoted += 1;
            }
        }
        let every = match standing {
            Standing::Held { .. } => LENGTH_US / 3,
            Standing::Lapsed | Standing::Fenced => 200_000,
        };
        let due = us(now) >= us(host.asked) + every;
        if due && (host.primary || host.chosen) {
            host.asked = now;
            // Armed: it holds a deadline for the server, or the server is not running.
            let says = host.watch.is_some() && (armed || !(host.running && host.primary));
            let request = holder.ask(now, says);
            self.seen.unarmed += u64::from(!says);
            self.send(Message::Ask(at, request));
        }
        self.ask_the_set(at, armed);
    }

    pub fn granted(&mut self, to: usize, grant: &Grant) {
        let arrival = self.broken == Some(Broken::DeadlineFromArrival);
        let host = &mut self.hosts[to];
        let (now, boot) = (host.local(self.now), host.boot.to_string());
        if self.now < host.frozen_until {
            // It lies in the agent's queue until it thaws.
            self.send(Message::Grant(to, grant.clone()));
            return;
        }
        let mut member = host.member();
        if member.left(now) > Duration::ZERO && self.broken != Some(Broken::PromotesUnderPromise) {
            return;
        }
        let Some(holder) = host.agent.as_mut() else { return };
        if let Some(set) = holder.newer_set(grant) {
            // Both are durable before the grant is taken.
            host.set = set.clone();
            member.raise(set.term);
            host.pledges = member.kept().clone();
        }
        let granted = holder.granted(grant, now);
        let late = (arrival && grant.boot == boot).then(|| now + grant.length);
        let Some(until) = late.or(granted) else { return };
        if arrival {
            holder.resume(until);
        }
        self.guard(to, until);
    }

    /// Hands a deadline to the watchdog.
    pub fn guard(&mut self, at: usize, until: Duration) {
        let host = &mut self.hosts[at];
        let now = host.local(self.now);
        let duty = Duty {
            source: source(),
            boot: host.boot.to_string(),
            deadline_us: us(until),
            stop_ms: STOP_US / 1000,
            cgroup: PathBuf::new(),
            permit: PathBuf::new(),
        };
        match host.watch.as_mut().map(|watch| watch.arm(duty, now)) {
            Some(Ok(())) => host.alone_until = None,
            Some(Err(_)) => {}
            // Alone it guards only what it asked for alone, or what runs already.
            None if host.running && host.gone_at.is_none() => host.alone_until = Some(until),
            None => {}
        }
        if let Some(watch) = &host.watch {
            host.written = watch.clone();
        }
    }

    /// A fenced member is rebuilt as a standby of the new primary.
    pub fn rejoin(&mut self, at: usize) {
        let (_, closed) = self.controller.grantor.given(&self.hosts[at].name);
        let is_primary = self.controller.grantor.primary() == Some(&self.hosts[at].name);
        let host = &mut self.hosts[at];
        if closed && !is_primary && !host.running && host.primary {
            host.primary = false;
            host.running = true;
        }
    }
}
