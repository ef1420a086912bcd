//! One-time tokens for new hosts, and for people.

use super::{AuthError, Authority};
use crate::store::Store;
use crate::store::tokens::Redeemed;
use model::{HostName, Micros, UserName};
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
    let expires = end(life, now)?;
    let token = JoinToken::make(authority.ca_hash());
    store.add_token(token.stored(), host, by, now, expires).await.map_err(AuthError::Store)?;
    Ok((token.text().to_string(), expires))
}

/// Makes a token with which a person logs in, once.
pub async fn create_for_person(
    authority: &Authority,
    store: &Store,
    person: &UserName,
    by: &str,
    life: Option<Duration>,
    now: Micros,
) -> Result<(String, Micros), AuthError> {
    let expires = end(life, now)?;
    let token = JoinToken::make(authority.ca_hash());
    store.add_user_token(token.stored(), person, by, now, expires).await.map_err(AuthError::Store)?;
    Ok((token.text().to_string(), expires))
}

/// What became of a token that was shown; `other` is why it is not good for this name.
pub(super) fn judge(redeemed: Redeemed, other: &'static str) -> Result<(), AuthError> {
    let why = match redeemed {
        Redeemed::Good => return Ok(()),
        Redeemed::Unknown => "it is not known here",
        Redeemed::OtherName => other,
        Redeemed::Used => "it was used before",
        Redeemed::Expired => "it has expired",
    };
    Err(AuthError::BadToken { why })
}

fn end(life: Option<Duration>, now: Micros) -> Result<Micros, AuthError> {
    match life.unwrap_or(DEFAULT_LIFE) {
        life if life > MAX_LIFE => Err(AuthError::TooLong),
        life => Ok(now.after(life)),
    }
}
