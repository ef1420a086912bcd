//! From data that is a standby's to a server that streams.

use super::super::connect::{connect_server, failed};
use super::super::control::words;
use super::super::owner::Owner;
use super::super::{facts, peers};
use super::Member;
use crate::jobs::note::replace;
use crate::jobs::{Context, End};
use crate::services;
use crate::sources::secret;
use model::Problem;
use model::jobs::{Peer, ServiceState};
use model::nouns::PostgresSpec;
use sqlx::postgres::PgConnection;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A server whose position has not moved for so long, and that does not stream, will not.
const NO_PROGRESS: Duration = Duration::from_secs(60);
/// Longest wait for a server that replays what it has.
const STREAM_LIMIT: Duration = Duration::from_secs(2 * 3600);
/// How often a wait looks again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Tells the data whom to follow, and as who.
pub fn settings(member: &Member<'_>, peer: &Peer, owner: &Owner) -> Result<(), Problem> {
    let written = secret_file(member, peer, owner)?;
    let line = conninfo(member, peer, written.as_deref());
    let auto = member.data.join("postgresql.auto.conf");
    let told = || -> io::Result<()> {
        let before = match std::fs::read_to_string(&auto) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            read => read.unwrap_or_default(),
        };
        replace(&auto, with_conninfo(&before, &line).as_bytes())?;
        owner.give(&auto)?;
        std::fs::set_permissions(&auto, std::fs::Permissions::from_mode(0o600))?;
        let signal = member.data.join("standby.signal");
        replace(&signal, b"")?;
        owner.give(&signal)
    };
    told().map_err(|error| {
        Problem::new(
            "LB2375",
            format!("{} cannot be told whom to follow", member.data.display()),
            "Mend the folder's permissions or make room, then retry.",
        )
        .caused_by(&error)
    })
}

/// The settings as they were, with one line that says whom to follow.
fn with_conninfo(before: &str, conninfo: &str) -> String {
    let stale = |line: &&str| {
        let name = line.trim_start().split(['=', ' ', '\t']).next().unwrap_or_default();
        !["primary_conninfo", "primary_slot_name"].contains(&name)
    };
    let mut text: String = before.lines().filter(stale).map(|line| format!("{line}\n")).collect();
    text.push_str(&format!("primary_conninfo = '{}'\n", conninfo.replace('\'', "''")));
    text
}

fn conninfo(member: &Member<'_>, peer: &Peer, passfile: Option<&Path>) -> String {
    let (follow, spec) = (&member.spec.follow, member.spec);
    let mut pairs = vec![
        ("host", peer.address.clone()),
        ("port", peer.port.to_string()),
        ("user", follow.user.clone().unwrap_or_else(|| spec.user.clone())),
        ("application_name", member.name.clone()),
        ("connect_timeout", "5".to_string()),
    ];
    if let Some(file) = passfile {
        pairs.push(("passfile", file.display().to_string()));
    }
    pairs.iter().map(|(key, value)| format!("{key}={}", value_of(value))).collect::<Vec<_>>().join(" ")
}

/// A value of a connection string.
pub fn value_of(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The password stands in a file of the server's user, beside its data: no backup of the data holds it.
fn secret_file(member: &Member<'_>, peer: &Peer, owner: &Owner) -> Result<Option<PathBuf>, Problem> {
    let (follow, spec) = (&member.spec.follow, member.spec);
    let password = match (&follow.user, &follow.password) {
        (_, Some(password)) => password,
        // Its own role has its own password.
        (None, None) => match &spec.password {
            Some(password) => password,
            None => return Ok(None),
        },
        (Some(_), None) => return Ok(None),
    };
    let path = beside(member.data, "pgpass");
    let escaped = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
    let user = follow.user.as_deref().unwrap_or(&spec.user);
    let line = format!(
        "{}:{}:*:{}:{}\n",
        escaped(&peer.address),
        peer.port,
        escaped(user),
        escaped(&secret::resolve_text(password)?)
    );
    let write = || -> io::Result<()> {
        // Nobody but the owner may read it at any moment.
        let empty = path.with_extension("new");
        super::own::remove(&empty)?;
        let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&empty)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        io::Write::write_all(&mut &file, line.as_bytes())?;
        file.sync_all()?;
        owner.give(&empty)?;
        std::fs::rename(&empty, &path)
    };
    write().map_err(|error| {
        Problem::new(
            "LB2375",
            format!("{} cannot be written", path.display()),
            "The server's user finds the password of the role that it follows as there. Mend the folder above the data.",
        )
        .caused_by(&error)
    })?;
    Ok(Some(path))
}

