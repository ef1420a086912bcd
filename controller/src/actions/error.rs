//! What can go wrong with an action beside what DNS, channels, store and secrets say themselves.

use crate::dns::{DnsError, RecordName};
use crate::store::StoreError;
use model::{Name, Outcome, Problem, StepPath};
use runtime::Explained;

/// An error of an action itself.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The step changed something else than what it is asked about now.
    #[error("LB1419: the step {step} saved a change of {saved}, not of {asked}")]
    OtherRecord {
        /// The step.
        step: StepPath,
        /// The name whose change was saved.
        saved: RecordName,
        /// The name that is asked about.
        asked: RecordName,
    },
    /// The task that reads the key of a zone ended before it had read it.
    #[error("LB1420: the key of the zone {zone} could not be read")]
    KeyNotRead {
        /// The zone.
        zone: Name,
        /// Why.
        #[source]
        source: tokio::task::JoinError,
    },
}

impl Explained for ActionError {
    fn advice(&self) -> &'static str {
        match self {
            ActionError::OtherRecord { .. } => {
                "this is a defect, the record was not touched: report it with the controller's log"
            }
            ActionError::KeyNotRead { .. } => {
                "the controller was stopping, or this is a defect; the step can be tried again"
            }
        }
    }
}

/// Why an action gave no result.
#[derive(Debug)]
pub(super) enum Stop {
    /// It cannot be done as it is declared; nothing was sent.
    Refused(Problem),
    /// It was not done.
    Failed(Problem),
    /// It may have been done.
    Unknown(Problem),
}

impl Stop {
    /// A read, or a check before anything is sent.
    pub(super) fn before_a_write(error: DnsError) -> Self {
        match error {
            DnsError::EmptySet { .. }
            | DnsError::BadValues { .. }
            | DnsError::BadName { .. }
            | DnsError::BadSettings { .. } => Stop::Refused(error.problem()),
            other => Stop::Failed(other.problem()),
        }
    }

    /// A write, or the reading after it.
    pub(super) fn of_a_write(error: DnsError) -> Self {
        if error.is_outcome_unknown() {
            Stop::Unknown(error.problem())
        } else {
            Stop::Failed(error.problem())
        }
    }

    /// The store; it is only used before anything is sent.
    pub(super) fn of_the_store(error: StoreError) -> Self {
        Stop::Failed(error.problem())
    }

    /// The same with one more way out, where something was tried.
    pub(super) fn or(self, way: &str) -> Self {
        let with = |mut problem: Problem| {
            problem.advice = format!("{} {way}", problem.advice).trim_start().to_string();
            problem
        };
        match self {
            Stop::Refused(problem) => Stop::Refused(problem),
            Stop::Failed(problem) => Stop::Failed(with(problem)),
            Stop::Unknown(problem) => Stop::Unknown(with(problem)),
        }
    }

    /// What is known.
    pub(super) fn problem(self) -> Problem {
        match self {
            Stop::Refused(problem) | Stop::Failed(problem) | Stop::Unknown(problem) => problem,
        }
    }
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Outcome {
        match stop {
            Stop::Refused(problem) => Outcome::Refused { problem },
            Stop::Failed(problem) => Outcome::Failed { problem },
            Stop::Unknown(problem) => Outcome::Unknown { problem },
        }
    }
}
