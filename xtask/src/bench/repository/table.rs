//! What is said, for people: a table for each figure, at most 80 columns.

use std::fmt::Write as _;

use super::summary::{Row, Summary, Verdict};

/// A figure with its tools and what is said of ours.
pub fn figure(summary: &Summary) -> String {
    let mut text = format!("{}\n", summary.title);
    let killed = summary.rows.iter().any(|row| row.sent_again.is_some());
    let stored = summary.rows.iter().any(|row| row.stored_megabytes.is_some());
    let last = match (killed, stored) {
        (true, _) => ["again %", "rerun %"],
        (false, true) => ["stored MB", ""],
        (false, false) => ["", ""],
    };
    line(&mut text, "", ["median s", "less open", "MB/s", "peak MiB", last[0], last[1]].map(str::to_owned));
    for row in &summary.rows {
        line(&mut text, row.tool, cells(row, killed));
    }
    for verdict in &summary.verdicts {
        text.push_str(&said(verdict));
    }
    text
}

/// The peaks of all tools and what is said of ours.
pub fn peaks(peaks: &[(&'static str, f64)], verdict: Option<&Verdict>) -> String {
    let mut text = "peak memory in everything that was measured\n".to_owned();
    for (tool, mib) in peaks {
        line(&mut text, tool, [format!("{mib:.0} MiB")]);
    }
    text.push_str(&verdict.map(said).unwrap_or_default());
    text
}

fn cells(row: &Row, killed: bool) -> [String; 6] {
    let percent = |part: Option<f64>| part.map(|part| format!("{:.1}", 100.0 * part)).unwrap_or_default();
    let stored = row.stored_megabytes.map(|stored| format!("{stored:.1}")).unwrap_or_default();
    let rate = row.megabytes_per_second;
    [
        format!("{:.2}", row.seconds),
        row.seconds_less_open.map(|seconds| format!("{seconds:.2}")).unwrap_or_default(),
        if rate > 0.0 { format!("{rate:.0}") } else { String::new() },
        format!("{:.0}", row.peak_mib),
        if killed { percent(row.sent_again) } else { stored },
        if killed { percent(row.sent_by_rerun) } else { String::new() },
    ]
}

fn line<const COUNT: usize>(text: &mut String, tool: &str, cells: [String; COUNT]) {
    let mut line = format!("  {tool:<10}");
    for cell in cells {
        // Writing to a string cannot fail.
        let _ = write!(line, "{cell:>11}");
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

fn said(verdict: &Verdict) -> String {
    let beside = verdict.beside.map(|peer| format!(" beside {peer}")).unwrap_or_default();
    let goal = match (verdict.goal, verdict.met) {
        (Some(goal), Some(met)) => format!("; goal {goal}: {}", if met { "met" } else { "not met" }),
        _ => String::new(),
    };
    format!("  {:.2} {}{beside}{goal}\n", verdict.value, verdict.what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_80_columns_and_says_whether_the_goal_is_met() {
        let row = Row {
            tool: "lifeboat",
            seconds: 12_345.678,
            seconds_less_open: Some(12_345.1),
            megabytes_per_second: 4000.4,
            peak_mib: 1234.5,
            stored_megabytes: Some(12_345.67),
            sent_again: Some(0.021),
            sent_by_rerun: Some(0.52),
        };
        let verdict = Verdict {
            what: "times as fast, less opening",
            value: 1.5,
            beside: Some("restic"),
            goal: Some(2.0),
            met: Some(false),
        };
        let summary = Summary { figure: "first", title: "first", rows: vec![row], verdicts: vec![verdict] };
        let text = figure(&summary);
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(
            text.ends_with("  1.50 times as fast, less opening beside restic; goal 2: not met\n"),
            "{text}"
        );
    }
}
