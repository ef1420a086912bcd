//! DNS: moving a record from one region to another, so that two controllers, a late message or an old
//! plan cannot undo each other.
//!
//! Beside each record that Lifeboat writes stands a TXT record, `_lifeboat.<name>`, with the text
//! `lifeboat gen=<number> run=<uuid>`. Values and text change in one conditional update, whose
//! condition is exactly the values and the text that were last seen ([`rfc2136`] argues why both).
//!
//! # How a step cuts over
//!
//! 1. `let zone = dns::open(&spec, key_file)?` with the bytes that the zone's key reference names.
//! 2. Did this run save a [`Planned`] for this step? Then go on with that one at 4.
//! 3. `let planned = zone.plan_change(&name, values, ttl_seconds, run).await?` reads the primary and
//!    writes nothing. `planned` can be journaled; it holds the inverse.
//! 4. `let moved = zone.cut_over(&planned, journal.save(&planned)).await?` saves first, then writes,
//!    then asks every authoritative server until all agree. (The three parts are also public:
//!    save, [`Zone::apply`], [`Zone::verify`].)
//! 5. [`Moved::output`] is the step's output. On an error, `problem()` (of [`runtime::Explained`]) is what goes into the journal. If
//!    [`DnsError::is_outcome_unknown`], the attempt is *unknown*: ask [`Zone::settle`], or start again
//!    at 2. If it is [`DnsError::Lagging`], the primary has it: start again at 2 to verify once more.
//!    [`DnsError::Conflict`] and [`DnsError::OlderGeneration`] mean someone else: ask a person, and
//!    never plan again silently.
//!
//! To undo: `zone.undo(&planned.inverse).await?`, then `zone.verify(…)` with the inverse's `before`
//! values and `inverse.restoring()?.generation`. It is a conditional write as well, with a higher
//! generation; when the cut-over never arrived, it makes sure that it never will.
//!
//! When resolvers forget the old value is another matter: its time to live, which `inverse.before`
//! holds, counted from [`Moved`].

mod error;
mod message;
pub mod provider;
pub mod record;
pub mod rfc2136;
mod tsig_key;
mod wire;
mod zone;

#[cfg(test)]
pub(crate) mod bind_server;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod suite;

pub use error::DnsError;
pub use provider::{DnsProvider, ServerAddress, ServerAnswer};
pub use record::{Change, Generation, Inverse, Observed, Planned, RecordName, Value, Values};
pub use tsig_key::TsigKey;
pub use zone::{Applied, Bounds, Moved, Settled, Undone, Zone};

use model::nouns::ZoneSpec;
use std::sync::Arc;

/// Most authoritative servers of one zone.
pub const MAX_SERVERS: usize = 16;

/// A kind of provider, as an estate names it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The name in the estate: `kind: rfc2136`.
    pub name: &'static str,
    /// Whether its writes are conditional. One that says no shows it in the run.
    pub conditional: bool,
    open: Open,
}

/// Makes a provider from zone, servers and the content of the key file.
type Open = fn(RecordName, Vec<ServerAddress>, &[u8]) -> Result<Arc<dyn DnsProvider>, DnsError>;

/// Every kind there is.
pub const KINDS: &[Kind] = &[Kind { name: "rfc2136", conditional: true, open: open_rfc2136 }];

/// Opens a zone of an estate with the content of its key file. Touches no network.
pub fn open(spec: &ZoneSpec, key_file: &[u8]) -> Result<Zone, DnsError> {
    open_with(spec, key_file, Bounds::DEFAULT)
}

/// The same with other bounds.
pub fn open_with(spec: &ZoneSpec, key_file: &[u8], bounds: Bounds) -> Result<Zone, DnsError> {
    let wrong = |why: String| DnsError::BadSettings { zone: spec.zone.clone(), why };
    let kind = KINDS.iter().find(|kind| kind.name == spec.kind).ok_or_else(|| {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        wrong(format!("unknown kind {:?}; known: {}", spec.kind, known.join(", ")))
    })?;
    if spec.servers.is_empty() || spec.servers.len() > MAX_SERVERS {
        return Err(wrong(format!("it needs 1 to {MAX_SERVERS} servers, not {}", spec.servers.len())));
    }
    let servers: Result<Vec<ServerAddress>, String> = spec.servers.iter().map(|s| s.parse()).collect();
    let name = RecordName::new(&spec.zone)?;
    let provider = (kind.open)(name.clone(), servers.map_err(wrong)?, key_file)?;
    Ok(Zone::new(name, provider, bounds))
}

fn open_rfc2136(
    zone: RecordName,
    servers: Vec<ServerAddress>,
    key_file: &[u8],
) -> Result<Arc<dyn DnsProvider>, DnsError> {
    let key = TsigKey::from_file(key_file)
        .map_err(|why| DnsError::BadSettings { zone: zone.to_string(), why: why.to_string() })?;
    Ok(Arc::new(rfc2136::Rfc2136::new(zone, servers, key, unix_seconds)?))
}

/// The wall clock, which is what TSIG signs with.
fn unix_seconds() -> u64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_1970.map_or(0, |since| since.as_secs())
}
