//! The lengths of one step.

use super::estimates::{APPROVAL, usual};
use crate::checked::{Action, EvidenceRule, MAX_RETRY_PAUSE, Scenario, Step, hosts};
use model::Evidence;
use serde::Serialize;
use std::time::Duration;

/// How long a step takes, seen in three ways. All are zero for a step that is skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Lengths {
    /// What it may stand still by its own words: questions (`within`) and waits (`for`).
    #[serde(with = "model::duration")]
    pub waits: Duration,
    /// `takes`, where the plan says it; else the usual length of its kind, see [`super::ESTIMATES`].
    #[serde(with = "model::duration")]
    pub estimate: Duration,
    /// Everything that may happen before it has failed for good or is done: each question is answered in
    /// the last moment, and every try but the last runs into its time-out, with the longest pauses.
    #[serde(with = "model::duration")]
    pub worst: Duration,
}

/// The lengths of a step under what its plan presumes.
pub fn lengths(step: &Step, scenario: &Scenario) -> Lengths {
    if step.skipped.is_some() {
        return Lengths::default();
    }
    let gate = step.gate.as_ref().map_or(Duration::ZERO, |gate| gate.within);
    let risk = step.evidence.as_ref().filter(|rule| rule.required == Evidence::Unreachable);
    // Nothing better is obtained from a region that is gone, so the question will come.
    let suspect = !scenario.suspect.is_empty() || !scenario.suspect_hosts.is_empty();
    let presumed = !scenario.lost.is_empty() || suspect;
    let asked = risk.filter(|_| presumed).map_or(Duration::ZERO, |rule| rule.within);
    let timed = timer(step);
    let by_clock = timed.unwrap_or(Duration::ZERO);
    let tries = match (timed, step.tasks.is_empty() && step.gate.is_some()) {
        (Some(length), _) => length,
        (None, true) => Duration::ZERO,
        (None, false) => all_tries(step).saturating_mul(waves(step)),
    };
    Lengths {
        waits: gate + asked + by_clock,
        estimate: estimate(step, asked, by_clock),
        worst: gate + risk.map_or(Duration::ZERO, |rule| rule.within) + tries,
    }
}

fn estimate(step: &Step, asked: Duration, by_clock: Duration) -> Duration {
    if let Some(takes) = step.takes {
        return takes.max(by_clock);
    }
    let silence = step.evidence.as_ref().map_or(Duration::ZERO, silence);
    let person = |within: Duration| within.min(APPROVAL);
    let gate = step.gate.as_ref().map_or(Duration::ZERO, |gate| person(gate.within));
    let doing = match (by_clock.is_zero(), step.tasks.is_empty() && step.gate.is_some()) {
        (false, _) => by_clock,
        (true, true) => Duration::ZERO,
        // More than the time-out would not be waited for.
        (true, false) => usual(&step.kind).min(step.timeout).saturating_mul(waves(step)),
    };
    gate + silence + person(asked) + doing
}

/// A fence that takes `unreachable` for an answer waits for the silence that proves it.
fn silence(rule: &EvidenceRule) -> Duration {
    if rule.required == Evidence::Unreachable { rule.silence } else { Duration::ZERO }
}

/// The length of a step that only waits.
fn timer(step: &Step) -> Option<Duration> {
    let lengths = step.tasks.iter().map(|task| match &task.action {
        Action::Timer { length } => Some(*length),
        Action::Agent { .. } | Action::Controller { .. } => None,
    });
    lengths.collect::<Option<Vec<Duration>>>()?.into_iter().max()
}

/// How often a step begins with other hosts, when all of them take equally long.
fn waves(step: &Step) -> u32 {
    let Some(fan_out) = &step.fan_out else { return 1 };
    let hosts = u32::try_from(hosts(&step.tasks).len()).unwrap_or(u32::MAX);
    let canary = fan_out.canary.min(hosts);
    let at_once = fan_out.at_once.max(1);
    (canary.div_ceil(at_once) + (hosts - canary).div_ceil(at_once)).max(1)
}

