//! Why something cannot be done with a run.

use crate::store::StoreError;
use engine::{IllegalEvent, Refused, StartError};
use model::{HostName, Problem, RunId};
use proto::status_of_problem;
use tonic::{Code, Status};

/// An error of a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store failed, or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine refuses the command.
    #[error("{0}")]
    Refused(Problem),
    /// This controller commands no more.
    #[error("{0}")]
    Halted(Problem),
    /// The run cannot be loaded, and stands aside.
    #[error("{0}")]
    Parked(Problem),
    /// The plan cannot be started.
    #[error("{0}")]
    NotStarted(Problem),
    /// Its journal and what should follow do not fit.
    #[error("LB1351: run {run} cannot go on: what should be recorded does not fit its state")]
    Illegal {
        /// The run.
        run: RunId,
        /// Why.
        #[source]
        error: IllegalEvent,
    },
    /// Its driver is not there (it ends, or the controller stops).
    #[error("LB1352: run {run} is not driven right now")]
    NotDriven {
        /// The run.
        run: RunId,
    },
    /// The agent reports what is not its to report.
    #[error("LB1353: {host} reports about an order of {owner}")]
    NotYours {
        /// Who reports.
        host: HostName,
        /// Whose it is.
        owner: String,
    },
    /// Too many runs are open.
    #[error("LB1354: {open} runs are open, and no more may be")]
    TooMany {
        /// How many.
        open: usize,
    },
}

impl From<Refused> for RunError {
    fn from(refused: Refused) -> Self {
        RunError::Refused(*refused.problem)
    }
}

impl From<StartError> for RunError {
    fn from(error: StartError) -> Self {
        let advice = "Check the plan with `lifeboat plan check` of this version and start again.";
        RunError::NotStarted(Problem::new("LB1343", "the plan cannot be started", advice).caused_by(&error))
    }
}

impl RunError {
    /// The same with code, causes and advice, for people.
    pub fn problem(&self) -> Problem {
        let text = self.to_string();
        let of = |advice: &str| {
            let (code, message) = text.split_once(": ").unwrap_or(("LB1351", &text));
            Problem::new(code, message, advice)
        };
        match self {
            RunError::Store(error) => error.problem(),
            RunError::Refused(problem)
            | RunError::Halted(problem)
            | RunError::Parked(problem)
            | RunError::NotStarted(problem) => problem.clone(),
            RunError::Illegal { error, .. } => {
                of("This is a defect: keep the controller's data folder and log, and report it.")
                    .caused_by(error)
            }
            RunError::NotDriven { .. } => of("Try again in a moment.").transient(),
            RunError::NotYours { .. } => of("Is that host's agent what it should be? Enrol it again."),
            RunError::TooMany { .. } => of("End runs that wait: `lifeboat status` lists them.").transient(),
        }
    }
}

impl From<RunError> for Status {
    fn from(error: RunError) -> Status {
        let code = match &error {
            RunError::Store(error) => crate::rpc::status::code(error),
            RunError::Refused(_) => Code::FailedPrecondition,
            RunError::Halted(_) | RunError::NotDriven { .. } => Code::Unavailable,
            RunError::Parked(_) => Code::DataLoss,
            RunError::NotStarted(_) => Code::InvalidArgument,
            RunError::Illegal { .. } => Code::Internal,
            RunError::NotYours { .. } => Code::PermissionDenied,
            RunError::TooMany { .. } => Code::ResourceExhausted,
        };
        status_of_problem(code, &error.problem())
    }
}
