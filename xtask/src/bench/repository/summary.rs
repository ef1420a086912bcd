//! From single measurements to what is said of them: medians, ratios to the best peer, goals met or not.

use serde::Serialize;

use super::{
    figures::{self, FIRST, Figure, Goal, OPEN, PEAK_MIB_AT_MOST, STORED_AT_MOST, Sample},
    tools::OURS,
};

/// One tool in one figure; medians over the rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The tool.
    pub tool: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// The same less what opening an empty repository takes, where that is known.
    pub seconds_less_open: Option<f64>,
    /// Of data, 10^6 bytes a second.
    pub megabytes_per_second: f64,
    /// The largest resident set of any round: a bound holds always or not at all.
    pub peak_mib: f64,
    /// What the repository holds, 10^6 bytes.
    pub stored_megabytes: Option<f64>,
    /// Sent a second time after a kill, as a part of a whole run.
    pub sent_again: Option<f64>,
    /// Sent by the second run, as a part of a whole run.
    pub sent_by_rerun: Option<f64>,
}

/// Ours beside the best peer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// What is compared.
    pub what: &'static str,
    /// Ours; a ratio, a part or MiB, as `what` says.
    pub value: f64,
    /// Of a ratio: the peer.
    pub beside: Option<&'static str>,
    /// What it shall be.
    pub goal: Option<f64>,
    /// Whether it is.
    pub met: Option<bool>,
}

/// All that is said of a figure.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Its key.
    pub figure: &'static str,
    /// Its title.
    pub title: &'static str,
    /// The tools, in the order in which they ran.
    pub rows: Vec<Row>,
    /// Ours beside the others.
    pub verdicts: Vec<Verdict>,
}

/// Of every figure that was measured.
pub fn all(samples: &[Sample]) -> Vec<Summary> {
    let of = |figure: &Figure| {
        let rows = rows(samples, figure);
        let verdicts = verdicts(&rows, figure);
        Summary { figure: figure.key, title: figure.title, rows, verdicts }
    };
    figures::ALL.iter().map(of).filter(|summary| !summary.rows.is_empty()).collect()
}

/// The peak of each tool over everything that was measured, and ours beside the goal.
pub fn peak(samples: &[Sample]) -> (Vec<(&'static str, f64)>, Option<Verdict>) {
    let peaks: Vec<(&'static str, f64)> = tools(samples)
        .into_iter()
        .map(|tool| {
            let own = samples.iter().filter(|sample| sample.tool == tool);
            (tool, own.map(|sample| sample.peak_mib).fold(0.0, f64::max))
        })
        .collect();
    let ours = peaks.iter().find(|(tool, _)| *tool == OURS).map(|(_, value)| Verdict {
        what: "peak MiB in everything",
        value: *value,
        beside: None,
        goal: Some(PEAK_MIB_AT_MOST),
        met: Some(*value <= PEAK_MIB_AT_MOST),
    });
    (peaks, ours)
}

fn rows(samples: &[Sample], figure: &Figure) -> Vec<Row> {
    let row = |tool: &'static str| {
        let of = |key: &str| -> Vec<&Sample> {
            samples.iter().filter(|sample| sample.tool == tool && sample.figure == key).collect()
        };
        let own = of(figure.key);
        let seconds = median(own.iter().map(|sample| sample.seconds))?;
        let open = if *figure == OPEN { None } else { median(of(OPEN.key).iter().map(|open| open.seconds)) };
        let bytes = own.first().map_or(0, |sample| sample.bytes);
        Some(Row {
            tool,
            seconds,
            seconds_less_open: open.map(|open| (seconds - open).max(0.0)),
            megabytes_per_second: bytes as f64 / 1e6 / seconds.max(1e-9),
            peak_mib: own.iter().map(|sample| sample.peak_mib).fold(0.0, f64::max),
            stored_megabytes: median(own.iter().filter_map(|sample| sample.stored).map(|b| b as f64 / 1e6)),
            sent_again: median(own.iter().filter_map(|sample| sample.sent_again)),
            sent_by_rerun: median(own.iter().filter_map(|sample| sample.sent_by_rerun)),
        })
    };
    tools(samples).into_iter().filter_map(row).collect()
}

fn tools(samples: &[Sample]) -> Vec<&'static str> {
    let mut tools = Vec::new();
    for sample in samples {
        if !tools.contains(&sample.tool) {
            tools.push(sample.tool);
        }
    }
    tools
}

