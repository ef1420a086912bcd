//! Schedules: work that fires by the clock, controller or no controller.
//!
//! The moment of the last firing is durable before the work begins, so a crash never fires twice; a
//! firing that was missed while the agent was down is caught up once, however many were missed. A wall
//! clock that jumps back fires nothing again (the last firing lies in its future), one that jumps ahead
//! fires once.

use crate::desk::Desk;
use crate::spool::SpoolError;
use model::{Assignment, Digest, Epoch, Head, HostName, Micros, Name, Order, Outcome, Scheduled};
use runtime::clock::{Clock, Ids};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The clock is looked at this often, so that a jump is noticed.
const LOOK: Duration = Duration::from_secs(1);

/// A last firing this far ahead of the clock is not believed.
const MAX_AHEAD: Duration = Duration::from_secs(24 * 3600);

/// When each schedule fired last, on disk.
struct Fired {
    path: PathBuf,
    last: BTreeMap<Name, Micros>,
}

/// What a schedule needs to fire.
pub struct Schedules {
    /// Where work is done.
    pub desk: Desk,
    /// Whose schedules they are.
    pub host: HostName,
    /// The time.
    pub clock: Clock,
    /// Fresh run ids.
    pub ids: Ids,
    /// The agent's state folder.
    pub folder: PathBuf,
    /// What is in force.
    pub assignment: watch::Receiver<Option<Assignment>>,
}

impl Schedules {
    /// Fires what is due until told to stop. One firing at a time: two backups of one host compete.
    pub async fn run(self, stop: CancellationToken) -> Result<(), SpoolError> {
        let mut fired = Fired::open(&self.folder);
        loop {
            let due = self.due(&mut fired);
            for schedule in due {
                if stop.is_cancelled() {
                    return Ok(());
                }
                fired.mark(&schedule.name, self.clock.now());
                self.fire(&schedule).await?;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    fn due(&self, fired: &mut Fired) -> Vec<Scheduled> {
        let now = self.clock.now();
        let current = self.assignment.borrow().clone();
        let schedules = current.map(|assignment| assignment.schedules).unwrap_or_default();
        let mut due = Vec::new();
        for schedule in schedules {
            let last = fired.first_seen(&schedule.name, now);
            if schedule.at.next(last).is_ok_and(|next| next <= now) {
                due.push(schedule);
            }
        }
        due
    }

    async fn fire(&self, schedule: &Scheduled) -> Result<(), SpoolError> {
        let run = self.ids.run();
        for (index, work) in schedule.work.iter().enumerate() {
            let Some(token) = crate::spool::scheduled_token(run, &schedule.name, &self.host, index + 1)
            else {
                tracing::error!(schedule = %schedule.name, "LB2150: the schedule's name cannot be part of a token");
                return Ok(());
            };
            let Ok(hash) = Digest::new("none") else { return Ok(()) };
            let step = token.step.clone();
            let order = Order {
                token,
                epoch: self
                    .desk
                    .read(|spool| spool.memory().epoch)
                    .unwrap_or(Epoch { number: 0, holder: uuid::Uuid::nil() }),
                head: Head { run, sequence: 0, hash },
                work: work.clone(),
                timeout: schedule.timeout,
            };
            tracing::info!(schedule = %schedule.name, job = work.kind(), "schedule fires");
            let outcome = match self.desk.scheduled(order, step).await {
                Err(full @ SpoolError::Full) => {
                    tracing::error!(schedule = %schedule.name, problem = %full.problem(), "scheduled work was not taken");
                    return Ok(());
                }
                other => other?,
            };
            if !matches!(outcome, Outcome::Succeeded { .. }) {
                tracing::error!(schedule = %schedule.name, job = work.kind(), outcome = outcome.as_str(),
                    problem = outcome.problem().map(ToString::to_string), "scheduled work did not succeed");
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Fired {
    fn open(folder: &Path) -> Fired {
        let path = folder.join("schedules.json");
        let last = std::fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Fired { path, last }
    }

    /// A schedule that is new counts from now: it does not catch up on a past that it did not have. One
    /// that fired far in the future did so under a clock that was wrong, and counts from now as well;
    /// a clock that only steps back a little makes nothing fire twice.
    fn first_seen(&mut self, name: &Name, now: Micros) -> Micros {
        match self.last.get(name) {
            None => self.mark(name, now),
            Some(last) if last.since(now) > MAX_AHEAD => {
                tracing::warn!(schedule = %name, %last, "LB2152: the last firing lies far ahead: the clock was wrong then");
                self.mark(name, now);
            }
            Some(_) => {}
        }
        self.last.get(name).copied().unwrap_or(now)
    }

    fn mark(&mut self, name: &Name, at: Micros) {
        self.last.insert(name.clone(), at);
        let bytes = serde_json::to_vec(&self.last).unwrap_or_default();
        if let Err(error) = runtime::fs::write_durable(&self.path, &bytes, 0o600) {
            tracing::error!(%error, path = %self.path.display(), "LB2151: the last firing cannot be kept");
        }
    }
}
