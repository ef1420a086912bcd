//! Versions of the estate, with the files as they were applied.

use super::database::Connection;
use super::{Store, StoreError};
use futures::FutureExt;
use model::Micros;
use sqlx::Row;

/// One file of an estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EstateFile {
    /// Its path in the estate's folder.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A version of the estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EstateVersion {
    /// Its number: 1 for the first.
    pub version: u64,
    /// Digest of the checked estate.
    pub digest: String,
    /// Its files, by path.
    pub files: Vec<EstateFile>,
}

/// Inside a transaction: a version of the estate, applied by somebody.
pub(super) async fn keep(
    connection: &mut Connection,
    estate: EstateVersion,
    by: &str,
    now: Micros,
) -> Result<(), StoreError> {
    let EstateVersion { version, digest, files } = estate;
    sqlx::query("insert into estates (version, digest, applied_at, applied_by) values ($1, $2, $3, $4)")
        .bind(version as i64)
        .bind(digest)
        .bind(now.0)
        .bind(by)
        .execute(&mut *connection)
        .await
        .map_err(StoreError::query("keep a version of the estate"))?;
    for file in files {
        sqlx::query("insert into estate_files (version, path, content) values ($1, $2, $3)")
            .bind(version as i64)
            .bind(file.path)
            .bind(file.text)
            .execute(&mut *connection)
            .await
            .map_err(StoreError::query("keep a file of the estate"))?;
    }
    Ok(())
}

impl Store {
    /// Keeps the next version, on condition that `after` is in force (0: none yet). Gives its number,
    /// or nothing when another came first.
    pub async fn add_estate(
        &self,
        after: u64,
        digest: &str,
        files: Vec<EstateFile>,
        by: &str,
        now: Micros,
    ) -> Result<Option<u64>, StoreError> {
        let (digest, by) = (digest.to_string(), by.to_string());
        self.writer()
            .write("keep a version of the estate", move |connection| {
                async move {
                    let newest: i64 = sqlx::query_scalar("select coalesce(max(version), 0) from estates")
                        .fetch_one(&mut *connection)
                        .await
                        .map_err(StoreError::query("read the estate's version"))?;
                    if newest as u64 != after {
                        return Ok(None);
                    }
                    let version = newest as u64 + 1;
                    keep(connection, EstateVersion { version, digest, files }, &by, now).await?;
                    Ok(Some(version))
                }
                .boxed()
            })
            .await
    }

    /// The version in force, if any was applied.
    pub async fn estate(&self) -> Result<Option<EstateVersion>, StoreError> {
        let newest = sqlx::query("select version, digest from estates order by version desc limit 1")
            .fetch_optional(self.readers())
            .await
            .map_err(StoreError::query("read the estate"))?;
        let Some(newest) = newest else { return Ok(None) };
        let version: i64 = newest.get(0);
        let files = sqlx::query("select path, content from estate_files where version = $1 order by path")
            .bind(version)
            .fetch_all(self.readers())
            .await
            .map_err(StoreError::query("read the estate's files"))?;
        let files = files.into_iter().map(|row| EstateFile { path: row.get(0), text: row.get(1) }).collect();
        Ok(Some(EstateVersion { version: version as u64, digest: newest.get(1), files }))
    }
}
