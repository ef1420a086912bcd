//! A systemd unit, over D-Bus.
//!
//! Start, stop and restart ask the manager for a job and wait for the signal that this job was removed.
//! The signal is subscribed to before the job is asked for, so a fast job cannot be missed. Masking
//! links the unit to /dev/null under /etc, so it holds over a boot.

use super::{ServiceManager, Status, masked};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use model::Problem;
use model::jobs::ServiceState;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zbus::Connection;
use zbus::OwnedObjectPath;
use zbus::proxy::{CacheProperties, Proxy};

const MANAGER: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER_INTERFACE: &str = "org.freedesktop.systemd1.Manager";
/// Longest wait for one job of systemd. Its own time-outs are 90 s by default, two of them for a restart.
const JOB_LIMIT: Duration = Duration::from_secs(300);

/// One unit.
pub struct Unit {
    unit: String,
    bus: Option<String>,
}

impl Unit {
    /// The unit of this name, which has its suffix: `nginx.service`.
    pub fn new(unit: &str) -> Result<Unit, Problem> {
        let known = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if unit.len() > 255 || !unit.contains('.') || unit.starts_with('-') || !unit.chars().all(known) {
            return Err(Problem::new(
                "LB2410",
                format!("{unit:?} is not the name of a unit"),
                "Write the unit's name with its suffix, like nginx.service.",
            ));
        }
        Ok(Unit { unit: unit.to_string(), bus: None })
    }

    /// The same unit on the system bus at this address, `unix:path=/run/dbus/system_bus_socket`.
    pub fn on_bus(self, address: &str) -> Unit {
        Unit { bus: Some(address.to_string()), ..self }
    }

    async fn connect(&self) -> Result<Connection, zbus::Error> {
        match &self.bus {
            Some(address) => zbus::connection::Builder::address(address.as_str()).build().await,
            None => Connection::system().await,
        }
    }

    fn failed(&self, what: &str, error: &zbus::Error) -> Problem {
        Problem::new(
            "LB2411",
            format!("systemd cannot {what} {}", self.unit),
            format!("See `systemctl status {0}` and `journalctl -u {0}`; the agent needs access to the system bus.", self.unit),
        )
        .caused_by(error)
    }

    /// Asks for a job and waits until systemd says how it ended.
    async fn job(&self, what: &str, method: &str) -> Result<(), Problem> {
        let failed = |error: zbus::Error| self.failed(what, &error);
        let connection = self.connect().await.map_err(failed)?;
        let manager = manager(&connection).await.map_err(failed)?;
        manager.call::<_, _, ()>("Subscribe", &()).await.map_err(failed)?;
        let mut removed = manager.receive_signal("JobRemoved").await.map_err(failed)?;
        let job: OwnedObjectPath =
            manager.call(method, &(self.unit.as_str(), "replace")).await.map_err(failed)?;
        let ended = tokio::time::timeout(JOB_LIMIT, async {
            while let Some(signal) = removed.next().await {
                let (_, path, _, result): (u32, OwnedObjectPath, String, String) =
                    signal.body().deserialize()?;
                if path == job {
                    return Ok(result);
                }
            }
            Err(zbus::Error::Failure("the system bus closed the connection".to_string()))
        });
        let result = match ended.await {
            Ok(result) => result.map_err(failed)?,
            Err(_) => "no end in time".to_string(),
        };
        // `skipped` and `done` both mean that the unit is as asked.
        if result == "done" || result == "skipped" {
            return Ok(());
        }
        Err(Problem::new(
            "LB2412",
            format!("systemd's job to {what} {} ended with: {result}", self.unit),
            format!("See `journalctl -u {}`, mend the cause, then retry.", self.unit),
        ))
    }

    async fn mask_files(&self, mask: bool) -> Result<(), Problem> {
        let failed = |error: zbus::Error| self.failed(if mask { "mask" } else { "unmask" }, &error);
        let connection = self.connect().await.map_err(failed)?;
        let manager = manager(&connection).await.map_err(failed)?;
        let units = [self.unit.as_str()];
        if mask {
            self.can_be_masked(&connection, &manager).await?;
            manager.call_method("MaskUnitFiles", &(&units[..], false, true)).await.map_err(failed)?;
        } else {
            manager.call_method("UnmaskUnitFiles", &(&units[..], false)).await.map_err(failed)?;
        }
        manager.call_method("Reload", &()).await.map_err(failed)?;
        Ok(())
    }

