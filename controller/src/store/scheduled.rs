//! Work that agents did by their schedules, as they reported it.

use super::points::{self, PointRow};
use super::{Store, StoreError};
use futures::FutureExt;
use model::{HostName, Micros, Token};
use sqlx::Row;

/// One piece of scheduled work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledRow {
    /// The host.
    pub host: String,
    /// The schedule.
    pub schedule: String,
    /// The job kind.
    pub kind: String,
    /// The outcome's word.
    pub outcome: String,
    /// When it ended, by the host's clock.
    pub ended_at: Micros,
}

impl Store {
    /// Keeps a report and the restore point that it made or proved. Said again, it changes nothing.
    pub async fn keep_scheduled(
        &self,
        token: &Token,
        host: &HostName,
        row: ScheduledRow,
        started_at: Micros,
        point: Option<PointRow>,
    ) -> Result<(), StoreError> {
        let (token, host) = (token.key(), host.to_string());
        self.writer()
            .write("keep what a schedule did", move |connection| {
                async move {
                    sqlx::query(
                        "insert into scheduled (token, host, schedule, kind, outcome, started_at, ended_at) \
                         values ($1, $2, $3, $4, $5, $6, $7) on conflict (token) do nothing",
                    )
                    .bind(token)
                    .bind(host)
                    .bind(row.schedule)
                    .bind(row.kind)
                    .bind(row.outcome)
                    .bind(started_at.0)
                    .bind(row.ended_at.0)
                    .execute(&mut *connection)
                    .await
                    .map_err(StoreError::query("keep what a schedule did"))?;
                    if let Some(point) = point {
                        points::keep(connection, point).await?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// The newest report of each schedule on each host.
    pub async fn newest_scheduled(&self) -> Result<Vec<ScheduledRow>, StoreError> {
        let rows = sqlx::query(
            "select host, schedule, kind, outcome, ended_at from scheduled as newest where ended_at = \
             (select max(ended_at) from scheduled where host = newest.host and schedule = newest.schedule)",
        )
        .fetch_all(self.readers())
        .await
        .map_err(StoreError::query("read what schedules did"))?;
        Ok(rows
            .into_iter()
            .map(|row| ScheduledRow {
                host: row.get(0),
                schedule: row.get(1),
                kind: row.get(2),
                outcome: row.get(3),
                ended_at: Micros(row.get(4)),
            })
            .collect())
    }

    /// Drops reports of work that ended before `before`. Gives how many.
    pub async fn drop_old_scheduled(&self, before: Micros) -> Result<u64, StoreError> {
        self.writer()
            .write("drop old reports of schedules", move |connection| {
                async move {
                    let dropped = sqlx::query("delete from scheduled where ended_at < $1")
                        .bind(before.0)
                        .execute(connection)
                        .await
                        .map_err(StoreError::query("drop old reports of schedules"))?;
                    Ok(dropped.rows_affected())
                }
                .boxed()
            })
            .await
    }
}
