//! What a rescue begins with and how far it has come; and rows of journals as they are copied.

use super::database::{Connection, DbRow};
use super::estates::{EstateFile, EstateVersion};
use super::leases::LeaseRow;
use super::{Store, StoreError, agents, estates, leases};
use crate::rescue::bundle::{Body, KeptAgent, KeptEstate, KeptLease};
use futures::FutureExt;
use model::lease::Row;
use model::{CopiedRow, Digest, Micros, RunId};
use sqlx::Row as _;
use uuid::Uuid;

/// The rescue that this store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RescueRow {
    /// Its id: the holder of its signed epoch.
    pub id: Uuid,
    /// The epoch that its call names.
    pub epoch: u64,
    /// When its bundle was made.
    pub bundle_at: Micros,
    /// When it began.
    pub began_at: Micros,
    /// Hosts that must come before it drives anything, with spaces between.
    pub waits_for: String,
    /// They have come.
    pub collected: bool,
}

fn rescue_of(row: &DbRow) -> Result<RescueRow, StoreError> {
    let id: String = row.get(0);
    let damaged = |error: uuid::Error| StoreError::Damaged {
        what: "the id of the rescue".to_string(),
        why: error.to_string(),
    };
    Ok(RescueRow {
        id: id.parse().map_err(damaged)?,
        epoch: row.get::<i64, _>(1) as u64,
        bundle_at: Micros(row.get(2)),
        began_at: Micros(row.get(3)),
        waits_for: row.get(4),
        collected: row.get::<i64, _>(5) != 0,
    })
}

impl Store {
    /// The rescue that this store is, if it is one.
    pub async fn rescue(&self) -> Result<Option<RescueRow>, StoreError> {
        let row = sqlx::query(
            "select id, epoch, bundle_at, began_at, waits_for, collected from rescues where one = 1",
        )
        .fetch_optional(self.readers())
        .await
        .map_err(StoreError::query("read what rescue this is"))?;
        row.as_ref().map(rescue_of).transpose()
    }

    /// Fills a fresh store from a bundle. The next leadership has the rescue's epoch. What leases were given
    /// counts, and its end is no evidence: nobody here has seen a watchdog armed.
    pub async fn begin_rescue(&self, row: RescueRow, body: Body) -> Result<(), StoreError> {
        self.writer()
            .write("begin a rescue", move |connection| {
                async move {
                    if let Some(KeptEstate { version, digest, files }) = body.estate {
                        let file = |(path, text)| EstateFile { path, text };
                        let files = files.into_iter().map(file).collect();
                        let estate = EstateVersion { version, digest, files };
                        estates::keep(connection, estate, "rescue", row.began_at).await?;
                    }
                    for agent in body.agents {
                        let KeptAgent { host, key_fingerprint, enrolled_at, expires_at } = agent;
                        agents::enrol(connection, host.as_str(), &key_fingerprint, enrolled_at, expires_at)
                            .await?;
                    }
                    for KeptLease { source, host, row, closed_by } in body.leases {
                        let row = LeaseRow { row: Row { armed: false, ..row }, closed_by };
                        leases::keep(connection, &source, &host, row).await?;
                    }
                    sqlx::query("update leadership set epoch = $1, ends_at = 0 where one = 1")
                        .bind(row.epoch.saturating_sub(1) as i64)
                        .execute(&mut *connection)
                        .await
                        .map_err(StoreError::query("keep the epoch of a rescue"))?;
                    keep(connection, &row).await
                }
                .boxed()
            })
            .await
    }

    /// The same rescue begins again, under its next epoch.
    pub async fn continue_rescue(&self, row: RescueRow) -> Result<(), StoreError> {
        self.writer()
            .write("go on with a rescue", move |connection| {
                async move { keep(connection, &row).await }.boxed()
            })
            .await
    }

    /// Everybody has come.
    pub async fn rescue_collected(&self) -> Result<(), StoreError> {
        self.writer()
            .write("end the collection of a rescue", |connection| {
                async move {
                    sqlx::query("update rescues set collected = 1 where one = 1")
                        .execute(connection)
                        .await
                        .map_err(StoreError::query("end the collection of a rescue"))?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// Notes that a run was rebuilt from copies, up to an event.
    pub async fn keep_rescued(&self, run: RunId, sequence: u64) -> Result<(), StoreError> {
        self.writer()
            .write("note a rebuilt run", move |connection| {
                async move {
                    sqlx::query(
                        "insert into rescued_runs (run, sequence) values ($1, $2) \
                         on conflict (run) do update set sequence = excluded.sequence",
                    )
                    .bind(run.to_string())
                    .bind(sequence as i64)
                    .execute(connection)
                    .await
                    .map_err(StoreError::query("note a rebuilt run"))?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// How many runs were rebuilt from copies.
    pub async fn rescued_runs(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("select count(*) from rescued_runs")
            .fetch_one(self.readers())
            .await
            .map_err(StoreError::query("count the rebuilt runs"))?;
        Ok(count as u64)
    }

    /// Rows of a run's journal after a number, at most `limit`, oldest first, for an agent to keep.
    pub async fn copied_rows(
        &self,
        run: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<CopiedRow>, StoreError> {
        let rows = self.journal_after("sequence, at, epoch, event, hash", run, after, limit).await?;
        let copied = |row: &DbRow| {
            let hash = Digest::new(row.get::<String, _>(4)).map_err(|error| StoreError::Damaged {
                what: format!("a hash of run {run}"),
                why: error.to_string(),
            })?;
            let (sequence, epoch) = (row.get::<i64, _>(0) as u64, row.get::<i64, _>(2) as u64);
            Ok(CopiedRow { sequence, at: Micros(row.get(1)), epoch, text: row.get(3), hash })
        };
        rows.iter().map(copied).collect()
    }
}

async fn keep(connection: &mut Connection, row: &RescueRow) -> Result<(), StoreError> {
    sqlx::query(
        "insert into rescues (one, id, epoch, bundle_at, began_at, waits_for, collected) \
         values (1, $1, $2, $3, $4, $5, $6) on conflict (one) do update set id = excluded.id, \
         epoch = excluded.epoch, waits_for = excluded.waits_for, collected = excluded.collected",
    )
    .bind(row.id.to_string())
    .bind(row.epoch as i64)
    .bind(row.bundle_at.0)
    .bind(row.began_at.0)
    .bind(&row.waits_for)
    .bind(i64::from(row.collected))
    .execute(connection)
    .await
    .map_err(StoreError::query("keep what rescue this is"))?;
    Ok(())
}
