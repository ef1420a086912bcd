//! What a controller that waits answers: who leads, to everybody who calls.
//!
//! An agent that calls while the leader is silent is not sent away: its call is held until this
//! controller leads or somebody renews, for at most [`HOLD`]. So ten thousand agents that lost their
//! leader call once and wait, and are there when the new one is.

use super::win::Candidate;
use crate::app::StartError;
use crate::rpc::serving;
use axum::Router;
use model::Problem;
use runtime::Policy;
use runtime::Tasks;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Code, Status};

/// How long an agent's call is held at most: less than an agent waits for a welcome.
const HOLD: Duration = Duration::from_secs(8);
/// How long held calls may take to be answered when this controller leads.
const PARTING: Duration = Duration::from_millis(200);
/// Calls in flight on one connection.
const MAX_CALLS_PER_CONNECTION: usize = 16;
/// The call that opens an agent's session.
const SESSION: &str = "/lifeboat.v1.AgentLink/Connect";

/// What is known of the leader.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// Its name; empty when it is not known.
    pub(super) leader: String,
    /// Where the estate says that it is.
    pub(super) at: Option<String>,
    /// Whether it has missed renewals.
    pub(super) silent: bool,
}

/// The server of a controller that waits.
pub(super) struct Standby {
    /// None from when this controller leads.
    told: watch::Sender<Option<Told>>,
    stop: CancellationToken,
    ended: CancellationToken,
}

impl Standby {
    /// Begins to answer.
    pub(super) fn start(candidate: &Candidate<'_>, told: Told) -> Result<Self, StartError> {
        let Candidate { settings, name, authority, clock, ids, tasks, .. } = candidate;
        let keys = authority.server_keys(name, &settings.names, clock.now(), ids.fresh())?;
        // The same listener as, later, for the leader's server: nobody is turned away between them.
        let incoming = serving::incoming(candidate.listener)
            .map_err(|error| StartError::Listen { address: settings.listen, error })?;
        tracing::info!(leader = told.leader, "another controller leads: this one waits");
        let (told, seen) = watch::channel(Some(told));
        let router = Router::new().fallback(move |request: http::Request<axum::body::Body>| {
            let seen = seen.clone();
            async move { answer(request.uri().path(), seen).await.into_http::<axum::body::Body>() }
        });
        let mut server = serving::server(&keys, MAX_CALLS_PER_CONNECTION)?;
        let server = server.add_routes(Routes::from(router));
        let (stop, ended) = (tasks.token().child_token(), CancellationToken::new());
        let standby = Self { told, stop: stop.clone(), ended: ended.clone() };
        tasks.spawn("standby", Policy::BACKGROUND, async move {
            let _ended = ended.drop_guard();
            let serving = server.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
            serving::until(serving, stop, PARTING).await
        });
        Ok(standby)
    }

    /// Something else is known.
    pub(super) fn tell(&self, told: Told) {
        self.told.send_replace(Some(told));
    }

    /// Answers whoever is held, and ends.
    pub(super) async fn end(self, tasks: &Tasks) {
        self.told.send_replace(None);
        self.stop.cancel();
        tokio::select! {
            () = self.ended.cancelled() => {}
            () = tasks.shutdown().token().cancelled_owned() => {}
        }
    }
}

async fn answer(path: &str, mut told: watch::Receiver<Option<Told>>) -> Status {
    if path == SESSION {
        let decided = told.wait_for(|told| told.as_ref().is_none_or(|told| !told.silent));
        // Late or not, what is known now is said.
        let _ = tokio::time::timeout(HOLD, decided).await.map(|decided| decided.map(drop));
    }
    let told = told.borrow().clone();
    status(told)
}

fn status(told: Option<Told>) -> Status {
    let problem = match told {
        None => Problem::new("LB1226", "this controller takes over", "Call again."),
        Some(Told { leader, .. }) if leader.is_empty() => Problem::new(
            "LB1225",
            "this controller waits, and who leads is not known",
            "Look at the database of the controllers and at the way to it.",
        ),
        Some(Told { leader, at, silent }) => {
            let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
            let quiet = if silent { ", and has been silent for a while" } else { "" };
            Problem::new(
                "LB1225",
                format!("controller {leader} leads{at}{quiet}; this one waits"),
                "Ask that one. When it is gone, this one takes over within seconds: ask again.",
            )
        }
    };
    proto::status_of_problem(Code::Unavailable, &problem.transient())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(silent: bool) -> Option<Told> {
        Some(Told { leader: "main".into(), at: Some("a.example:7443".into()), silent })
    }

    #[tokio::test]
    async fn whoever_calls_is_told_who_leads() {
        let (_sender, seen) = watch::channel(told(false));
        let status = answer(SESSION, seen).await;
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().contains("controller main leads at a.example:7443"), "{status}");
    }

    #[tokio::test]
    async fn an_agent_that_calls_while_the_leader_is_silent_is_held_until_it_is_decided() {
        let (sender, seen) = watch::channel(told(true));
        assert!(answer("/lifeboat.v1.Runs/List", seen.clone()).await.message().contains("silent"));
        let held = tokio::spawn(answer(SESSION, seen.clone()));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!held.is_finished());
        sender.send_replace(None);
        assert!(held.await.is_ok_and(|status| status.message().contains("takes over")));
    }
}
