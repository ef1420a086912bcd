//! Grantors: what is durable, and one after another that goes on from it.

use crate::hosts::us;
use crate::world::{Broken, Dice, Message, World};
use model::HostName;
use model::lease::{Given, Grantor, Promotable, Refusal, Request, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub struct Controller {
    pub grantor: Grantor,
    rows: BTreeMap<HostName, Row>,
    epoch: u64,
    rate: u64,
    started: u64,
    fencing: Option<HostName>,
    /// The fence has its evidence; a promotion comes next.
    expired: bool,
    /// Nobody leads until then.
    away_until: u64,
    /// The set that each host was sent last.
    sent: BTreeMap<HostName, Promotable>,
}

/// On its own clock each begins here.
const BEGINNING: Duration = Duration::from_secs(100_000);

impl Controller {
    pub fn new(dice: &mut Dice) -> Controller {
        let rows = BTreeMap::new();
        let grantor = Grantor::new(1, BEGINNING, &rows);
        let rate = dice.rate();
        Controller {
            grantor,
            rows,
            epoch: 1,
            rate,
            started: 0,
            fencing: None,
            expired: false,
            away_until: 0,
            sent: BTreeMap::new(),
        }
    }

    fn local(&self, now: u64) -> Duration {
        BEGINNING + Duration::from_micros((now - self.started) * self.rate / 1_000_000)
    }

    fn write(&mut self) {
        let hosts: Vec<HostName> = self.grantor.members().cloned().collect();
        self.rows = hosts.into_iter().map(|host| (host.clone(), self.grantor.row(&host))).collect();
    }

    /// When this grantor believes that a lease is over.
    fn over(&self, host: &HostName, broken: Option<Broken>) -> Option<Duration> {
        let (given, _) = self.grantor.given(host);
        let plain = |given: Given| given.at + given.terms.length;
        match broken {
            Some(Broken::NoDrift) => given.map(|given| plain(given) + given.terms.stop),
            Some(Broken::NoStopTime) => given.map(|given| given.over().saturating_sub(given.terms.stop * 2)),
            Some(Broken::NotClosed | Broken::UnarmedCounts | Broken::NoWord) => {
                given.map(|given| given.over())
            }
            Some(_) | None => self.grantor.over(host),
        }
    }
}

impl World {
    pub fn asked(&mut self, from: usize, request: &Request) {
        if self.now < self.controller.away_until {
            return;
        }
        let now = self.controller.local(self.now);
        let name = self.hosts[from].name.clone();
        let mut request = request.clone();
        if self.broken == Some(Broken::Unacknowledged)
            && let Some(sent) = self.controller.sent.get(&name)
        {
            request.held = Some(sent.clone());
        }
        let request = &request;
        let others = self.hosts.iter().zip(&self.named).enumerate();
        let others = others.filter(|(at, (_, named))| *at != from && **named);
        let promotable: BTreeSet<HostName> = others.map(|(_, (host, _))| host.name.clone()).collect();
        let answer = self.controller.grantor.grant(&name, request, now, None, &promotable);
        if let Ok(grant) = &answer {
            self.controller.sent.extend(grant.set.clone().map(|set| (name, set)));
        }
        // It may die before the row is durable: then nothing was answered.
        if self.dice.one_in(400) {
            return self.succeed();
        }
        self.controller.write();
        if self.dice.one_in(400) {
            return self.succeed();
        }
        match answer {
            Ok(grant) => self.send(Message::Grant(from, grant)),
            Err(Refusal::Old) => {}
            Err(refusal) => {
                let epoch = self.controller.epoch;
                self.send(Message::Refuse(from, request.clone(), epoch, refusal));
            }
        }
    }

    /// When a lease that is waited for is over, in real time.
    pub fn next_over(&self) -> Option<u64> {
        let controller = &self.controller;
        if controller.expired {
            return None;
        }
        let over = controller.over(controller.fencing.as_ref()?, self.broken)?;
        let left = us(over.saturating_sub(BEGINNING));
        Some(controller.started + left * 1_000_000 / controller.rate + 1)
    }

    /// A failover: close, wait, entitle another. Now and then it is called off.
    pub fn controller_acts(&mut self) {
        if self.now < self.controller.away_until {
            return;
        }
        let now = self.controller.local(self.now);
        let Some(fenced) = self.controller.fencing.clone() else {
            let primary = self.controller.grantor.primary().cloned();
            if let (Some(primary), true) = (primary, self.dice.one_in(self.failovers)) {
                if self.broken != Some(Broken::NotClosed) {
                    self.controller.grantor.close(&primary);
                    self.controller.write();
                }
                self.controller.fencing = Some(primary);
            }
            return;
        };
        if self.dice.one_in(50) {
            self.controller.grantor.reopen(&fenced);
            self.controller.write();
            self.controller.fencing = None;
            self.controller.expired = false;
            return;
        }
        let at = self.hosts.iter().position(|host| host.name == fenced).unwrap();
        if !self.controller.expired && (self.dice.one_in(60) || self.was_never_granted(&fenced)) {
            self.switch_off(at);
            return;
        }
        if !self.controller.expired {
            if let Some(floor) = self.controller.grantor.withhold(&fenced) {
                let to = self.dice.roll(self.hosts.len() as u64) as usize;
                if to != at {
                    self.send(Message::Withhold(to, floor));
                }
            }
            let over = self.controller.over(&fenced, self.broken);
            self.controller.expired = over.is_some_and(|over| now >= over);
            self.seen.expired += u64::from(self.controller.expired);
            let writes = self.hosts[at].writable() && self.broken != Some(Broken::NotClosed);
            if self.controller.expired && writes {
                self.wrong = Some(format!("the lease of {fenced} counts as expired, and it writes"));
            }
            return;
        }
        self.controller.expired = false;
        let others: Vec<usize> = (0..self.hosts.len()).filter(|other| *other != at).collect();
        let chosen = others[self.dice.roll(others.len() as u64) as usize];
        self.controller.grantor.entitle(&self.hosts[chosen].name);
        if self.broken.is_some() {
            self.controller.grantor.gone(&fenced);
        }
        self.controller.write();
        self.hosts[chosen].chosen = true;
        self.controller.fencing = None;
    }

    fn was_never_granted(&self, host: &HostName) -> bool {
        self.controller.grantor.given(host).0.is_none()
    }

    /// Somebody switches a machine off: nothing need be waited for. It may be switched on at any time.
    fn switch_off(&mut self, at: usize) {
        self.reboot(at);
        let name = self.hosts[at].name.clone();
        self.controller.grantor.gone(&name);
        if self.broken == Some(Broken::OffIsCut) {
            for from in self.hosts.iter().filter(|host| host.name != name) {
                let now = self.controller.local(self.now);
                self.controller.grantor.word(&from.name, u64::MAX, Duration::ZERO, now);
            }
        }
        self.controller.write();
        self.controller.expired = true;
        self.seen.off += 1;
    }

    /// A member's word comes.
    pub fn word(&mut self, from: usize, floor: u64, left: Duration) {
        if self.now >= self.controller.away_until {
            let now = self.controller.local(self.now);
            self.controller.grantor.word(&self.hosts[from].name, floor, left, now);
            self.controller.write();
            self.seen.words += 1;
        }
    }

    /// The grantor dies; another one leads with what is durable, now or later.
    pub fn succeed(&mut self) {
        let away = [0, 20_000_000, 90_000_000][self.dice.roll(3) as usize];
        let away = self.dice.roll(away + 1);
        let controller = &mut self.controller;
        controller.epoch += 1;
        controller.rate = self.dice.rate();
        controller.started = self.now;
        controller.away_until = self.now + away;
        let mut began = controller.local(controller.away_until);
        if self.broken == Some(Broken::HastySuccessor) {
            began = Duration::ZERO;
        }
        controller.grantor = Grantor::new(controller.epoch, began, &controller.rows);
        // A run that was fencing goes on: its journal says so.
        self.seen.successors += 1;
    }
}
