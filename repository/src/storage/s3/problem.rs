//! What an answer of an S3 service means to a repository.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::storage::Problem;

/// The kind of failure that this error is.
pub(super) fn problem<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Problem {
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
        (404, _) => Problem::Missing,
        (401 | 403, _) => Problem::Denied,
        (412, _) => Problem::Exists,
        (416, _) => Problem::Short,
        // A service that has no such thing.
        (405 | 501, _) => Problem::Failed,
        (408 | 409 | 429 | 500..=599, _) => Problem::Unavailable,
        _ => Problem::Failed,
    }
}
