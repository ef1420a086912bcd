//! Logins of people, by the SHA-256 of their public keys.

use super::database::Connection;
use super::{Store, StoreError};
use futures::FutureExt;
use model::Micros;

impl Store {
    /// Keeps that a key logged in. A later login with the same key counts anew.
    pub async fn keep_login(
        &self,
        key_fingerprint: String,
        user: String,
        now: Micros,
    ) -> Result<(), StoreError> {
        self.writer()
            .write("keep a login", move |connection| keep(connection, key_fingerprint, user, now).boxed())
            .await
    }

    /// When a key logged in, if it did.
    pub async fn login_of(&self, key_fingerprint: &str) -> Result<Option<Micros>, StoreError> {
        let at: Option<i64> = sqlx::query_scalar("select at from logins where key_fingerprint = $1")
            .bind(key_fingerprint)
            .fetch_optional(self.readers())
            .await
            .map_err(StoreError::query("read a login"))?;
        Ok(at.map(Micros))
    }

    /// Drops logins from before `before`. Gives how many.
    pub async fn drop_old_logins(&self, before: Micros) -> Result<u64, StoreError> {
        self.writer()
            .write("drop old logins", move |connection| {
                async move {
                    let dropped = sqlx::query("delete from logins where at < $1")
                        .bind(before.0)
                        .execute(connection)
                        .await
                        .map_err(StoreError::query("drop old logins"))?;
                    Ok(dropped.rows_affected())
                }
                .boxed()
            })
            .await
    }
}

/// Inside a transaction: keeps that a key logged in.
pub(super) async fn keep(
    connection: &mut Connection,
    key_fingerprint: String,
    user: String,
    now: Micros,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into logins (key_fingerprint, by_user, at) values ($1, $2, $3) \
         on conflict (key_fingerprint) do update set by_user = excluded.by_user, at = excluded.at",
    )
    .bind(key_fingerprint)
    .bind(user)
    .bind(now.0)
    .execute(connection)
    .await
    .map_err(StoreError::query("keep a login"))?;
    Ok(())
}
