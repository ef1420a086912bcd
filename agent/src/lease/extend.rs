//! Without a controller: the keeper asks every member of the set that its last grant named.
//!
//! It begins when half of its lease is over and nobody has granted, so that a controller that is only slow is
//! asked first; and after the lease has run out, or after a reboot, when no controller is connected or the one
//! that is has not answered for the length of a lease.

use super::keeper::{Guard, Keeper};
use super::see::{Seen, Server};
use super::{ANSWERS_BOUND, lock, port};
use model::lease::Standing;
use model::{HostName, Problem};
use std::time::Duration;

/// Members that are being asked at once; more are asked in the next round.
const MAX_ASKING: usize = 64;
/// Shortest pause between two rounds.
const SHORTEST_PAUSE: Duration = Duration::from_millis(300);

impl Keeper {
    /// Asks, when it is time to.
    pub(super) async fn ask_the_set(
        &mut self,
        server: &Server,
        seen: Seen,
        guard: &Guard,
    ) -> Result<(), Problem> {
        while self.asking.try_join_next().is_some() {}
        let (now, length) = (self.now(), self.holder.terms().length);
        let connected = *self.leases.0.connected.borrow();
        let standing = self.holder.standing(now);
        if !matches!(standing, Standing::Lapsed) {
            self.lapsed_at = None;
        }
        let due = match standing {
            Standing::Held { until } => seen == Seen::Writes && until.saturating_sub(now) < length / 2,
            Standing::Lapsed => {
                let since = *self.lapsed_at.get_or_insert(now);
                let wanted = seen == Seen::Stopped { masked: false } && self.book.note().wanted;
                wanted && (!connected || now > since + length)
            }
            Standing::Fenced => false,
        };
        let pause = (length / 6).max(SHORTEST_PAUSE);
        if !due || self.set_asked.is_some_and(|asked| now < asked + pause) || self.asking.len() >= MAX_ASKING
        {
            return Ok(());
        }
        self.set_asked = Some(now);
        let whole = server.is_whole().await?;
        let armed = self.is_armed(seen, guard, whole);
        let Some(ask) = self.holder.extend(self.now(), armed) else { return Ok(()) };
        let members: Vec<HostName> = self.holder.set().members.iter().cloned().collect();
        for host in members {
            let (deps, shared, source, ask) =
                (self.deps.clone(), self.shared.clone(), self.name.clone(), ask.clone());
            self.asking.spawn(async move {
                let answer = match shared.peers.get(&host) {
                    Some(at) => port::ask(&deps, shared.known(), (&host, at), (&source, &ask)).await,
                    None => Err(Problem::new(
                        "LB2466",
                        format!("the estate no longer says where the agent of {host} can be asked"),
                        "Nothing to do once a controller answers: the next grant names the members that can be.",
                    )),
                };
                let mut agreed = lock(&shared.agreed);
                if agreed.len() >= ANSWERS_BOUND {
                    agreed.pop_front();
                }
                agreed.push_back((host, ask, answer));
                shared.wake.notify_one();
            });
        }
        Ok(())
    }

    /// Takes what members have answered. Once all have agreed, the deadline is later.
    pub(super) async fn take_agreed(&mut self, server: &Server) -> Result<(), Problem> {
        let answers: Vec<_> = lock(&self.shared.agreed).drain(..).collect();
        let mut trouble = Ok(());
        for (from, ask, answer) in answers {
            let given = match answer {
                Ok(given) => given,
                Err(problem) => {
                    trouble = Err(problem);
                    continue;
                }
            };
            // Not in the set, or not in this term: it is not counted below. Held, so that nobody is extended here.
            self.shared.pledged.clone()?.hold(ask.term, ask.sent + given + ask.terms.stop, self.now())?;
            if let Some(until) = self.holder.extended(&from, &ask, given, self.now()) {
                if !std::mem::replace(&mut self.by_set, true) {
                    tracing::warn!(source = %self.name, "no controller grants the lease: its set extends it");
                }
                self.guard_until(server, until).await?;
            }
        }
        trouble
    }
}
