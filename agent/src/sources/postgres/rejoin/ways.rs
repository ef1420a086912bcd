//! The two ways in which data becomes a standby's: wound back in its place, or a new copy made beside it.

use super::super::connect::{execute, failed};
use super::super::control::Control;
use super::super::login;
use super::super::owner::{Owner, run};
use super::book::{Book, Phase, folder};
use super::follow::{beside, value_of};
use super::{Member, Parted, own};
use crate::jobs::{Context, End, child};
use model::Problem;
use model::jobs::{Peer, Way};
use model::nouns::PostgresSpec;
use sqlx::postgres::PgConnection;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Room that a new copy leaves free, in parts of itself: a tenth.
const SPARE: u64 = 10;

/// Winds the data back to where the logs parted, then puts the member's own files back.
pub async fn rewind(
    member: &Member<'_>,
    (primary, there): (&mut PgConnection, &PostgresSpec),
    book: &mut Book,
    owner: &Owner,
    context: &Context,
) -> Result<(), End> {
    let program = child::find("pg_rewind", member.spec.programs.as_deref())?;
    // pg_rewind reads the timeline of the primary from its control file, where only a checkpoint writes it.
    context
        .unless_cancelled(execute(primary, there, "take a checkpoint at", "checkpoint".to_string()))
        .await??;
    book.turn(Phase::Rewinding, context, member.source)?;
    context.phase("wind back");
    let source = format!(
        "host={} port={} user={} dbname=postgres application_name=lifeboat",
        value_of(&there.address),
        there.port,
        value_of(&there.user)
    );
    let mut args = vec![
        "--target-pgdata".to_string(),
        member.data.display().to_string(),
        "--source-server".to_string(),
        source,
    ];
    if let Some(file) = config_file(member.data) {
        args.extend(["--config-file".to_string(), file]);
    }
    let environment = login::environment(there, "postgres")?;
    run(context, owner, &program, &args, environment).await?;
    let aside = folder(&context.state_dir, member.source).join("own");
    own::put_back(&aside, member.data, owner).map_err(|error| unmade(member.data, &error))?;
    book.turn(Phase::Placed(Way::Rewound), context, member.source)?;
    Ok(())
}

/// Whether a rewind can work. `cut_short`: one was begun on this data and did not end.
pub fn can_rewind(member: &Member<'_>, control: &Control, parted: &Parted, cut_short: bool) -> bool {
    let settings = member.data.join("postgresql.conf").exists() || config_file(member.data).is_some();
    let program = child::find("pg_rewind", member.spec.programs.as_deref()).is_ok();
    !cut_short && control.can_rewind && parted.at.is_some() && settings && program
}

/// The settings of a server that keeps them elsewhere, from how it was last started.
fn config_file(data: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data.join("postmaster.opts")).ok()?;
    let rest = text.split("config_file=").nth(1)?;
    rest.split('"').next().map(str::trim).filter(|path| path.starts_with('/')).map(str::to_string)
}

/// Makes a new copy beside, and puts it in the place of the data, which stays under another name.
pub async fn copy(
    member: &Member<'_>,
    peer: &Peer,
    (primary, there): (&mut PgConnection, &PostgresSpec),
    book: &mut Book,
    owner: &Owner,
    context: &Context,
) -> Result<(), End> {
    let fresh = beside(member.data, "rejoin");
    if book.phase != Phase::Swapping {
        plain(member.data)?;
        let ours = matches!(book.phase, Phase::Copying);
        if fresh.exists() && !ours {
            return Err(End::Failed(in_the_way(&fresh)));
        }
        own::remove(&fresh).map_err(|error| unmade(&fresh, &error))?;
        context.unless_cancelled(room(member, primary, there)).await??;
        book.turn(Phase::Copying, context, member.source)?;
        context.phase("copy the primary");
        make(&fresh, owner).map_err(|error| unmade(&fresh, &error))?;
        fill(member, peer, &fresh, owner, context).await?;
        let aside = folder(&context.state_dir, member.source).join("own");
        own::put_back(&aside, &fresh, owner).map_err(|error| unmade(&fresh, &error))?;
        let moment = (context.now)().timestamp().strftime("%Y%m%d%H%M%S").to_string();
        book.kept = Some(beside(member.data, &format!("old-{moment}")));
        book.turn(Phase::Swapping, context, member.source)?;
    }
    runtime::crash::point_of("rejoin-swapping", member.source);
    let old = book.kept.clone().unwrap_or_else(|| beside(member.data, "old"));
    swap(member.data, &fresh, &old).map_err(|error| unmade(&old, &error))?;
    book.turn(Phase::Placed(Way::Copied), context, member.source)?;
    Ok(())
}

