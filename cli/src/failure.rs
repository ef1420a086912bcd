//! How a command fails: a problem for people, and an exit code.

use model::Problem;
use runtime::lifecycle::Exit;
use tonic::{Code, Status};

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    /// What is shown.
    pub problem: Problem,
    /// The exit code.
    pub exit: Exit,
}

impl Failure {
    /// The command was wrong.
    pub fn usage(code: &str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Failure { problem: Problem::new(code, message, advice), exit: Exit::Usage }
    }

    /// The answer is no.
    pub fn no(code: &str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Failure { problem: Problem::new(code, message, advice), exit: Exit::No }
    }

    /// A file could not be used.
    pub fn file(operation: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let message = format!("cannot {operation} {}", path.display());
        let problem = Problem::new("LB4002", message, "Check the path and its permissions.").caused_by(error);
        Failure { problem, exit: Exit::Usage }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let exit = match status.code() {
            Code::PermissionDenied | Code::Unauthenticated | Code::FailedPrecondition | Code::Aborted => {
                Exit::Refused
            }
            Code::InvalidArgument => Exit::Usage,
            _ => Exit::No,
        };
        Failure { problem: proto::problem_of_status(&status), exit }
    }
}

impl From<proto::Malformed> for Failure {
    fn from(error: proto::Malformed) -> Self {
        Status::from(error).into()
    }
}
