//! Opening a zone with the key that its reference names on this host, and what both DNS actions need.

use crate::dns::record::{Observed, Planned, RecordName, Values};
use crate::dns::{self, DnsError, Moved, Zone};
use crate::store::{Store, StoreError};
use engine::ProbeAnswer;
use model::control::CutoverOutput;
use model::nouns::RecordSpec;
use model::{Outcome, Problem, Token};
use runtime::Explained;
use runtime::secret::SecretError;

/// Why an action with DNS did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// DNS.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// The zone's key cannot be read.
    #[error("LB1361: the key of zone {zone} cannot be read")]
    Key {
        /// The zone.
        zone: String,
        /// Why not.
        #[source]
        error: SecretError,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The region has no addresses in the record.
    #[error("LB1362: record {record} has no addresses in region {region}")]
    NoValues {
        /// The record.
        record: String,
        /// The region.
        region: String,
    },
    /// The task that reads the key was cut off.
    #[error("LB1363: the controller is stopping")]
    Stopping,
}

impl Failed {
    pub(super) fn problem(&self) -> Problem {
        match self {
            Failed::Dns(error) => error.problem(),
            Failed::Store(error) => error.problem(),
            Failed::Key { zone, error } => {
                let message = format!("the key of zone {zone} cannot be read");
                Problem::new("LB1361", message, error.advice()).caused_by(error)
            }
            Failed::NoValues { record, region } => Problem::new(
                "LB1362",
                format!("record {record} has no addresses in region {region}"),
                "Give the record values for that region in the estate.",
            ),
            Failed::Stopping => {
                let advice = "The run goes on when the controller is up again.";
                Problem::new("LB1363", "the controller is stopping", advice).transient()
            }
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        let problem = self.problem();
        match self {
            Failed::Dns(error) if error.is_outcome_unknown() => Outcome::Unknown { problem },
            Failed::Stopping => Outcome::Unknown { problem },
            Failed::Dns(_) | Failed::Store(_) | Failed::Key { .. } | Failed::NoValues { .. } => {
                Outcome::Failed { problem }
            }
        }
    }

    pub(super) fn cannot_tell(&self) -> ProbeAnswer {
        ProbeAnswer::CannotTell { problem: self.problem() }
    }
}

/// The zone of a record. Reading the key blocks on the disk, so it happens aside.
pub(super) async fn open(record: &RecordSpec) -> Result<Zone, Failed> {
    let reference = record.zone.key.clone();
    let key = tokio::task::spawn_blocking(move || runtime::secret::resolve(&reference))
        .await
        .map_err(|_| Failed::Stopping)?
        .map_err(|error| Failed::Key { zone: record.zone.zone.clone(), error })?;
    Ok(dns::open(&record.zone, key.expose())?)
}

/// The record's name in DNS.
pub(super) fn name(record: &RecordSpec) -> Result<RecordName, Failed> {
    Ok(RecordName::new(&record.fqdn)?)
}

/// The change that this step planned before, if it got so far.
pub(super) async fn planned(store: &Store, token: &Token) -> Result<Option<Planned>, Failed> {
    Ok(store.inverse(token.run, &token.step).await?)
}

/// What a verified write gives.
pub(super) fn output(before: &Observed, generation: u64, moved: &Moved) -> CutoverOutput {
    let after = moved.answers.first().map(|answer| spelled(&answer.values)).unwrap_or_default();
    CutoverOutput {
        before: spelled(&before.values),
        after,
        generation,
        verified_after_ms: moved.verified_after_ms,
        servers: moved.answers.iter().map(|answer| answer.server.to_string()).collect(),
        ttl_seconds: before.ttl_seconds.map_or(0, u64::from),
    }
}

/// Values as people read them.
pub(super) fn spelled(values: &Values) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}
