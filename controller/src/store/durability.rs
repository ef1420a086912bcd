//! Whether a PostgreSQL keeps what it acknowledges. Asked on every new connection that writes, so that a
//! server which takes over is looked at too.

use super::StoreError;
use super::database::{Connection, Server};
use sqlx::Row;
use std::collections::BTreeMap;

/// Settings that must have one of these values, or an acknowledged commit can be lost in a crash.
const NEEDED: [(&str, &[&str]); 3] =
    [("fsync", &["on"]), ("full_page_writes", &["on"]), ("synchronous_commit", &["on", "remote_apply"])];

/// The setting that names the standbys which must have a commit before it is acknowledged.
const STANDBYS: &str = "synchronous_standby_names";

/// Refuses a server that follows another, that may lose acknowledged commits, or that has no synchronous
/// standby, unless the settings say that none is needed.
pub(crate) async fn require(connection: &mut Connection, server: &Server) -> Result<(), StoreError> {
    let following: bool = sqlx::query_scalar("select pg_is_in_recovery()")
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::query("ask whether the database follows another"))?;
    if following {
        return Err(StoreError::Follower { database: server.to_string() });
    }
    let rows = sqlx::query(
        "select name, setting from pg_settings where name in \
         ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names')",
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::query("read the database's settings"))?;
    let found = rows.iter().map(|row| (row.get::<String, _>(0), row.get::<String, _>(1))).collect();
    judge(&found, server)
}

fn judge(found: &BTreeMap<String, String>, server: &Server) -> Result<(), StoreError> {
    for (name, good) in NEEDED {
        let value = found.get(name).map_or("unknown", String::as_str);
        if !good.contains(&value) {
            return Err(StoreError::LosesCommits {
                database: server.to_string(),
                setting: name.to_string(),
                value: value.to_string(),
            });
        }
    }
    let named = found.get(STANDBYS).is_some_and(|names| !names.trim().is_empty());
    match (named, server.without_standby) {
        (true, _) => Ok(()),
        (false, false) => Err(StoreError::NoStandby { database: server.to_string() }),
        (false, true) => {
            tracing::warn!(database = %server, "the database has no synchronous standby: a disk that is lost takes the journal with it");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    fn server(without_standby: bool) -> Server {
        Server::new("postgres://db.example/lifeboat", None, without_standby, Duration::from_secs(5)).unwrap()
    }

    fn settings(changed: &[(&str, &str)]) -> BTreeMap<String, String> {
        let good =
            [("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on"), (STANDBYS, "b")];
        let all = good.iter().chain(changed);
        all.map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn fault_19_each_setting_that_may_lose_a_commit_is_refused_by_name() {
        judge(&settings(&[]), &server(false)).unwrap();
        judge(&settings(&[("synchronous_commit", "remote_apply")]), &server(false)).unwrap();
        let bad = [
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("synchronous_commit", "off"),
            ("synchronous_commit", "local"),
            ("synchronous_commit", "remote_write"),
        ];
        for (name, value) in bad {
            // Told that no standby is needed, it is refused all the same.
            let refused = judge(&settings(&[(name, value)]), &server(true)).unwrap_err();
            let said = refused.to_string();
            assert!(said.starts_with("LB1223") && said.contains(name) && said.contains(value), "{said}");
        }
        let refused = judge(&BTreeMap::new(), &server(true)).unwrap_err();
        assert!(refused.to_string().contains("unknown"), "{refused}");
    }

    #[test]
    fn fault_19_a_server_without_a_synchronous_standby_is_refused_unless_told() {
        let refused = judge(&settings(&[(STANDBYS, " ")]), &server(false)).unwrap_err();
        assert!(matches!(refused, StoreError::NoStandby { .. }), "{refused}");
        judge(&settings(&[(STANDBYS, "")]), &server(true)).unwrap();
    }
}
