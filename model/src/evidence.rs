//! How sure we are that an old primary cannot accept writes.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Evidence, weakest first. "X" in a plan means X or stronger, so the order of the variants is the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Nothing is known.
    None,
    /// The host does not answer the controller. It may be alive and accepting writes.
    Unreachable,
    /// The agent's right to let the primary accept writes ran out.
    LeaseExpired,
    /// The agent stopped and masked the server and saw it gone.
    Stopped,
    /// The network no longer lets anyone reach it.
    Isolated,
    /// The machine is off.
    PoweredOff,
}

impl Evidence {
    /// All kinds, weakest first.
    pub const ALL: [Evidence; 6] = [
        Evidence::None,
        Evidence::Unreachable,
        Evidence::LeaseExpired,
        Evidence::Stopped,
        Evidence::Isolated,
        Evidence::PoweredOff,
    ];

    /// The word used in plans, journal and CLI.
    pub fn as_str(self) -> &'static str {
        match self {
            Evidence::None => "none",
            Evidence::Unreachable => "unreachable",
            Evidence::LeaseExpired => "lease-expired",
            Evidence::Stopped => "stopped",
            Evidence::Isolated => "isolated",
            Evidence::PoweredOff => "powered-off",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_stronger_kind_satisfies_a_weaker_demand() {
        assert!(Evidence::Stopped >= Evidence::Unreachable);
        assert!(Evidence::Unreachable < Evidence::LeaseExpired);
        assert!(Evidence::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn the_word_is_the_same_in_json() {
        for kind in Evidence::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }
}
