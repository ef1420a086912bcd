//! Start, stop, restart a service, or ask how it is.

use crate::nouns::ServiceSpec;
use serde::{Deserialize, Serialize};

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The service on this host.
    pub service: ServiceSpec,
    /// What is wanted.
    pub action: ServiceAction,
}

/// What is wanted of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceAction {
    /// Running when it returns; nothing happens when it runs already.
    Start,
    /// Stopped when it returns.
    Stop,
    /// A new process when it returns.
    Restart,
    /// Only asked.
    Status,
}

impl ServiceAction {
    /// The word used in plans and policies.
    pub fn as_str(self) -> &'static str {
        match self {
            ServiceAction::Start => "start",
            ServiceAction::Stop => "stop",
            ServiceAction::Restart => "restart",
            ServiceAction::Status => "status",
        }
    }
}

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// It runs.
    Running,
    /// It does not run.
    Stopped,
    /// It ended by itself with an error.
    Failed,
    /// Nobody may start it.
    Masked,
    /// Its manager does not know it.
    Absent,
}

/// What it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceOutput {
    /// The state before.
    pub before: ServiceState,
    /// The state now.
    pub after: ServiceState,
    /// Its main process, where there is one.
    #[serde(default)]
    pub pid: Option<u32>,
}
