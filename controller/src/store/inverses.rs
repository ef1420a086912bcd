//! What a DNS record was before a run changed it. Saved before the write; the first one saved stays,
//! so that a repeated attempt cannot overwrite it with what the first attempt wrote.

use super::{Store, StoreError};
use futures::FutureExt;
use model::{Micros, Name, RunId};
use serde::Serialize;
use serde::de::DeserializeOwned;

impl Store {
    /// Saves the inverse of a change, unless one was saved for this run and record before.
    pub async fn save_inverse<T: Serialize>(
        &self,
        run: RunId,
        record: &Name,
        inverse: &T,
        now: Micros,
    ) -> Result<(), StoreError> {
        let record = record.to_string();
        let inverse = serde_json::to_string(inverse)
            .map_err(|error| StoreError::Unwritable { what: "the inverse of a DNS change", error })?;
        self.writer()
            .write("save the inverse of a DNS change", move |connection| {
                async move {
                    sqlx::query(
                        "insert into inverses (run, record, saved_at, inverse) values ($1, $2, $3, $4) \
                         on conflict (run, record) do nothing",
                    )
                    .bind(run.to_string())
                    .bind(record)
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

    /// The saved inverse, if the run changed the record.
    pub async fn inverse<T: DeserializeOwned>(
        &self,
        run: RunId,
        record: &Name,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<String> =
            sqlx::query_scalar("select inverse from inverses where run = $1 and record = $2")
                .bind(run.to_string())
                .bind(record.as_str())
                .fetch_optional(self.readers())
                .await
                .map_err(StoreError::query("read the inverse of a DNS change"))?;
        let read = |text: String| {
            serde_json::from_str(&text).map_err(|error| StoreError::Damaged {
                what: format!("the inverse of {record} in run {run}"),
                why: error.to_string(),
            })
        };
        text.map(read).transpose()
    }
}
