//! Extensions without a grantor: a primary asks its set, and each member promises what it must then keep.

use crate::hosts::{LENGTH_US, us};
use crate::world::{Broken, Message, World};
use model::lease::{Extend, Pledges, Standing};
use std::time::Duration;

impl World {
    /// When half of its lease is over and no grantor has answered, a primary asks all of its set.
    pub fn ask_the_set(&mut self, at: usize, armed: bool) {
        let host = &mut self.hosts[at];
        let now = host.local(self.now);
        let guarded = host.watch_answers() && (armed || !host.writable());
        if !host.primary() {
            return;
        }
        let Some(holder) = host.agent.as_mut() else { return };
        let late = match holder.standing(now) {
            Standing::Held { until } => us(until - now) < LENGTH_US / 2,
            Standing::Lapsed | Standing::Fenced => true,
        };
        if !late || us(now) < us(host.set_asked) + LENGTH_US / 6 {
            return;
        }
        host.set_asked = now;
        if self.broken == Some(Broken::EmptySetExtends) && holder.set().members.is_empty() && armed {
            let until = now + Duration::from_micros(LENGTH_US);
            holder.resume(until);
            return self.guard(at, until);
        }
        let says = guarded || self.broken == Some(Broken::UnarmedExtends);
        let Some(ask) = holder.extend(now, says) else { return };
        let members = holder.set().members.clone();
        host.naive = (ask.sent, members.clone());
        let places: Vec<usize> =
            (0..self.hosts.len()).filter(|to| members.contains(&self.hosts[*to].name)).collect();
        for to in places {
            self.send(Message::Extend(at, to, ask.clone()));
        }
    }

    /// A member is asked.
    pub fn extend_asked(&mut self, from: usize, to: usize, ask: Extend) {
        let host = &mut self.hosts[to];
        if self.now < host.frozen_until {
            return self.send(Message::Extend(from, to, ask));
        }
        let now = host.local(self.now);
        let Some(holder) = host.agent.as_ref() else { return };
        let holds = matches!(holder.standing(now), Standing::Held { .. }) || host.writable();
        if self.broken == Some(Broken::NoFloor) {
            host.pledges.floor = 0;
        }
        let mut member = host.member();
        let Ok(length) = member.asked(&ask, now, holds) else { return };
        // It may die before that is durable: then nothing was sent.
        if self.dice.one_in(200) {
            return host.agent_dies();
        }
        let before = std::mem::replace(&mut host.pledges, member.kept().clone());
        self.seen.promised += 1;
        if self.broken == Some(Broken::ForgetsPromise) && self.dice.one_in(20) {
            host.pledges = Pledges { floor: host.pledges.floor, ..before };
            host.agent_dies();
        } else if self.dice.one_in(200) {
            return host.agent_dies();
        }
        self.send(Message::Extended(to, from, ask, length));
    }

    /// A member has agreed.
    pub fn extended(&mut self, from: usize, to: usize, ask: &Extend, length: Duration) {
        let name = self.hosts[from].name.clone();
        let all: Vec<_> = self.hosts.iter().map(|host| host.name.clone()).collect();
        let host = &mut self.hosts[to];
        if self.now < host.frozen_until {
            return self.send(Message::Extended(from, to, ask.clone(), length));
        }
        let (now, boot) = (host.local(self.now), host.boot_id());
        if !host.primary() {
            return;
        }
        let Some(holder) = host.agent.as_mut() else { return };
        let lapsed = holder.standing(now) == Standing::Lapsed;
        let mut until = holder.extended(&name, ask, length, now);
        match self.broken {
            Some(Broken::OneIsEnough) => {
                for other in &all {
                    until = until.or(holder.extended(other, ask, length, now));
                }
            }
            Some(Broken::MidwaySet) if host.naive.0 == ask.sent && ask.boot == boot => {
                host.naive.1.remove(&name);
                if host.naive.1.is_empty() && ask.sent + length > now {
                    until = Some(ask.sent + length);
                }
            }
            Some(Broken::ExtendsFromArrival) => until = until.map(|_| now + length),
            _ => {}
        }
        let Some(until) = until else { return };
        holder.resume(until);
        self.seen.extended += 1;
        self.seen.resumed_alone += u64::from(lapsed);
        self.guard(to, until);
    }

    /// A member is told to extend nothing below a term, and says what may still run.
    pub fn withhold(&mut self, to: usize, floor: u64) {
        let host = &mut self.hosts[to];
        if self.now < host.frozen_until {
            return self.send(Message::Withhold(to, floor));
        }
        if host.agent.is_none() {
            return;
        }
        let now = host.local(self.now);
        let mut member = host.member();
        member.raise(floor);
        host.pledges = member.kept().clone();
        let (floor, left) = (member.kept().floor, member.left(now));
        self.send(Message::Word(to, floor, left));
    }
}
