//! A host's first certificate, for a one-time token.
//!
//! The request is judged and signed before the token is used, so that a bad request or a wrong clock
//! costs no token. Using the token and keeping the agent's key is one transaction; only after it is
//! the certificate handed out. An agent that loses the answer needs a new token.

use super::authority::Signed;
use super::{AuthError, Authority, token};
use crate::store::Store;
use model::{HostName, Micros};
use runtime::tls::{Identity, JoinToken};
use std::time::Duration;
use uuid::Uuid;

/// Clocks may differ by this much.
pub const MAX_SKEW: Duration = Duration::from_secs(5 * 60);

/// What an agent sends to enrol.
#[derive(Debug)]
pub struct Enrolment<'a> {
    /// The token's text.
    pub token: &'a str,
    /// Its host.
    pub host: &'a HostName,
    /// The signing request in PEM.
    pub request_pem: &'a str,
    /// Its clock.
    pub clock: Micros,
}

/// Lets a host in, or says why not.
pub async fn enrol(
    authority: &Authority,
    store: &Store,
    enrolment: Enrolment<'_>,
    now: Micros,
    serial: Uuid,
) -> Result<Signed, AuthError> {
    let Enrolment { token, host, request_pem, clock } = enrolment;
    let token = JoinToken::parse(token).map_err(|_| AuthError::BadToken { why: "it is not a token" })?;
    if token.ca_hash() != authority.ca_hash() {
        return Err(AuthError::BadToken { why: "it was made by another controller" });
    }
    check_skew(host, clock, now)?;
    let signed = authority.sign(request_pem, &Identity::Agent(host.clone()), now, serial)?;
    let redeemed = store
        .redeem_token(token.stored(), host, signed.key_fingerprint.clone(), now, signed.expires)
        .await
        .map_err(AuthError::Store)?;
    token::judge(redeemed, "it was made for another host")?;
    Ok(signed)
}

fn check_skew(host: &HostName, clock: Micros, now: Micros) -> Result<(), AuthError> {
    let ahead = clock > now;
    let skew = if ahead { clock.since(now) } else { now.since(clock) };
    match skew > MAX_SKEW {
        true => Err(AuthError::Skew { host: host.clone(), skew, ahead }),
        false => Ok(()),
    }
}
