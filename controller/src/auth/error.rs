//! Why somebody is not let in.

use crate::store::StoreError;
use model::{HostName, Problem};
use proto::status_of_problem;
use runtime::Explained;
use runtime::fs::FileError;
use runtime::tls::ca::CaError;
use runtime::tls::identity::IdentityError;
use std::time::Duration;
use tonic::{Code, Status};

/// An error of authentication or authorisation.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The CA's files cannot be used.
    #[error("LB1101: the CA in the data folder cannot be used: {what}")]
    Files {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        error: FileError,
    },
    /// The CA cannot be made, loaded, or sign.
    #[error("LB1102: the CA cannot {what}")]
    Ca {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        error: CaError,
    },
    /// Keys cannot be made.
    #[error("LB1102: the server's key cannot be made")]
    Key(#[source] runtime::tls::keys::KeyError),
    /// The signing request is no good.
    #[error("LB1103: the signing request is refused")]
    BadRequest(#[source] CaError),
    /// A name in the request is none.
    #[error("LB1104: {0:?} is not a name")]
    BadName(String),
    /// The token is no good.
    #[error("LB1105: the token is refused: {why}")]
    BadToken {
        /// Why.
        why: &'static str,
    },
    /// The clocks are too far apart.
    #[error(
        "LB1106: the clock of {host} is {} s {} ours: at most {} s are allowed",
        skew.as_secs(), if *ahead { "ahead of" } else { "behind" }, super::enrol::MAX_SKEW.as_secs()
    )]
    Skew {
        /// Whose.
        host: HostName,
        /// How much.
        skew: Duration,
        /// In which direction.
        ahead: bool,
    },
    /// No client certificate.
    #[error("LB1107: {method} needs a certificate")]
    NoCertificate {
        /// What was called.
        method: String,
    },
    /// A client certificate that speaks for nobody.
    #[error("LB1108: the certificate is refused")]
    BadCertificate(#[source] IdentityError),
    /// Not the caller's to do.
    #[error("LB1109: {caller} may not call {method}")]
    Denied {
        /// Who.
        caller: String,
        /// What.
        method: String,
    },
    /// Too many calls at once.
    #[error("LB1110: too many calls are in flight")]
    Busy,
    /// The host enrolled again with another key since.
    #[error("LB1111: the certificate of {host} belongs to an older enrolment")]
    Replaced {
        /// The host.
        host: HostName,
    },
    /// The host is not enrolled here.
    #[error("LB1112: {host} is not enrolled here")]
    NotEnrolled {
        /// The host.
        host: HostName,
    },
    /// A person without a role of the estate.
    #[error(transparent)]
    NoRole(engine::Refused),
    /// A token for somebody whom the estate does not name.
    #[error("LB1140: the estate in force names no {person}")]
    UnknownPerson {
        /// Who.
        person: String,
    },
    /// A token for a host and a person, or for neither.
    #[error("LB1141: a token is for one host or for one person")]
    Either,
    /// A renewal with another key.
    #[error("LB1114: a renewal must be signed by the key of the certificate that it renews")]
    OtherKey,
    /// A life time that is not allowed.
    #[error("LB1115: a token lives at most 24 hours")]
    TooLong,
    /// A certificate that ran out while its connection was open.
    #[error("LB1116: the certificate of {host} has run out")]
    RanOut {
        /// The host.
        host: HostName,
    },
    /// A login that was renewed for as long as one may be.
    #[error("LB1117: this login is older than {} days", super::renew::MAX_LOGIN.as_secs() / 86_400)]
    OldLogin,
    /// A host whose certificate was recovered as often as it may be.
    #[error(
        "LB1255: the certificate of {host} has run out, and was renewed by its bare key {} times already",
        super::recover::MAX_RECOVERIES
    )]
    Recovered {
        /// The host.
        host: HostName,
    },
    /// A host whose certificate ran out too long ago.
    #[error(
        "LB1256: the certificate of {host} ran out more than {} days ago",
        super::recover::MAX_EXPIRED.as_secs() / 86_400
    )]
    ExpiredLongAgo {
        /// The host.
        host: HostName,
    },
    /// Two agents are alive with one key.
    #[error("LB1118: two agents speak for {host} with one key, and neither is believed")]
    Twice {
        /// The host.
        host: HostName,
    },
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl AuthError {
    fn code(&self) -> Code {
        match self {
            AuthError::Files { .. } | AuthError::Ca { .. } | AuthError::Key(_) => Code::Internal,
            AuthError::BadRequest(_) | AuthError::BadName(_) | AuthError::TooLong | AuthError::Either => {
                Code::InvalidArgument
            }
            AuthError::BadToken { .. }
            | AuthError::NoCertificate { .. }
            | AuthError::BadCertificate(_)
            | AuthError::RanOut { .. }
            | AuthError::OldLogin => Code::Unauthenticated,
            AuthError::Skew { .. } => Code::FailedPrecondition,
            AuthError::Denied { .. }
            | AuthError::Replaced { .. }
            | AuthError::NotEnrolled { .. }
            | AuthError::NoRole(_)
            | AuthError::UnknownPerson { .. }
            | AuthError::Twice { .. }
            | AuthError::Recovered { .. }
            | AuthError::ExpiredLongAgo { .. }
            | AuthError::OtherKey => Code::PermissionDenied,
            AuthError::Busy => Code::ResourceExhausted,
            AuthError::Store(error) => crate::rpc::status::code(error),
        }
    }
}

