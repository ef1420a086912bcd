//! What a keeper sees of its server: whether it runs, whether it may write, and in which control group.

use super::{Deps, server};
use crate::services::alive::{self, Folder};
use crate::services::leased::Leased;
use crate::services::{self, ServiceManager, group};
use model::jobs::{Fence, Service, ServiceAction, ServiceState};
use model::nouns::{Manager, ServiceSpec, SourceSpec};
use model::{Name, Problem, Work};
use std::path::PathBuf;
use std::time::Duration;

/// What PostgreSQL's processes are called.
const PROGRAM: &str = "postgres";
/// Longest wait for a killed server to be gone.
const END_LIMIT: Duration = Duration::from_secs(10);

/// The server of one leased source.
pub(super) struct Server {
    service: ServiceSpec,
    manager: Box<dyn ServiceManager>,
    group: PathBuf,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It does not run; masked: and may not be started.
    Stopped { masked: bool },
    /// It runs and follows another, or has not opened its data yet.
    Follows,
    /// It runs, and nothing keeps it from accepting writes.
    Writes,
}

impl Server {
    /// Finds it, and binds its service to the lease.
    pub(super) async fn open(deps: &Deps, source: &SourceSpec) -> Result<Server, Problem> {
        let service = server(source).ok_or_else(|| no_server(&source.name))?.clone();
        deps.policy.permits(&Work::Fence(Fence { source: source.clone() }))?;
        let start = Service { service: service.clone(), action: ServiceAction::Start };
        deps.policy.permits(&Work::Service(start))?;
        let manager = services::open(&service, &deps.state_dir)?;
        let group = manager.group().await?;
        let permit = deps.permit(&source.name);
        manager.waits_for(&permit).await?;
        let own = matches!(service.manager, Manager::Process(_)).then(|| group.clone());
        let leased = Leased { source: source.name.clone(), permit, group: own };
        if Leased::read(&service.name, &deps.state_dir)?.as_ref() != Some(&leased) {
            Leased::write(&service.name, &deps.state_dir, Some(&leased))?;
        }
        if matches!(service.manager, Manager::Process(_)) {
            group::make(&group)?;
        }
        let manager = services::open(&service, &deps.state_dir)?;
        Ok(Server { service, manager, group })
    }

    pub(super) fn group(&self) -> &PathBuf {
        &self.group
    }

    pub(super) async fn see(&self) -> Result<Seen, Problem> {
        let status = self.manager.status().await?;
        if status.state != ServiceState::Running {
            return Ok(Seen::Stopped { masked: status.masked });
        }
        let Some(pid) = status.pid else { return Ok(Seen::Writes) };
        // PostgreSQL works in its data folder, and takes the signal away before it accepts a write.
        let data = PathBuf::from(format!("/proc/{pid}/cwd"));
        let opened = data.join("PG_VERSION").exists();
        let follows = data.join("standby.signal").exists();
        Ok(if opened && !follows { Seen::Writes } else { Seen::Follows })
    }

    /// Whether every process of it is in its group; those of a server that was started before it was leased
    /// are brought in.
    pub(super) async fn is_whole(&self) -> Result<bool, Problem> {
        if !matches!(self.service.manager, Manager::Process(_)) {
            return Ok(true);
        }
        let Some(main) = self.manager.status().await?.pid else { return Ok(true) };
        let folder = Folder::of(main, PROGRAM);
        group::take_in(&self.group, || {
            let family = alive::stat(main).map(|stat| alive::family(stat.identity)).unwrap_or_default();
            let workers = folder.map(|folder| alive::working_in(folder, PROGRAM)).unwrap_or_default();
            family.iter().chain(&workers).map(|one| one.pid).collect()
        })
    }

    pub(super) async fn start(&self) -> Result<(), Problem> {
        self.manager.start().await
    }

    /// Ends it at once, whole.
    pub(super) async fn end(&self) -> Result<(), Problem> {
        let ended = group::end(&self.group, END_LIMIT).await;
        self.manager.stop().await?;
        ended
    }
}

fn no_server(source: &Name) -> Problem {
    Problem::new(
        "LB2430",
        format!("{source} is leased, and nothing is known of the service that runs its server"),
        "Name it as `server` of the source in the estate.",
    )
}
