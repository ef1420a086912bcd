//! How an attempt ended, as its agent or action saw it.

use crate::Problem;
use serde::{Deserialize, Serialize};

/// The end of one attempt. `Unknown` is a state of its own: nobody may read it as failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Done, with the job's typed output as JSON (see `jobs`).
    Succeeded {
        /// Decode it with the job's own output type.
        #[serde(default)]
        output: serde_json::Value,
    },
    /// Tried and not done.
    Failed {
        /// Why.
        problem: Problem,
    },
    /// Not even tried: policy, epoch, version or a shape that this agent does not know.
    Refused {
        /// Why.
        problem: Problem,
    },
    /// It cannot be told whether it was done.
    Unknown {
        /// What is known.
        problem: Problem,
    },
    /// Stopped on request, its process group gone.
    Cancelled,
}

impl Outcome {
    /// A success with a typed output. An output that is not JSON becomes `Unknown`: the effect happened,
    /// its report was lost.
    pub fn success<T: Serialize>(output: &T) -> Self {
        match serde_json::to_value(output) {
            Ok(output) => Outcome::Succeeded { output },
            Err(error) => Outcome::Unknown {
                problem: Problem::new(
                    "LB2201",
                    "the job's output cannot be written as JSON",
                    "Look at the agent's log, then settle the attempt with `lifeboat answer`.",
                )
                .caused_by(&error),
            },
        }
    }

    /// The problem, where there is one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Outcome::Failed { problem } | Outcome::Refused { problem } | Outcome::Unknown { problem } => {
                Some(problem)
            }
            Outcome::Succeeded { .. } | Outcome::Cancelled => None,
        }
    }

    /// The word for it in journal and CLI.
    pub fn as_str(&self) -> &'static str {
        match self {
            Outcome::Succeeded { .. } => "succeeded",
            Outcome::Failed { .. } => "failed",
            Outcome::Refused { .. } => "refused",
            Outcome::Unknown { .. } => "unknown",
            Outcome::Cancelled => "cancelled",
        }
    }
}
