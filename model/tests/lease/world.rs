//! The world: real time, what is on the wire, and what happens next.

use crate::grantors::Controller;
use crate::hosts::{Host, STOP_US};
use model::HostName;
use model::lease::{DRIFT_PPM, Extend, Grant, Refusal, Request};
use std::time::Duration;

/// A rule that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The holder counts from when the grant came.
    DeadlineFromArrival,
    /// The grantor does not add the drift.
    NoDrift,
    /// The grantor does not add the stop time.
    NoStopTime,
    /// The grantor waits without closing the member.
    NotClosed,
    /// A successor counts what it did not give as over.
    HastySuccessor,
    /// A permit of an earlier boot opens.
    PermitOutlivesBoot,
    /// A lease counts as expired although no watchdog was armed.
    UnarmedCounts,
    /// One member of the set is enough for an extension.
    OneIsEnough,
    /// The grantor takes a set for acknowledged that it has only sent.
    Unacknowledged,
    /// A member sends a promise before it is durable.
    ForgetsPromise,
    /// A member takes a lease while its own promise runs.
    PromotesUnderPromise,
    /// A member counts no promise of an earlier boot.
    NoWaitAfterReboot,
    /// A member extends whatever the term of who asks.
    NoFloor,
    /// Consents that were asked of one set count although another is held by now.
    MidwaySet,
    /// All of nobody agree.
    EmptySetExtends,
    /// The deadline of an extension counts from its arrival.
    ExtendsFromArrival,
    /// The grantor calls a lease expired by its own count alone.
    NoWord,
    /// A server that nobody guards is extended.
    UnarmedExtends,
    /// Of a machine that was switched off it counts as known that its set cannot extend it.
    OffIsCut,
}

/// How eventful it was.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    pub promoted: u64,
    pub expired: u64,
    pub lapsed: u64,
    pub resumed: u64,
    pub reboots: u64,
    pub successors: u64,
    pub freezes: u64,
    pub watchdogs: u64,
    pub unarmed: u64,
    pub extended: u64,
    pub promised: u64,
    pub words: u64,
    pub off: u64,
    pub resumed_alone: u64,
}

impl Seen {
    pub fn add(&mut self, other: &Seen) {
        self.promoted += other.promoted;
        self.expired += other.expired;
        self.lapsed += other.lapsed;
        self.resumed += other.resumed;
        self.reboots += other.reboots;
        self.successors += other.successors;
        self.freezes += other.freezes;
        self.watchdogs += other.watchdogs;
        self.unarmed += other.unarmed;
        self.extended += other.extended;
        self.promised += other.promised;
        self.words += other.words;
        self.off += other.off;
        self.resumed_alone += other.resumed_alone;
    }
}

/// Small, and good enough to shuffle a world.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    pub fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    /// What a clock measures of a million real microseconds; the extremes are frequent.
    pub fn rate(&mut self) -> u64 {
        let drift = u64::from(DRIFT_PPM);
        1_000_000 + [0, drift, self.roll(drift + 1)][self.roll(3) as usize]
    }
}

/// What is on its way.
#[derive(Debug, Clone)]
pub enum Message {
    Ask(usize, Request),
    Grant(usize, Grant),
    Refuse(usize, Request, u64, Refusal),
    /// From a primary to a member of its set.
    Extend(usize, usize, Extend),
    /// What the member gives, and to whom: from, to.
    Extended(usize, usize, Extend, Duration),
    /// To a member: extend nothing below this term.
    Withhold(usize, u64),
    /// From a member: below this term it extends nothing, and so long something of it may still run.
    Word(usize, u64, Duration),
}

/// Messages on the wire; more are lost.
const MAX_WIRE: usize = 16;

pub struct World {
    pub now: u64,
    pub dice: Dice,
    pub broken: Option<Broken>,
    pub hosts: Vec<Host>,
    pub controller: Controller,
    pub wire: Vec<Message>,
    /// Some worlds know of no extension.
    extends: bool,
    /// Members that the estate has as promotable, by their place.
    pub named: Vec<bool>,
    /// Until then nobody reaches this host, nor it anybody.
    pub cut_off: Vec<u64>,
    /// What is wrong, once it was seen.
    pub wrong: Option<String>,
    /// The wire of some worlds is slow.
    slow: bool,
    /// Time passes in small steps in some worlds: agents act many times in a lease there.
    fine: bool,
    /// One in so many looks of the controller begins a failover.
    pub failovers: u64,
    pub seen: Seen,
}

