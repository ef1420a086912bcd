//! What runs hold: one run a resource. Taken in the transaction that starts a run, freed in the one
//! that ends it.

use super::StoreError;
use super::database::Connection;
use model::{Micros, RunId};
use sqlx::Row;

/// Takes every resource for a run, or says who has the first that is not free. The primary key makes
/// it impossible for two to succeed.
pub(crate) async fn take(
    connection: &mut Connection,
    run: RunId,
    resources: &[String],
    by: &str,
    now: Micros,
) -> Result<(), StoreError> {
    for resource in resources {
        let taken = sqlx::query(
            "insert into held (resource, run, since, requested_by) values ($1, $2, $3, $4) \
             on conflict (resource) do nothing",
        )
        .bind(resource)
        .bind(run.to_string())
        .bind(now.0)
        .bind(by)
        .execute(&mut *connection)
        .await
        .map_err(StoreError::query("hold a resource"))?;
        if taken.rows_affected() == 0 {
            return Err(holder(connection, resource).await?);
        }
    }
    Ok(())
}

async fn holder(connection: &mut Connection, resource: &str) -> Result<StoreError, StoreError> {
    let row = sqlx::query("select run, since, requested_by from held where resource = $1")
        .bind(resource)
        .fetch_one(connection)
        .await
        .map_err(StoreError::query("read who holds a resource"))?;
    let run: String = row.get(0);
    Ok(StoreError::Held {
        resource: resource.to_string(),
        run: run.parse().map_err(|error: uuid::Error| StoreError::Damaged {
            what: format!("the holder of {resource}"),
            why: error.to_string(),
        })?,
        since: Micros(row.get(1)),
        by: row.get(2),
    })
}

/// Frees whatever a run holds.
pub(crate) async fn free(connection: &mut Connection, run: RunId) -> Result<(), StoreError> {
    sqlx::query("delete from held where run = $1")
        .bind(run.to_string())
        .execute(connection)
        .await
        .map_err(StoreError::query("free what a run held"))?;
    Ok(())
}
