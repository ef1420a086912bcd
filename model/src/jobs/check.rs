//! Ask a named question.

use crate::nouns::CheckSpec;
use serde::{Deserialize, Serialize};

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The question.
    pub check: CheckSpec,
    /// How often it is asked again before the answer is no (a service needs a moment after its start).
    #[serde(default)]
    pub retries: u32,
    /// Pause between two tries.
    #[serde(with = "crate::duration", default = "Check::default_pause")]
    pub pause: std::time::Duration,
}

impl Check {
    /// Half a second.
    pub fn default_pause() -> std::time::Duration {
        std::time::Duration::from_millis(500)
    }
}

/// What it gives when the answer was as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOutput {
    /// The answer in words: `200 in 3 ms`, `1204 rows`.
    pub answer: String,
    /// How long the answer took, in milliseconds.
    pub latency_ms: u64,
    /// Tries that it took.
    pub tries: u32,
}
