//! What a member says about itself with each heartbeat.

use super::connect::{connect_server, failed};
use model::nouns::{MemberFacts, PostgresSpec, SourceKind, SourceSpec};
use model::{HostName, Problem};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};
use std::time::Duration;

/// A server that has not answered by then counts as `down`.
const FACTS_LIMIT: Duration = Duration::from_secs(3);

/// How the server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// It replays and takes no writes.
    pub in_recovery: bool,
    /// Written (primary), or received and flushed (standby), as a byte number.
    pub lsn: u64,
    /// `synchronous_standby_names`.
    pub standby_names: String,
    /// `synchronous_commit`.
    pub synchronous_commit: String,
}

/// Asks a member. It never fails: trouble is part of the answer. Sources of other kinds have no facts.
pub async fn facts(host: &HostName, source: &SourceSpec) -> Option<MemberFacts> {
    let SourceKind::Postgres(spec) = &source.kind else { return None };
    let standing = match tokio::time::timeout(FACTS_LIMIT, look(spec)).await {
        Ok(standing) => standing.map_err(|problem| problem.to_string()),
        Err(_) => Err(format!("no answer within {}", model::duration::format(FACTS_LIMIT))),
    };
    let (role, lsn, sync_standbys, trouble) = match standing {
        Ok(standing) if standing.in_recovery => ("standby", standing.lsn, Vec::new(), None),
        Ok(standing) => ("primary", standing.lsn, must_acknowledge(&standing), None),
        Err(trouble) => ("down", 0, Vec::new(), Some(trouble)),
    };
    Some(MemberFacts {
        source: source.name.clone(),
        host: host.clone(),
        role: role.to_string(),
        lsn,
        sync_standbys,
        trouble,
        at: None,
    })
}

async fn look(spec: &PostgresSpec) -> Result<Standing, Problem> {
    let mut connection = connect_server(spec).await?;
    let standing = standing(&mut connection, spec).await;
    let _ = connection.close().await;
    standing
}

/// How the server stands, in one statement.
pub async fn standing(connection: &mut PgConnection, spec: &PostgresSpec) -> Result<Standing, Problem> {
    let error = |error: sqlx::Error| failed(spec, "ask the standing of", &error);
    let row = sqlx::query(
        "select pg_is_in_recovery() as in_recovery,
                coalesce(case when pg_is_in_recovery()
                              then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                              else pg_current_wal_lsn() end - '0/0'::pg_lsn, 0)::bigint as lsn,
                current_setting('synchronous_standby_names') as names,
                current_setting('synchronous_commit') as commit",
    )
    .fetch_one(connection)
    .await
    .map_err(error)?;
    let lsn: i64 = row.try_get("lsn").map_err(error)?;
    Ok(Standing {
        in_recovery: row.try_get("in_recovery").map_err(error)?,
        lsn: u64::try_from(lsn).unwrap_or(0),
        standby_names: row.try_get("names").map_err(error)?,
        synchronous_commit: row.try_get("commit").map_err(error)?,
    })
}

/// The standbys that a commit waits for: those that the setting names, whether they are there or not.
fn must_acknowledge(standing: &Standing) -> Vec<String> {
    match standing.synchronous_commit.as_str() {
        "off" | "local" => Vec::new(),
        _ => standby_names(&standing.standby_names),
    }
}

/// Names of `synchronous_standby_names`: `a, b`, `2 (a, b)`, `FIRST 1 (a, "B c")`, `ANY 1 (*)`.
pub fn standby_names(setting: &str) -> Vec<String> {
    let list = match (setting.find('('), setting.rfind(')')) {
        (Some(from), Some(to)) if from < to => &setting[from + 1..to],
        _ => setting,
    };
    list.split(',')
        .map(|name| name.trim().trim_matches('"').replace("\"\"", "\""))
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_of_synchronous_standbys_is_read_in_all_its_forms() {
        assert!(standby_names("").is_empty());
        assert_eq!(standby_names("west"), ["west"]);
        assert_eq!(standby_names("west, north"), ["west", "north"]);
        assert_eq!(standby_names("FIRST 1 (west, \"North Sea\")"), ["west", "North Sea"]);
        assert_eq!(standby_names("ANY 1 (*)"), ["*"]);
    }
}
