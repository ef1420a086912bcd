//! A new certificate for a host whose old one has run out, by its key alone: a host that was cut off for longer
//! than its certificate lived comes back by itself.
//!
//! The request proves that its sender has the key; the key must be that of the host's newest enrolment. That is as
//! much as a renewal proves, but for the certificate's own end: so it is allowed for a bounded time and a bounded
//! number of times, and then somebody enrols the host anew.

use super::authority::Signed;
use super::renew::require_current;
use super::{AuthError, Authority};
use crate::store::Store;
use model::{HostName, Micros};
use runtime::tls::Identity;
use std::time::Duration;
use uuid::Uuid;

/// Recoveries between two enrolments of a host.
pub const MAX_RECOVERIES: u32 = 5;
/// How long after the end of its certificate a host comes back by itself.
pub const MAX_EXPIRED: Duration = Duration::from_secs(30 * 86_400);

/// Signs for a host by its key alone.
pub async fn recover(
    authority: &Authority,
    store: &Store,
    host: &HostName,
    request_pem: &str,
    now: Micros,
    serial: Uuid,
) -> Result<Signed, AuthError> {
    let signed = authority.sign(request_pem, &Identity::Agent(host.clone()), now, serial)?;
    require_current(store, host, &signed.key_fingerprint).await?;
    let agent = store.agent(host).await.map_err(AuthError::Store)?;
    if agent.is_some_and(|agent| now.since(agent.expires_at) > MAX_EXPIRED) {
        return Err(AuthError::ExpiredLongAgo { host: host.clone() });
    }
    let kept = store.recover_agent(host, now, signed.expires, MAX_RECOVERIES).await;
    match kept.map_err(AuthError::Store)? {
        true => Ok(signed),
        false => Err(AuthError::Recovered { host: host.clone() }),
    }
}
