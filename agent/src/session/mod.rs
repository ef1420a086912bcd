//! The session: the one stream to a controller, opened again and again.
//!
//! The agent dials out to its controllers in turn, with jittered back-off after each round. One of them
//! leads; the others say that they wait, or hold the call until it is decided, and one that takes over says
//! that it is to be called again. When a session ends, the next in turn is dialled: the one that was lost may
//! be a frozen machine that still takes connections. While none answers the agent lives by its assignment;
//! what it did is in the spool and goes out with the next session. A session is reset when the
//! controller was silent for three heartbeats, when a message cannot be sent within a bound, or when the
//! controller holds an epoch that this host does not obey.

mod hello;
mod results;
mod stream;

use crate::assignment::Keeper;
use crate::desk::Desk;
use crate::lease::Leases;
use crate::rescue::Lookout;
use crate::spool::SpoolError;
use crate::watchers::Board;
use model::{HostName, Problem};
use runtime::backoff::Backoff;
use runtime::clock::Clock;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use uuid::Uuid;

/// Messages that wait to be sent.
pub(crate) const OUTBOUND_BOUND: usize = 256;
/// How long one message may wait to be sent until the session is reset.
pub(crate) const SEND_LIMIT: Duration = Duration::from_secs(10);
/// A session that lasted this long was a good one: when it ends, the next dial waits no longer than the first.
/// Shorter ones count as failures, or two agents with one name would push each other out without a pause.
const STEADY: Duration = Duration::from_secs(1);
/// How long a controller may take from the dial to its welcome.
const WELCOME_LIMIT: Duration = Duration::from_secs(10);
/// What a controller answers that takes over, and a rescue that has just taken what this host had.
const TAKES_OVER: [&str; 2] = ["LB1226", "LB1252"];
/// The same, and the longest wait between two dials, while a server waits for its lease: it must be open again
/// soon after the way is. A link that is slower than this could not keep a lease anyway.
const PRESSING_LIMIT: Duration = Duration::from_secs(1);
const PRESSING_WAIT: Duration = Duration::from_millis(200);
/// The longest wait between two dials of an agent that a run waits for.
const WAITED_FOR_LIMIT: Duration = Duration::from_millis(500);
/// The longest spread that a controller may ask for.
const MAX_SPREAD: Duration = Duration::from_secs(30);
/// Silent heartbeats until the session is reset.
pub(crate) const SILENT_HEARTBEATS: u32 = 3;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The controller was not reached, or went away.
    #[error("the session with the controller ended")]
    Link(#[source] tonic::Status),
    /// It was not reached at all.
    #[error("no controller answers at {address}")]
    Dial {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It said nothing for too long.
    #[error("the controller was silent for {0:?}")]
    Silent(Duration),
    /// It said something that makes no sense.
    #[error("the controller sent a message that cannot be understood")]
    Malformed(#[from] proto::Malformed),
    /// It may not command here.
    #[error("{0}")]
    NotObeyed(Problem),
    /// The spool failed: the process must stop.
    #[error("the spool failed")]
    Spool(#[from] SpoolError),
}

/// What a session works with.
#[derive(Clone)]
pub struct Deps {
    /// Where orders are done.
    pub desk: Desk,
    /// Where the assignment is kept.
    pub keeper: Arc<Keeper>,
    /// Newest answers of checks and members.
    pub board: Board,
    /// The leases of this host.
    pub leases: Leases,
    /// The agent's folder of durable state.
    pub state_dir: PathBuf,
    /// Looks for a rescue when no controller answers.
    pub lookout: Lookout,
    /// This host.
    pub host: HostName,
    /// The time.
    pub clock: Clock,
    /// This process.
    pub instance: Uuid,
}

/// Opens a channel to one controller address: made anew for each dial, since certificates are renewed.
pub type Dial = Arc<
    dyn Fn(
            String,
        )
            -> futures::future::BoxFuture<'static, Result<Channel, Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Sync,
>;

/// Keeps a session open until told to stop. Only a failed spool ends it with an error.
pub async fn run(
    deps: Deps,
    controllers: Vec<String>,
    dial: Dial,
    stop: CancellationToken,
) -> Result<(), SpoolError> {
    let mut dialling = Dialling::default();
    let (mut place, mut dialled) = (0, 0);
    let configured = controllers;
    let mut controllers = addresses(&deps, &configured);
    while let Some(address) = controllers.get(place) {
        if stop.is_cancelled() {
            return Ok(());
        }
        let again = match once(&deps, address, &dial, &stop, &mut dialling).await {
            Ok(()) => return Ok(()),
            Err(SessionError::Spool(error)) => return Err(error),
            Err(error) => {
                tracing::warn!(%address, error = %chain(&error), "session ended");
                takes_over(&error)
            }
        };
        match again {
            // It is there in a moment: a back-off that grew while nobody was would only be late.
            true => dialling.failures = 0,
            false => place = (place + 1) % controllers.len(),
        }
        dialled += 1;
        if !again && dialled < controllers.len() {
            continue;
        }
        dialled = 0;
        if deps.lookout.is_due() {
            deps.lookout.look(&dial).await?;
        }
        let next = addresses(&deps, &configured);
        if next != controllers {
            (controllers, place) = (next, 0);
        }
        // A run that is not closed waits for whoever had work in it: such a host does not stand back for others.
        let is_waited_for = again || deps.desk.read(|spool| !spool.open_heads().is_empty());
        let wait = wait_to_dial(dialling.failures, is_waited_for, dialling.spread, rand::random());
        let wait = if deps.leases.are_pressing() { wait.min(PRESSING_WAIT) } else { wait };
        dialling.failures = dialling.failures.saturating_add(1);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
    Ok(())
}

/// Whom to dial: a rescue that is obeyed, then the controllers of the settings.
fn addresses(deps: &Deps, configured: &[String]) -> Vec<String> {
    let mut all = deps.lookout.addresses();
    all.extend(configured.iter().filter(|address| !all.contains(address)).cloned().collect::<Vec<_>>());
    all
}

/// What one dial leaves for the next.
#[derive(Debug, Default)]
struct Dialling {
    /// Dials that failed, one after another.
    failures: u32,
    /// Over how long the controller asked that idle agents spread their dials.
    spread: Duration,
}

/// How long to wait before the next dial. After a session that was good (`failures` is 0) an idle agent's dial
/// lies anywhere within the spread: when a controller of ten thousand goes, they do not come back all at once.
/// Further ones wait for half of it at least. An agent that a run waits for dials soon, and again soon: these are
/// few. `random` is in 0..1.
pub fn wait_to_dial(failures: u32, is_waited_for: bool, spread: Duration, random: f64) -> Duration {
    let usual = Backoff::RECONNECT;
    let spread = spread.min(MAX_SPREAD);
    let waits = match (is_waited_for, failures) {
        (true, _) => Backoff { longest: WAITED_FOR_LIMIT, ..usual },
        (false, 0) => usual,
        (false, _) => Backoff { first: usual.first.max(spread), longest: usual.longest.max(spread), ..usual },
    };
    let wait = waits.wait(failures, random).unwrap_or(waits.longest);
    match (is_waited_for, failures) {
        (false, 0) => wait + spread.mul_f64(random.clamp(0.0, 1.0)),
        _ => wait,
    }
}

/// Whether a controller has said that it is just taking over: the same one is dialled again.
fn takes_over(error: &SessionError) -> bool {
    let SessionError::Link(status) = error else { return false };
    TAKES_OVER.contains(&proto::problem_of_status(status).code.as_str())
}

async fn once(
    deps: &Deps,
    address: &str,
    dial: &Dial,
    stop: &CancellationToken,
    dialling: &mut Dialling,
) -> Result<(), SessionError> {
    let limit = if deps.leases.are_pressing() { PRESSING_LIMIT } else { WELCOME_LIMIT };
    let dialled = tokio::time::timeout(limit, dial(address.to_string())).await;
    let channel = match dialled {
        Ok(Ok(channel)) => channel,
        Ok(Err(source)) => return Err(SessionError::Dial { address: address.to_string(), source }),
        Err(late) => return Err(SessionError::Dial { address: address.to_string(), source: late.into() }),
    };
    let mut session = tokio::time::timeout(limit, stream::Session::open(deps.clone(), channel))
        .await
        .map_err(|_| SessionError::Silent(limit))??;
    tracing::info!(%address, "connected");
    deps.lookout.reached(address);
    metrics::gauge!("lifeboat_agent_connected").set(1.0);
    dialling.spread = session.spread();
    let began = deps.clock.since_boot();
    deps.leases.connected(true);
    let end = session.serve(stop).await;
    deps.lookout.heard();
    deps.leases.connected(false);
    if deps.clock.since_boot().saturating_sub(began) > STEADY {
        dialling.failures = 0;
    }
    metrics::gauge!("lifeboat_agent_connected").set(0.0);
    end
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPREAD: Duration = Duration::from_secs(10);

    #[test]
    fn fault_38_idle_agents_spread_their_first_dial_evenly() {
        let dials: Vec<Duration> =
            (0..10_000).map(|number| wait_to_dial(0, false, SPREAD, f64::from(number) / 10_000.0)).collect();
        let within = |second: u64| {
            let from = Duration::from_secs(second);
            dials.iter().filter(|wait| **wait >= from && **wait < from + Duration::from_secs(1)).count()
        };
        let busiest = (0..12).map(within).max();
        assert!(busiest.is_some_and(|most| most < 1_100), "{busiest:?} dial within one second");
        assert!(dials.iter().all(|wait| *wait <= SPREAD + Backoff::RECONNECT.first));
    }

    #[test]
    fn fault_38_those_that_found_nobody_stay_apart() {
        for failures in 1..50 {
            for random in [0.0, 0.5, 1.0] {
                let wait = wait_to_dial(failures, false, SPREAD, random);
                assert!(wait >= SPREAD / 2 && wait <= SPREAD, "{failures}: {wait:?}");
            }
        }
    }

    #[test]
    fn fault_38_who_is_waited_for_or_has_few_beside_it_comes_back_at_once() {
        for failures in 0..50 {
            let wait = wait_to_dial(failures, true, SPREAD, 1.0);
            assert!(wait <= WAITED_FOR_LIMIT, "{failures}: {wait:?}");
        }
        assert!(wait_to_dial(0, false, Duration::ZERO, 1.0) <= Backoff::RECONNECT.first);
        assert_eq!(wait_to_dial(9, false, Duration::ZERO, 1.0), Backoff::RECONNECT.longest);
        let hour = Duration::from_secs(3600);
        assert!(wait_to_dial(3, false, hour, 1.0) <= MAX_SPREAD, "no controller sends it away");
    }
}
