//! Who leads: one row, whose epoch grows with each start.

use super::{Store, StoreError};
use futures::FutureExt;
use model::{Epoch, Micros};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

impl Store {
    /// Takes the leadership: the next epoch, held by this process (`holder` is made anew at each start).
    pub async fn lead(&self, name: &str, holder: Uuid, now: Micros) -> Result<Epoch, StoreError> {
        let name = name.to_string();
        self.writer()
            .write("take the leadership", move |connection| {
                async move {
                    let seen = current(connection).await?;
                    let next = seen + 1;
                    let changed = sqlx::query(
                        "update leadership set epoch = $1, holder = $2, name = $3, since = $4 \
                         where one = 1 and epoch = $5",
                    )
                    .bind(next as i64)
                    .bind(holder.to_string())
                    .bind(name)
                    .bind(now.0)
                    .bind(seen as i64)
                    .execute(connection)
                    .await
                    .map_err(StoreError::query("write the leadership"))?;
                    match changed.rows_affected() {
                        1 => Ok(Epoch { number: next, holder }),
                        _ => Err(StoreError::EpochOver { ours: next, current: seen }),
                    }
                }
                .boxed()
            })
            .await
    }
}

async fn current(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("select epoch from leadership where one = 1")
        .fetch_one(connection)
        .await
        .map_err(StoreError::query("read the leadership"))?;
    Ok(row.get::<i64, _>(0) as u64)
}

/// Inside a transaction: refuses whoever no longer leads.
pub(crate) async fn require(connection: &mut SqliteConnection, epoch: Epoch) -> Result<(), StoreError> {
    let row = sqlx::query("select epoch, holder from leadership where one = 1")
        .fetch_one(connection)
        .await
        .map_err(StoreError::query("read the leadership"))?;
    let (number, holder) = (row.get::<i64, _>(0) as u64, row.get::<String, _>(1));
    match number == epoch.number && holder == epoch.holder.to_string() {
        true => Ok(()),
        false => Err(StoreError::EpochOver { ours: epoch.number, current: number }),
    }
}
