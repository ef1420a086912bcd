//! The newest preview of each plan: whether every host would do its part, and what would be refused.

use super::{Store, StoreError};
use futures::FutureExt;
use model::{Micros, Problem};
use serde::{Deserialize, Serialize};
use sqlx::Row;

/// Refusals of one plan that are kept.
pub const MAX_REFUSALS: usize = 100;

/// What became of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewRow {
    /// The plan.
    pub plan: String,
    /// When it was asked.
    pub at: Micros,
    /// The run that asked; empty where the plan could not even be compiled.
    pub run: String,
    /// The version of the estate.
    pub estate: u64,
    /// `ready`, or `refused`.
    pub outcome: String,
    /// What would be refused, and why.
    pub refusals: Vec<Refusal>,
}

/// One step that would not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The step; empty for the plan as a whole.
    pub step: String,
    /// Why.
    pub problem: Problem,
}

impl Store {
    /// Keeps the newest preview of a plan.
    pub async fn keep_preview(&self, row: PreviewRow) -> Result<(), StoreError> {
        let refusals: Vec<&Refusal> = row.refusals.iter().take(MAX_REFUSALS).collect();
        let refusals = serde_json::to_string(&refusals).unwrap_or_else(|_| "[]".to_string());
        self.writer()
            .write("keep a preview", move |connection| {
                async move {
                    sqlx::query(
                        "insert into previews (plan, at, run, estate, outcome, refusals) \
                         values ($1, $2, $3, $4, $5, $6) on conflict (plan) do update set at = excluded.at, \
                         run = excluded.run, estate = excluded.estate, outcome = excluded.outcome, \
                         refusals = excluded.refusals",
                    )
                    .bind(row.plan)
                    .bind(row.at.0)
                    .bind(row.run)
                    .bind(row.estate as i64)
                    .bind(row.outcome)
                    .bind(refusals)
                    .execute(connection)
                    .await
                    .map_err(StoreError::query("keep a preview"))?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// The newest preview of each plan, by name.
    pub async fn previews(&self) -> Result<Vec<PreviewRow>, StoreError> {
        let rows = sqlx::query("select plan, at, run, estate, outcome, refusals from previews order by plan")
            .fetch_all(self.readers())
            .await
            .map_err(StoreError::query("read the previews"))?;
        let row = |row: &super::database::DbRow| PreviewRow {
            plan: row.get(0),
            at: Micros(row.get(1)),
            run: row.get(2),
            estate: row.get::<i64, _>(3) as u64,
            outcome: row.get(4),
            refusals: serde_json::from_str(row.get(5)).unwrap_or_default(),
        };
        Ok(rows.iter().map(row).collect())
    }
}
