//! Copies of the journals of live runs at their agents.
//!
//! After a commit, and before whatever follows from it is sent, the rows go to the agents that keep copies of
//! the run: on the same stream as the orders, so no agent ever knows an order whose rows it does not have. They
//! are written there without a sync of their own; the order behind them brings one. Rows of what the controller
//! does itself, and of what people said, have no order behind them: these are synced and acknowledged.
//!
//! What cannot be taken back (fence, promotion, swap, cut-over) waits until enough agents outside the lost and
//! suspect regions have acknowledged all rows up to it. After [`PATIENCE`] without them the attempt is unknown,
//! with a problem that says so: it is revoked at its agent first, like any other, so it has either never begun or
//! is looked after.

use crate::agents::SessionHandle;
use crate::app::App;
use crate::runs::registry::hosts_of;
use crate::settings::Settings;
use crate::store::StoreError;
use engine::{Entry, Event, RunState};
use model::{ControlAction, CopiedRow, Head, HostName, Mode, Name, Problem, RunId, Token, Work};
use plan::checked::Action;
use proto::v1;
use proto::v1::controller_message::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long what cannot be taken back waits for its witnesses.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Agents that keep copies of one run.
const MAX_HOSTS: usize = 64;
/// Bytes of rows of one message, where a row is not larger itself.
const MAX_BYTES: usize = 512 * 1024;
/// Largest row that an agent keeps, in bytes.
const MAX_ROW_BYTES: usize = 1000 * 1024;
/// Rows that are read at once.
const PAGE: u32 = 500;
/// Messages to one agent in one turn; the next turn goes on.
const MAX_MESSAGES: usize = 32;

/// Who has which copies. Cheap to clone.
#[derive(Clone)]
pub struct Copies(Arc<Inner>);

struct Inner {
    on: bool,
    witnesses: usize,
    runs: Mutex<BTreeMap<RunId, BTreeMap<HostName, Copy>>>,
}

/// The copy of one run at one agent.
#[derive(Debug, Clone, Copy, Default)]
struct Copy {
    /// The session in which rows were sent.
    session: u64,
    /// The last row that was sent in it, or that the agent said to have.
    sent: u64,
    /// The last row that is on the agent's disk.
    durable: u64,
}

/// The agents that a run's journal goes to.
#[derive(Debug, Clone, Default)]
pub struct Keepers {
    targets: BTreeSet<HostName>,
    lost: BTreeSet<Name>,
    suspects: BTreeSet<HostName>,
    live: bool,
}

impl Keepers {
    /// Of a run.
    pub fn of(state: &RunState) -> Self {
        let scenario = &state.plan.scenario;
        Keepers {
            targets: hosts_of(state).cloned().collect(),
            lost: scenario.lost.iter().chain(&scenario.suspect).cloned().collect(),
            suspects: scenario.suspect_hosts.iter().cloned().collect(),
            live: state.plan.mode == Mode::Live,
        }
    }

