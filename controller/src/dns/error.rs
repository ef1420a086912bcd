//! What can go wrong with DNS, each with what to do next. No error holds any part of a key.

use super::provider::{ServerAddress, ServerAnswer};
use super::record::{Generation, Observed, RecordName, spell};
use model::Problem;
use runtime::Explained;

/// A failed read, write or verification of a name.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// No connection, or no answer in time. Of a write, the outcome is unknown until it is settled.
    #[error("LB1401: the DNS server {server} did not answer {operation}")]
    NoAnswer {
        /// Which server.
        server: ServerAddress,
        /// What was asked of it.
        operation: &'static str,
        /// Refused, unreachable, cut off, or out of time.
        #[source]
        source: std::io::Error,
    },
    /// BADKEY: the server does not know a key of this name and algorithm.
    #[error("LB1402: the DNS server {server} does not know the key {key} with its algorithm (BADKEY)")]
    UnknownKey {
        /// Which server.
        server: ServerAddress,
        /// The key's name.
        key: String,
    },
    /// BADSIG: same name, other secret.
    #[error("LB1403: the DNS server {server} has another secret for the key {key} (BADSIG)")]
    WrongSecret {
        /// Which server.
        server: ServerAddress,
        /// The key's name.
        key: String,
    },
    /// BADTIME: the clocks differ by more than the fudge.
    #[error("LB1404: the clocks of this controller and of the DNS server {server} differ{} (BADTIME)", skew(.skew_seconds))]
    ClockSkew {
        /// Which server.
        server: ServerAddress,
        /// Seconds that the server is ahead of us (negative: behind), when it told.
        skew_seconds: Option<i64>,
    },
    /// REFUSED: the key is known, but may not write this.
    #[error("LB1405: the DNS server {server} refuses to let the key {key} write {name} (REFUSED)")]
    NotAllowed {
        /// Which server.
        server: ServerAddress,
        /// The key's name.
        key: String,
        /// What was to be written.
        name: RecordName,
    },
    /// The server is not authoritative for the zone, or will not answer for it.
    #[error("LB1406: the DNS server {server} does not serve the zone {zone} ({why})")]
    ZoneNotServed {
        /// Which server.
        server: ServerAddress,
        /// The zone.
        zone: RecordName,
        /// What it said.
        why: &'static str,
    },
    /// Someone else changed the name since it was read.
    #[error(
        "LB1407: {name} is not what it was: expected {}, found {}", expected.spell(), found.spell()
    )]
    Conflict {
        /// The name.
        name: RecordName,
        /// What was read before.
        expected: Box<Observed>,
        /// What the zone holds now.
        found: Box<Observed>,
    },
    /// A newer write came first.
    #[error("LB1408: the write of {ours} to {name} is too old: the zone holds {found}")]
    OlderGeneration {
        /// The name.
        name: RecordName,
        /// What was to be written.
        ours: Generation,
        /// What the zone holds.
        found: Generation,
    },
    /// An empty record set is never written.
    #[error("LB1409: no values for {name}: an empty record set is never written")]
    EmptySet {
        /// The name.
        name: RecordName,
    },
    /// Values that cannot stand together.
    #[error("LB1410: {name} cannot have these values: {values}")]
    BadValues {
        /// The name.
        name: RecordName,
        /// All of them.
        values: String,
    },
    /// Not every authoritative server answers the new values within the bound.
    #[error("LB1411: {name} should be {expected} everywhere, but {}", lagging(.answers))]
    Lagging {
        /// The name.
        name: RecordName,
        /// What every server should answer.
        expected: String,
        /// The last answer of each server.
        answers: Vec<ServerAnswer>,
    },
    /// The server says that it failed, or that it cannot do updates.
    #[error("LB1412: the DNS server {server} failed at {operation}: {code}")]
    ServerFailed {
        /// Which server.
        server: ServerAddress,
        /// What was asked of it.
        operation: &'static str,
        /// The response code.
        code: String,
        /// Whether it may pass (SERVFAIL).
        transient: bool,
    },
    /// An answer that cannot be read, or that is not signed as it must be. Of a write, the outcome is
    /// unknown until it is settled.
    #[error("LB1413: the answer of the DNS server {server} to {operation} cannot be trusted: {why}")]
    BadAnswer {
        /// Which server.
        server: ServerAddress,
        /// What was asked of it.
        operation: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Something else stands where the generation is kept.
    #[error("LB1414: {name} holds something that Lifeboat did not write: {text}")]
    ForeignGeneration {
        /// The generation's name.
        name: RecordName,
        /// What stands there, shortened.
        text: String,
    },
    /// Before the change there was no such record.
    #[error("LB1415: {name} did not exist before the change, and an empty record set is never written")]
    NothingBefore {
        /// The name.
        name: RecordName,
    },
    /// Not a DNS name.
    #[error("LB1416: {name:?} is not a DNS name that Lifeboat can write")]
    BadName {
        /// What was given.
        name: String,
    },
    /// The zone's settings do not make sense.
    #[error("LB1417: the settings of the zone {zone} are wrong: {why}")]
    BadSettings {
        /// The zone as it was given.
        zone: String,
        /// What is wrong.
        why: String,
    },
    /// The inverse could not be saved, so nothing was written.
    #[error("LB1418: the inverse of the change to {name} could not be saved; nothing was written")]
    InverseNotSaved {
        /// The name.
        name: RecordName,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn skew(seconds: &Option<i64>) -> String {
    match seconds {
        Some(s) if *s < 0 => format!(": the server is {} s behind us", -s),
        Some(s) => format!(": the server is {s} s ahead of us"),
        None => String::new(),
    }
}

fn lagging(answers: &[ServerAnswer]) -> String {
    let behind = answers.iter().filter(|answer| !answer.agrees);
    let told = behind.map(|answer| match &answer.error {
        Some(error) => format!("{} did not answer ({error})", answer.server),
        None => format!("{} answers {}", answer.server, spell(&answer.values)),
    });
    told.collect::<Vec<_>>().join("; ")
}

impl Explained for DnsError {
    fn advice(&self) -> &'static str {
        match self {
            DnsError::NoAnswer { .. } => {
                "check that the server runs and that TCP port 53 (or the configured one) is open from this controller; then retry the step"
            }
            DnsError::UnknownKey { .. } => {
                "compare the key's name and algorithm in the key file with the server's configuration (BIND: a `key` block)"
            }
            DnsError::WrongSecret { .. } => "copy the key file from the server again; the secret differs",
            DnsError::ClockSkew { .. } => "set both clocks (NTP); TSIG allows 300 s",
            DnsError::NotAllowed { .. } => {
                "allow this key in the zone's update rules (BIND: allow-update or update-policy), for the name and for the TXT record `_lifeboat.` before it"
            }
            DnsError::ZoneNotServed { .. } => {
                "check the zone's name, that the first server is the primary, and that it answers queries from this controller"
            }
            DnsError::Conflict { .. } => {
                "find out who changed the record; if the new value is right, skip the step, else start the step again, which reads it afresh (a wildcard that answers for the name also looks like this)"
            }
            DnsError::OlderGeneration { .. } => {
                "nothing: a newer run already moved this record; end this run unless you know better"
            }
            DnsError::EmptySet { .. } => "give the record at least one value in the target region",
            DnsError::BadValues { .. } => "a CNAME stands alone, and a name has at most 32 values",
            DnsError::Lagging { .. } => {
                "check zone transfer from the primary to the servers named (BIND: notify, `rndc retransfer`); then retry the step"
            }
            DnsError::ServerFailed { .. } => {
                "read the server's log; check that the zone is dynamic and that the first server is its primary"
            }
            DnsError::BadAnswer { .. } => {
                "check that nothing stands between this controller and the server, and retry the step"
            }
            DnsError::ForeignGeneration { .. } => "remove that TXT record, or give the record another name",
            DnsError::NothingBefore { .. } => "remove the record by hand if nobody should use it",
            DnsError::BadName { .. } => "use letters, digits, '-' and '_' in labels of at most 63",
            DnsError::BadSettings { .. } => "correct the zone in the estate and apply it",
            DnsError::InverseNotSaved { .. } => "see the cause; the record was not touched",
        }
    }

    fn problem(&self) -> Problem {
        let text = self.to_string();
        let message = text.split_once(": ").map_or(text.as_str(), |(_, message)| message);
        let mut problem = Problem::new(&self.code(), message, self.advice());
        if let Some(cause) = std::error::Error::source(self) {
            problem = problem.caused_by(cause);
        }
        if self.is_transient() { problem.transient() } else { problem }
    }
}

impl DnsError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            DnsError::NoAnswer { .. } | DnsError::Lagging { .. } | DnsError::BadAnswer { .. } => true,
            DnsError::ServerFailed { transient, .. } => *transient,
            _ => false,
        }
    }

    /// Whether a write that ended so may have happened, or may yet. Settle it before going on.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(
            self,
            DnsError::NoAnswer { .. }
                | DnsError::BadAnswer { .. }
                | DnsError::ServerFailed { transient: true, .. }
        )
    }
}
