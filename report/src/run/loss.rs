//! What a promotion lost, and how sure that is.
//!
//! The rule of this file: never more sure than known. "None" is said in three cases only. The old
//! primary was stopped, its last position was read, and the new one had received all of it. Or commits
//! were acknowledged only after exactly one named standby had them, and that standby is the one that was
//! promoted: then a cut-off primary could not acknowledge anything either. Or nothing was promoted at
//! all, because the "new" primary was the primary before the run. In every other case the
//! report gives a bound where there is one, and says "unknown" where there is none: above all when only
//! silence says that the old primary has stopped taking writes.
//!
//! What the old primary had written is what the controller had last heard of it when the run was
//! requested; it stands in the journal. Bounds in time compare the clock of the controller (when it last heard of the old primary, when the
//! fence was sure) with itself; the commit time that a standby reports is by the old primary's clock, and
//! the sentence says so.

use super::fence::FenceLine;
use super::outputs::Given;
use super::recovery::Verdict;
use crate::units::{bytes, clock, length, lsn};
use engine::loss::goes_with;
use engine::state::Observed;
use model::jobs::PromoteOutput;
use model::nouns::MemberFacts;
use model::{Evidence, HostName, Micros, Name};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How sure the data loss is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// No acknowledged commit was lost.
    None,
    /// Not more than the time that is given.
    AtMost,
    /// Something was written that did not arrive.
    Some,
    /// It cannot be told.
    Unknown,
}

/// The data loss of one promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The source.
    pub source: Name,
    /// Where the new primary is.
    pub host: Option<HostName>,
    /// How sure it is.
    pub certainty: Certainty,
    /// The loss in words.
    pub words: String,
    /// A bound in milliseconds, where there is one.
    pub at_most_ms: Option<u64>,
    /// Last position received from the old primary.
    pub received_lsn: u64,
    /// Last position replayed before the promotion.
    pub replayed_lsn: u64,
    /// Commit time of the last transaction that was replayed, by the old primary's clock.
    pub last_commit_at: Option<Micros>,
    /// Last position that the old primary was known to have written.
    pub last_known_lsn: Option<u64>,
    /// When that was heard.
    pub last_known_at: Option<Micros>,
    /// Against the objective.
    pub verdict: Verdict,
}

/// The data loss of a promotion against the objective.
pub fn of(
    given: &Given<'_, PromoteOutput>,
    fences: &[FenceLine],
    observed: Option<&Observed>,
    rpo: Option<Duration>,
) -> Loss {
    let target = &given.attempt.token.target;
    let fence = fences.iter().find(|fence| fence.source == target.name);
    let known = observed.map(|observed| Known::of(observed, given)).unwrap_or_default();
    let found = judge(&given.output, fence, &known);
    Loss {
        source: target.name.clone(),
        host: target.host.clone(),
        certainty: found.certainty,
        words: found.words,
        at_most_ms: found.at_most.map(|most| u64::try_from(most.as_millis()).unwrap_or(u64::MAX)),
        received_lsn: given.output.received_lsn,
        replayed_lsn: given.output.replayed_lsn,
        last_commit_at: given.output.last_commit_at,
        last_known_lsn: known.primary.map(|primary| primary.facts.lsn).filter(|lsn| *lsn > 0),
        last_known_at: known.primary.map(|primary| primary.at),
        verdict: verdict(found.certainty, found.at_most, rpo),
    }
}

fn verdict(certainty: Certainty, at_most: Option<Duration>, rpo: Option<Duration>) -> Verdict {
    match (rpo, certainty, at_most) {
        (None, _, _) => Verdict::NoObjective,
        (Some(_), Certainty::None, _) => Verdict::Met,
        (Some(rpo), Certainty::AtMost, Some(most)) if most <= rpo => Verdict::Met,
        (Some(_), Certainty::AtMost | Certainty::Some | Certainty::Unknown, _) => Verdict::Unknown,
    }
}

/// What is known of the old primary.
#[derive(Default)]
struct Known<'a> {
    /// What it last said of itself.
    primary: Option<Primary<'a>>,
    /// Members of the source besides the promoted one.
    others: usize,
    /// Where the new primary is.
    promoted: Option<&'a HostName>,
    /// It called itself primary before the run.
    was_primary: bool,
}

/// A member that called itself primary.
#[derive(Clone, Copy)]
struct Primary<'a> {
    facts: &'a MemberFacts,
    /// When it was heard.
    at: Micros,
}

impl<'a> Known<'a> {
    /// With two members that call themselves primary, nobody knows which one took the writes.
    fn of(observed: &'a Observed, given: &Given<'a, PromoteOutput>) -> Known<'a> {
        let target = &given.attempt.token.target;
        let was_primary = observed.members.iter().any(|facts| {
            let same = facts.source == target.name && Some(&facts.host) == target.host.as_ref();
            same && facts.role == "primary"
        });
        let others: Vec<&MemberFacts> = observed
            .members
            .iter()
            .filter(|facts| facts.source == target.name && Some(&facts.host) != target.host.as_ref())
            .collect();
        let mut primaries = others.iter().copied().filter(|facts| facts.role == "primary");
        let primary = primaries.next().filter(|_| primaries.next().is_none()).map(|facts| Primary {
            facts,
            at: facts
                .at
                .or_else(|| observed.heard.get(&facts.host).copied())
                .unwrap_or(observed.at)
                .min(observed.at),
        });
        Known { primary, others: others.len(), promoted: target.host.as_ref(), was_primary }
    }

    /// The one standby that every commit waited for, when it can only be the promoted one: it is the
    /// only name, it goes with the promoted host, and the source has no third member.
    fn sole_standby(&self) -> Option<&'a str> {
        match (self.primary?.facts.sync_standbys.as_slice(), self.promoted) {
            ([name], Some(host)) if self.others == 1 && goes_with(name, host.as_str()) => Some(name),
            _ => None,
        }
    }
}

