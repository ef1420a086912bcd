//! Which CA the controllers of a store sign with: by its hash, never its key.

use super::{Store, StoreError};
use futures::FutureExt;

impl Store {
    /// The CA's hash, when a controller has said which it is.
    pub async fn ca_hash(&self) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("select ca_hash from authority where one = 1")
            .fetch_optional(self.readers())
            .await
            .map_err(StoreError::query("read which CA is in use"))
    }

    /// Keeps the CA's hash unless one is kept. Gives the one that is kept now.
    pub async fn keep_ca_hash(&self, hash: &str) -> Result<String, StoreError> {
        let hash = hash.to_string();
        self.writer()
            .write("keep which CA is in use", move |connection| {
                async move {
                    sqlx::query(
                        "insert into authority (one, ca_hash) values (1, $1) on conflict (one) do nothing",
                    )
                    .bind(hash)
                    .execute(&mut *connection)
                    .await
                    .map_err(StoreError::query("keep which CA is in use"))?;
                    sqlx::query_scalar("select ca_hash from authority where one = 1")
                        .fetch_one(connection)
                        .await
                        .map_err(StoreError::query("read which CA is in use"))
                }
                .boxed()
            })
            .await
    }
}
