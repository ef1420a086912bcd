//! A new certificate for the same identity and key, under the old one.

use super::authority::Signed;
use super::{AuthError, Authority, Caller};
use crate::store::Store;
use model::{HostName, Micros};
use runtime::tls::Identity;
use uuid::Uuid;

/// Signs again for whoever calls. An agent whose host enrolled anew since is refused.
pub async fn renew(
    authority: &Authority,
    store: &Store,
    caller: &Caller,
    request_pem: &str,
    now: Micros,
    serial: Uuid,
) -> Result<Signed, AuthError> {
    let Some(identity) = &caller.identity else {
        return Err(AuthError::NoCertificate { method: "a renewal".to_string() });
    };
    let signed = authority.sign(request_pem, identity, now, serial)?;
    if signed.key_fingerprint != caller.key_fingerprint {
        return Err(AuthError::OtherKey);
    }
    if let Identity::Agent(host) = identity {
        require_current(store, host, &caller.key_fingerprint).await?;
        store.renew_agent(host, now, signed.expires).await.map_err(AuthError::Store)?;
    }
    Ok(signed)
}

/// Refuses an agent that is not enrolled, or whose key is not that of its host's newest enrolment.
pub async fn require_current(store: &Store, host: &HostName, key_fingerprint: &str) -> Result<(), AuthError> {
    match store.agent(host).await.map_err(AuthError::Store)? {
        None => Err(AuthError::NotEnrolled { host: host.clone() }),
        Some(agent) if agent.key_fingerprint != key_fingerprint => {
            Err(AuthError::Replaced { host: host.clone() })
        }
        Some(_) => Ok(()),
    }
}
