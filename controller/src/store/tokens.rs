//! Enrolment tokens and the admin token, by their SHA-256 alone.

use super::agents::enrol;
use super::{Store, StoreError};
use futures::FutureExt;
use model::{HostName, Micros};
use sqlx::Row;

/// What became of a token that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redeemed {
    /// It was good, and is used now.
    Good,
    /// No such token.
    Unknown,
    /// It is for another host, or another person.
    OtherName,
    /// It was used before.
    Used,
    /// Its time is over.
    Expired,
}

impl Store {
    /// Keeps an enrolment token's hash.
    pub async fn add_token(
        &self,
        hash: String,
        host: &HostName,
        by: &str,
        now: Micros,
        expires: Micros,
    ) -> Result<(), StoreError> {
        let (host, by) = (host.to_string(), by.to_string());
        self.writer()
            .write("keep an enrolment token", move |connection| {
                async move {
                    sqlx::query(
                        "insert into tokens (hash, host, created_at, created_by, expires_at) \
                         values ($1, $2, $3, $4, $5)",
                    )
                    .bind(hash)
                    .bind(host)
                    .bind(now.0)
                    .bind(by)
                    .bind(expires.0)
                    .execute(connection)
                    .await
                    .map_err(StoreError::query("keep an enrolment token"))?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// Uses a token once and enrols its host with that key, in one transaction. The condition and the
    /// mark are one statement, so of two that show a token at the same moment one is refused.
    pub async fn redeem_token(
        &self,
        hash: String,
        host: &HostName,
        key_fingerprint: String,
        now: Micros,
        certificate_expires: Micros,
    ) -> Result<Redeemed, StoreError> {
        let host = host.to_string();
        self.writer()
            .write("use an enrolment token", move |connection| {
                async move {
                    let used = sqlx::query(
                        "update tokens set used_at = $1 \
                         where hash = $2 and host = $3 and used_at is null and expires_at > $1",
                    )
                    .bind(now.0)
                    .bind(&hash)
                    .bind(&host)
                    .execute(&mut *connection)
                    .await
                    .map_err(StoreError::query("use an enrolment token"))?;
                    if used.rows_affected() == 1 {
                        enrol(connection, &host, &key_fingerprint, now, certificate_expires).await?;
                        return Ok(Redeemed::Good);
                    }
                    let row = sqlx::query("select host, used_at from tokens where hash = $1")
                        .bind(&hash)
                        .fetch_optional(connection)
                        .await
                        .map_err(StoreError::query("read an enrolment token"))?;
                    Ok(match row {
                        None => Redeemed::Unknown,
                        Some(row) if row.get::<String, _>(0) != host => Redeemed::OtherName,
                        Some(row) if row.get::<Option<i64>, _>(1).is_some() => Redeemed::Used,
                        Some(_) => Redeemed::Expired,
                    })
                }
                .boxed()
            })
            .await
    }

    /// Drops tokens that expired before `before`. Gives how many.
    pub async fn drop_old_tokens(&self, before: Micros) -> Result<u64, StoreError> {
        self.writer()
            .write("drop old enrolment tokens", move |connection| {
                async move {
                    let dropped = sqlx::query("delete from tokens where expires_at < $1")
                        .bind(before.0)
                        .execute(connection)
                        .await
                        .map_err(StoreError::query("drop old enrolment tokens"))?;
                    Ok(dropped.rows_affected())
                }
                .boxed()
            })
            .await
    }

    /// Keeps the admin token's hash when there is none yet. Gives whether it was kept.
    pub async fn add_first_admin(&self, hash: String, now: Micros) -> Result<bool, StoreError> {
        self.writer()
            .write("keep the admin token", move |connection| {
                async move {
                    let kept = sqlx::query(
                        "insert into admins (hash, created_at) select $1, $2 \
                         where not exists (select 1 from admins)",
                    )
                    .bind(hash)
                    .bind(now.0)
                    .execute(connection)
                    .await
                    .map_err(StoreError::query("keep the admin token"))?;
                    Ok(kept.rows_affected() == 1)
                }
                .boxed()
            })
            .await
    }

    /// Whether this is the admin token's hash. It is looked up as a whole, and a hash of what the
    /// caller cannot choose bit by bit leaks nothing through time.
    pub async fn is_admin(&self, hash: &str) -> Result<bool, StoreError> {
        let row = sqlx::query("select 1 from admins where hash = $1")
            .bind(hash)
            .fetch_optional(self.readers())
            .await
            .map_err(StoreError::query("read the admin token"))?;
        Ok(row.is_some())
    }
}
