//! The keeper of one leased source: asks, hands deadlines to the watchdog, opens, closes.

use super::note::{Book, Note};
use super::see::{Seen, Server};
use super::watchdog::{Unguarded, Watchdog};
use super::{Deps, Leases, Shared, lock};
use model::lease::{Duty, Grant, Holder, Permit, Standing, State, Terms};
use model::nouns::SourceSpec;
use model::{Name, Problem};
use proto::LeaseReply;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A keeper looks at its server at least this often.
const LOOK: Duration = Duration::from_millis(500);
/// How often one asks that waits to open its server.
const EAGER: Duration = Duration::from_millis(300);
/// How often a fenced one asks: somebody may have called the fence off.
const PATIENT: Duration = Duration::from_secs(2);
/// After a start failed.
const START_AGAIN: Duration = Duration::from_secs(2);

/// How the server is guarded.
#[derive(Debug)]
pub(super) enum Guard {
    /// By the watchdog, until then.
    Armed(Duration),
    /// Its deadline has passed, and it is being ended.
    Ending,
    /// By nobody; the watchdog answers.
    Idle,
    /// The watchdog does not answer.
    Away(Problem),
}

pub(super) struct Keeper {
    pub(super) leases: Leases,
    pub(super) shared: Arc<Shared>,
    pub(super) deps: Deps,
    source: SourceSpec,
    pub(super) name: Name,
    watchdog: Watchdog,
    pub(super) holder: Holder,
    pub(super) book: Book,
    asked: Option<Duration>,
    /// When its set was last asked, and who is being asked.
    pub(super) set_asked: Option<Duration>,
    pub(super) asking: JoinSet<()>,
    /// Since when it has no lease.
    pub(super) lapsed_at: Option<Duration>,
    /// Its lease lives by the set, and not by a controller.
    pub(super) by_set: bool,
    /// Without a watchdog, this keeper itself ends the server then.
    alone: Option<Duration>,
    /// A server that was never leased before runs, and is given until then to get its first lease.
    adopting: Option<Duration>,
    /// It was seen writing under the lease that is held.
    ran: bool,
    start_after: Duration,
}