/// A path beside a data folder: its name and an ending.
pub fn beside(data: &Path, ending: &str) -> PathBuf {
    let mut name = data.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(ending);
    data.with_file_name(name)
}

/// Lifts the mask and starts the server, as a standby only.
pub async fn start(member: &Member<'_>, context: &Context) -> Result<(), End> {
    let manager = services::open_standby(member.server, &context.state_dir, member.data)?;
    let starting = async {
        manager.unmask().await?;
        manager.start().await
    };
    context.unless_cancelled(starting).await?.map_err(End::Failed)
}

/// Waits until the primary sends it the log. Gives nothing when it does not come to that.
pub async fn until_it_streams(
    member: &Member<'_>,
    primary: &mut PgConnection,
    there: &PostgresSpec,
    context: &Context,
) -> Result<Result<(), Problem>, End> {
    let begun = tokio::time::Instant::now();
    let (mut moved, mut last, mut said) = (begun, 0, String::new());
    loop {
        match context.unless_cancelled(look(member, primary, there)).await? {
            Ok(Look::Streams) => return Ok(Ok(())),
            Ok(Look::At(position)) => {
                if position != last {
                    (last, moved) = (position, tokio::time::Instant::now());
                }
                said = format!("it stands at {}", words(position));
            }
            // It replays what it has before it answers anybody.
            Ok(Look::Starting) => moved = tokio::time::Instant::now(),
            Err(problem) => said = problem.to_string(),
        }
        let status = services::open_standby(member.server, &context.state_dir, member.data)?.status().await?;
        let ended = status.state != ServiceState::Running;
        if ended || moved.elapsed() > NO_PROGRESS || begun.elapsed() > STREAM_LIMIT {
            return Ok(Err(Problem::new(
                "LB2377",
                format!(
                    "the server at {}:{} does not stream from the new primary: {said}",
                    member.spec.address, member.spec.port
                ),
                "Read its log: may its role connect for replication (pg_hba.conf of the primary), and is the primary reached from this host?",
            )
            .with_log(status.log)));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

enum Look {
    Streams,
    At(u64),
    Starting,
}

async fn look(
    member: &Member<'_>,
    primary: &mut PgConnection,
    there: &PostgresSpec,
) -> Result<Look, Problem> {
    let mut own = match connect_server(member.spec).await {
        Err(problem) if problem.causes.iter().any(|cause| cause.contains("starting up")) => {
            return Ok(Look::Starting);
        }
        other => other?,
    };
    let standing = facts::standing(&mut own, member.spec).await?;
    if standing.in_recovery && streams(primary, there, &member.name).await? {
        return Ok(Look::Streams);
    }
    Ok(Look::At(standing.lsn))
}

/// Whether a server sends its log to a standby of that name.
pub async fn streams(primary: &mut PgConnection, there: &PostgresSpec, name: &str) -> Result<bool, Problem> {
    sqlx::query_scalar(
        "select exists(select from pg_stat_replication where application_name = $1 and state = 'streaming')",
    )
    .bind(name)
    .fetch_one(primary)
    .await
    .map_err(|error| failed(there, "ask who follows", &error))
}

/// Whether the member already runs as a standby of that primary.
pub async fn follows_already(member: &Member<'_>, primary: &mut PgConnection, peer: &Peer) -> bool {
    let there = peers::reached(member.spec, peer);
    matches!(look(member, primary, &there).await, Ok(Look::Streams))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_followed_before_is_replaced_and_the_rest_stays() {
        let before =
            "# Do not edit\nprimary_conninfo = 'host=old'\nwork_mem = '4MB'\nprimary_slot_name='x'\n";
        let after = with_conninfo(before, "host='it''s' user='a'");
        assert_eq!(
            after,
            "# Do not edit\nwork_mem = '4MB'\nprimary_conninfo = 'host=''it''''s'' user=''a'''\n"
        );
        assert_eq!(
            with_conninfo(&after, "host=b"),
            "# Do not edit\nwork_mem = '4MB'\nprimary_conninfo = 'host=b'\n"
        );
    }

    #[test]
    fn values_cannot_break_out_of_a_connection_string() {
        assert_eq!(value_of("a' host='b\\"), r"'a\' host=\'b\\'");
    }

    #[test]
    fn places_beside_a_folder_have_its_name() {
        assert_eq!(beside(Path::new("/var/lib/pg/15/main"), "old"), Path::new("/var/lib/pg/15/main.old"));
    }
}
