//! Conversions between wire and model, one file a noun. A missing message or an unspecified enum is a
//! typed error here and never travels further.

mod lease;
mod order;
mod outcome;
mod rescue;
mod status;
mod token;

pub use lease::{
    LeaseReply, MAX_EXTEND_BYTES, extend_of, extend_to_wire, extended_of, extended_to_wire,
    lease_answer_to_wire, lease_reply, lease_request, lease_request_to_wire,
};
pub use order::order_to_wire;
pub use status::{problem_of_status, status_of_problem};

use model::{RunId, id::InvalidName};
use uuid::Uuid;

/// A message that arrived and does not say what it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field that must be set is not.
    #[error("LB2103: the message lacks {field}")]
    Missing {
        /// Which.
        field: &'static str,
    },
    /// A field holds what it cannot hold.
    #[error("LB2104: {field} holds a value that is not allowed: {why}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl Malformed {
    pub(crate) fn invalid(field: &'static str, why: impl ToString) -> Self {
        Malformed::Invalid { field, why: why.to_string() }
    }

    pub(crate) fn name(field: &'static str) -> impl FnOnce(InvalidName) -> Malformed {
        move |error| Malformed::invalid(field, error)
    }
}

impl From<Malformed> for tonic::Status {
    fn from(error: Malformed) -> Self {
        status_of_problem(
            tonic::Code::InvalidArgument,
            &model::Problem::new(
                if matches!(error, Malformed::Missing { .. }) { "LB2103" } else { "LB2104" },
                error.to_string(),
                "Both sides must run versions that know each other: compare `lifeboat --version` with the controller's.",
            ),
        )
    }
}

/// 16 bytes as a UUID.
pub fn uuid_of(field: &'static str, bytes: &[u8]) -> Result<Uuid, Malformed> {
    Uuid::from_slice(bytes).map_err(|error| Malformed::invalid(field, error))
}

/// 16 bytes as a run's id.
pub fn run_id_of(bytes: &[u8]) -> Result<RunId, Malformed> {
    uuid_of("run", bytes).map(RunId)
}

/// The field, or the error that it is missing.
pub fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Malformed> {
    value.ok_or(Malformed::Missing { field })
}
