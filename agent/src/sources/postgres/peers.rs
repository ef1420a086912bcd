//! The other members of a source: who of them takes writes, on which timeline, and how far each has come.

use super::connect::{connect_server, failed};
use super::control::{position, words};
use model::jobs::Peer;
use model::nouns::PostgresSpec;
use model::{HostName, Problem};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use std::fmt;

/// How another member stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its host.
    pub host: HostName,
    /// It takes writes.
    pub is_primary: bool,
    /// The timeline that it writes or follows.
    pub timeline: u32,
    /// Written, or received, as a byte number.
    pub lsn: u64,
    /// Which cluster it is.
    pub system: String,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = if self.is_primary { "takes writes" } else { "follows" };
        write!(f, "{} {role} on timeline {} at {}", self.host, self.timeline, words(self.lsn))
    }
}

/// A member as this host reaches it: its own settings with the other's place.
pub fn reached(spec: &PostgresSpec, peer: &Peer) -> PostgresSpec {
    PostgresSpec { address: peer.address.clone(), port: peer.port, server: None, ..spec.clone() }
}

/// Asks one.
pub async fn ask(spec: &PostgresSpec, peer: &Peer) -> Result<(PgConnection, Seen), Problem> {
    let there = reached(spec, peer);
    let mut connection = connect_server(&there).await?;
    let seen = look(&mut connection, &there, &peer.host).await?;
    Ok((connection, seen))
}

/// Asks a server that one is connected to.
pub async fn look(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    host: &HostName,
) -> Result<Seen, Problem> {
    let error = |error: sqlx::Error| failed(spec, "ask the standing of", &error);
    // A primary writes its timeline into the control file only with the checkpoint after its promotion.
    let row = sqlx::query(
        "select not pg_is_in_recovery() as is_primary,
                (select system_identifier::text from pg_control_system()) as system,
                greatest((select timeline_id from pg_control_checkpoint()),
                         (select received_tli from pg_stat_wal_receiver))::bigint as followed,
                case when pg_is_in_recovery() then null
                     else left(pg_walfile_name(pg_current_wal_lsn()), 8) end as writes,
                coalesce(case when pg_is_in_recovery()
                              then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                              else pg_current_wal_lsn() end, '0/0'::pg_lsn)::text as lsn",
    )
    .fetch_one(connection)
    .await
    .map_err(error)?;
    let followed: Option<i64> = row.try_get("followed").map_err(error)?;
    let writes: Option<String> = row.try_get("writes").map_err(error)?;
    let writes = writes.and_then(|digits| u32::from_str_radix(&digits, 16).ok());
    let followed = followed.and_then(|timeline| u32::try_from(timeline).ok());
    let lsn: String = row.try_get("lsn").map_err(error)?;
    Ok(Seen {
        host: host.clone(),
        is_primary: row.try_get("is_primary").map_err(error)?,
        timeline: writes.max(followed).unwrap_or(0),
        lsn: position(&lsn).unwrap_or(0),
        system: row.try_get("system").map_err(error)?,
    })
}

/// The primary among the members, and a session with it. The others are asked too: two would be one too many.
pub async fn primary(spec: &PostgresSpec, others: &[Peer]) -> Result<(Peer, PgConnection, Seen), Problem> {
    let asked =
        futures::future::join_all(others.iter().map(async |peer| (peer, ask(spec, peer).await))).await;
    let mut primaries = Vec::new();
    let mut rest = Vec::new();
    for (peer, answer) in asked {
        match answer {
            Ok((connection, seen)) if seen.is_primary => primaries.push((peer.clone(), connection, seen)),
            Ok((_, seen)) => rest.push(seen.to_string()),
            Err(problem) => rest.push(format!("{} cannot be asked ({problem})", peer.host)),
        }
    }
    if primaries.len() > 1 {
        let all: Vec<String> = primaries.iter().map(|(_, _, seen)| seen.to_string()).collect();
        return Err(Problem::new(
            "LB2372",
            format!("more than one member takes writes: {}", all.join("; ")),
            "Fence the wrong one first; find out which writes it took with its own log.",
        ));
    }
    primaries.pop().ok_or_else(|| {
        Problem::new(
            "LB2371",
            format!("no other member takes writes, so there is nobody to follow: {}", rest.join("; ")),
            "Promote one first. When none was promoted since the fence, `unfence` this one instead.",
        )
        .transient()
    })
}
