//! A person's certificate, for a token of their own or the admin token; and the latter, made once.

use super::authority::Signed;
use super::caller::ADMIN;
use super::{AuthError, Authority, token};
use crate::store::Store;
use model::{Micros, Name, UserName};
use runtime::tls::{Identity, JoinToken};
use uuid::Uuid;

/// Makes the admin token at the first start and gives its text, once. Later starts give nothing.
pub async fn first_admin_token(
    authority: &Authority,
    store: &Store,
    now: Micros,
) -> Result<Option<String>, AuthError> {
    let token = JoinToken::make(authority.ca_hash());
    let kept = store.add_first_admin(token.stored(), now).await.map_err(AuthError::Store)?;
    Ok(kept.then(|| token.text().to_string()))
}

/// Signs for whoever shows a token made for them, or the admin token. With the admin token the name is the
/// person's own word: the journal shows it, and it counts as nobody's of the estate.
pub async fn login(
    authority: &Authority,
    store: &Store,
    token: &str,
    user: &str,
    request_pem: &str,
    now: Micros,
    serial: Uuid,
) -> Result<Signed, AuthError> {
    let Ok(token) = JoinToken::parse(token) else {
        return Err(AuthError::BadToken { why: "it is not a token" });
    };
    let name = UserName::new(user).map_err(|_| AuthError::BadName(user.chars().take(64).collect()))?;
    if store.is_admin(&token.stored()).await.map_err(AuthError::Store)? {
        let admin = Name::new(ADMIN).map_err(|error| AuthError::BadName(error.text))?;
        let by = name.to_string();
        let identity = Identity::User { name, roles: vec![admin] };
        let signed = authority.sign(request_pem, &identity, now, serial)?;
        store.keep_login(signed.key_fingerprint.clone(), by, now).await.map_err(AuthError::Store)?;
        return Ok(signed);
    }
    // Judged and signed first, so that a bad request costs no token.
    let identity = Identity::User { name: name.clone(), roles: Vec::new() };
    let signed = authority.sign(request_pem, &identity, now, serial)?;
    let redeemed = store.redeem_user_token(token.stored(), &name, signed.key_fingerprint.clone(), now).await;
    let other = "it was made for another person: give their name as --user";
    token::judge(redeemed.map_err(AuthError::Store)?, other)?;
    Ok(signed)
}
