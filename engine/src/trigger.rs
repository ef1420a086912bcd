//! When a plan that has a `trigger` begins by itself.
//!
//! One failed answer proves nothing: a host may be cut off from what it asks, a server may hiccup, a network may
//! be gone for 43 seconds. So a plan begins only when enough vantage points have said that the check fails at
//! every look, without a break, for the whole damping time. A vantage point that says nothing new (its agent is
//! gone, its answer is old) says neither: when too few are heard it may be the controller that is cut off, and
//! the time begins anew. After it has begun, nothing begins by itself until its cool-down is over; that is each
//! plan's own and holds back no other.
//!
//! Pure: the clocks come as arguments. Durations are the controller's own monotonic clock; the cool-down also
//! counts from the journal's time of the last such run, so that a restart or a takeover does not forget it.

use model::{HostName, Micros};
use plan::TriggerHead;
use std::collections::BTreeMap;
use std::time::Duration;

/// The newest answer of a vantage point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// When it was asked, by the clock of the host that asked.
    pub at: Micros,
    /// Whether it was as expected.
    pub well: bool,
}

/// What a look gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Too few say that it fails.
    Calm,
    /// Too few say anything.
    Blind,
    /// Enough say that it fails, and not for long enough yet.
    Failing {
        /// For so long.
        lasted: Duration,
    },
    /// It failed long enough, and the cool-down of the last time is not over.
    Cooling {
        /// For so long still.
        left: Duration,
    },
    /// The plan begins now.
    Fires,
}

/// What is remembered between two looks at one plan.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// The newest answer of each vantage point, and when it was first seen.
    heard: BTreeMap<HostName, (Answer, Duration)>,
    /// Since when enough of them say that it fails.
    since: Option<Duration>,
    /// When the plan last began by itself, seen from here.
    fired: Option<Duration>,
    /// The last time of the journal, and when it was first looked at.
    recorded: Option<(Micros, Duration)>,
}

impl Watch {
    /// Looks once. `answers` are the newest of all hosts, `now` is the clock since boot. `last` is when the
    /// journal says that the plan last began by itself, and `wall` the time by the same clock.
    pub fn look(
        &mut self,
        trigger: &TriggerHead,
        answers: &BTreeMap<HostName, Answer>,
        now: Duration,
        last: Option<Micros>,
        wall: Micros,
    ) -> Look {
        self.heard.retain(|host, _| trigger.vantages.contains(host));
        for host in &trigger.vantages {
            if let Some(answer) = answers.get(host)
                && self.heard.get(host).is_none_or(|(known, _)| known != answer)
            {
                self.heard.insert(host.clone(), (*answer, now));
            }
        }
        let fresh = self.heard.values().filter(|(_, seen)| now.saturating_sub(*seen) <= trigger.stale);
        let (failing, heard) = fresh
            .fold((0, 0), |(failing, heard), (answer, _)| (failing + usize::from(!answer.well), heard + 1));
        if failing < trigger.failing {
            self.since = None;
            return if heard < trigger.failing { Look::Blind } else { Look::Calm };
        }
        let lasted = now.saturating_sub(*self.since.get_or_insert(now));
        if lasted < trigger.lasting {
            return Look::Failing { lasted };
        }
        match self.cooling(trigger, now, last, wall) {
            Some(left) => Look::Cooling { left },
            None => Look::Fires,
        }
    }

    /// It has begun.
    pub fn fired(&mut self, now: Duration) {
        self.fired = Some(now);
        self.since = None;
    }

