//! What an answer of an S3 service means to a repository.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::storage::Problem;

/// A request that failed.
pub(super) struct Refusal {
    pub(super) problem: Problem,
    /// Its bytes were damaged or cut on their way. The client tries again by itself after a status that
    /// says "later", and not after these.
    pub(super) is_in_transit: bool,
    pub(super) cause: String,
}

impl Refusal {
    /// The answer's body ended before its length, or the connection broke in it.
    pub(super) fn broken(cause: &dyn ToString) -> Self {
        Self { problem: Problem::Unavailable, is_in_transit: true, cause: cause.to_string() }
    }

    pub(super) fn new(problem: Problem, cause: &str) -> Self {
        Self { problem, is_in_transit: false, cause: cause.to_owned() }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Refusal
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let code = error.code().unwrap_or_default();
        let is_unreadable = matches!(&error, SdkError::ResponseError(e) if e.raw().status().is_success());
        let is_in_transit = is_unreadable
            || matches!(
                code,
                "BadDigest" | "IncompleteBody" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch"
            );
        let problem = if is_in_transit { Problem::Unavailable } else { problem(&error) };
        Self { problem, is_in_transit, cause: DisplayErrorContext(&error).to_string() }
    }
}

/// The kind of failure that this error is.
fn problem<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Problem {
    let Some(response) = error.raw_response() else {
        // Not one answer: the network, a time-out, or credentials that cannot be found.
        return match error {
            SdkError::ConstructionFailure(_) => Problem::Denied,
            _ => Problem::Unavailable,
        };
    };
    match (response.status().as_u16(), error.code().unwrap_or_default()) {
        (_, "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage") | (507, _) => Problem::Full,
        // Not an object that is missing, so not damage.
        (_, "NoSuchBucket") => Problem::Failed,
        (_, "InvalidObjectState") => Problem::Cold,
        // A 400 at Amazon, and no less an end of all rights than a 403.
        (_, "ExpiredToken" | "InvalidToken") => Problem::Denied,
        (404, _) => Problem::Missing,
        (401 | 403, _) => Problem::Denied,
        (412, _) | (_, "RestoreAlreadyInProgress") => Problem::Exists,
        (416, _) => Problem::Short,
        // A service that has no such thing.
        (405 | 501, _) => Problem::Failed,
        (408 | 409 | 429 | 500..=599, _) => Problem::Unavailable,
        _ => Problem::Failed,
    }
}
