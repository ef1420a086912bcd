//! Restore points, as agents reported them. A cache for people: the repositories hold the truth.

use super::database::{Connection, DbRow};
use super::{Store, StoreError};
use futures::FutureExt;
use model::jobs::{BackupOutput, ProveOutput};
use model::{HostName, Micros, Name, Outcome, Work};
use sqlx::Row;

/// A restore point.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PointRow {
    /// The source.
    pub source: String,
    /// The repository.
    pub repository: String,
    /// The snapshot's id.
    pub snapshot: String,
    /// The host that made it.
    pub host: String,
    /// The run or schedule that made it.
    pub origin: String,
    /// The moment that it shows.
    pub at: Micros,
    /// Bytes read from the source.
    pub read_bytes: u64,
    /// Bytes added to the repository.
    pub stored_bytes: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// When it was last proven; 0 when never.
    pub proven_at: Micros,
}

impl PointRow {
    /// The point that a piece of work made or proved, if it did.
    pub fn of(
        work: &Work,
        outcome: &Outcome,
        host: &HostName,
        origin: &str,
        now: Micros,
    ) -> Option<PointRow> {
        let Outcome::Succeeded { output } = outcome else { return None };
        let (source, repository) = match work {
            Work::Backup(backup) => (&backup.source.name, &backup.repository.name),
            Work::Prove(prove) => (&prove.source.name, &prove.repository.name),
            Work::Restore(_)
            | Work::Retain(_)
            | Work::Swap(_)
            | Work::Check(_)
            | Work::Service(_)
            | Work::Promote(_)
            | Work::Fence(_)
            | Work::Rejoin(_)
            | Work::Unfence(_)
            | Work::Command(_) => return None,
        };
        let row = PointRow {
            source: source.to_string(),
            repository: repository.to_string(),
            host: host.to_string(),
            origin: origin.to_string(),
            ..PointRow::default()
        };
        if let Work::Prove(_) = work {
            let proof: ProveOutput = serde_json::from_value(output.clone()).ok()?;
            let rows = proof.tables.iter().map(|table| table.found).sum();
            let snapshot = proof.snapshot.to_string();
            return Some(PointRow { snapshot, at: proof.at, rows, proven_at: now, ..row });
        }
        let backup: BackupOutput = serde_json::from_value(output.clone()).ok()?;
        Some(PointRow {
            snapshot: backup.snapshot.to_string(),
            at: backup.at,
            read_bytes: backup.read_bytes,
            stored_bytes: backup.stored_bytes,
            rows: backup.rows.values().sum(),
            ..row
        })
    }
}

/// Inside a transaction: keeps a point. Said again, it changes nothing but a proof that was not known.
/// One that names a snapshot of another source changes nothing at all.
pub(crate) async fn keep(connection: &mut Connection, point: PointRow) -> Result<(), StoreError> {
    sqlx::query(
        "insert into points (repository, snapshot, source, host, origin, at, read_bytes, stored_bytes, \
         rows, proven_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         on conflict (repository, snapshot) do update set \
         proven_at = case when excluded.proven_at > points.proven_at \
         then excluded.proven_at else points.proven_at end, \
         read_bytes = case when excluded.read_bytes > points.read_bytes \
         then excluded.read_bytes else points.read_bytes end, \
         stored_bytes = case when excluded.stored_bytes > points.stored_bytes \
         then excluded.stored_bytes else points.stored_bytes end, \
         rows = case when excluded.rows > points.rows then excluded.rows else points.rows end \
         where points.source = excluded.source",
    )
    .bind(point.repository)
    .bind(point.snapshot)
    .bind(point.source)
    .bind(point.host)
    .bind(point.origin)
    .bind(point.at.0)
    .bind(point.read_bytes as i64)
    .bind(point.stored_bytes as i64)
    .bind(point.rows as i64)
    .bind(point.proven_at.0)
    .execute(connection)
    .await
    .map_err(StoreError::query("keep a restore point"))?;
    Ok(())
}

impl Store {
    /// Points of a source, newest first.
    pub async fn points(&self, source: &Name, limit: u32) -> Result<Vec<PointRow>, StoreError> {
        let rows = sqlx::query(
            "select source, repository, snapshot, host, origin, at, read_bytes, stored_bytes, rows, \
             proven_at from points where source = $1 order by at desc limit $2",
        )
        .bind(source.as_str())
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await
        .map_err(StoreError::query("read restore points"))?;
        Ok(rows.iter().map(point_of).collect())
    }

    /// Newest backup and newest proof of each source: (source, backup, proof), 0 when there is none.
    pub async fn newest_points(&self) -> Result<Vec<(String, Micros, Micros)>, StoreError> {
        let rows = sqlx::query("select source, max(at), max(proven_at) from points group by source")
            .fetch_all(self.readers())
            .await
            .map_err(StoreError::query("read the newest restore points"))?;
        Ok(rows.iter().map(|row| (row.get(0), Micros(row.get(1)), Micros(row.get(2)))).collect())
    }

    /// Drops points beyond the newest `keep` of each source from the cache. Gives how many.
    pub async fn trim_points(&self, keep: u32) -> Result<u64, StoreError> {
        self.writer()
            .write("trim the restore points", move |connection| {
                async move {
                    let dropped = sqlx::query(
                        "delete from points where (repository, snapshot) in (select repository, snapshot \
                         from (select repository, snapshot, row_number() over (partition by source \
                         order by at desc) as place from points) as placed where place > $1)",
                    )
                    .bind(i64::from(keep))
                    .execute(connection)
                    .await
                    .map_err(StoreError::query("trim the restore points"))?;
                    Ok(dropped.rows_affected())
                }
                .boxed()
            })
            .await
    }
}

fn point_of(row: &DbRow) -> PointRow {
    PointRow {
        source: row.get(0),
        repository: row.get(1),
        snapshot: row.get(2),
        host: row.get(3),
        origin: row.get(4),
        at: Micros(row.get(5)),
        read_bytes: row.get::<i64, _>(6) as u64,
        stored_bytes: row.get::<i64, _>(7) as u64,
        rows: row.get::<i64, _>(8) as u64,
        proven_at: Micros(row.get(9)),
    }
}