impl Keeper {
    pub(super) fn new(
        leases: &Leases,
        shared: Arc<Shared>,
        deps: &Deps,
        source: SourceSpec,
        terms: Terms,
    ) -> Keeper {
        let name = source.name.clone();
        let book = Book::open(&deps.state_dir, &name);
        let holder = Holder::new(&deps.clock.boot_id(), terms).with_set(book.note().set.clone());
        Keeper {
            leases: leases.clone(),
            shared,
            deps: deps.clone(),
            watchdog: Watchdog::below(&deps.run_dir),
            holder,
            book,
            source,
            name,
            asked: None,
            set_asked: None,
            asking: JoinSet::new(),
            lapsed_at: None,
            by_set: false,
            alone: None,
            adopting: None,
            ran: false,
            start_after: Duration::ZERO,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut server = None;
        loop {
            let done = match &server {
                Some(server) => self.turn(server).await,
                None => match Server::open(&self.deps, &self.source).await {
                    Ok(found) => {
                        self.resume().await;
                        server = Some(found);
                        continue;
                    }
                    Err(problem) => Err(problem),
                },
            };
            self.tell(done);
            let now = self.now();
            let left = match self.holder.standing(now) {
                Standing::Held { until } => until - now,
                Standing::Lapsed | Standing::Fenced => LOOK,
            };
            let pause = if *self.shared.pressing.borrow() { EAGER } else { LOOK };
            tokio::select! {
                () = tokio::time::sleep(pause.min(left)) => {}
                () = self.shared.wake.notified() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.deps.clock.since_boot()
    }

    /// An earlier life of this agent may have left a guarded server.
    async fn resume(&mut self) {
        match self.guard().await {
            Guard::Armed(until) => {
                self.holder.resume(until);
                self.holds(until);
            }
            // Without a watchdog its permit says until when.
            Guard::Away(_) => {
                if let Some(until) = self.permitted() {
                    self.holder.resume(until);
                    self.holds(until);
                    self.alone = Some(until);
                }
            }
            Guard::Ending | Guard::Idle => {}
        }
    }

    fn holds(&self, until: Duration) {
        if let Ok(pledged) = &self.shared.pledged {
            pledged.resume(until + self.holder.terms().stop);
        }
    }

    fn permitted(&self) -> Option<Duration> {
        let path = self.deps.permit(&self.name);
        let permit: Permit = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let opens = permit.opens(&self.name, &self.deps.clock.boot_id(), self.now());
        opens.then(|| Duration::from_micros(permit.until_us))
    }

    async fn guard(&self) -> Guard {
        match self.watchdog.look(&self.name).await {
            Ok(Some((duty, State::Armed))) => Guard::Armed(Duration::from_micros(duty.deadline_us)),
            Ok(Some((_, State::Ending))) => Guard::Ending,
            Ok(Some((_, State::Ended)) | None) => Guard::Idle,
            Err(Unguarded::Away(problem)) => Guard::Away(problem),
            Err(Unguarded::Refused(_)) => Guard::Idle,
        }
    }

    fn is_guarded(&self, guard: &Guard) -> bool {
        let now = self.now();
        matches!(guard, Guard::Armed(until) if *until > now) || self.alone.is_some_and(|until| until > now)
    }

    fn tell(&self, done: Result<(), Problem>) {
        let mut trouble = lock(&self.shared.trouble);
        match done {
            Ok(()) => {}
            Err(problem) => {
                if trouble.as_ref() != Some(&problem) {
                    tracing::warn!(source = %self.name, %problem, advice = problem.advice, "lease");
                }
                *trouble = Some(problem);
            }
        }
    }

    async fn turn(&mut self, server: &Server) -> Result<(), Problem> {
        let answers: Vec<LeaseReply> = lock(&self.shared.answers).drain(..).collect();
        for answer in answers {
            self.take(answer, server).await?;
        }
        self.take_agreed(server).await?;
        let seen = server.see().await?;
        if let Ok(pledged) = &self.shared.pledged {
            pledged.seen(seen == Seen::Writes);
        }
        let guard = self.guard().await;
        let done = match self.holder.standing(self.now()) {
            Standing::Held { until } => {
                self.guard_again(server, seen, &guard, until).await;
                self.held(server, seen, &guard).await
            }
            Standing::Lapsed => self.lapsed(server, seen, &guard, EAGER).await,
            Standing::Fenced => self.lapsed(server, seen, &guard, PATIENT).await,
        };
        let done = done.and(self.ask_the_set(server, seen, &guard).await);
        let held = matches!(self.holder.standing(self.now()), Standing::Held { .. });
        let open = held && self.is_guarded(&guard);
        self.shared.open.send_if_modified(|was| std::mem::replace(was, open) != open);
        let pressing = seen == Seen::Writes || self.book.note().wanted || self.shared.is_needed();
        self.shared.pressing.send_replace(pressing);
        done
    }

    /// The watchdog has died, or lost what it held. The deadline is known here: until the next grant this keeper
    /// guards it alone, and the next request says whether the watchdog does.
    async fn guard_again(&mut self, server: &Server, seen: Seen, guard: &Guard, until: Duration) {
        match guard {
            Guard::Armed(_) => self.alone = None,
            Guard::Ending => {}
            Guard::Away(_) => {
                if seen == Seen::Writes {
                    self.alone = Some(until);
                }
            }
            Guard::Idle => {
                let armed =
                    seen == Seen::Writes && self.watchdog.arm(&self.duty(server, until)).await.is_ok();
                if armed {
                    self.alone = Some(until);
                }
            }
        }
    }

    async fn held(&mut self, server: &Server, seen: Seen, guard: &Guard) -> Result<(), Problem> {
        match seen {
            Seen::Writes if self.is_guarded(guard) => {
                self.ran = true;
                self.book.want(true)?;
                self.ask(server, seen, guard, self.holder.terms().length / 3).await
            }
            // Its ending has begun, or nobody can guard it: doubt means closed.
            Seen::Writes => self.close(server, "nobody guards it any more").await,
            Seen::Stopped { .. } if self.shared.is_needed() || self.book.note().wanted && !self.ran => {
                self.open(server, seen, guard).await?;
                self.ask(server, seen, guard, self.holder.terms().length / 3).await
            }
            Seen::Stopped { .. } => self.stopped(guard).await,
            Seen::Follows if self.shared.is_needed() || self.book.note().wanted => {
                self.ask(server, seen, guard, self.holder.terms().length / 3).await
            }
            Seen::Follows => self.give_up().await,
        }
    }

    /// It ran and does not run any more. Either its deadline passed between two looks, and it is granted again,
    /// or somebody stopped it, or it fell: then nobody but a person or a plan starts it.
    async fn stopped(&mut self, guard: &Guard) -> Result<(), Problem> {
        let until = match guard {
            Guard::Armed(until) => Some(*until),
            Guard::Ending | Guard::Idle => None,
            Guard::Away(_) => self.alone,
        };
        if until.is_none_or(|until| until <= self.now()) {
            self.holder.drop_it();
            self.ran = false;
            return Ok(());
        }
        self.book.want(false)?;
        self.give_up().await
    }

    async fn give_up(&mut self) -> Result<(), Problem> {
        self.holder.drop_it();
        self.ran = false;
        self.alone = None;
        match self.watchdog.disarm(&self.name).await {
            Ok(()) | Err(Unguarded::Refused(_)) => Ok(()),
            Err(Unguarded::Away(problem)) => {
                self.remove_permit();
                Err(problem)
            }
        }
    }

    async fn lapsed(
        &mut self,
        server: &Server,
        seen: Seen,
        guard: &Guard,
        pace: Duration,
    ) -> Result<(), Problem> {
        self.ran = false;
        let note = self.book.note().clone();
        match (seen, guard) {
            (_, Guard::Ending) => Ok(()),
            (Seen::Writes, _) => {
                if self.adopting.is_none() && !note.leased {
                    self.adopt(server).await?;
                }
                if self.adopting.is_some_and(|until| until > self.now()) {
                    return self.ask(server, seen, guard, EAGER).await;
                }
                self.close(server, "its lease ran out").await
            }
            (Seen::Stopped { masked: true }, _) => Ok(()),
            (Seen::Stopped { masked: false } | Seen::Follows, _) => {
                let wants = seen != Seen::Follows && note.wanted || self.shared.is_needed();
                if wants { self.ask(server, seen, guard, pace).await } else { Ok(()) }
            }
        }
    }

    /// A server that runs and was never leased: guarded first, then asked for.
    async fn adopt(&mut self, server: &Server) -> Result<(), Problem> {
        if !server.is_whole().await? {
            return Err(scattered(&self.name));
        }
        let until = self.now() + self.holder.terms().length;
        match self.watchdog.arm(&self.duty(server, until)).await {
            Ok(()) => {}
            Err(Unguarded::Away(_)) => self.alone = Some(until),
            Err(Unguarded::Refused(why)) => return Err(unarmed(&self.name, &why)),
        }
        self.adopting = Some(until);
        self.book.want(true)?;
        tracing::info!(source = %self.name, "the server runs and is leased from now on");
        Ok(())
    }

    async fn ask(
        &mut self,
        server: &Server,
        seen: Seen,
        guard: &Guard,
        every: Duration,
    ) -> Result<(), Problem> {
        let now = self.now();
        let connected = *self.leases.0.connected.borrow();
        if !connected || self.asked.is_some_and(|asked| now < asked + every) {
            return Ok(());
        }
        let whole = server.is_whole().await?;
        let armed = self.is_armed(seen, guard, whole);
        let now = self.now();
        self.asked = Some(now);
        let request = self.holder.ask(now, armed);
        // Nobody listens when the session has just ended: it is asked again.
        let _ = self.leases.0.asks.send((self.name.clone(), request));
        match guard {
            Guard::Away(problem) => Err(problem.clone()),
            _ if !whole => Err(scattered(&self.name)),
            _ => Ok(()),
        }
    }

    /// A watchdog holds a deadline for all of the server, or it does not run.
    pub(super) fn is_armed(&self, seen: Seen, guard: &Guard, whole: bool) -> bool {
        match guard {
            Guard::Armed(until) => *until > self.now() && whole,
            Guard::Idle => seen != Seen::Writes && whole,
            Guard::Ending | Guard::Away(_) => false,
        }
    }

    async fn take(&mut self, reply: LeaseReply, server: &Server) -> Result<(), Problem> {
        match reply {
            LeaseReply::Granted(grant) => {
                self.promise(&grant)?;
                let Some(until) = self.holder.granted(&grant, self.now()) else { return Ok(()) };
                if std::mem::take(&mut self.by_set) {
                    tracing::info!(source = %self.name, "a controller grants the lease again");
                }
                self.guard_until(server, until).await
            }
            LeaseReply::Refused { boot, sent, epoch, problem, fenced } => {
                self.holder.refused(&boot, sent, epoch, fenced);
                Err(problem)
            }
        }
    }

    /// What must be durable before a grant is taken: the set that it names, and that nothing of an earlier term
    /// is extended here. Refused while this host has promised another member to take none.
    fn promise(&mut self, grant: &Grant) -> Result<(), Problem> {
        let newer = self.holder.newer_set(grant).cloned();
        let term = newer.as_ref().unwrap_or(self.holder.set()).term;
        let until = grant.sent + grant.length + self.holder.terms().stop;
        self.shared.pledged.clone()?.hold(term, until, self.now())?;
        let set = newer.unwrap_or_else(|| self.book.note().set.clone());
        let wanted = self.book.note().wanted;
        self.book.set(Note { leased: true, wanted, set })
    }

    /// Hands a new deadline to the watchdog; where there is none, this keeper itself guards it.
    pub(super) async fn guard_until(&mut self, server: &Server, until: Duration) -> Result<(), Problem> {
        *lock(&self.shared.trouble) = None;
        match self.watchdog.arm(&self.duty(server, until)).await {
            Ok(()) => {
                self.alone = None;
                self.adopting = None;
                Ok(())
            }
            Err(Unguarded::Away(problem)) => {
                self.alone = Some(until);
                self.adopting = None;
                self.write_permit(server, until)?;
                Err(problem)
            }
            Err(Unguarded::Refused(why)) => {
                self.holder.drop_it();
                Err(unarmed(&self.name, &why))
            }
        }
    }

    async fn open(&mut self, server: &Server, seen: Seen, guard: &Guard) -> Result<(), Problem> {
        let now = self.now();
        let masked = seen == (Seen::Stopped { masked: true });
        // An order that needs the lease starts it itself.
        if masked || !self.is_guarded(guard) || now < self.start_after || !self.book.note().wanted {
            return Ok(());
        }
        self.start_after = now + START_AGAIN;
        server.start().await?;
        tracing::info!(source = %self.name, "the lease is granted again: its server runs");
        Ok(())
    }

    async fn close(&mut self, server: &Server, why: &str) -> Result<(), Problem> {
        tracing::warn!(source = %self.name, why, "the server may not write: it is ended");
        self.remove_permit();
        self.holder.drop_it();
        self.alone = None;
        self.ran = false;
        server.end().await
    }

    fn duty(&self, server: &Server, until: Duration) -> Duty {
        Duty {
            source: self.name.clone(),
            boot: self.deps.clock.boot_id(),
            deadline_us: u64::try_from(until.as_micros()).unwrap_or(u64::MAX),
            stop_ms: u64::try_from(self.holder.terms().stop.as_millis()).unwrap_or(u64::MAX),
            cgroup: server.group().clone(),
            permit: self.deps.permit(&self.name),
        }
    }

    /// Where there is no watchdog to write it.
    fn write_permit(&self, server: &Server, until: Duration) -> Result<(), Problem> {
        let duty = self.duty(server, until);
        let text = serde_json::to_vec(&duty.permit()).map_err(std::io::Error::from);
        text.and_then(|text| crate::jobs::note::replace(&duty.permit, &text)).map_err(|error| {
            Problem::new(
                "LB2439",
                format!("the permit {} cannot be written", duty.permit.display()),
                "May the agent write below its run folder?",
            )
            .caused_by(&error)
        })
    }

    fn remove_permit(&self) {
        let path = self.deps.permit(&self.name);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::error!(path = %path.display(), %error, "a permit cannot be removed");
        }
    }
}

fn scattered(source: &Name) -> Problem {
    Problem::new(
        "LB2440",
        format!("processes of the server of {source} are outside of its control group"),
        "Its end could not be sure, so its lease is no evidence. Restart the service, so that all of it begins inside.",
    )
}

fn unarmed(source: &Name, why: &str) -> Problem {
    Problem::new(
        "LB2441",
        format!("the watchdog does not guard {source}: {why}"),
        "The server stays closed until it does; it is tried again.",
    )
}
