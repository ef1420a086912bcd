//! What one step asks of one agent: typed parameters of one job kind.

use crate::Class;
use crate::jobs::{
    Backup, Check, Command, Fence, Promote, Prove, Rejoin, Restore, Retain, Service, ServiceAction, Swap,
    Unfence,
};
use serde::{Deserialize, Serialize};

/// Largest parameter text that is accepted from a wire, in bytes.
pub const MAX_PARAMETER_BYTES: usize = 256 * 1024;

/// Work of one job kind. The variants are the list of kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", content = "with", rename_all = "kebab-case")]
pub enum Work {
    /// Back a source up.
    Backup(Backup),
    /// Restore beside.
    Restore(Restore),
    /// Restore aside, compare, drop.
    Prove(Prove),
    /// Forget what is kept no longer.
    Retain(Retain),
    /// Put a copy in place.
    Swap(Swap),
    /// Ask a question.
    Check(Check),
    /// Start, stop, restart, status.
    Service(Service),
    /// Standby to primary.
    Promote(Promote),
    /// Stop and mask.
    Fence(Fence),
    /// Fenced old primary to standby.
    Rejoin(Rejoin),
    /// May be started again.
    Unfence(Unfence),
    /// A listed script.
    Command(Command),
}

/// Work that arrived and cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A job kind or version that this program does not have.
    #[error("LB2101: job {kind} version {version} is not known here (known: version {known})")]
    Version {
        /// The kind.
        kind: String,
        /// The version that came.
        version: u32,
        /// The version that is known; 0 for an unknown kind.
        known: u32,
    },
    /// The parameters do not fit the kind.
    #[error("LB2102: the parameters of job {kind} cannot be read: {why}")]
    Parameters {
        /// The kind.
        kind: String,
        /// What the reader said.
        why: String,
    },
}

impl Work {
    /// Kinds with their current version.
    pub const KINDS: [(&'static str, u32); 12] = [
        ("backup", 1),
        ("restore", 1),
        ("prove", 1),
        ("retain", 1),
        ("swap", 1),
        ("check", 1),
        ("service", 1),
        ("promote", 1),
        ("fence", 1),
        ("rejoin", 1),
        ("unfence", 1),
        ("command", 1),
    ];

    /// The job kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Work::Backup(_) => "backup",
            Work::Restore(_) => "restore",
            Work::Prove(_) => "prove",
            Work::Retain(_) => "retain",
            Work::Swap(_) => "swap",
            Work::Check(_) => "check",
            Work::Service(_) => "service",
            Work::Promote(_) => "promote",
            Work::Fence(_) => "fence",
            Work::Rejoin(_) => "rejoin",
            Work::Unfence(_) => "unfence",
            Work::Command(_) => "command",
        }
    }

    /// The version of the kind's parameters that this program writes.
    pub fn version(&self) -> u32 {
        known_version(self.kind())
    }

    /// What kind of effect it is: automatic retry follows this alone.
    pub fn class(&self) -> Class {
        match self {
            Work::Check(_) => Class::Read,
            Work::Service(service) => match service.action {
                ServiceAction::Status => Class::Read,
                ServiceAction::Start | ServiceAction::Stop => Class::Idempotent,
                ServiceAction::Restart => Class::Probed,
            },
            Work::Fence(_) | Work::Unfence(_) | Work::Prove(_) | Work::Backup(_) | Work::Retain(_) => {
                Class::Idempotent
            }
            Work::Promote(_) | Work::Restore(_) | Work::Swap(_) | Work::Rejoin(_) => Class::Probed,
            Work::Command(_) => Class::Unsafe,
        }
    }

    /// The parameters as JSON bytes for the wire.
    pub fn parameters(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Work::Backup(work) => serde_json::to_vec(work),
            Work::Restore(work) => serde_json::to_vec(work),
            Work::Prove(work) => serde_json::to_vec(work),
            Work::Retain(work) => serde_json::to_vec(work),
            Work::Swap(work) => serde_json::to_vec(work),
            Work::Check(work) => serde_json::to_vec(work),
            Work::Service(work) => serde_json::to_vec(work),
            Work::Promote(work) => serde_json::to_vec(work),
            Work::Fence(work) => serde_json::to_vec(work),
            Work::Rejoin(work) => serde_json::to_vec(work),
            Work::Unfence(work) => serde_json::to_vec(work),
            Work::Command(work) => serde_json::to_vec(work),
        }
    }

    /// Work from the wire. Unknown kinds, versions and ill-fitting parameters are errors.
    pub fn read(kind: &str, version: u32, parameters: &[u8]) -> Result<Work, Unreadable> {
        let known = known_version(kind);
        if known == 0 || version != known {
            return Err(Unreadable::Version { kind: kind.chars().take(64).collect(), version, known });
        }
        if parameters.len() > MAX_PARAMETER_BYTES {
            let why = format!("{} bytes, more than {MAX_PARAMETER_BYTES}", parameters.len());
            return Err(Unreadable::Parameters { kind: kind.to_string(), why });
        }
        let work = match kind {
            "backup" => serde_json::from_slice(parameters).map(Work::Backup),
            "restore" => serde_json::from_slice(parameters).map(Work::Restore),
            "prove" => serde_json::from_slice(parameters).map(Work::Prove),
            "retain" => serde_json::from_slice(parameters).map(Work::Retain),
            "swap" => serde_json::from_slice(parameters).map(Work::Swap),
            "check" => serde_json::from_slice(parameters).map(Work::Check),
            "service" => serde_json::from_slice(parameters).map(Work::Service),
            "promote" => serde_json::from_slice(parameters).map(Work::Promote),
            "fence" => serde_json::from_slice(parameters).map(Work::Fence),
            "rejoin" => serde_json::from_slice(parameters).map(Work::Rejoin),
            "unfence" => serde_json::from_slice(parameters).map(Work::Unfence),
            _ => serde_json::from_slice(parameters).map(Work::Command),
        };
        work.map_err(|error| Unreadable::Parameters { kind: kind.to_string(), why: error.to_string() })
    }
}

fn known_version(kind: &str) -> u32 {
    Work::KINDS.iter().find(|(name, _)| *name == kind).map_or(0, |(_, version)| *version)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn work_survives_the_wire() {
        let work =
            Work::Command(Command { script: "/opt/x.sh".into(), args: vec!["a b".into()], sha256: None });
        let back = Work::read(work.kind(), work.version(), &work.parameters().unwrap()).unwrap();
        assert_eq!(work, back);
    }

    #[test]
    fn unknown_kinds_versions_and_parameters_are_refused() {
        assert!(matches!(Work::read("dance", 1, b"{}"), Err(Unreadable::Version { known: 0, .. })));
        assert!(matches!(Work::read("command", 2, b"{}"), Err(Unreadable::Version { known: 1, .. })));
        assert!(matches!(Work::read("command", 1, b"{}"), Err(Unreadable::Parameters { .. })));
        let big = vec![b' '; MAX_PARAMETER_BYTES + 1];
        assert!(matches!(Work::read("command", 1, &big), Err(Unreadable::Parameters { .. })));
    }
}
