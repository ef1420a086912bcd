//! The assignment on disk: what this agent lives by when no controller answers.

use model::{Assignment, HostName, Problem};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Largest assignment that is taken, in bytes.
pub const MAX_ASSIGNMENT_BYTES: u64 = 4 * 1024 * 1024;

/// Holds the assignment that is in force. Whoever lives by it watches.
pub struct Keeper {
    path: PathBuf,
    host: HostName,
    current: watch::Sender<Option<Assignment>>,
}

impl Keeper {
    /// Reads what is on the disk. A file that cannot be read is a problem, not "no assignment": schedules
    /// would stop without a word.
    pub fn open(folder: &Path, host: HostName) -> Result<Keeper, Problem> {
        let path = folder.join("assignment.json");
        let current = match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&path).caused_by(&error)),
            Ok(meta) if meta.len() > MAX_ASSIGNMENT_BYTES => return Err(unreadable(&path)),
            Ok(_) => {
                let bytes = std::fs::read(&path).map_err(|error| unreadable(&path).caused_by(&error))?;
                Some(serde_json::from_slice(&bytes).map_err(|error| unreadable(&path).caused_by(&error))?)
            }
        };
        Ok(Keeper { path, host, current: watch::channel(current).0 })
    }

    /// The assignment in force, and a way to hear of the next.
    pub fn watch(&self) -> watch::Receiver<Option<Assignment>> {
        self.current.subscribe()
    }

    /// Version in force; 0 when there is none.
    pub fn version(&self) -> u64 {
        self.current.borrow().as_ref().map_or(0, |assignment| assignment.version)
    }

    /// Takes a newer assignment: durable first, then in force. The same version again is taken silently,
    /// an older one and one of another host are refused.
    pub fn take(&self, json: &[u8]) -> Result<u64, Problem> {
        let refused = |why: String| {
            Problem::new("LB2140", format!("the assignment was refused: {why}"), "Apply the estate again.")
        };
        if json.len() as u64 > MAX_ASSIGNMENT_BYTES {
            return Err(refused(format!("{} bytes, more than {MAX_ASSIGNMENT_BYTES}", json.len())));
        }
        let new: Assignment = serde_json::from_slice(json).map_err(|error| refused(error.to_string()))?;
        if new.host != self.host {
            return Err(refused(format!("it is for host {}, this is {}", new.host, self.host)));
        }
        let version = self.version();
        if new.version < version {
            return Err(refused(format!(
                "version {} is older than {version}, which is in force",
                new.version
            )));
        }
        for schedule in &new.schedules {
            schedule.at.validate().map_err(|error| refused(error.to_string()))?;
        }
        if new.version > version {
            runtime::fs::write_durable(&self.path, json, 0o600).map_err(|error| {
                Problem::new(
                    "LB2141",
                    "the assignment cannot be kept",
                    "Free space under the agent's state folder.",
                )
                .caused_by(&error)
            })?;
            self.current.send_replace(Some(new));
        }
        Ok(self.version())
    }
}

fn unreadable(path: &Path) -> Problem {
    Problem::new(
        "LB2142",
        format!("{} cannot be read", path.display()),
        "Move it aside and restart the agent: the controller sends it again. Until then no schedule fires.",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn json(version: u64, host: &str) -> Vec<u8> {
        serde_json::to_vec(&serde_json::json!({"version": version, "host": host, "region": "r"})).unwrap()
    }

    #[test]
    fn an_assignment_survives_a_restart_and_an_older_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let host = HostName::new("h").unwrap();
        let keeper = Keeper::open(folder.path(), host.clone()).unwrap();
        assert_eq!(keeper.version(), 0);
        assert_eq!(keeper.take(&json(3, "h")).unwrap(), 3);
        assert_eq!(keeper.take(&json(3, "h")).unwrap(), 3);
        assert!(keeper.take(&json(2, "h")).is_err());
        assert!(keeper.take(&json(4, "other")).is_err());
        assert!(keeper.take(b"{").is_err());
        assert_eq!(Keeper::open(folder.path(), host).unwrap().version(), 3);
    }

    #[test]
    fn a_damaged_file_is_a_problem_and_not_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("assignment.json"), b"{").unwrap();
        let problem = Keeper::open(folder.path(), HostName::new("h").unwrap()).err().unwrap();
        assert_eq!(problem.code, "LB2142");
    }
}
