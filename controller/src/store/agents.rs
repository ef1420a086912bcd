//! What is known of each agent across restarts.

use super::database::{Connection, DbRow};
use super::{Store, StoreError};
use futures::FutureExt;
use model::{HostName, Micros};
use sqlx::Row;

/// An enrolled agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRow {
    /// Its host.
    pub host: String,
    /// SHA-256 of its public key: the same over all renewals.
    pub key_fingerprint: String,
    /// When it enrolled.
    pub enrolled_at: Micros,
    /// End of its newest certificate.
    pub expires_at: Micros,
    /// When it was last heard; 0 when never.
    pub last_heard_at: Micros,
    /// Its clock minus ours, in microseconds, when last measured.
    pub skew_us: i64,
    /// The highest epoch that it had seen.
    pub epoch: u64,
    /// The assignment that it has.
    pub assignment_version: u64,
    /// Its program's version.
    pub version: String,
    /// Two agents were alive with its key: nobody is let in for it until it enrols anew.
    pub locked: bool,
}

/// What a session learned, kept now and then.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// When it was last heard.
    pub at: Micros,
    /// Its clock minus ours, in microseconds.
    pub skew_us: i64,
    /// The highest epoch that it has seen.
    pub epoch: u64,
    /// The assignment that it has.
    pub assignment_version: u64,
    /// Its program's version.
    pub version: String,
    /// Its members' facts as JSON.
    pub facts: String,
}

impl Heard {
    /// Whether nothing but times differs.
    pub fn says_the_same(&self, other: &Heard) -> bool {
        let said = |heard: &Heard| (heard.epoch, heard.assignment_version);
        said(self) == said(other) && self.version == other.version && self.facts == other.facts
    }
}

const COLUMNS: &str = "select host, key_fingerprint, enrolled_at, expires_at, last_heard_at, skew_us, epoch, \
     assignment_version, version, locked from agents";

impl Store {
    /// Keeps the end of a renewed certificate.
    pub async fn renew_agent(&self, host: &HostName, now: Micros, expires: Micros) -> Result<(), StoreError> {
        let host = host.to_string();
        self.writer()
            .write("keep a renewal", move |connection| {
                async move {
                    sqlx::query("update agents set renewed_at = $1, expires_at = $2 where host = $3")
                        .bind(now.0)
                        .bind(expires.0)
                        .bind(host)
                        .execute(connection)
                        .await
                        .map_err(StoreError::query("keep a renewal"))?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// Keeps a certificate that was renewed by its key alone, unless that happened `most` times since the host
    /// enrolled. The condition and the count are one statement.
    pub async fn recover_agent(
        &self,
        host: &HostName,
        now: Micros,
        expires: Micros,
        most: u32,
    ) -> Result<bool, StoreError> {
        let host = host.to_string();
        self.writer()
            .write("keep a recovery", move |connection| {
                async move {
                    let changed = sqlx::query(
                        "update agents set renewed_at = $1, expires_at = $2, recoveries = recoveries + 1 \
                         where host = $3 and recoveries < $4",
                    )
                    .bind(now.0)
                    .bind(expires.0)
                    .bind(host)
                    .bind(i64::from(most))
                    .execute(connection)
                    .await
                    .map_err(StoreError::query("keep a recovery"))?;
                    Ok(changed.rows_affected() == 1)
                }
                .boxed()
            })
            .await
    }

    /// Lets no agent of a host in until it enrols anew.
    pub async fn lock_agent(&self, host: &HostName) -> Result<(), StoreError> {
        let host = host.to_string();
        self.writer()
            .write("lock an agent", move |connection| {
                async move {
                    sqlx::query("update agents set locked = 'two at once' where host = $1")
                        .bind(host)
                        .execute(connection)
                        .await
                        .map_err(StoreError::query("lock an agent"))?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// Keeps what was heard of agents. Hosts that are not enrolled are left out.
    pub async fn keep_heard(&self, heard: Vec<(HostName, Heard)>) -> Result<(), StoreError> {
        self.writer()
            .write("keep what was heard of agents", move |connection| {
                async move {
                    for (host, heard) in heard {
                        sqlx::query(
                            "update agents set last_heard_at = $1, skew_us = $2, epoch = $3, \
                             assignment_version = $4, version = $5, facts = $6 where host = $7",
                        )
                        .bind(heard.at.0)
                        .bind(heard.skew_us)
                        .bind(heard.epoch as i64)
                        .bind(heard.assignment_version as i64)
                        .bind(heard.version)
                        .bind(heard.facts)
                        .bind(host.to_string())
                        .execute(&mut *connection)
                        .await
                        .map_err(StoreError::query("keep what was heard of an agent"))?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// One agent, if it is enrolled.
    pub async fn agent(&self, host: &HostName) -> Result<Option<AgentRow>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} where host = $1")))
            .bind(host.as_str())
            .fetch_optional(self.readers())
            .await
            .map_err(StoreError::query("read an agent"))?;
        Ok(row.as_ref().map(agent_of))
    }

    /// Every enrolled agent, by name.
    pub async fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} order by host")))
            .fetch_all(self.readers())
            .await
            .map_err(StoreError::query("read the agents"))?;
        Ok(rows.iter().map(agent_of).collect())
    }
}

fn agent_of(row: &DbRow) -> AgentRow {
    AgentRow {
        host: row.get(0),
        key_fingerprint: row.get(1),
        enrolled_at: Micros(row.get(2)),
        expires_at: Micros(row.get(3)),
        last_heard_at: Micros(row.get(4)),
        skew_us: row.get(5),
        epoch: row.get::<i64, _>(6) as u64,
        assignment_version: row.get::<i64, _>(7) as u64,
        version: row.get(8),
        locked: !row.get::<String, _>(9).is_empty(),
    }
}

/// Inside a transaction: keeps an enrolment. A new one replaces the key of an older one, whose sessions
/// are refused from then on.
pub(crate) async fn enrol(
    connection: &mut Connection,
    host: &str,
    key_fingerprint: &str,
    now: Micros,
    expires: Micros,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into agents (host, key_fingerprint, enrolled_at, renewed_at, expires_at, last_heard_at, \
         skew_us, epoch, assignment_version, version, facts) \
         values ($1, $2, $3, $3, $4, 0, 0, 0, 0, '', '[]') \
         on conflict (host) do update set key_fingerprint = excluded.key_fingerprint, \
         enrolled_at = excluded.enrolled_at, renewed_at = excluded.renewed_at, \
         expires_at = excluded.expires_at, locked = '', recoveries = 0",
    )
    .bind(host)
    .bind(key_fingerprint)
    .bind(now.0)
    .bind(expires.0)
    .execute(connection)
    .await
    .map_err(StoreError::query("keep an enrolment"))?;
    Ok(())
}
