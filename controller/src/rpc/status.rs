//! Errors as gRPC statuses, with the problem in the details.

use crate::store::StoreError;
use model::Problem;
use proto::status_of_problem;
use tonic::{Code, Status};

/// The status code of an error of the store.
pub fn code(error: &StoreError) -> Code {
    match error {
        StoreError::Held { .. } | StoreError::Moved { .. } => Code::Aborted,
        StoreError::Full { .. } => Code::ResourceExhausted,
        StoreError::NoRun { .. } => Code::NotFound,
        StoreError::Damaged { .. } => Code::DataLoss,
        StoreError::EpochOver { .. } | StoreError::Closed | StoreError::Unreachable { .. } => {
            Code::Unavailable
        }
        StoreError::Open { .. }
        | StoreError::Migrate { .. }
        | StoreError::Locked { .. }
        | StoreError::LockFile { .. }
        | StoreError::Query { .. }
        | StoreError::Device { .. }
        | StoreError::Follower { .. }
        | StoreError::LosesCommits { .. }
        | StoreError::NoStandby { .. }
        | StoreError::Unwritable { .. } => Code::Internal,
    }
}

/// An error of the store as a status.
pub fn of_store(error: StoreError) -> Status {
    status_of_problem(code(&error), &error.problem())
}

/// What a caller wrote wrongly.
pub fn invalid(code: &str, message: impl Into<String>, advice: &str) -> Status {
    status_of_problem(Code::InvalidArgument, &Problem::new(code, message, advice))
}
