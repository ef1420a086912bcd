//! Run a script that the agent's policy lists by path and SHA-256. An argv array, no shell.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The script's absolute path, as the policy lists it.
    pub script: PathBuf,
    /// Arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// The SHA-256 that whoever wrote the plan meant; a policy that lists another one refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What it gives when the script exited with 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOutput {
    /// Exit code.
    pub exit_code: i32,
    /// The end of what it printed, at most 4 KiB.
    pub printed: String,
}
