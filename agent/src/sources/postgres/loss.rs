//! What would be lost by promoting a standby: what it has received, against what others are known to have.

use super::control::words;
use model::jobs::Promote;
use model::{Micros, Problem};
use std::time::Duration;

/// Says no when something would be lost that nobody allowed, with the numbers; and when another member has more.
pub fn judge(work: &Promote, received: u64, last_commit_at: Option<Micros>) -> Result<(), Problem> {
    let ahead = work.known.iter().filter(|other| !other.was_primary && other.lsn > received);
    if let Some(other) = ahead.max_by_key(|other| other.lsn) {
        return Err(Problem::new(
            "LB2381",
            format!(
                "{} has received up to {}, this one only up to {}",
                other.host,
                words(other.lsn),
                words(received)
            ),
            "Promote the one that has the most: name it with `on` of the step. Nothing was promoted.",
        ));
    }
    let Some(primary) = work.known.iter().filter(|other| other.was_primary).max_by_key(|other| other.lsn)
    else {
        return Ok(());
    };
    if received >= primary.lsn || primary.waited || work.allowed_lsn.is_some_and(|least| received >= least) {
        return Ok(());
    }
    let bytes = primary.lsn - received;
    let lost = last_commit_at.map(|commit| primary.at.since(commit));
    if lost.zip(work.lose_at_most).is_some_and(|(lost, most)| lost <= most) {
        return Ok(());
    }
    let seconds = match lost {
        Some(lost) => format!("{}.{:03} s", lost.as_secs(), lost.subsec_millis()),
        None => "an unknown number of seconds".to_string(),
    };
    let known = if primary.stopped { "was stopped at" } else { "is last known to have written up to" };
    let problem = Problem::new(
        "LB2380",
        format!(
            "promoting this standby would lose {bytes} bytes of the log, {seconds}: {} {known} {} ({}), and only {} arrived here",
            primary.host,
            words(primary.lsn),
            primary.at,
            words(received)
        ),
        "Approve exactly this loss, or bring back what is missing: start the old primary where nobody writes to it, or promote another member. Nothing was promoted.",
    );
    let ms = lost.map_or_else(|| "unknown".to_string(), |lost: Duration| lost.as_millis().to_string());
    Err(problem
        .with_detail("received-lsn", received)
        .with_detail("known-lsn", primary.lsn)
        .with_detail("lost-bytes", bytes)
        .with_detail("lost-ms", ms))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use model::HostName;
    use model::jobs::Known;

    const S: i64 = 1_000_000;

    fn known(host: &str, was_primary: bool, lsn: u64, waited: bool) -> Known {
        let host = HostName::new(host).unwrap();
        Known { host, was_primary, lsn, at: Micros(100 * S), stopped: false, waited }
    }

    fn work(known: Vec<Known>, most: Option<u64>, allowed_lsn: Option<u64>) -> Promote {
        let source = serde_json::from_value(serde_json::json!({
            "name": "db", "kind": "postgres", "database": "x",
        }));
        Promote {
            known,
            lose_at_most: most.map(Duration::from_secs),
            allowed_lsn,
            ..Promote::of(source.unwrap())
        }
    }

    #[test]
    fn fault_44_what_is_lost_is_told_in_bytes_and_seconds_unless_it_is_allowed() {
        let short = |most, allowed| {
            judge(&work(vec![known("a", true, 5000, false)], most, allowed), 4000, Some(Micros(90 * S)))
        };
        let problem = short(None, None).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.details["lost-bytes"].as_str()), ("LB2380", "1000"));
        assert_eq!(
            (problem.details["lost-ms"].as_str(), problem.details["received-lsn"].as_str()),
            ("10000", "4000")
        );
        assert!(problem.message.contains("1000 bytes") && problem.message.contains("10.000 s"));
        // Within the objective, or allowed: exactly as much as was shown, never more.
        short(Some(10), None).unwrap();
        short(Some(9), None).unwrap_err();
        short(None, Some(4000)).unwrap();
        short(None, Some(4001)).unwrap_err();
        // Nothing is known of the time: no objective covers it.
        let work = work(vec![known("a", true, 5000, false)], Some(3600), None);
        assert_eq!(judge(&work, 4000, None).unwrap_err().details["lost-ms"], "unknown");
    }

    #[test]
    fn nothing_is_lost_where_all_arrived_or_every_commit_waited_for_this_one() {
        judge(&work(vec![], None, None), 1, None).unwrap();
        judge(&work(vec![known("a", true, 5000, false)], None, None), 5000, None).unwrap();
        judge(&work(vec![known("a", true, 5000, true)], None, None), 4000, None).unwrap();
    }

    #[test]
    fn another_one_that_has_more_is_promoted_instead_whatever_is_allowed() {
        let work =
            work(vec![known("a", true, 5000, false), known("c", false, 4500, false)], Some(3600), Some(1));
        assert_eq!(judge(&work, 4000, None).unwrap_err().code, "LB2381");
        judge(&work, 4500, None).unwrap();
    }
}