impl World {
    pub fn new(seed: u64, broken: Option<Broken>) -> World {
        let mut dice = Dice(seed.wrapping_mul(0x1234_5678_9abc_def1));
        let hosts: Vec<Host> = (0..2 + dice.roll(2) as usize).map(|at| Host::new(at, &mut dice)).collect();
        let extends = seed % 4 != 3;
        let named = hosts.iter().map(|_| extends && !dice.one_in(4)).collect();
        let cut_off = vec![0; hosts.len()];
        let controller = Controller::new(&mut dice);
        let failovers = if seed.is_multiple_of(3) { 60 } else { 15 };
        let (wire, slow, fine, seen) = (Vec::new(), dice.one_in(2), seed.is_multiple_of(4), Seen::default());
        World {
            now: 1,
            dice,
            broken,
            hosts,
            controller,
            wire,
            extends,
            named,
            cut_off,
            wrong: None,
            slow,
            fine,
            failovers,
            seen,
        }
    }

    pub fn run(&mut self, events: u64) -> Result<(), String> {
        for event in 0..events {
            self.happen();
            self.settle();
            let writable: Vec<&HostName> =
                self.hosts.iter().filter(|host| host.writable()).map(|host| &host.name).collect();
            if writable.len() > 1 {
                return Err(format!("after {event} events, at {} us: {writable:?} are writable", self.now));
            }
            if let Some(wrong) = self.wrong.take() {
                return Err(format!("after {event} events, at {} us: {wrong}", self.now));
            }
        }
        Ok(())
    }

    fn happen(&mut self) {
        let at = self.dice.roll(self.hosts.len() as u64) as usize;
        match self.dice.roll(104) {
            0..=29 => self.pass(),
            30..=46 => self.agent_acts(at),
            47..=84 => self.deliver(),
            85 if self.dice.one_in(2) => {
                self.hosts[at].frozen_until = self.now + self.dice.roll(30_000_000);
                self.seen.freezes += 1;
            }
            86 => self.hosts[at].frozen_until = 0,
            87 if self.dice.one_in(4) => self.reboot(at),
            88 => self.hosts[at].agent_dies(),
            89 => {
                // Its service manager brings it back within half of the stop time; rarely it stays away.
                let away = if self.dice.one_in(4) { 20_000_000 } else { STOP_US / 4 };
                self.watchdog_dies(at, away);
            }
            90 if self.dice.one_in(4) => self.succeed(),
            91..=97 => self.controller_acts(),
            98 if self.dice.one_in(6) => self.cut_off[at] = self.now + self.dice.roll(40_000_000),
            99 => self.cut_off[at] = 0,
            100 if self.extends => self.named[at] = !self.named[at] || self.dice.one_in(2),
            _ => self.rejoin(at),
        }
    }

    /// Time passes, but never past a deadline: whatever is due happens at its moment.
    fn pass(&mut self) {
        let steps = match self.fine {
            true => [1_000, 30_000, 100_000, 1_000_000],
            false => [1_000, 100_000, 1_000_000, 4_000_000],
        };
        let most = steps[self.dice.roll(4) as usize];
        let to = self.now + 1 + self.dice.roll(most);
        let due = self.hosts.iter().filter_map(Host::next_due).filter(|due| *due > self.now).min();
        let over = self.next_over().filter(|over| *over > self.now);
        self.now = [Some(to), due, over].into_iter().flatten().min().unwrap_or(to);
    }

    fn deliver(&mut self) {
        if self.wire.is_empty() || self.slow && !self.dice.one_in(4) {
            return;
        }
        let at = self.dice.roll(self.wire.len() as u64) as usize;
        let message = match self.dice.roll(10) {
            0 => return drop(self.wire.remove(at)),
            1 => self.wire[at].clone(),
            _ => self.wire.remove(at),
        };
        let ends = match &message {
            Message::Ask(at, _) | Message::Grant(at, _) | Message::Refuse(at, ..) => [*at, *at],
            Message::Withhold(at, _) | Message::Word(at, ..) => [*at, *at],
            Message::Extend(from, to, _) | Message::Extended(from, to, ..) => [*from, *to],
        };
        if ends.iter().any(|at| self.now < self.cut_off[*at]) {
            return;
        }
        match message {
            Message::Ask(from, request) => self.asked(from, &request),
            Message::Extend(from, to, ask) => self.extend_asked(from, to, ask),
            Message::Extended(from, to, ask, length) => self.extended(from, to, &ask, length),
            Message::Withhold(to, floor) => self.withhold(to, floor),
            Message::Word(from, floor, left) => self.word(from, floor, left),
            Message::Grant(to, grant) => self.granted(to, &grant),
            Message::Refuse(to, request, epoch, refusal) => {
                let fenced = matches!(refusal, Refusal::Fenced | Refusal::HeldBy(_));
                if let Some(agent) = self.hosts[to].agent.as_mut() {
                    agent.refused(&request.boot, request.sent, epoch, fenced);
                }
            }
        }
    }

    pub fn send(&mut self, message: Message) {
        if self.wire.len() >= MAX_WIRE {
            let lost = self.dice.roll(MAX_WIRE as u64) as usize;
            self.wire.swap_remove(lost);
        }
        self.wire.push(message);
    }
}
