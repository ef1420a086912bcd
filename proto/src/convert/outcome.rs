//! Outcomes and problems.

use super::{Malformed, required};
use crate::v1;
use model::{Outcome, Problem, RetryAdvice};

/// Largest output that is accepted from a wire, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 512 * 1024;

impl From<&Outcome> for v1::Outcome {
    fn from(outcome: &Outcome) -> Self {
        let state = match outcome {
            Outcome::Succeeded { .. } => v1::OutcomeState::Succeeded,
            Outcome::Failed { .. } => v1::OutcomeState::Failed,
            Outcome::Refused { .. } => v1::OutcomeState::Refused,
            Outcome::Unknown { .. } => v1::OutcomeState::Unknown,
            Outcome::Cancelled => v1::OutcomeState::Cancelled,
        };
        let output = match outcome {
            Outcome::Succeeded { output } => output.to_string().into_bytes(),
            Outcome::Failed { .. }
            | Outcome::Refused { .. }
            | Outcome::Unknown { .. }
            | Outcome::Cancelled => Vec::new(),
        };
        v1::Outcome { state: state.into(), output, problem: outcome.problem().map(Into::into) }
    }
}

impl TryFrom<v1::Outcome> for Outcome {
    type Error = Malformed;
    fn try_from(outcome: v1::Outcome) -> Result<Self, Malformed> {
        let state = outcome.state();
        let v1::Outcome { state: _, output, problem } = outcome;
        let problem = || required("outcome.problem", problem).map(Problem::from);
        Ok(match state {
            v1::OutcomeState::Unspecified => return Err(Malformed::Missing { field: "outcome.state" }),
            v1::OutcomeState::Succeeded => Outcome::Succeeded { output: read_output(&output)? },
            v1::OutcomeState::Failed => Outcome::Failed { problem: problem()? },
            v1::OutcomeState::Refused => Outcome::Refused { problem: problem()? },
            v1::OutcomeState::Unknown => Outcome::Unknown { problem: problem()? },
            v1::OutcomeState::Cancelled => Outcome::Cancelled,
        })
    }
}

fn read_output(bytes: &[u8]) -> Result<serde_json::Value, Malformed> {
    if bytes.len() > MAX_OUTPUT_BYTES {
        return Err(Malformed::invalid("outcome.output", format!("{} bytes", bytes.len())));
    }
    serde_json::from_slice(bytes).map_err(|error| Malformed::invalid("outcome.output", error))
}

impl From<&Problem> for v1::Problem {
    fn from(problem: &Problem) -> Self {
        let Problem { code, message, causes, advice, retry, log, details } = problem;
        v1::Problem {
            code: code.clone(),
            message: message.clone(),
            causes: causes.clone(),
            advice: advice.clone(),
            transient: *retry == RetryAdvice::Transient,
            log: log.clone(),
            details: details.clone().into_iter().collect(),
        }
    }
}

impl From<v1::Problem> for Problem {
    fn from(problem: v1::Problem) -> Self {
        let v1::Problem { code, message, causes, advice, transient, log, details } = problem;
        let retry = if transient { RetryAdvice::Transient } else { RetryAdvice::Permanent };
        let details = details.into_iter().collect();
        Problem { code, message, causes, advice, retry, log, details }
    }
}
