//! A new certificate for the same identity and key, under the old one.

use super::authority::Signed;
use super::{AuthError, Authority, Caller};
use crate::store::Store;
use model::{HostName, Micros};
use runtime::tls::Identity;
use std::time::Duration;
use uuid::Uuid;

/// How long a person's login is renewed by its key. Then the person logs in again.
pub const MAX_LOGIN: Duration = Duration::from_secs(7 * 86_400);

/// Signs again for whoever calls. An agent whose host enrolled anew since is refused, and so
/// is a person whose login is older than [`MAX_LOGIN`].
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
    match identity {
        Identity::Agent(host) => {
            require_current(store, host, &caller.key_fingerprint).await?;
            store.renew_agent(host, now, signed.expires).await.map_err(AuthError::Store)?;
        }
        Identity::User { .. } => {
            let login = store.login_of(&caller.key_fingerprint).await.map_err(AuthError::Store)?;
            if login.is_none_or(|login| now >= login.after(MAX_LOGIN)) {
                return Err(AuthError::OldLogin);
            }
        }
        // A controller makes its own at each start.
        Identity::Controller(_) => return Err(AuthError::NoCertificate { method: "a renewal".to_string() }),
    }
    Ok(signed)
}

/// Refuses an agent that is not enrolled, whose key is not that of its host's newest enrolment, or beside which
/// another one was alive.
pub async fn require_current(store: &Store, host: &HostName, key_fingerprint: &str) -> Result<(), AuthError> {
    match store.agent(host).await.map_err(AuthError::Store)? {
        None => Err(AuthError::NotEnrolled { host: host.clone() }),
        Some(agent) if agent.key_fingerprint != key_fingerprint => {
            Err(AuthError::Replaced { host: host.clone() })
        }
        Some(agent) if agent.locked => Err(AuthError::Twice { host: host.clone() }),
        Some(_) => Ok(()),
    }
}
