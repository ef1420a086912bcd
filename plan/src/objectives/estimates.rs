//! How long a step of a kind usually takes, where neither the plan (`takes:`) nor a history says.
//!
//! They are for a small team's data on ordinary machines, and meant to be replaced: a restore of 1 TB is
//! not done in an hour, and only its owner knows. The guide shows this table.

use std::time::Duration;

/// Until a person at hand has read and answered a question.
pub const APPROVAL: Duration = Duration::from_secs(5 * 60);
/// What a fence takes besides the silence that it waits for.
pub const FENCING: Duration = Duration::from_secs(10);
/// For a kind that is not listed.
const ANY: Duration = Duration::from_secs(60);

/// Kind, usual length, what it is made of. `wait` takes as long as it says, so it is not here.
pub static ESTIMATES: [(&str, Duration, &str); 27] = [
    ("approve", APPROVAL, "or `within`, where that is shorter"),
    ("ask", minutes(10), "a person does something and answers"),
    ("backup", minutes(30), "one snapshot"),
    ("call", minutes(10), "a plan of its own: say what it takes"),
    ("check", seconds(30), "a service that was just started, until it answers"),
    ("collect", minutes(2), "logs and evidence"),
    ("command", minutes(2), "a script: say what it takes"),
    (
        "cutover",
        seconds(10),
        "until every authoritative server answers; resolvers keep the old one for its TTL",
    ),
    ("deploy", minutes(5), "one version onto its hosts"),
    ("fence", FENCING, "and the silence, and the approval of its risk where it will be asked for"),
    ("isolate", seconds(30), "a rule of the network"),
    ("notify", seconds(5), "one message"),
    ("promote", seconds(30), "until it takes writes"),
    ("prove", minutes(60), "a restore aside, compared"),
    ("provision", minutes(15), "machines, until their agents have enrolled"),
    ("rejoin", minutes(30), "the old primary as a standby"),
    ("restart", seconds(30), "one wave of services"),
    ("restore", minutes(60), "one copy, compared"),
    ("rollback", minutes(5), "one version onto its hosts"),
    ("rotate", minutes(1), "one secret"),
    ("scale", minutes(1), "one service"),
    ("sql", seconds(30), "one statement"),
    ("start", seconds(30), "one wave of services"),
    ("stop", seconds(30), "one wave of services"),
    ("swap", minutes(1), "a copy in the place of the live one"),
    ("switch", seconds(10), "one pool"),
    ("unfence", seconds(30), "one server"),
];

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// The usual length of a kind.
pub fn usual(kind: &str) -> Duration {
    ESTIMATES.iter().find(|(name, _, _)| *name == kind).map_or(ANY, |(_, length, _)| *length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_kind_has_an_estimate_once() {
        for (kind, _, _) in crate::steps::reference().filter(|(kind, _, _)| *kind != "wait") {
            let found = ESTIMATES.iter().filter(|(name, _, _)| *name == kind).count();
            assert_eq!(found, 1, "{kind}");
        }
        assert!(ESTIMATES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