fn verdicts(rows: &[Row], figure: &Figure) -> Vec<Verdict> {
    let Some(ours) = rows.iter().find(|row| row.tool == OURS) else { return Vec::new() };
    let mut verdicts = Vec::new();
    let goal = match figure.goal {
        Goal::Faster(goal) => Some(goal),
        Goal::Shown | Goal::SentAgain(_) => None,
    };
    let ratio = |what, value: fn(&Row) -> Option<f64>, goal: Option<f64>| {
        let (tool, best) = best(rows, value)?;
        // Nothing may be left when opening is all that there is.
        let ratio = best / value(ours)?.max(0.001);
        Some(Verdict { what, value: ratio, beside: Some(tool), goal, met: goal.map(|goal| ratio >= goal) })
    };
    verdicts.extend(ratio("times as fast", |row| Some(row.seconds), goal));
    if *figure != OPEN {
        verdicts.extend(ratio("times as fast, less opening", |row| row.seconds_less_open, None));
    }
    if *figure == FIRST {
        verdicts.extend(stored(rows, ours));
    }
    if let (Goal::SentAgain(goal), Some(value)) = (figure.goal, ours.sent_again) {
        let (what, met) = ("of the whole sent again", Some(value <= goal));
        verdicts.push(Verdict { what, value, beside: None, goal: Some(goal), met });
    }
    verdicts
}

fn stored(rows: &[Row], ours: &Row) -> Option<Verdict> {
    let (tool, smallest) = best(rows, |row| row.stored_megabytes)?;
    let value = ours.stored_megabytes? / smallest;
    Some(Verdict {
        what: "times as large, stored",
        value,
        beside: Some(tool),
        goal: Some(STORED_AT_MOST),
        met: Some(value <= STORED_AT_MOST),
    })
}

/// The peer with the smallest value, among those that have one.
fn best(rows: &[Row], value: fn(&Row) -> Option<f64>) -> Option<(&'static str, f64)> {
    let peers = rows.iter().filter(|row| row.tool != OURS).filter_map(|row| Some((row.tool, value(row)?)));
    peers.min_by(|one, other| one.1.total_cmp(&other.1))
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    if values.len().is_multiple_of(2) {
        let lower = values.get(values.len() / 2 - 1)?;
        return Some(f64::midpoint(*lower, *upper));
    }
    Some(*upper)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    pub fn sample(figure: &Figure, tool: &'static str, round: usize, seconds: f64) -> Sample {
        Sample {
            figure: figure.key,
            tool,
            round,
            seconds,
            peak_mib: 100.0 + round as f64,
            bytes: 1_000_000_000,
            stored: Some(700_000_000),
            sent_again: None,
            sent_by_rerun: None,
        }
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 9.0].into_iter()), Some(3.0));
        assert_eq!(median([4.0, 1.0, 2.0, 9.0].into_iter()), Some(3.0));
        assert_eq!(median([].into_iter()), None);
    }

    #[test]
    fn ours_stands_beside_the_best_peer_with_and_without_opening() {
        let samples = [
            sample(&OPEN, OURS, 1, 0.5),
            sample(&OPEN, "restic", 1, 0.5),
            sample(&FIRST, OURS, 1, 4.0),
            sample(&FIRST, "restic", 1, 10.0),
            // It derives its key otherwise: nothing is taken off, and it is not compared there.
            sample(&FIRST, "borg", 1, 9.8),
        ];
        let summaries = all(&samples);
        let first = &summaries[1];
        assert_eq!((first.verdicts[0].value, first.verdicts[0].beside), (2.45, Some("borg")));
        assert_eq!(first.verdicts[0].met, Some(true));
        assert_eq!((first.verdicts[1].value, first.verdicts[1].beside), (9.5 / 3.5, Some("restic")));
        assert_eq!((first.verdicts[2].value, first.verdicts[2].met), (1.0, Some(true)));
    }

    #[test]
    fn the_peak_is_that_of_all_rounds_and_figures() {
        let samples = [sample(&FIRST, OURS, 1, 1.0), sample(&figures::CHECK, OURS, 100, 1.0)];
        let (peaks, verdict) = peak(&samples);
        assert_eq!(peaks, [(OURS, 200.0)]);
        assert_eq!(verdict.unwrap().met, Some(false));
    }
}
