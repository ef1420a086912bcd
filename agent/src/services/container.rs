//! One Docker container, over the engine's API in the version that both sides speak.
//!
//! Docker has no mask. Ours is a file in the agent's state folder, which refuses every start by us, and
//! the restart policy `no`, so that the engine does not start it either. The old restart policy stands in
//! the file and comes back with `unmask`. A person with the docker command can still start it.

use super::{ServiceManager, Status, masked};
use crate::jobs::note;
use bollard::Docker;
use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerUpdateBody, RestartPolicy,
    RestartPolicyNameEnum,
};
use futures::future::BoxFuture;
use model::jobs::ServiceState;
use model::{Name, Problem};
use std::path::{Path, PathBuf};

/// One container.
pub struct Container {
    container: String,
    folder: PathBuf,
    engine: Option<String>,
}

impl Container {
    /// The container with this name or id, on the engine that DOCKER_HOST names, or the local one.
    pub fn new(name: &Name, container: &str, state_dir: &Path) -> Result<Container, Problem> {
        let known = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if container.is_empty()
            || container.len() > 255
            || !container.chars().all(known)
            || container.starts_with('.')
        {
            return Err(Problem::new(
                "LB2420",
                format!("{container:?} is not the name of a container"),
                "Write the container's name or id as `docker ps` shows it.",
            ));
        }
        Ok(Container {
            container: container.to_string(),
            folder: state_dir.join("services").join(name.as_str()),
            engine: None,
        })
    }

    /// The same container on the engine at this address, `unix:///run/docker.sock`.
    pub fn on_engine(self, address: &str) -> Container {
        Container { engine: Some(address.to_string()), ..self }
    }

    fn mask_file(&self) -> PathBuf {
        self.folder.join("masked")
    }

    fn failed(&self, what: &str, error: &dyn std::error::Error) -> Problem {
        Problem::new(
            "LB2421",
            format!("Docker cannot {what} container {}", self.container),
            format!("See `docker inspect {0}` and `docker logs {0}`; the agent needs access to the engine's socket.", self.container),
        )
        .caused_by(error)
    }

    async fn engine(&self, what: &str) -> Result<Docker, Problem> {
        let connected = match &self.engine {
            Some(address) => Docker::connect_with_host(address),
            None => Docker::connect_with_defaults(),
        };
        let docker = connected.map_err(|error| self.failed(what, &error))?;
        docker.negotiate_version().await.map_err(|error| self.failed(what, &error))
    }

    /// The engine answers 304 when there is nothing to do; that is what was wanted.
    fn settle(&self, what: &str, result: Result<(), bollard::errors::Error>) -> Result<(), Problem> {
        match result {
            Ok(()) | Err(bollard::errors::Error::DockerResponseServerError { status_code: 304, .. }) => {
                Ok(())
            }
            Err(error) => Err(self.failed(what, &error)),
        }
    }

    async fn inspect(&self, docker: &Docker) -> Result<Option<ContainerInspectResponse>, Problem> {
        match docker.inspect_container(&self.container, None).await {
            Ok(found) => Ok(Some(found)),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(self.failed("inspect", &error)),
        }
    }

    async fn set_restart_policy(&self, docker: &Docker, policy: RestartPolicy) -> Result<(), Problem> {
        let change = ContainerUpdateBody { restart_policy: Some(policy), ..Default::default() };
        docker
            .update_container(&self.container, change)
            .await
            .map_err(|error| self.failed("set the restart policy of", &error))
    }

    fn refuse_masked(&self) -> Result<(), Problem> {
        if self.mask_file().exists() { Err(masked(&self.container)) } else { Ok(()) }
    }

    async fn look(&self) -> Result<Status, Problem> {
        let docker = self.engine("inspect").await?;
        let masked = self.mask_file().exists();
        let Some(found) = self.inspect(&docker).await? else {
            let detail = "no such container".to_string();
            return Ok(Status { state: ServiceState::Absent, pid: None, masked, detail, log: Vec::new() });
        };
        let state = found.state.unwrap_or_default();
        // Docker calls a paused container running as well: its processes are there.
        let runs = state.running.unwrap_or(false) || state.restarting.unwrap_or(false);
        let code = state.exit_code.unwrap_or(0);
        let word = state.status.unwrap_or(ContainerStateStatusEnum::EMPTY);
        // 143 and 137 are the engine's own TERM and KILL of an orderly stop; a lost process shows 137 as well,
        // so without our mark of an orderly stop a 137 counts as an end by itself.
        let stopped_by_us = self.folder.join("stopped").exists();
        let state_word = match (runs, masked) {
            (true, _) => ServiceState::Running,
            (false, true) => ServiceState::Masked,
            (false, false) if code != 0 && !stopped_by_us => ServiceState::Failed,
            (false, false) => ServiceState::Stopped,
        };
        let pid = state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        Ok(Status {
            state: state_word,
            pid,
            masked,
            detail: format!("{word}, exit code {code}"),
            log: Vec::new(),
        })
    }

    fn mark_stopped(&self, stopped: bool) -> Result<(), Problem> {
        let path = self.folder.join("stopped");
        let result = if stopped { note::replace(&path, b"") } else { remove(&path) };
        result.map_err(|error| self.failed("remember the stop of", &error))
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl ServiceManager for Container {
    fn start(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            self.refuse_masked()?;
            let docker = self.engine("start").await?;
            self.mark_stopped(false)?;
            self.settle("start", docker.start_container(&self.container, None).await)
        })
    }

    fn stop(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            let docker = self.engine("stop").await?;
            self.mark_stopped(true)?;
            self.settle("stop", docker.stop_container(&self.container, None).await)
        })
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            self.refuse_masked()?;
            let docker = self.engine("restart").await?;
            self.mark_stopped(false)?;
            self.settle("restart", docker.restart_container(&self.container, None).await)
        })
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, Problem>> {
        Box::pin(self.look())
    }

    fn mask(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            let docker = self.engine("mask").await?;
            let found = self.inspect(&docker).await?;
            let old = found.and_then(|found| found.host_config).and_then(|host| host.restart_policy);
            if !self.mask_file().exists() {
                let text = serde_json::to_vec(&old).map_err(|error| self.failed("mask", &error))?;
                note::replace(&self.mask_file(), &text).map_err(|error| self.failed("mask", &error))?;
            }
            let never = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None };
            self.set_restart_policy(&docker, never).await
        })
    }

    fn unmask(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            let old: Option<RestartPolicy> = std::fs::read(self.mask_file())
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok())
                .flatten();
            if let Some(policy) = old {
                let docker = self.engine("unmask").await?;
                self.set_restart_policy(&docker, policy).await?;
            }
            remove(&self.mask_file()).map_err(|error| self.failed("unmask", &error))
        })
    }

    fn group(&self) -> BoxFuture<'_, Result<std::path::PathBuf, Problem>> {
        let why = "a container is started again by its engine, in another group";
        Box::pin(async { Err(super::no_group(&self.container, why)) })
    }

    fn waits_for<'a>(&'a self, _: &'a Path) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(async { self.group().await.map(drop) })
    }
}
