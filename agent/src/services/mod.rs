//! What can start and stop things on a host: one file a manager, listed in `open`.
//!
//! The contract, proven by one suite over each manager (tests/services.rs):
//! - `start` returns when it runs; a second start changes nothing; a masked service is refused.
//! - `stop` returns when every process of it is gone; a second stop changes nothing.
//! - `restart` gives a new process, also when none ran.
//! - `status` only asks. A service that ended by itself with an error is `Failed`.
//! - `mask` lets nobody start it, not even a boot; it stops nothing. `unmask` takes that back.
//! - Names and arguments never go through a shell.
//! - The server of a leased source starts only on its permit, whoever asks (see `leased`).

pub mod alive;
pub mod container;
pub mod group;
pub mod leased;
pub mod process;
pub mod systemd;
mod users;

use futures::future::BoxFuture;
use model::Problem;
use model::jobs::{ServiceAction, ServiceState};
use model::nouns::{Manager, ServiceSpec};
use std::path::{Path, PathBuf};

/// How a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its state. `Masked` is said of a masked service that does not run.
    pub state: ServiceState,
    /// Its main process, where there is one.
    pub pid: Option<u32>,
    /// Nobody may start it.
    pub masked: bool,
    /// What its manager says, for people.
    pub detail: String,
    /// The last lines of its log, oldest first, where the manager keeps one.
    pub log: Vec<String>,
}

/// What starts and stops one service. See the module for the contract.
pub trait ServiceManager: Send + Sync {
    /// Running when it returns.
    fn start(&self) -> BoxFuture<'_, Result<(), Problem>>;
    /// Stopped when it returns, every process gone.
    fn stop(&self) -> BoxFuture<'_, Result<(), Problem>>;
    /// A new process when it returns.
    fn restart(&self) -> BoxFuture<'_, Result<(), Problem>>;
    /// How it is.
    fn status(&self) -> BoxFuture<'_, Result<Status, Problem>>;
    /// Nobody may start it from now on, durably.
    fn mask(&self) -> BoxFuture<'_, Result<(), Problem>>;
    /// It may be started again.
    fn unmask(&self) -> BoxFuture<'_, Result<(), Problem>>;
    /// The control group that holds every process of it, also while it does not run.
    fn group(&self) -> BoxFuture<'_, Result<PathBuf, Problem>>;
    /// Whether nobody, not even its manager at a boot or after a crash, starts it without this permit.
    fn waits_for<'a>(&'a self, permit: &'a Path) -> BoxFuture<'a, Result<(), Problem>>;
}

/// The manager of a service. This is the list of managers.
pub fn open(service: &ServiceSpec, state_dir: &Path) -> Result<Box<dyn ServiceManager>, Problem> {
    let leased = leased::Leased::read(&service.name, state_dir)?;
    let inner = managed(service, state_dir, leased.as_ref())?;
    Ok(match leased {
        Some(leased) => Box::new(leased::Gate { inner, leased, service: service.clone() }),
        None => inner,
    })
}

/// The same for whoever has just made its data a standby's: that needs no permit.
pub fn open_standby(
    service: &ServiceSpec,
    state_dir: &Path,
    data: &Path,
) -> Result<Box<dyn ServiceManager>, Problem> {
    if !data.join("standby.signal").exists() {
        return open(service, state_dir);
    }
    managed(service, state_dir, leased::Leased::read(&service.name, state_dir)?.as_ref())
}

fn managed(
    service: &ServiceSpec,
    state_dir: &Path,
    leased: Option<&leased::Leased>,
) -> Result<Box<dyn ServiceManager>, Problem> {
    let group = leased.and_then(|leased| leased.group.clone());
    Ok(match &service.manager {
        Manager::Systemd { unit } => Box::new(systemd::Unit::new(unit)?),
        Manager::Container { container } => {
            Box::new(container::Container::new(&service.name, container, state_dir)?)
        }
        Manager::Process(spec) => {
            Box::new(process::Process::new(&service.name, spec, state_dir)?.in_group(group))
        }
    })
}

/// A service is not as an order wanted it.
pub fn not_as_wanted(service: &ServiceSpec, action: ServiceAction, status: &Status) -> Problem {
    Problem::new(
        "LB2401",
        format!(
            "after {} service {} is {:?}: {}",
            action.as_str(),
            service.name,
            status.state,
            status.detail
        ),
        "Read its log, mend the cause, then retry.",
    )
    .with_log(status.log.clone())
}

/// A masked service was asked to start.
pub fn masked(name: &str) -> Problem {
    Problem::new(
        "LB2402",
        format!("service {name} is masked: a fence closed it"),
        "Starting it could make a second primary. Rejoin it first (rebuild it as a standby), then unmask it.",
    )
}

/// A server that cannot be ended as a whole at a moment.
fn no_group(name: &str, why: &str) -> Problem {
    Problem::new(
        "LB2433",
        format!("which processes belong to {name} cannot be told: {why}"),
        "A lease needs a server that is a systemd unit or a process of the agent's own. Without a lease it works as before: take `lease` off the source.",
    )
}
