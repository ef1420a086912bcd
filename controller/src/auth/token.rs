//! One-time tokens for new hosts.

use super::{AuthError, Authority};
use crate::store::Store;
use model::{HostName, Micros};
use runtime::tls::JoinToken;
use std::time::Duration;

/// How long a token lives when nobody says.
pub const DEFAULT_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long it may live.
pub const MAX_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Makes a token for a host. Gives its text, which is shown once, and when it expires.
pub async fn create(
    authority: &Authority,
    store: &Store,
    host: &HostName,
    by: &str,
    life: Option<Duration>,
    now: Micros,
) -> Result<(String, Micros), AuthError> {
    let life = life.unwrap_or(DEFAULT_LIFE);
    if life > MAX_LIFE {
        return Err(AuthError::TooLong);
    }
    let token = JoinToken::make(authority.ca_hash());
    let expires = now.after(life);
    store.add_token(token.stored(), host, by, now, expires).await.map_err(AuthError::Store)?;
    Ok((token.text().to_string(), expires))
}
