//! A request, judged and answered.

use super::{Leases, lock};
use crate::agents::SessionHandle;
use crate::app::App;
use crate::store::StoreError;
use model::lease::{Grant, Refusal, Request};
use model::{HostName, Name, Problem};
use proto::v1::controller_message::Message;
use proto::{Malformed, v1};
use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

/// Takes a request in; the answer is sent once what it rests on is durable.
pub fn asked(
    app: &App,
    host: &HostName,
    session: &SessionHandle,
    wire: v1::LeaseRequest,
) -> Result<impl Future<Output = ()> + Send + 'static, Malformed> {
    let (source, mut request) = proto::lease_request(wire)?;
    // The clock of such a host may stand still: the end of its lease is no evidence.
    request.armed &= !app.estate.get().is_some_and(|it| it.checked.is_pausable(host));
    let allowed = declared(app, host, &source, &request);
    let promotable = promotable(app, host, &source);
    let fleet = app.fleet.clone();
    let (leases, standing, epoch) = (app.leases.clone(), app.standing.clone(), app.epoch);
    let leading = app.leading.clone();
    let (host, session) = (host.clone(), session.clone());
    Ok(async move {
        let answer = match (allowed, standing.lost()) {
            (_, Some(problem)) => Err((problem, false)),
            (Err(problem), None) => Err((problem, false)),
            // A lease ends with the leadership that gives it.
            (Ok(()), None) => leases.grant(&source, &host, &request, Some(leading.left()), &promotable).await,
        };
        if answer.as_ref().is_err_and(|(problem, _)| problem.code == "LB1450") {
            leases.ask_words(&fleet, &source);
        }
        if let Err((problem, _)) = &answer {
            tracing::debug!(%host, %source, %problem, "no lease");
        }
        let answer = proto::lease_answer_to_wire(&source, &request, epoch, answer);
        // A session that cannot take it has ended: the host asks again in the next.
        let _ = session.send(Message::LeaseAnswer(answer));
    })
}

/// Who may extend a member's lease, all together, and may be promoted after it.
fn promotable(app: &App, host: &HostName, source: &Name) -> BTreeSet<HostName> {
    let peers = app.estate.get().map(|it| it.checked.peers(source)).unwrap_or_default();
    peers.into_keys().filter(|other| other != host).collect()
}

/// Whether the estate has this member's server leased, for no longer than it says.
fn declared(app: &App, host: &HostName, source: &Name, request: &Request) -> Result<(), Problem> {
    let terms = app.estate.get().and_then(|it| it.checked.lease_on(source, host));
    match terms {
        Some(terms) if request.terms.length <= terms.length => Ok(()),
        Some(_) | None => Err(Problem::new(
            "LB1430",
            format!("the estate in force gives {host} no such lease of {source}"),
            "Nothing to do when the estate has just changed: the agent gets its new assignment. Else apply the estate again.",
        )),
    }
}

impl Leases {
    /// Grants a lease, or says why not and whether the member is fenced.
    pub async fn grant(
        &self,
        source: &Name,
        host: &HostName,
        request: &Request,
        left: Option<Duration>,
        promotable: &BTreeSet<HostName>,
    ) -> Result<Grant, (Problem, bool)> {
        let now = self.0.clock.since_boot();
        let granted = self.with(source, |known| known.grantor.grant(host, request, now, left, promotable));
        let grant = granted.map_err(|refusal| refused(source, host, &refusal))?;
        self.save(source).await.map_err(|error| (not_durable(source, &error), false))?;
        Ok(grant)
    }

    /// Members that are closed although they are the primary, and the runs that closed them.
    pub(super) fn closed(&self) -> Vec<(Name, model::RunId)> {
        let sources = lock(&self.0.sources);
        let closed = sources.iter().filter_map(|(name, known)| {
            let primary = known.grantor.primary()?;
            let (_, closed) = known.grantor.given(primary);
            Some((name.clone(), *known.closed_by.get(primary).filter(|_| closed)?))
        });
        closed.collect()
    }
}

fn refused(source: &Name, host: &HostName, refusal: &Refusal) -> (Problem, bool) {
    match refusal {
        Refusal::Fenced => (
            Problem::new(
                "LB1431",
                format!("{host} is fenced: its server of {source} gets no lease"),
                "A run fences it, or another member was made the primary. After a failover it comes back by `rejoin`.",
            ),
            true,
        ),
        Refusal::HeldBy(other) => (
            Problem::new(
                "LB1432",
                format!("{other} is the primary of {source}, so {host} gets no lease"),
                "Two primaries are what a lease prevents. To move it, fence the one and promote the other.",
            ),
            true,
        ),
        Refusal::NotYet(other, left) => (
            Problem::new(
                "LB1433",
                format!("the lease of {other} may still run, for {} s at most", left.as_secs() + 1),
                "Nothing to do: it is asked for again and granted then.",
            ),
            false,
        ),
        Refusal::Old => {
            (Problem::new("LB1434", "a newer request was answered already", "Nothing to do."), false)
        }
        Refusal::NotNamed(other) => (
            Problem::new(
                "LB1450",
                format!(
                    "{host} was not among those that may follow {other} when {other} last had a lease of {source}"
                ),
                "Others could extend the lease of the earlier primary without a word of this member. Promote one of those, or let one of them connect: it is then asked to extend nothing more, and this member is granted.",
            ),
            false,
        ),
        Refusal::NoTime => (
            Problem::new(
                "LB1435",
                "this controller's own leadership ends too soon to give a lease",
                "Nothing to do: it is renewed, or another controller leads. If this lasts, look at the database of the controllers.",
            ),
            false,
        ),
    }
}

fn not_durable(source: &Name, error: &StoreError) -> Problem {
    Problem::new(
        "LB1436",
        format!("a lease of {source} was not given, because it could not be recorded"),
        "Look at the controller's disk.",
    )
    .caused_by(error)
}
