//! What must be durable of leases before it matters: to whom they were given, for how long at most, and who is
//! granted none.

use super::database::Connection;
use super::{Store, StoreError, leadership};
use futures::FutureExt;
use model::lease::{Row, Terms};
use model::{Epoch, HostName, Name};
use sqlx::Row as _;
use std::collections::BTreeMap;
use std::time::Duration;

/// One member of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseRow {
    /// What the grantor knows of it.
    pub row: Row,
    /// The run that closed it; empty when none did.
    pub closed_by: String,
}

/// Every member of every source.
pub type LeaseRows = BTreeMap<Name, BTreeMap<HostName, LeaseRow>>;

/// Whole milliseconds that cover a duration.
fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(i64::MAX)
}

/// Inside a transaction: one member of a source.
pub(super) async fn keep(
    connection: &mut Connection,
    source: &Name,
    host: &HostName,
    kept: LeaseRow,
) -> Result<(), StoreError> {
    let LeaseRow { row, closed_by } = kept;
    let none = Terms { length: Duration::ZERO, stop: Duration::ZERO };
    let terms = row.terms.unwrap_or(none);
    let sets = serde_json::to_string(&row.sets).unwrap_or_else(|_| "[]".to_string());
    sqlx::query(
        "insert into leases (source, host, is_primary, closed, length_ms, stop_ms, armed, closed_by, term, sets) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (source, host) do update set \
         is_primary = excluded.is_primary, closed = excluded.closed, length_ms = excluded.length_ms, \
         stop_ms = excluded.stop_ms, armed = excluded.armed, closed_by = excluded.closed_by, \
         term = excluded.term, sets = excluded.sets",
    )
    .bind(source.as_str())
    .bind(host.as_str())
    .bind(i64::from(row.primary))
    .bind(i64::from(row.closed))
    .bind(ms(terms.length))
    .bind(ms(terms.stop))
    .bind(i64::from(row.armed))
    .bind(closed_by)
    .bind(i64::try_from(row.term).unwrap_or(i64::MAX))
    .bind(sets)
    .execute(connection)
    .await
    .map(drop)
    .map_err(StoreError::query("keep a lease"))
}

impl Store {
    /// Keeps all members of a source, on condition that `epoch` still leads.
    pub async fn keep_leases(
        &self,
        epoch: Epoch,
        source: &Name,
        rows: BTreeMap<HostName, LeaseRow>,
    ) -> Result<(), StoreError> {
        let source = source.clone();
        self.writer()
            .write("keep what is known of leases", move |connection| {
                async move {
                    leadership::require(connection, epoch).await?;
                    for (host, row) in rows {
                        keep(connection, &source, &host, row).await?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// What is known of every lease.
    pub async fn leases(&self) -> Result<LeaseRows, StoreError> {
        let rows = sqlx::query(
            "select source, host, is_primary, closed, length_ms, stop_ms, armed, closed_by, term, sets \
             from leases",
        )
        .fetch_all(self.readers())
        .await
        .map_err(StoreError::query("read what is known of leases"))?;
        let mut leases = LeaseRows::new();
        for row in &rows {
            let damaged = |what: &str, why: String| StoreError::Damaged { what: what.to_string(), why };
            let source = Name::new(row.get::<String, _>(0));
            let source = source.map_err(|error| damaged("the source of a lease", error.to_string()))?;
            let host = HostName::new(row.get::<String, _>(1));
            let host = host.map_err(|error| damaged("the host of a lease", error.to_string()))?;
            let flag = |at: usize| row.get::<i64, _>(at) != 0;
            let length = |at: usize| Duration::from_millis(u64::try_from(row.get::<i64, _>(at)).unwrap_or(0));
            let terms = Terms { length: length(4), stop: length(5) };
            let terms = Some(terms).filter(|terms| !terms.length.is_zero());
            let sets = serde_json::from_str(&row.get::<String, _>(9));
            let sets = sets.map_err(|error| damaged("the sets of a lease", error.to_string()))?;
            let term = u64::try_from(row.get::<i64, _>(8)).unwrap_or(0);
            let known = Row { primary: flag(2), closed: flag(3), terms, armed: flag(6), term, sets };
            leases.entry(source).or_default().insert(host, LeaseRow { row: known, closed_by: row.get(7) });
        }
        Ok(leases)
    }
}