    /// Whether a host's word counts for what cannot be taken back.
    fn is_witness(&self, app: &App, host: &HostName) -> bool {
        let in_force = app.estate.get();
        let region = in_force.as_ref().and_then(|it| it.checked.region_of(host));
        !self.suspects.contains(host) && region.is_some_and(|region| !self.lost.contains(region))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Copies {
    /// As the settings say: none without an offline key, for nobody could begin a rescue.
    pub fn new(settings: &Settings) -> Self {
        let on = settings.offline_key().is_some();
        // A synchronous standby of the database is the second failure domain already.
        let standby = !settings.database.is_empty() && !settings.database_without_standby;
        let witnesses = if on && !standby { settings.witnesses } else { 0 };
        Self(Arc::new(Inner { on, witnesses, runs: Mutex::default() }))
    }

    /// An agent says which copies it has: they are on its disk.
    pub fn has(&self, host: &HostName, heads: &[Head]) {
        if !self.0.on {
            return;
        }
        let mut runs = lock(&self.0.runs);
        for copies in runs.values_mut() {
            copies.remove(host);
        }
        for head in heads {
            let copy = Copy { session: 0, sent: head.sequence, durable: head.sequence };
            runs.entry(head.run).or_default().insert(host.clone(), copy);
        }
    }

    /// An agent acknowledges rows, or says how far it is when it did not take some.
    pub fn acknowledged(&self, host: &HostName, run: RunId, sequence: u64, taken: bool) {
        let mut runs = lock(&self.0.runs);
        let copy = runs.entry(run).or_default().entry(host.clone()).or_default();
        copy.durable = copy.durable.max(sequence);
        if !taken {
            copy.sent = sequence;
        }
    }

    /// Who has a copy of a run.
    pub fn hosts(&self, run: RunId) -> Vec<HostName> {
        lock(&self.0.runs).get(&run).map(|copies| copies.keys().cloned().collect()).unwrap_or_default()
    }

    /// A run is over.
    pub fn forget(&self, run: RunId) {
        lock(&self.0.runs).remove(&run);
    }

    /// Whether enough witnesses have all rows up to one on their disks.
    pub fn suffice(&self, app: &App, run: RunId, keepers: &Keepers, sequence: u64) -> bool {
        self.count(app, run, keepers, sequence) >= self.0.witnesses
    }

    fn count(&self, app: &App, run: RunId, keepers: &Keepers, sequence: u64) -> usize {
        let durable: Vec<HostName> = {
            let runs = lock(&self.0.runs);
            let copies = runs.get(&run).into_iter().flatten();
            copies.filter(|(_, copy)| copy.durable >= sequence).map(|(host, _)| host.clone()).collect()
        };
        durable.iter().filter(|host| keepers.is_witness(app, host)).count()
    }

    /// Why something that cannot be taken back does not begin.
    pub fn too_few(&self, app: &App, run: RunId, keepers: &Keepers, sequence: u64) -> Problem {
        let have = self.count(app, run, keepers, sequence);
        Problem::new(
            "LB1250",
            format!(
                "the record of this is on the disks of {have} agents outside the lost regions, and must be on {}: it was not begun",
                self.0.witnesses
            ),
            "Bring an agent outside the lost regions back (`lifeboat status`), then `lifeboat retry`. If there is none and it must go on: set `witnesses: 0` in the controller's settings, restart it, and retry; should this controller be lost as well, nobody will know how far the run was.",
        )
    }

    /// Sends what the keepers of a run do not have yet. `fresh` are the newest rows, just committed, and gave `state`.
    pub async fn send(&self, app: &App, keepers: &Keepers, state: &RunState, head: &Head, fresh: &[Entry]) {
        if !self.0.on || !keepers.live {
            return;
        }
        let (run, sync) = (head.run, needs_sync(state, fresh));
        for (host, session) in self.chosen(app, keepers) {
            let from = self.begin(run, &host, session.number());
            if from >= head.sequence {
                continue;
            }
            match self.send_to(app, &session, head, from, fresh, sync).await {
                Ok(sent) => self.sent(run, &host, session.number(), sent),
                Err(error) => {
                    tracing::warn!(%run, %host, %error, "rows were not read for a copy; the next turn does")
                }
            }
        }
    }

    /// The agents of its targets; and where too few of those are witnesses, others that are.
    fn chosen(&self, app: &App, keepers: &Keepers) -> Vec<(HostName, SessionHandle)> {
        let targets = keepers.targets.iter().take(MAX_HOSTS);
        let mut chosen: Vec<_> =
            targets.filter_map(|host| Some((host.clone(), app.fleet.session(host)?))).collect();
        let mut witnesses = chosen.iter().filter(|(host, _)| keepers.is_witness(app, host)).count();
        if witnesses < self.0.witnesses {
            for (host, session) in app.fleet.sessions() {
                let more = witnesses < self.0.witnesses
                    && !keepers.targets.contains(&host)
                    && keepers.is_witness(app, &host);
                if more {
                    witnesses += 1;
                    chosen.push((host, session));
                }
            }
        }
        chosen
    }

    /// The last row that a session has, or that its agent had before it.
    fn begin(&self, run: RunId, host: &HostName, session: u64) -> u64 {
        let mut runs = lock(&self.0.runs);
        let copy = runs.entry(run).or_default().entry(host.clone()).or_default();
        if copy.session != session {
            *copy = Copy { session, sent: copy.durable, durable: copy.durable };
        }
        copy.sent
    }

    fn sent(&self, run: RunId, host: &HostName, session: u64, sequence: u64) {
        let mut runs = lock(&self.0.runs);
        let copy = runs.entry(run).or_default().entry(host.clone()).or_default();
        // An acknowledgement that came meanwhile may have said that rows are missing.
        if copy.session == session {
            copy.sent = copy.sent.max(sequence);
        }
    }

    async fn send_to(
        &self,
        app: &App,
        session: &SessionHandle,
        head: &Head,
        mut from: u64,
        fresh: &[Entry],
        sync: bool,
    ) -> Result<u64, StoreError> {
        for _ in 0..MAX_MESSAGES {
            let first_fresh = fresh.first().map_or(u64::MAX, |entry| entry.recorded.sequence);
            let rows: Vec<CopiedRow> = match from + 1 >= first_fresh {
                true => fresh.iter().filter(|entry| entry.recorded.sequence > from).map(row_of).collect(),
                false => app.store.copied_rows(head.run, from, PAGE).await?,
            };
            let mut bytes = 0;
            let fits = rows.iter().take_while(|row| {
                let first = bytes == 0;
                bytes += row.size();
                first || bytes <= MAX_BYTES
            });
            let part: Vec<CopiedRow> = fits.cloned().collect();
            let Some(last) = part.last() else { break };
            if part.iter().any(|row| row.size() > MAX_ROW_BYTES) {
                tracing::error!(run = %head.run, "the run's plan is too large to be copied to agents: a rescue cannot go on with it");
                return Ok(head.sequence);
            }
            let last = last.sequence;
            let copy = v1::Copy {
                run: head.run.0.as_bytes().to_vec(),
                epoch: Some(app.epoch.into()),
                rows: part.iter().map(Into::into).collect(),
                sync: sync && last >= head.sequence,
            };
            if session.send(Message::Copy(copy)).is_err() {
                break;
            }
            from = last;
            if from >= head.sequence {
                break;
            }
        }
        Ok(from)
    }

    /// Has the keepers sync and acknowledge what they have: something waits for it.
    pub fn ask(&self, app: &App, keepers: &Keepers, run: RunId) {
        for (_, session) in self.chosen(app, keepers) {
            let epoch = Some(app.epoch.into());
            let copy = v1::Copy { run: run.0.as_bytes().to_vec(), epoch, rows: Vec::new(), sync: true };
            // A session that has ended is asked again when it is back.
            let _ = session.send(Message::Copy(copy));
        }
    }
}

fn row_of(entry: &Entry) -> CopiedRow {
    CopiedRow {
        sequence: entry.recorded.sequence,
        at: entry.recorded.at,
        epoch: entry.recorded.epoch,
        text: entry.text.clone(),
        hash: entry.hash.clone(),
    }
}

/// Whether rows must be on the agents' disks by themselves: an order that follows would bring them there, and
/// what the controller or a person did has none.
fn needs_sync(state: &RunState, entries: &[Entry]) -> bool {
    let own = |token: &Token| {
        let action = state.place(token).and_then(|place| state.action(place));
        !matches!(action, Some(Action::Agent { .. }))
    };
    entries.iter().any(|entry| match &entry.recorded.event {
        Event::AttemptScheduled { token, .. }
        | Event::AttemptStarted { token }
        | Event::Accepted { token }
        | Event::Ended { token, .. } => own(token),
        Event::RunStarted | Event::StepStarted { .. } | Event::StepSucceeded { .. } => false,
        _ => true,
    })
}

/// Whether an order cannot be taken back, so that its record must outlive this controller.
pub fn is_dangerous(token: &Token, work: &Work) -> bool {
    token.mode == Mode::Live && matches!(work, Work::Fence(_) | Work::Promote(_) | Work::Swap(_))
}

/// The same of what the controller does itself.
pub fn is_dangerous_here(token: &Token, action: &ControlAction) -> bool {
    token.mode == Mode::Live && matches!(action, ControlAction::Cutover { .. })
}
