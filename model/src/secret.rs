//! References to secrets. A secret's value never stands in a plan, an argv, a log or the journal.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where a secret is found on the host that needs it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretRef {
    /// The content of a file, its last line break removed.
    File(PathBuf),
    /// An environment variable of the process that reads it.
    Env(String),
}

impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretRef::File(path) => write!(f, "file {}", path.display()),
            SecretRef::Env(name) => write!(f, "environment variable {name}"),
        }
    }
}
