//! The seam to whoever serves a zone: what a provider must do, and nothing else. Retries, time-outs,
//! polling and the decision about a failed condition are the façade's ([`super::Zone`]).

use super::DnsError;
use super::record::{Change, Generation, Observed, RecordName, Values};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Port of DNS when none is given.
const DNS_PORT: u16 = 53;

/// One authoritative server, as an address and port; as text without the port when it is 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerAddress(pub SocketAddr);

impl FromStr for ServerAddress {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
        bare.or_else(|_| text.parse::<SocketAddr>())
            .map(Self)
            .map_err(|_| format!("{text:?} is not an address or address:port"))
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ServerAddress> for String {
    fn from(server: ServerAddress) -> String {
        server.to_string()
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.port() == DNS_PORT { self.0.ip().fmt(f) } else { self.0.fmt(f) }
    }
}

/// What one server said about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Values, time to live and generation.
    pub observed: Observed,
    /// Serial of the zone at that server, when the kind of provider has one.
    pub serial: Option<u32>,
}

/// The last word of one server when a name was verified. Evidence for the journal and the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerAnswer {
    /// Which server.
    pub server: ServerAddress,
    /// Whether it answers the expected values and generation.
    pub agrees: bool,
    /// What it answers.
    pub values: Values,
    /// Serial of its zone.
    pub serial: Option<u32>,
    /// The generation it holds.
    pub generation: Option<Generation>,
    /// Milliseconds from the start of the verification to this answer.
    pub elapsed_ms: u64,
    /// Why it gave no answer, if so.
    pub error: Option<String>,
}

/// How a conditional write ended, when the server gave an answer that can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Values and generation were written.
    Written,
    /// The zone did not hold what was expected; nothing was written.
    ConditionFailed,
}

/// A way to read and write the records of one zone.
///
/// *Semantics.* `observe` gives what one authoritative server answers now, never a cache.
/// `compare_and_set` is for the primary only.
///
/// *Atomicity.* `compare_and_set` changes the values of a name and the generation beside it together
/// or not at all, and only if the zone holds exactly the expected values and generation at that very
/// moment. Of two writers with the same expectation, exactly one gets [`Verdict::Written`]. A
/// provider that cannot do this must not implement the trait by reading first.
///
/// *Idempotence.* Sending the same change again is harmless: its condition cannot hold twice, because
/// the generation grows. The caller tells "mine, already done" from "someone else's" by reading.
///
/// *Cancellation.* Each call is one try without retries or time-out. The caller may drop the future
/// at any point. A dropped or failed `compare_and_set` may have happened, and may still happen.
///
/// *Secrets.* No error, log line or `Debug` text holds a part of a key.
pub trait DnsProvider: Send + Sync {
    /// Every authoritative server; the first takes writes. Never empty.
    fn servers(&self) -> &[ServerAddress];

    /// What this server answers for the name.
    fn observe<'a>(
        &'a self,
        server: ServerAddress,
        name: &'a RecordName,
    ) -> BoxFuture<'a, Result<Answer, DnsError>>;

    /// Writes on condition. The change has passed [`Change::check`].
    fn compare_and_set<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<Verdict, DnsError>>;
}
