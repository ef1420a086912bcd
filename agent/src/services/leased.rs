//! The server of a leased source: it starts only on a permit.
//!
//! Which service that is stands beside its other state, in `services/NAME/leased.json`, so whoever opens the
//! service here comes by the permit. A standby needs none: it takes no writes.

use super::{ServiceManager, Status, alive};
use crate::jobs::note;
use futures::future::BoxFuture;
use model::lease::Permit;
use model::nouns::{Manager, ServiceSpec};
use model::{Name, Problem};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What is known of a leased service, on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// The source whose server it is.
    pub source: Name,
    /// Its permit.
    pub permit: PathBuf,
    /// The control group of a supervised process; other managers have their own.
    pub group: Option<PathBuf>,
}

fn path(service: &Name, state_dir: &Path) -> PathBuf {
    state_dir.join("services").join(service.as_str()).join("leased.json")
}

impl Leased {
    /// What stands beside a service; none when it is not leased.
    pub fn read(service: &Name, state_dir: &Path) -> Result<Option<Leased>, Problem> {
        let path = path(service, state_dir);
        let read = std::fs::read(&path);
        if read.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let parsed = read.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        parsed.map(Some).map_err(|error: std::io::Error| unreadable(&path).caused_by(&error))
    }

    /// From now on, or no longer, this service starts only on its permit.
    pub fn write(service: &Name, state_dir: &Path, leased: Option<&Leased>) -> Result<(), Problem> {
        let path = path(service, state_dir);
        let written = match leased {
            Some(leased) => serde_json::to_vec(leased)
                .map_err(std::io::Error::from)
                .and_then(|text| note::replace(&path, &text)),
            None => match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            },
        };
        written.map_err(|error| unreadable(&path).caused_by(&error))
    }

    /// Whether it may be started now.
    pub fn is_open(&self) -> bool {
        let permit = std::fs::read(&self.permit).ok();
        let permit: Option<Permit> = permit.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let now = runtime::Clock::system().since_boot();
        permit.is_some_and(|permit| permit.opens(&self.source, &alive::boot_id(), now))
    }
}

fn unreadable(path: &Path) -> Problem {
    Problem::new(
        "LB2436",
        format!("{} cannot be used, which says by which lease a service may run", path.display()),
        "Until it can, the service is not started. Move the file aside and restart the agent: it is made again.",
    )
}

/// Whether a supervised server starts as a standby.
pub fn follows(server: &ServiceSpec) -> bool {
    data_folder(server).is_some_and(|folder| folder.join("standby.signal").exists())
}

/// The data folder from the command line of a supervised server, `-D FOLDER`, or from its environment.
pub fn data_folder(server: &ServiceSpec) -> Option<PathBuf> {
    let Manager::Process(process) = &server.manager else { return None };
    let mut words = process.argv.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("-D") {
            Some("") => return words.next().map(PathBuf::from),
            Some(folder) => return Some(PathBuf::from(folder)),
            None => {}
        }
    }
    process.environment.get("PGDATA").map(PathBuf::from)
}

/// A manager whose service starts only on its permit.
pub(super) struct Gate {
    pub(super) inner: Box<dyn ServiceManager>,
    pub(super) leased: Leased,
    pub(super) service: ServiceSpec,
}

impl Gate {
    fn pass(&self) -> Result<(), Problem> {
        if follows(&self.service) || self.leased.is_open() {
            return Ok(());
        }
        Err(Problem::new(
            "LB2431",
            format!(
                "service {} runs the server of {}, which is leased, and there is no permit for it",
                self.service.name, self.leased.source
            ),
            "The agent writes one when a controller grants the lease. See `lifeboat status` for who is the primary; after a failover the old primary comes back by `rejoin`.",
        ))
    }
}

impl ServiceManager for Gate {
    fn start(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            self.pass()?;
            self.inner.start().await
        })
    }

    fn stop(&self) -> BoxFuture<'_, Result<(), Problem>> {
        self.inner.stop()
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            self.pass()?;
            self.inner.restart().await
        })
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, Problem>> {
        self.inner.status()
    }

    fn mask(&self) -> BoxFuture<'_, Result<(), Problem>> {
        self.inner.mask()
    }

    fn unmask(&self) -> BoxFuture<'_, Result<(), Problem>> {
        self.inner.unmask()
    }

    fn group(&self) -> BoxFuture<'_, Result<PathBuf, Problem>> {
        self.inner.group()
    }

    fn waits_for<'a>(&'a self, permit: &'a Path) -> BoxFuture<'a, Result<(), Problem>> {
        self.inner.waits_for(permit)
    }
}
