//! The first message of an agent: who it is, what it still holds, and what it has seen of us.
//!
//! An agent is a witness. It has stored the newest head of each run whose orders it obeyed and the
//! highest epoch. When it has seen what our store does not have, the store is a copy from the past, and
//! this controller loses its [`crate::standing::Standing`] before it sends anything.
//!
//! A witness may lie, and one host must not end the command of all. So a head counts only when its run
//! had work for that host (or is not here at all: that is the loss it is asked about), and an epoch that
//! no history could have reached is the agent's trouble, not ours.

use crate::app::App;
use crate::store::StoreError;
use model::{Epoch, Head, HostName, Problem, RunId, Token};
use proto::{Malformed, v1};
use tonic::{Code, Status};
use uuid::Uuid;

/// Heads and held tokens that are looked at, each.
pub const MAX_ITEMS: usize = 10_000;
/// Minor versions that agent and controller may differ by.
const VERSIONS_APART: u64 = 1;
/// Epochs that an agent may have seen beyond ours. Each start of a controller takes one, so no store is
/// this many behind.
pub const MAX_EPOCHS_AHEAD: u64 = 1_000_000;

/// A hello that was understood.
#[derive(Debug)]
pub struct Understood {
    /// The program's version.
    pub version: String,
    /// The assignment that it has; 0 for none.
    pub assignment_version: u64,
    /// Its clock minus ours, in microseconds.
    pub skew_us: i64,
    /// The process that says it.
    pub instance: Uuid,
    /// The highest epoch that it has seen.
    pub epoch: Option<Epoch>,
    /// Tokens of runs that it believes open.
    pub held: Vec<Token>,
    /// Heads that it has seen.
    pub heads: Vec<Head>,
    /// Ends of the copies of journals that it keeps.
    pub copies: Vec<Head>,
}

/// Reads a hello, and refuses a version that is too far from ours.
pub fn understand(app: &App, hello: v1::Hello) -> Result<Understood, Status> {
    let v1::Hello {
        version, held, highest_epoch, heads, assignment_version, now_us, instance, copies, ..
    } = hello;
    if held.len() > MAX_ITEMS || heads.len() > MAX_ITEMS || copies.len() > MAX_ITEMS {
        return Err(Malformed::Invalid { field: "hello", why: "too many items".to_string() }.into());
    }
    check_version(&version)?;
    let instance = Uuid::from_slice(&instance)
        .map_err(|error| Malformed::Invalid { field: "hello.instance", why: error.to_string() })?;
    let epoch = highest_epoch.map(Epoch::try_from).transpose().map_err(Status::from)?;
    let token = |held: v1::HeldToken| Token::try_from(proto::required("held.token", held.token)?);
    Ok(Understood {
        version,
        instance,
        assignment_version,
        skew_us: now_us.saturating_sub(app.clock.now().0),
        epoch,
        held: held.into_iter().map(token).collect::<Result<_, Malformed>>().map_err(Status::from)?,
        heads: heads.into_iter().map(Head::try_from).collect::<Result<_, _>>().map_err(Status::from)?,
        copies: copies.into_iter().map(Head::try_from).collect::<Result<_, _>>().map_err(Status::from)?,
    })
}

fn check_version(theirs: &str) -> Result<(), Status> {
    let parts = |text: &str| -> Option<(u64, u64)> {
        let mut numbers = text.split(['.', '-']).map(str::parse::<u64>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    let ours = env!("CARGO_PKG_VERSION");
    let fits = match (parts(theirs), parts(ours)) {
        (Some((their_major, their_minor)), Some((major, minor))) => {
            their_major == major && their_minor.abs_diff(minor) <= VERSIONS_APART
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let theirs: String = theirs.chars().take(32).collect();
    let problem = Problem::new(
        "LB1121",
        format!("the agent has version {theirs:?}, the controller {ours}"),
        "Bring both to versions that are at most one minor version apart.",
    );
    Err(proto::status_of_problem(Code::FailedPrecondition, &problem))
}

/// Compares the highest epoch that an agent has seen with ours. A newer one ends our standing; one that
/// cannot be is refused.
pub fn judge_epoch(app: &App, host: &HostName, seen: Option<Epoch>) -> Result<(), Status> {
    let Some(epoch) = seen else { return Ok(()) };
    if epoch.number > app.epoch.number.saturating_add(MAX_EPOCHS_AHEAD) {
        let problem = Problem::new(
            "LB1123",
            format!("{host} says that it has seen epoch {}, and ours is {}", epoch.number, app.epoch.number),
            "No controller can have led so often. Look at that host: stop its agent, empty its state folder, and enrol it again.",
        );
        return Err(proto::status_of_problem(Code::FailedPrecondition, &problem));
    }
    if let Err(refusal) = Epoch::admit(seen, app.epoch) {
        app.standing.newer_epoch(host, refusal);
    }
    Ok(())
}

/// Compares what the agent has seen with what we have. On a loss, this controller loses its standing.
pub async fn witness(app: &App, host: &HostName, hello: &Understood) -> Result<(), Status> {
    judge_epoch(app, host, hello.epoch)?;
    for head in hello.heads.iter().chain(&hello.copies) {
        match app.store.hash_at(head.run, head.sequence).await {
            Ok(Some(hash)) if hash == head.hash.as_str() => {}
            Ok(found) if app.rescue.is_some() => {
                crate::rescue::collect::not_rebuilt(app, host, head, found.is_some()).await?;
            }
            Ok(_) if !app.runs.concerns(head.run, host).await => {
                tracing::warn!(%host, run = %head.run, "a head of a run that never had work for this host");
            }
            Ok(found) => app.standing.lose(lost_journal(host, head, found.is_some())),
            // What cannot be compared now may be what was lost: the agent comes again.
            Err(error @ (StoreError::Closed | StoreError::Unreachable { .. })) => {
                return Err(crate::rpc::status::of_store(error));
            }
            // One unreadable run must not keep an agent out.
            Err(error) => tracing::warn!(%host, run = %head.run, %error, "a head could not be compared"),
        }
    }
    match app.standing.lost() {
        Some(problem) => Err(proto::status_of_problem(Code::FailedPrecondition, &problem)),
        None if !app.leading.holds() => Err(crate::leading::lapsed()),
        None => Ok(()),
    }
}

fn lost_journal(host: &HostName, head: &Head, differs: bool) -> Problem {
    let what = match differs {
        true => "another event there",
        false => "no such event",
    };
    Problem::new(
        "LB1122",
        format!(
            "the journal has lost its tail: {host} has seen event {} of run {}, and the store has {what}",
            head.sequence, head.run
        ),
        "This store is a copy from the past, or was cut off. Stop this controller, keep its data folder, and restore the newest copy.",
    )
}

/// Runs of held tokens, each once.
pub fn runs_of(held: &[Token]) -> Vec<RunId> {
    let mut runs: Vec<RunId> = held.iter().map(|token| token.run).collect();
    runs.sort();
    runs.dedup();
    runs
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fault_32_a_version_that_is_too_far_away_is_refused_with_both_versions() {
        let ours = env!("CARGO_PKG_VERSION");
        assert!(check_version(ours).is_ok());
        let (major, minor) = ours.split_once('.').unwrap();
        let minor: u64 = minor.split('.').next().unwrap().parse().unwrap();
        assert!(check_version(&format!("{major}.{}.7", minor + 1)).is_ok());
        let refused = check_version(&format!("{major}.{}.0", minor + 2)).unwrap_err();
        assert!(refused.message().contains(ours), "{refused}");
        assert!(check_version("nonsense").is_err());
    }
}
