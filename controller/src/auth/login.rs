//! A person's certificate, for the admin token; and that token, made once.

use super::authority::Signed;
use super::caller::ADMIN;
use super::{AuthError, Authority};
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

/// Signs for whoever shows the admin token. The name is the person's own word: the journal shows it.
pub async fn login(
    authority: &Authority,
    store: &Store,
    token: &str,
    user: &str,
    request_pem: &str,
    now: Micros,
    serial: Uuid,
) -> Result<Signed, AuthError> {
    let refused = AuthError::BadToken { why: "it is not the admin token" };
    let Ok(token) = JoinToken::parse(token) else { return Err(refused) };
    if !store.is_admin(&token.stored()).await.map_err(AuthError::Store)? {
        return Err(refused);
    }
    let name = UserName::new(user).map_err(|_| AuthError::BadName(user.chars().take(64).collect()))?;
    let admin = Name::new(ADMIN).map_err(|error| AuthError::BadName(error.text))?;
    let by = name.to_string();
    let signed = authority.sign(request_pem, &Identity::User { name, roles: vec![admin] }, now, serial)?;
    store.keep_login(signed.key_fingerprint.clone(), by, now).await.map_err(AuthError::Store)?;
    Ok(signed)
}