struct Found {
    certainty: Certainty,
    words: String,
    at_most: Option<Duration>,
}

fn found(certainty: Certainty, words: String) -> Found {
    Found { certainty, words, at_most: None }
}

fn judge(output: &PromoteOutput, fence: Option<&FenceLine>, known: &Known<'_>) -> Found {
    if output.already_primary && known.was_primary {
        return found(
            Certainty::None,
            "none: it was the primary before the run, and nothing was promoted".to_string(),
        );
    }
    let received = output.received_lsn.max(output.replayed_lsn);
    let closed =
        fence.filter(|fence| fence.evidence.is_some_and(|evidence| evidence >= Evidence::LeaseExpired));
    if let (Some(last), false) = (closed.and_then(|fence| fence.final_lsn), output.already_primary) {
        // What it had beyond that was acknowledged to nobody, where each commit waited for this standby.
        if received >= last || known.sole_standby().is_none() {
            return stopped_at(received, last);
        }
    }
    if let (Some(standby), Some(primary)) = (known.sole_standby(), known.primary) {
        return synchronous(received, standby, primary);
    }
    if output.already_primary {
        let words = "unknown: it was the primary already when this try began, and what the promotion before that had received is not known here";
        return found(Certainty::Unknown, words.to_string());
    }
    asynchronous(output, received, closed, known.primary)
}

/// The old primary was stopped and its last position was read.
fn stopped_at(received: u64, last: u64) -> Found {
    if received >= last {
        let words = format!(
            "none: the old primary was stopped at {}, and all of it had arrived ({})",
            lsn(last),
            lsn(received)
        );
        return found(Certainty::None, words);
    }
    let words = format!(
        "some: the old primary was stopped at {}, and only {} had arrived: {} of its log are missing, and acknowledged commits may be among them",
        lsn(last),
        lsn(received),
        bytes(last - received)
    );
    found(Certainty::Some, words)
}

/// Commits were acknowledged only after the promoted standby had them.
fn synchronous(received: u64, standby: &str, primary: Primary<'_>) -> Found {
    let (last, at) = (primary.facts.lsn, clock(primary.at));
    let words = match (last, received >= last) {
        _ if last == 0 || received == 0 => format!(
            "none: the standby had acknowledged every commit (synchronous, {standby}); received {}, last known {}",
            lsn(received),
            lsn(last)
        ),
        (_, true) => format!(
            "none: the standby had acknowledged every commit (synchronous, {standby}), received {} ≥ last known {} ({at})",
            lsn(received),
            lsn(last)
        ),
        (_, false) => format!(
            "none: the standby had acknowledged every commit (synchronous, {standby}). It received {}; the old primary had written {} more by {at}, and could acknowledge none of that to anyone",
            lsn(received),
            bytes(last - received)
        ),
    };
    found(Certainty::None, words)
}

/// Commits did not wait for the promoted standby, or nobody knows whether they did.
fn asynchronous(
    output: &PromoteOutput,
    received: u64,
    closed: Option<&FenceLine>,
    primary: Option<Primary<'_>>,
) -> Found {
    let arrived = match output.last_commit_at {
        Some(at) => format!("the last commit that arrived is of {} by the old primary's clock", clock(at)),
        None => "the time of the last commit that arrived is not known".to_string(),
    };
    let Some(primary) = primary.filter(|primary| primary.facts.lsn > 0) else {
        let words = format!(
            "unknown: what the old primary wrote last is not known here. Received {}, replayed {}; {arrived}",
            lsn(output.received_lsn),
            lsn(output.replayed_lsn)
        );
        return found(Certainty::Unknown, words);
    };
    let (last, at) = (primary.facts.lsn, clock(primary.at));
    if received < last {
        let words = format!(
            "some: at {at} the old primary had written up to {}, and only {} arrived: {} of its log are missing, and what it wrote later; {arrived}",
            lsn(last),
            lsn(received),
            bytes(last - received)
        );
        return found(Certainty::Some, words);
    }
    let since = format!(
        "everything that the old primary had written by {at} arrived (received {} ≥ {})",
        lsn(received),
        lsn(last)
    );
    let Some(end) = closed.and_then(|fence| fence.ended_at) else {
        let words = format!(
            "unknown: {since}, but {}, and only silence says that the old primary takes no more writes; {arrived}",
            waited(primary.facts)
        );
        return found(Certainty::Unknown, words);
    };
    let most = end.since(primary.at);
    let words = format!(
        "at most {}: {since}, and it took no more writes after {}; {arrived}",
        length(most),
        clock(end)
    );
    Found { certainty: Certainty::AtMost, words, at_most: Some(most) }
}

/// Whether commits waited for somebody, and for whom.
fn waited(primary: &MemberFacts) -> String {
    match primary.sync_standbys.as_slice() {
        [] => "commits did not wait for this standby".to_string(),
        names => {
            format!(
                "commits waited for {}, and whether that is this standby is not known here",
                names.join(", ")
            )
        }
    }
}