/// Every try runs into its time-out. Pauses double, and are spread by a quarter upwards at most.
fn all_tries(step: &Step) -> Duration {
    let tries = step.tries.max(1);
    let pauses = (0..tries - 1).map(|done| {
        let base = step.retry_pause.saturating_mul(1u32 << done.min(20)).min(MAX_RETRY_PAUSE);
        base.saturating_mul(5) / 4
    });
    pauses.fold(step.timeout.saturating_mul(tries), Duration::saturating_add)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{SourceFile, check};
    use model::{Mode, Name};

    fn steps(text: &str) -> Vec<(String, Lengths)> {
        let estate = include_str!("../../testdata/demo/estate.yaml");
        let file = |path: &str, text: &str| SourceFile { path: path.to_string(), text: text.to_string() };
        let checked = check(&[file("estate.yaml", estate), file("plan.yaml", text)]);
        let estate = checked.estate.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
        let plan = estate.compile(&Name::new("p").unwrap(), Mode::Live, &Default::default()).unwrap();
        plan.steps.iter().map(|step| (step.path.to_string(), lengths(step, &plan.scenario))).collect()
    }

    fn of(text: &str) -> Lengths {
        steps(text)[0].1
    }

    fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn an_approval_waits_for_its_whole_time_at_worst_and_is_estimated_at_five_minutes() {
        let asked = of("plan: p\nsteps: { a: { approve: { within: 10m } } }\n");
        assert_eq!(asked, Lengths { waits: secs(600), estimate: secs(300), worst: secs(600) });
        let quick = of("plan: p\nsteps: { a: { approve: { within: 2m } } }\n");
        assert_eq!(quick.estimate, secs(120));
        let told = of("plan: p\nsteps: { a: { takes: 1m, approve: { within: 10m } } }\n");
        assert_eq!(told, Lengths { waits: secs(600), estimate: secs(60), worst: secs(600) });
    }

    #[test]
    fn a_wait_takes_as_long_as_it_says() {
        let wait = of("plan: p\nsteps: { a: { wait: { for: 7m } } }\n");
        assert_eq!(wait, Lengths { waits: secs(420), estimate: secs(420), worst: secs(420) });
    }

    #[test]
    fn the_worst_is_every_try_with_the_longest_pauses() {
        let start = of(
            "plan: p\nsteps: { a: { timeout: 1m, retry: { tries: 4, pause: 100s }, start: { services: [web], region: west } } }\n",
        );
        // 4 × 60 s, and 125 s, 250 s, 375 s (300 s is the longest pause) between them.
        assert_eq!(start, Lengths { waits: secs(0), estimate: secs(30), worst: secs(240 + 125 + 250 + 375) });
    }

    #[test]
    fn a_fence_of_a_lost_region_will_ask_and_one_of_a_living_region_may() {
        let fence = |scenario: &str| {
            of(&format!(
                "plan: p\n{scenario}steps: {{ a: {{ timeout: 1m, retry: {{ tries: 1 }}, fence: {{ source: app-db, region: east, \
                 evidence: unreachable, silence: 20s, risk: lost, approve: {{ within: 3m }} }} }} }}\n"
            ))
        };
        let lost = fence("scenario: { lost: [east] }\n");
        assert_eq!(lost, Lengths { waits: secs(180), estimate: secs(20 + 180 + 10), worst: secs(180 + 60) });
        let alive = fence("");
        assert_eq!(alive, Lengths { waits: secs(0), estimate: secs(20 + 10), worst: secs(180 + 60) });
    }

    #[test]
    fn hosts_that_wait_for_others_make_a_step_longer() {
        let of = |fan_out: &str| {
            of(&format!(
                "plan: p\nsteps: {{ a: {{ timeout: 1m, retry: {{ tries: 1 }}{fan_out}, start: {{ services: [web], hosts: [east-1, west-1] }} }} }}\n"
            ))
        };
        let all = of("");
        assert_eq!((all.estimate, all.worst), (secs(30), secs(60)));
        let one = of(", fan-out: { at-once: 1, failures: 0 }");
        assert_eq!((one.estimate, one.worst), (secs(60), secs(120)));
        let first = of(", fan-out: { canary: 1, failures: 0 }");
        assert_eq!((first.estimate, first.worst), (secs(60), secs(120)));
    }

    #[test]
    fn what_is_skipped_takes_no_time_and_takes_is_shared_by_the_waves_of_a_step() {
        let text = "plan: p\nsteps:\n  a: { when: { mode: drill }, wait: { for: 1h } }\n  \
                    b: { takes: 100s, start: { services: [web, app], region: west } }\n";
        let found = steps(text);
        assert_eq!(found[0].1, Lengths::default());
        let all: Duration = found[1..].iter().map(|(_, lengths)| lengths.estimate).sum();
        assert_eq!(all, secs(100));
    }
}