    /// A mask is a link in /etc/systemd/system; where the unit's own file stands there, there is no room for it.
    async fn can_be_masked(&self, connection: &Connection, manager: &Proxy<'_>) -> Result<(), Problem> {
        let failed = |error: zbus::Error| self.failed("look at", &error);
        let path: OwnedObjectPath = manager.call("LoadUnit", &(self.unit.as_str(),)).await.map_err(failed)?;
        let unit = proxy(connection, path, "org.freedesktop.systemd1.Unit").await.map_err(failed)?;
        let file: String = unit.get_property("FragmentPath").await.map_err(failed)?;
        let load: String = unit.get_property("LoadState").await.map_err(failed)?;
        if load == "masked" || !file.starts_with("/etc/systemd/system/") {
            return Ok(());
        }
        Err(Problem::new(
            "LB2413",
            format!(
                "{} cannot be masked: its own file stands at {file}, where the mask would stand",
                self.unit
            ),
            format!(
                "Move it to /usr/local/lib/systemd/system/{} and run systemctl daemon-reload.",
                self.unit
            ),
        ))
    }

    /// Its control group; of a unit that does not run, the one that it would get.
    async fn group_path(&self) -> Result<String, zbus::Error> {
        let service = self.loaded("org.freedesktop.systemd1.Service").await?;
        let group: String = service.get_property("ControlGroup").await?;
        if !group.is_empty() {
            return Ok(group);
        }
        let slice: String = service.get_property("Slice").await?;
        Ok(format!("{}/{}", slice_path(&slice), self.unit))
    }

    async fn conditions(&self) -> Result<Vec<Condition>, zbus::Error> {
        self.loaded("org.freedesktop.systemd1.Unit").await?.get_property("Conditions").await
    }

    /// The unit as systemd has loaded it, running or not.
    async fn loaded(&self, interface: &'static str) -> Result<Proxy<'static>, zbus::Error> {
        let connection = self.connect().await?;
        let manager = manager(&connection).await?;
        let path: OwnedObjectPath = manager.call("LoadUnit", &(self.unit.as_str(),)).await?;
        proxy(&connection, path, interface).await
    }

    async fn look(&self) -> Result<Status, zbus::Error> {
        let connection = self.connect().await?;
        let manager = manager(&connection).await?;
        let path: OwnedObjectPath = manager.call("LoadUnit", &(self.unit.as_str(),)).await?;
        let unit = proxy(&connection, path.clone(), "org.freedesktop.systemd1.Unit").await?;
        let load: String = unit.get_property("LoadState").await?;
        let active: String = unit.get_property("ActiveState").await?;
        let sub: String = unit.get_property("SubState").await?;
        let service = proxy(&connection, path, "org.freedesktop.systemd1.Service").await?;
        // Sockets and timers have no main process.
        let pid: u32 = service.get_property("MainPID").await.unwrap_or(0);
        let masked = load == "masked";
        let state = match (active.as_str(), load.as_str()) {
            ("active" | "activating" | "reloading" | "deactivating" | "refreshing", _) => {
                ServiceState::Running
            }
            (_, "masked") => ServiceState::Masked,
            (_, "not-found" | "error" | "bad-setting") => ServiceState::Absent,
            ("failed", _) => ServiceState::Failed,
            _ => ServiceState::Stopped,
        };
        let mut detail = format!("{load}, {active} ({sub})");
        let mut state = state;
        if !matches!(state, ServiceState::Running | ServiceState::Absent) && self.unit.ends_with(".service") {
            // An inactive unit may have left processes behind (KillMode=process): those still run.
            let left: Vec<(String, u32, String)> = service.call("GetProcesses", &()).await?;
            if !left.is_empty() {
                state = ServiceState::Running;
                detail.push_str(&format!(", {} processes left", left.len()));
            }
        }
        Ok(Status { state, pid: (pid != 0).then_some(pid), masked, detail, log: Vec::new() })
    }
}

async fn manager(connection: &Connection) -> Result<Proxy<'static>, zbus::Error> {
    let path = OwnedObjectPath::try_from(MANAGER_PATH)?;
    proxy(connection, path, MANAGER_INTERFACE).await
}

