//! Problems as gRPC statuses and back: the status' details are an encoded `v1::Problem`, so a client
//! shows the same code, causes and advice that the server had.

use crate::v1;
use model::Problem;
use prost::Message;
use tonic::{Code, Status};

/// Largest status detail that is decoded, in bytes.
const MAX_DETAIL_BYTES: usize = 64 * 1024;

/// A status with the problem in its details.
pub fn status_of_problem(code: Code, problem: &Problem) -> Status {
    let detail = v1::Problem::from(problem).encode_to_vec();
    Status::with_details(code, problem.to_string(), detail.into())
}

/// The problem in a status; one made from code and text when it carries none.
pub fn problem_of_status(status: &Status) -> Problem {
    let details = status.details();
    if !details.is_empty()
        && details.len() <= MAX_DETAIL_BYTES
        && let Ok(problem) = v1::Problem::decode(details)
    {
        return problem.into();
    }
    let problem =
        Problem::new("LB5001", format!("{}: {}", status.code(), status.message()), advice(status.code()));
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => problem.transient(),
        // Only a status that was made here has a source: the connection broke, nobody said no.
        _ if std::error::Error::source(status).is_some() => problem.transient(),
        _ => problem,
    }
}

fn advice(code: Code) -> &'static str {
    match code {
        Code::Unavailable => "Is the controller running, and is its address right? Look at its log.",
        Code::DeadlineExceeded => "The controller did not answer in time. Try again, then look at its log.",
        Code::Unauthenticated => "Log in again: `lifeboat login ADDRESS`.",
        Code::PermissionDenied => "Ask whoever holds the admin token for the role that this needs.",
        _ => "Look at the controller's log for the same moment.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_survives_a_status() {
        let problem = Problem::new("LB1301", "run is held", "wait").transient();
        assert_eq!(problem_of_status(&status_of_problem(Code::Aborted, &problem)), problem);
    }

    #[test]
    fn a_connection_that_broke_is_worth_another_try_and_an_answer_is_not() {
        let broke = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let broke = problem_of_status(&Status::from_error(Box::new(broke)));
        assert_eq!(broke.retry, model::RetryAdvice::Transient);
        let said = problem_of_status(&Status::unknown("no"));
        assert_ne!(said.retry, model::RetryAdvice::Transient);
    }

    #[test]
    fn a_bare_status_still_gives_code_and_advice() {
        let problem = problem_of_status(&Status::unavailable("connection refused"));
        assert!(problem.message.contains("connection refused") && !problem.advice.is_empty());
    }
}