impl Explained for AuthError {
    fn advice(&self) -> &'static str {
        match self {
            AuthError::Files { .. } | AuthError::Ca { .. } | AuthError::Key(_) => {
                "Look at the data folder: ca.pem and ca.key belong together, and this user must read them."
            }
            AuthError::BadRequest(_) => "Make the request with Lifeboat's own agent or CLI.",
            AuthError::BadName(_) => "Use letters, digits, '.', '_' and '-'.",
            AuthError::BadToken { .. } => {
                "Make a new one: `lifeboat token create --host HOST` or `--user NAME`. It works once, for that one."
            }
            AuthError::Skew { .. } => "Set the host's clock (NTP), then enrol again with the same token.",
            AuthError::NoCertificate { .. } | AuthError::BadCertificate(_) => {
                "Log in (`lifeboat login ADDRESS`), or enrol the host (`lifeboat-agent enrol`)."
            }
            AuthError::Denied { .. } => {
                "Ask whoever holds the admin token to do it, or to give you the role."
            }
            AuthError::Busy => "Try again in a moment.",
            AuthError::Replaced { .. } | AuthError::NotEnrolled { .. } => {
                "Enrol the host again: `lifeboat token create --host HOST`, then `lifeboat-agent enrol`."
            }
            AuthError::Recovered { .. } | AuthError::ExpiredLongAgo { .. } => {
                "Enrol the host again: `lifeboat token create --host HOST`, then on it `lifeboat-agent enrol --token-file FILE`. If this happens often, look why it does not reach its controllers for days."
            }
            AuthError::UnknownPerson { .. } => {
                "Name the person under `roles` or `contacts` of the estate and apply it."
            }
            AuthError::Either => "Give --host NAME or --user NAME.",
            AuthError::NoRole(_) => "Whoever commands runs is named under `roles` of the estate.",
            AuthError::OtherKey => "Enrol or log in again to use another key.",
            AuthError::TooLong => "Ask for a shorter life, and make another token when it is needed.",
            AuthError::RanOut { .. } => {
                "The agent comes back by itself with its renewed certificate. If it does not, enrol the host again."
            }
            AuthError::Twice { .. } => {
                "Find the copy (a cloned machine, a restored image?) and stop its agent. Then enrol the host anew: `lifeboat token create HOST`, `lifeboat-agent enrol`."
            }
            AuthError::OldLogin => "Log in again: `lifeboat login ADDRESS`.",
            AuthError::Store(_) => "Look at the controller's log and its disk.",
        }
    }
}

impl From<AuthError> for Status {
    fn from(error: AuthError) -> Status {
        let problem: Problem = match &error {
            AuthError::Store(inner) => inner.problem(),
            AuthError::NoRole(refused) => (*refused.problem).clone(),
            other => other.problem(),
        };
        let problem = if matches!(error, AuthError::Busy) { problem.transient() } else { problem };
        status_of_problem(error.code(), &problem)
    }
}
