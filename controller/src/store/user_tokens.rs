//! One-time tokens with which people log in, by their SHA-256 alone.

use super::tokens::Redeemed;
use super::{Store, StoreError, logins};
use futures::FutureExt;
use model::{Micros, UserName};
use sqlx::Row;

impl Store {
    /// Keeps a person's token's hash.
    pub async fn add_user_token(
        &self,
        hash: String,
        person: &UserName,
        by: &str,
        now: Micros,
        expires: Micros,
    ) -> Result<(), StoreError> {
        let (person, by) = (person.to_string(), by.to_string());
        self.writer()
            .write("keep a person's token", move |connection| {
                async move {
                    sqlx::query(
                        "insert into user_tokens (hash, person, created_at, created_by, expires_at) \
                         values ($1, $2, $3, $4, $5)",
                    )
                    .bind(hash)
                    .bind(person)
                    .bind(now.0)
                    .bind(by)
                    .bind(expires.0)
                    .execute(connection)
                    .await
                    .map_err(StoreError::query("keep a person's token"))?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// Uses a person's token once and keeps their login with that key, in one transaction. The condition and
    /// the mark are one statement, so of two that show a token at the same moment one is refused.
    pub async fn redeem_user_token(
        &self,
        hash: String,
        person: &UserName,
        key_fingerprint: String,
        now: Micros,
    ) -> Result<Redeemed, StoreError> {
        let person = person.to_string();
        self.writer()
            .write("use a person's token", move |connection| {
                async move {
                    let used = sqlx::query(
                        "update user_tokens set used_at = $1 \
                         where hash = $2 and person = $3 and used_at is null and expires_at > $1",
                    )
                    .bind(now.0)
                    .bind(&hash)
                    .bind(&person)
                    .execute(&mut *connection)
                    .await
                    .map_err(StoreError::query("use a person's token"))?;
                    if used.rows_affected() == 1 {
                        logins::keep(connection, key_fingerprint, person, now).await?;
                        return Ok(Redeemed::Good);
                    }
                    let row = sqlx::query("select person, used_at from user_tokens where hash = $1")
                        .bind(&hash)
                        .fetch_optional(connection)
                        .await
                        .map_err(StoreError::query("read a person's token"))?;
                    Ok(match row {
                        None => Redeemed::Unknown,
                        Some(row) if row.get::<String, _>(0) != person => Redeemed::OtherName,
                        Some(row) if row.get::<Option<i64>, _>(1).is_some() => Redeemed::Used,
                        Some(_) => Redeemed::Expired,
                    })
                }
                .boxed()
            })
            .await
    }

    /// Drops people's tokens that expired before `before`. Gives how many.
    pub async fn drop_old_user_tokens(&self, before: Micros) -> Result<u64, StoreError> {
        self.writer()
            .write("drop old tokens of people", move |connection| {
                async move {
                    let dropped = sqlx::query("delete from user_tokens where expires_at < $1")
                        .bind(before.0)
                        .execute(connection)
                        .await
                        .map_err(StoreError::query("drop old tokens of people"))?;
                    Ok(dropped.rows_affected())
                }
                .boxed()
            })
            .await
    }
}
