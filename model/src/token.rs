//! The name of one effect.
//!
//! A token is the same whoever sends it: a controller that took over sends the old token again, and
//! the agent answers from its spool. That is why the epoch, which changes with the sender, travels
//! beside it and is no part of it.

use crate::{Direction, Mode, RunId, StepPath, Target};
use serde::{Deserialize, Serialize};
use std::fmt;

/// (run, step path, target, direction, attempt, mode).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token {
    /// The run.
    pub run: RunId,
    /// The step in its plan.
    pub step: StepPath,
    /// What it acts on.
    pub target: Target,
    /// Doing or undoing.
    pub direction: Direction,
    /// 1 for the first try of the step on this target.
    pub attempt: u32,
    /// The mode of the run.
    pub mode: Mode,
}

impl Token {
    /// The one text form, used as the key of an agent's spool: equal tokens, equal texts.
    pub fn key(&self) -> String {
        format!(
            "{}/{}/{}/{}/{}/{}",
            self.run, self.mode, self.direction, self.attempt, self.step, self.target
        )
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.key())
    }
}
