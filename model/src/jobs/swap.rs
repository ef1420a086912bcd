//! Put a restored copy in the live one's place; the old data stays beside.

use crate::Micros;
use crate::nouns::SourceSpec;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// The live source.
    pub source: SourceSpec,
    /// The copy that a restore made.
    pub copy: String,
    /// How long the old data stays.
    #[serde(with = "crate::duration", default = "Swap::default_keep_old")]
    pub keep_old: Duration,
}

impl Swap {
    /// 72 hours.
    pub fn default_keep_old() -> Duration {
        Duration::from_secs(72 * 3600)
    }
}

/// What it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapOutput {
    /// Name under which the old data stays.
    pub old: String,
    /// Until when it is kept at least.
    pub keep_until: Micros,
}
