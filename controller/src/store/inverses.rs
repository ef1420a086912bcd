//! What a step was about to write to a DNS record, with its inverse. Saved before the write; the first
//! one saved stays, so that a repeated attempt goes on with it and never takes what the first attempt
//! wrote for what was there before.

use super::{Store, StoreError};
use futures::FutureExt;
use model::{Micros, RunId, StepPath};
use serde::Serialize;
use serde::de::DeserializeOwned;

impl Store {
    /// Saves the inverse of a change, unless one was saved for this run and step before.
    pub async fn save_inverse<T: Serialize>(
        &self,
        run: RunId,
        step: &StepPath,
        inverse: &T,
        now: Micros,
    ) -> Result<(), StoreError> {
        let step = step.to_string();
        let inverse = serde_json::to_string(inverse)
            .map_err(|error| StoreError::Unwritable { what: "the inverse of a DNS change", error })?;
        self.writer()
            .write("save the inverse of a DNS change", move |connection| {
                async move {
                    sqlx::query(
                        "insert into inverses (run, step, saved_at, inverse) values ($1, $2, $3, $4) \
                         on conflict (run, step) do nothing",
                    )
                    .bind(run.to_string())
                    .bind(step)
                    .bind(now.0)
                    .bind(inverse)
                    .execute(connection)
                    .await
                    .map_err(StoreError::query("save the inverse of a DNS change"))?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// The saved inverse, if the step got so far.
    pub async fn inverse<T: DeserializeOwned>(
        &self,
        run: RunId,
        step: &StepPath,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<String> =
            sqlx::query_scalar("select inverse from inverses where run = $1 and step = $2")
                .bind(run.to_string())
                .bind(step.as_str())
                .fetch_optional(self.readers())
                .await
                .map_err(StoreError::query("read the inverse of a DNS change"))?;
        let read = |text: String| {
            serde_json::from_str(&text).map_err(|error| StoreError::Damaged {
                what: format!("the inverse of step {step} of run {run}"),
                why: error.to_string(),
            })
        };
        text.map(read).transpose()
    }

    /// Replaces what was saved, on condition that it still is `before`.
    pub async fn replace_inverse<T: Serialize>(
        &self,
        run: RunId,
        step: &StepPath,
        before: &T,
        after: &T,
        now: Micros,
    ) -> Result<(), StoreError> {
        let text = |inverse: &T| {
            serde_json::to_string(inverse)
                .map_err(|error| StoreError::Unwritable { what: "the inverse of a DNS change", error })
        };
        let (step, before, after) = (step.to_string(), text(before)?, text(after)?);
        self.writer()
            .write("replace the inverse of a DNS change", move |connection| {
                async move {
                    sqlx::query(
                        "update inverses set inverse = $1, saved_at = $2 \
                         where run = $3 and step = $4 and inverse = $5",
                    )
                    .bind(after)
                    .bind(now.0)
                    .bind(run.to_string())
                    .bind(step)
                    .bind(before)
                    .execute(connection)
                    .await
                    .map_err(StoreError::query("replace the inverse of a DNS change"))?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }
}
