//! Where the logs of two members parted, and how what lies beyond is kept.

use super::super::connect::{connect_server, failed};
use super::super::control::{Control, position};
use super::super::owner::Owner;
use super::super::peers::Seen;
use super::super::wal::begin_of;
use model::Problem;
use model::nouns::PostgresSpec;
use sqlx::postgres::PgConnection;
use std::path::{Path, PathBuf};

/// Files of a log that are kept when it is wound back. More than that were never written by a server that its
/// standby had followed a moment before; the rest is told and not kept.
const MAX_KEPT: usize = 4096;

/// A stretch of the log on one timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    timeline: u32,
    begin: u64,
    /// Where it ends; the newest one has no end yet.
    end: u64,
}

/// The timelines of a history file, oldest first, and the one that it belongs to.
fn stretches(history: &str, timeline: u32) -> Option<Vec<Stretch>> {
    let lines = history.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut all: Vec<Stretch> = Vec::new();
    for line in lines {
        let mut words = line.split_whitespace();
        let (timeline, end) = (words.next()?.parse().ok()?, position(words.next()?)?);
        all.push(Stretch { timeline, begin: all.last().map_or(0, |before| before.end), end });
    }
    all.push(Stretch { timeline, begin: all.last().map_or(0, |before| before.end), end: u64::MAX });
    Some(all)
}

/// Where two histories parted: the end of their last common stretch.
fn fork(own: &[Stretch], other: &[Stretch]) -> Option<u64> {
    let same = |(one, two): &(&Stretch, &Stretch)| one.timeline == two.timeline && one.begin == two.begin;
    let common = own.iter().zip(other).take_while(same).last();
    common.map(|(one, two)| one.end.min(two.end))
}

/// Where this data and the primary's log parted. None when its role may not read that.
pub async fn parted_at(
    primary: &mut PgConnection,
    spec: &PostgresSpec,
    seen: &Seen,
    control: &Control,
    data: &Path,
) -> Option<u64> {
    let name = |timeline: u32| format!("{timeline:08X}.history");
    let own = match control.timeline {
        0 | 1 => String::new(),
        timeline => std::fs::read_to_string(data.join("pg_wal").join(name(timeline))).ok()?,
    };
    let read = sqlx::query_scalar::<_, String>("select pg_read_file('pg_wal/' || $1)")
        .bind(name(seen.timeline))
        .fetch_one(&mut *primary)
        .await
        .map_err(|error| failed(spec, "read the history of the timeline of", &error));
    let theirs = match (seen.timeline, read) {
        (1, _) => String::new(),
        (_, Ok(text)) => text,
        (_, Err(problem)) => {
            tracing::warn!(%problem, "where two members parted cannot be told");
            return None;
        }
    };
    fork(&stretches(&own, control.timeline)?, &stretches(&theirs, seen.timeline)?)
}

/// Copies the files of the log that hold what lies beyond `fork` into a new folder.
pub fn keep_log(
    data: &Path,
    into: &Path,
    owner: &Owner,
    timeline: u32,
    fork: u64,
    segment_bytes: u64,
) -> std::io::Result<()> {
    let first = fork - fork % segment_bytes.max(1);
    let mine = format!("{timeline:08X}");
    let wanted = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&mine) && begin_of(name, segment_bytes).is_some_and(|begin| begin >= first)
    };
    std::fs::create_dir_all(into)?;
    owner.give(into)?;
    let files = std::fs::read_dir(data.join("pg_wal"))?.flatten().map(|entry| entry.path());
    for file in files.filter(wanted).take(MAX_KEPT) {
        let copy = into.join(file.file_name().unwrap_or_default());
        std::fs::copy(&file, &copy)?;
        owner.give(&copy)?;
        std::fs::File::open(&copy)?.sync_all()?;
    }
    std::fs::File::open(into)?.sync_all()
}

/// Reserves the primary's log from now on, for as long as this session lasts: a temporary slot leaves nothing
/// behind, whatever becomes of us.
pub async fn reserve(spec: &PostgresSpec, mark: &str) -> Option<PgConnection> {
    let mut session = connect_server(spec).await.ok()?;
    let name = format!("lifeboat_{}", mark.chars().take(16).collect::<String>());
    let made = sqlx::query("select pg_create_physical_replication_slot($1, true, true)")
        .bind(name)
        .execute(&mut session)
        .await;
    match made {
        Ok(_) => Some(session),
        Err(error) => {
            let problem: Problem = failed(spec, "reserve the log of", &error);
            tracing::warn!(%problem, "the primary may remove its log before this member has it");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_histories_part_at_the_end_of_their_last_common_stretch() {
        let one = |history: &str, timeline| stretches(history, timeline).unwrap();
        // The old primary never left its timeline; the new one did, at 0/3000148.
        assert_eq!(
            fork(&one("", 1), &one("1\t0/3000148\tno recovery target specified\n", 2)),
            Some(0x300_0148)
        );
        // Two members were promoted from timeline 1, and both called theirs 2: the earlier place counts.
        let own = one("1\t0/4000000\tx\n", 2);
        let other = one("1\t0/3000000\tx\n\n2\t0/5000000\ty\n", 3);
        assert_eq!(fork(&own, &other), Some(0x300_0000));
        let third = one("1\t0/3000000\tx\n", 3);
        assert_eq!(fork(&own, &third), Some(0x300_0000));
        // Following already.
        assert_eq!(fork(&third, &third), Some(u64::MAX));
        assert_eq!(stretches("one 0/0 x", 2), None);
    }
}