async fn proxy(
    connection: &Connection,
    path: OwnedObjectPath,
    interface: &'static str,
) -> Result<Proxy<'static>, zbus::Error> {
    zbus::proxy::Builder::new(connection)
        .destination(MANAGER)
        .path(path)
        .interface(interface)
        .cache_properties(CacheProperties::No)
        .build()
        .await
}

impl ServiceManager for Unit {
    fn start(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            if self.status().await?.masked {
                return Err(masked(&self.unit));
            }
            self.job("start", "StartUnit").await
        })
    }

    fn stop(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(self.job("stop", "StopUnit"))
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async {
            if self.status().await?.masked {
                return Err(masked(&self.unit));
            }
            self.job("restart", "RestartUnit").await
        })
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, Problem>> {
        Box::pin(async { self.look().await.map_err(|error| self.failed("look at", &error)) })
    }

    fn mask(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(self.mask_files(true))
    }

    fn unmask(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(self.mask_files(false))
    }

    fn group(&self) -> BoxFuture<'_, Result<PathBuf, Problem>> {
        Box::pin(async {
            let path = self.group_path().await.map_err(|error| self.failed("look at", &error))?;
            if path.trim_matches('/').is_empty() {
                return Err(super::no_group(&self.unit, "systemd names no control group of it"));
            }
            super::group::at(&path)
        })
    }

    fn waits_for<'a>(&'a self, permit: &'a Path) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move {
            let found = self.conditions().await.map_err(|error| self.failed("look at", &error))?;
            let permit = permit.display().to_string();
            if waits_for(&found, &permit) {
                return Ok(());
            }
            Err(Problem::new(
                "LB2443",
                format!("{} is leased, and systemd starts it without its permit", self.unit),
                format!(
                    "Disable the unit, and give it a drop-in with, under [Unit], ConditionPathExists=|{permit} and \
                     ConditionPathExists=|DATA/standby.signal, where DATA is its data folder; then run systemctl daemon-reload."
                ),
            ))
        })
    }
}

/// A condition of a unit: its kind, whether one of several is enough, whether it is negated, its parameter, how
/// it was when it was last asked.
type Condition = (String, bool, bool, String, i32);

/// Whether a unit with these conditions starts only with the permit, or as a standby. Of those that are one of
/// several any would open it, so there may be no other.
fn waits_for(conditions: &[Condition], permit: &str) -> bool {
    let is_permit = |(kind, _, negated, parameter, _): &Condition| {
        kind == "ConditionPathExists" && !negated && parameter == permit
    };
    let follows = |(kind, _, negated, parameter, _): &Condition| {
        kind == "ConditionPathExists" && !negated && parameter.ends_with("/standby.signal")
    };
    let mut several = conditions.iter().filter(|(_, several, ..)| *several);
    conditions.iter().any(|one| !one.1 && is_permit(one))
        || conditions.iter().any(is_permit) && several.all(|one| is_permit(one) || follows(one))
}

/// The group of a slice by its name: `a-b.slice` lies in `a.slice`.
fn slice_path(slice: &str) -> String {
    let name = slice.trim_end_matches(".slice");
    if name == "-" || name.is_empty() {
        return String::new();
    }
    let mut path = String::new();
    let mut whole = String::new();
    for part in name.split('-') {
        if !whole.is_empty() {
            whole.push('-');
        }
        whole.push_str(part);
        path.push_str(&format!("/{whole}.slice"));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_waits_for_its_permit_only_when_nothing_else_opens_it() {
        let one = |several: bool, path: &str| {
            ("ConditionPathExists".to_string(), several, false, path.to_string(), 0)
        };
        let permit = "/run/lifeboat/permits/db";
        assert!(!waits_for(&[], permit));
        assert!(waits_for(&[one(false, permit)], permit));
        assert!(waits_for(&[one(true, permit), one(true, "/data/standby.signal")], permit));
        assert!(!waits_for(&[one(true, permit), one(true, "/etc/always")], permit));
        assert!(!waits_for(&[one(false, "/data/standby.signal")], permit));
        assert!(!waits_for(&[("ConditionPathExists".into(), false, true, permit.into(), 0)], permit));
    }

    #[test]
    fn a_slice_lies_in_the_slices_of_its_name() {
        assert_eq!(slice_path("system.slice"), "/system.slice");
        assert_eq!(slice_path("system-postgresql.slice"), "/system.slice/system-postgresql.slice");
        assert_eq!(slice_path("-.slice"), "");
    }
}
