//! What the agent looks at all the time: its checks, and how the members of its sources are. The newest
//! answers go out with each heartbeat.

use crate::desk::Desk;
use crate::policy::Policy;
use model::nouns::{MemberFacts, SourceSpec};
use model::{Assignment, HostName, Micros, Monitored, Name, Outcome};
use runtime::clock::Clock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Members are asked this often.
const MEMBERS_EVERY: Duration = Duration::from_secs(1);
/// How long a member may take to answer.
const MEMBER_LIMIT: Duration = Duration::from_secs(3);
/// The monitors' clocks are looked at this often.
const LOOK: Duration = Duration::from_millis(250);
/// Longest answer of a check.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

/// The newest answers.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    members: BTreeMap<Name, MemberFacts>,
    checks: BTreeMap<Name, (Outcome, Micros)>,
}

impl Board {
    /// Facts about each member on this host.
    pub fn members(&self) -> Vec<MemberFacts> {
        self.state().members.values().cloned().collect()
    }

    /// The newest answer of each check.
    pub fn checks(&self) -> Vec<(Name, Outcome, Micros)> {
        self.state().checks.iter().map(|(name, (outcome, at))| (name.clone(), outcome.clone(), *at)).collect()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the members until told to stop.
pub async fn members(
    board: Board,
    host: HostName,
    policy: Arc<Policy>,
    assignment: watch::Receiver<Option<Assignment>>,
    stop: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    loop {
        let sources = assignment.borrow().as_ref().map(|it| it.members.clone()).unwrap_or_default();
        board.state().members.retain(|name, _| sources.iter().any(|source| source.name == *name));
        for source in sources {
            let facts = ask_member(&source, &host, &policy).await;
            board.state().members.insert(source.name, facts);
        }
        tokio::select! {
            () = tokio::time::sleep(MEMBERS_EVERY) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// Only what the policy lists is asked: a password is read and sent for the asking.
async fn ask_member(source: &SourceSpec, host: &HostName, policy: &Policy) -> MemberFacts {
    if let Err(problem) = policy.permits_source(source) {
        return down(&source.name, host, problem.to_string());
    }
    let facts = tokio::time::timeout(MEMBER_LIMIT, crate::sources::facts(source, host)).await;
    facts.unwrap_or_else(|_| {
        down(&source.name, host, format!("no answer within {} s", MEMBER_LIMIT.as_secs()))
    })
}

fn down(source: &Name, host: &HostName, trouble: String) -> MemberFacts {
    MemberFacts {
        source: source.clone(),
        host: host.clone(),
        role: "down".to_string(),
        lsn: 0,
        sync_standbys: Vec::new(),
        trouble: Some(trouble),
        at: None,
    }
}

/// Asks the checks until told to stop, one after another: a host's own monitoring must stay small.
pub async fn checks(
    board: Board,
    desk: Desk,
    clock: Clock,
    assignment: watch::Receiver<Option<Assignment>>,
    stop: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    let mut next: BTreeMap<Name, Duration> = BTreeMap::new();
    loop {
        let monitors = assignment.borrow().as_ref().map(|it| it.monitors.clone()).unwrap_or_default();
        board.state().checks.retain(|name, _| monitors.iter().any(|monitor| monitor.name == *name));
        for monitor in monitors {
            let now = clock.since_boot();
            if next.get(&monitor.name).is_some_and(|at| *at > now) {
                continue;
            }
            next.insert(monitor.name.clone(), now + monitor.every);
            let outcome = ask(&desk, &monitor).await;
            board.state().checks.insert(monitor.name, (outcome, clock.now()));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

async fn ask(desk: &Desk, monitor: &Monitored) -> Outcome {
    let limit = tokio::time::timeout(CHECK_LIMIT, desk.look(&monitor.work));
    limit.await.unwrap_or(Outcome::Cancelled)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_member_that_the_policy_does_not_list_is_never_asked() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let source = serde_json::from_value(serde_json::json!({
            "name": "db", "kind": "postgres", "address": "127.0.0.1", "port": port, "database": "x",
        }));
        let facts = ask_member(&source.unwrap(), &HostName::new("h").unwrap(), &Policy::default()).await;
        assert_eq!(facts.role, "down");
        assert!(facts.trouble.unwrap().contains("policy"));
        let asked = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(asked.is_err(), "nobody connected");
    }
}