/// Two renames; one that a crash left out is made up for. The server is masked, so nobody starts in between.
fn swap(data: &Path, fresh: &Path, old: &Path) -> io::Result<()> {
    if fresh.exists() {
        if data.exists() {
            std::fs::rename(data, old)?;
        }
        std::fs::rename(fresh, data)?;
    }
    std::fs::File::open(data.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn make(fresh: &Path, owner: &Owner) -> io::Result<()> {
    std::fs::create_dir(fresh)?;
    std::fs::set_permissions(fresh, std::fs::Permissions::from_mode(0o700))?;
    owner.give(fresh)
}

async fn fill(
    member: &Member<'_>,
    peer: &Peer,
    fresh: &Path,
    owner: &Owner,
    context: &Context,
) -> Result<(), End> {
    let program = child::find("pg_basebackup", member.spec.programs.as_deref())?;
    let words = ["-X", "stream", "-c", "fast", "--no-password", "-D"];
    let mut args: Vec<String> = words.iter().map(|word| (*word).to_string()).collect();
    args.push(fresh.display().to_string());
    let follow = &member.spec.follow;
    let user = follow.user.clone().unwrap_or_else(|| member.spec.user.clone());
    let password = match (&follow.user, &follow.password) {
        (None, None) => member.spec.password.clone(),
        (_, password) => password.clone(),
    };
    let there = PostgresSpec {
        address: peer.address.clone(),
        port: peer.port,
        user,
        password,
        ..member.spec.clone()
    };
    run(context, owner, &program, &args, login::environment(&there, "postgres")?).await.map(|_| ())
}

/// Data that lies in one folder: what lies elsewhere would have to be moved too.
fn plain(data: &Path) -> Result<(), Problem> {
    let log = std::fs::symlink_metadata(data.join("pg_wal")).is_ok_and(|found| found.is_symlink());
    let spaces = std::fs::read_dir(data.join("pg_tblspc")).is_ok_and(|mut entries| entries.next().is_some());
    let mount = {
        use std::os::unix::fs::MetadataExt as _;
        let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
        data.parent().is_some_and(|parent| device(parent) != device(data))
    };
    let why = match (log, spaces, mount) {
        (true, _, _) => "its log is on another place (pg_wal is a link)",
        (_, true, _) => "it has tablespaces elsewhere",
        (_, _, true) => "it is a mount of its own, which cannot be renamed",
        (false, false, false) => return Ok(()),
    };
    Err(Problem::new(
        "LB2376",
        format!("a new copy cannot take the place of {}: {why}", data.display()),
        "Rebuild it by hand with pg_basebackup, and start it with a standby.signal; or make pg_rewind possible (wal_log_hints or data checksums) for the next time.",
    ))
}

/// Whether the new copy fits beside the old data.
async fn room(member: &Member<'_>, primary: &mut PgConnection, there: &PostgresSpec) -> Result<(), Problem> {
    let size: i64 = sqlx::query_scalar("select sum(pg_database_size(oid))::bigint from pg_database")
        .fetch_one(primary)
        .await
        .map_err(|error| failed(there, "ask the size of", &error))?;
    let parent = member.data.parent().unwrap_or(Path::new("/"));
    let free = rustix::fs::statvfs(parent)
        .map(|found| found.f_bavail.saturating_mul(found.f_frsize))
        .map_err(|error| unmade(parent, &error.into()))?;
    let size = u64::try_from(size).unwrap_or(0);
    let needed = size + size / SPARE;
    if free >= needed {
        return Ok(());
    }
    Err(Problem::new(
        "LB2376",
        format!("a new copy needs {needed} bytes beside {}, and {free} are free", member.data.display()),
        "Make room: the old data stays beside until the new one is proven. Nothing was changed.",
    ))
}

fn in_the_way(path: &Path) -> Problem {
    Problem::new(
        "LB2376",
        format!("{} is there already, and no rejoin of this agent made it", path.display()),
        "Look what it is, and move it away; then retry.",
    )
}

/// What is done with files did not work.
pub fn unmade(path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        "LB2375",
        format!("{} could not be put in order", path.display()),
        "See the cause, mend it, then retry: what was begun is gone on with.",
    )
    .caused_by(error)
}

/// What was given up of the log, for people.
pub fn kept_log(data: &Path, moment: &str) -> PathBuf {
    beside(data, &format!("diverged-{moment}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_swap_that_was_cut_short_anywhere_ends_the_same() {
        for cut in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            let (data, fresh, old) = (at("data"), at("data.rejoin"), at("data.old"));
            let make = |path: &Path, text: &str| {
                std::fs::create_dir(path).unwrap();
                std::fs::write(path.join("who"), text).unwrap();
            };
            make(&data, "old");
            make(&fresh, "new");
            if cut > 0 {
                std::fs::rename(&data, &old).unwrap();
            }
            if cut > 1 {
                std::fs::rename(&fresh, &data).unwrap();
            }
            swap(&data, &fresh, &old).unwrap();
            swap(&data, &fresh, &old).unwrap();
            let read = |path: &Path| std::fs::read_to_string(path.join("who")).unwrap();
            assert_eq!((read(&data), read(&old), fresh.exists()), ("new".into(), "old".into(), false));
        }
    }

    #[test]
    fn settings_elsewhere_are_found_where_the_server_was_started_from() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(config_file(folder.path()), None);
        let line = "/usr/lib/postgresql/15/bin/postgres \"-D\" \"/d\" \"-c\" \"config_file=/etc/postgresql/15/main/postgresql.conf\"\n";
        std::fs::write(folder.path().join("postmaster.opts"), line).unwrap();
        assert_eq!(config_file(folder.path()).as_deref(), Some("/etc/postgresql/15/main/postgresql.conf"));
    }
}