    /// What is left of the cool-down. A wall clock that was set back makes it no longer than it is.
    fn cooling(
        &mut self,
        trigger: &TriggerHead,
        now: Duration,
        last: Option<Micros>,
        wall: Micros,
    ) -> Option<Duration> {
        let left = |passed: Duration| trigger.cool_down.checked_sub(passed).filter(|left| !left.is_zero());
        let here = self.fired.and_then(|fired| left(now.saturating_sub(fired)));
        if self.recorded.map(|(known, _)| known) != last {
            self.recorded = last.map(|last| (last, now));
        }
        let passed = |(last, seen): (Micros, Duration)| wall.since(last).max(now.saturating_sub(seen));
        here.max(self.recorded.map(passed).and_then(left))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn trigger() -> TriggerHead {
        let host = |name| HostName::new(name).unwrap();
        TriggerHead {
            check: model::Name::new("alive").unwrap(),
            vantages: ["a", "b", "c"].map(host).to_vec(),
            failing: 2,
            lasting: 10 * SECOND,
            cool_down: 600 * SECOND,
            stale: 4 * SECOND,
        }
    }

    /// Each second of a story: what the three vantage points say (`.` well, `x` fails, ` ` nothing new).
    fn told(watch: &mut Watch, story: &[&str], begin: u64, last: Option<Micros>) -> Vec<Look> {
        let mut answers: BTreeMap<HostName, Answer> = BTreeMap::new();
        let mut out = Vec::new();
        for (second, row) in story.iter().enumerate() {
            let at = begin + second as u64;
            for (host, says) in trigger().vantages.iter().zip(row.chars()).filter(|(_, says)| *says != ' ') {
                let at = Micros(at as i64 * 1_000_000);
                answers.insert(host.clone(), Answer { at, well: says == '.' });
            }
            let look =
                watch.look(&trigger(), &answers, SECOND * at as u32, last, Micros(at as i64 * 1_000_000));
            if look == Look::Fires {
                watch.fired(SECOND * at as u32);
            }
            out.push(look);
        }
        out
    }

    fn fires(looks: &[Look]) -> Vec<usize> {
        looks.iter().enumerate().filter(|(_, look)| **look == Look::Fires).map(|(at, _)| at).collect()
    }

    #[test]
    fn it_fires_once_enough_have_said_it_for_long_enough() {
        assert_eq!(fires(&told(&mut Watch::default(), &["xx."; 30], 1000, None)), [10]);
        assert_eq!(fires(&told(&mut Watch::default(), &["xxx"; 30], 1000, None)), [10]);
    }

    #[test]
    fn fault_49_one_that_lies_or_flaps_fires_nothing() {
        assert_eq!(fires(&told(&mut Watch::default(), &["x.."; 3600], 1000, None)), [] as [usize; 0]);
        let flapping: Vec<&str> =
            (0..3600).map(|second| if second % 9 == 8 { "x.." } else { "xx." }).collect();
        assert_eq!(fires(&told(&mut Watch::default(), &flapping, 1000, None)), [] as [usize; 0]);
    }

    #[test]
    fn whoever_says_nothing_new_says_nothing() {
        let mut story = vec!["xxx"; 5];
        story.extend(["   "; 60]);
        let looks = told(&mut Watch::default(), &story, 1000, None);
        assert_eq!(fires(&looks), [] as [usize; 0], "all were cut off from us");
        assert_eq!(looks.last(), Some(&Look::Blind));
        let mut story = vec!["xx "; 5];
        story.extend(["x  "; 60]);
        assert_eq!(fires(&told(&mut Watch::default(), &story, 1000, None)), [] as [usize; 0]);
    }

    #[test]
    fn a_partition_of_43_seconds_that_heals_fires_nothing_below_a_longer_damping_time() {
        let trigger = TriggerHead { lasting: 60 * SECOND, ..trigger() };
        let mut watch = Watch::default();
        for second in 0..200u32 {
            let well = !(50..93).contains(&second);
            let answer = Answer { at: Micros(i64::from(second)), well };
            let answers = trigger.vantages.iter().map(|host| (host.clone(), answer)).collect();
            let look = watch.look(&trigger, &answers, SECOND * second, None, Micros(0));
            assert_ne!(look, Look::Fires, "{second}");
        }
    }

    #[test]
    fn never_twice_within_the_cool_down_whoever_remembers_it() {
        let mut watch = Watch::default();
        assert_eq!(fires(&told(&mut watch, &["xxx"; 650], 1000, None)), [10, 610]);
        // A controller that has just started has the journal alone.
        let last = Some(Micros(995 * 1_000_000));
        assert_eq!(fires(&told(&mut Watch::default(), &["xxx"; 650], 1000, last)), [595]);
        // One of the future (the wall clock was set back) holds for one cool-down since it was first looked at.
        let last = Some(Micros(99_995 * 1_000_000));
        assert_eq!(fires(&told(&mut Watch::default(), &["xxx"; 650], 1000, last)), [610]);
    }
}
