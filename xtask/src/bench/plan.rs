//! `cargo xtask bench plan`: what the check of a large estate takes, by itself: nobody else checks such plans.
//!
//! A release build checks generated estates and texts that mean harm, each time in a process of its own, so that the peak of memory is that of
//! one check. What is generated, and what the parts are, says `plan/examples/bench/`. Medians are shown beside the
//! goal; nothing fails by a figure.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{Failure, cargo, checkout};

/// What is generated: a name of the example's, and what it is in words.
const VARIANTS: [(&str, &str); 5] = [
    ("estate", "an estate with all its plans"),
    ("drills", "half of its hosts stand in for the others in drills"),
    ("one-source", "every plan is about one source"),
    ("largest-plan", "a single plan of as many steps as it may have"),
    ("largest-plan-one-source", "the same, about one source"),
];
/// The variants that the goal is about.
const WITH_GOAL: [&str; 1] = ["estate"];
/// Longest time of one check, in seconds.
const GOAL_SECONDS: f64 = 1.0;
/// Most memory of the check of a text that means harm, and how many of these texts are shown.
const GOAL_MIB: f64 = 64.0;
const SHOWN: usize = 5;
/// Parts of a check, in the order of the work.
const PARTS: [&str; 7] = ["parse", "estate", "lower", "order", "domains", "objectives", "finish"];

/// What `cargo xtask bench plan` can be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How often each estate is checked; medians are shown.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these estates.
    #[arg(long, value_delimiter = ',')]
    variants: Vec<String>,
}

/// Builds, measures in turns, prints.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let program = build()?;
    let wanted = |(name, _): &&(&str, &str)| {
        arguments.variants.is_empty() || arguments.variants.iter().any(|wanted| wanted == name)
    };
    let variants: Vec<_> = VARIANTS.iter().filter(wanted).collect();
    let mut all: Vec<Vec<Value>> = vec![Vec::new(); variants.len()];
    for _ in 0..arguments.rounds.max(1) {
        for ((name, _), samples) in variants.iter().zip(&mut all) {
            samples.push(asked(Command::new(&program).arg(name))?);
        }
    }
    for ((name, words), samples) in variants.iter().zip(&all) {
        println!("{}", table(name, words, samples));
    }
    if arguments.variants.is_empty() {
        println!("{}", harm(&texts(&program)?));
    }
    Ok(())
}

/// Each text that means harm, checked once.
fn texts(program: &Path) -> Result<Vec<Value>, Failure> {
    let names = asked(Command::new(program).arg("texts"))?;
    let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(|name| asked(Command::new(program).args(["texts", name]))).collect()
}

/// The slowest of them, and the peak of all.
fn harm(samples: &[Value]) -> String {
    let figure = |sample: &Value, key: &str| sample[key].as_f64().unwrap_or_default();
    let mut slowest: Vec<&Value> = samples.iter().collect();
    slowest.sort_by(|a, b| figure(b, "seconds").total_cmp(&figure(a, "seconds")));
    let met = |met: bool| if met { "met" } else { "not met" };
    let mut lines = vec![format!("texts that mean harm: the slowest of {}", samples.len())];
    for sample in slowest.iter().take(SHOWN) {
        let name = sample["text"].as_str().unwrap_or_default();
        lines.push(format!("  {name:<40}{:>8.1} ms", figure(sample, "seconds") * 1e3));
    }
    let longest = slowest.first().map_or(0.0, |sample| figure(sample, "seconds"));
    lines.push(format!(
        "  {:<40}{:>8.1} ms; goal 1 s: {}",
        "longest",
        longest * 1e3,
        met(longest <= GOAL_SECONDS)
    ));
    let peak = samples.iter().map(|sample| figure(sample, "peak_mib")).fold(0.0, f64::max);
    lines.push(format!("  {:<40}{peak:>8.1} MiB; goal 64 MiB: {}", "peak memory", met(peak <= GOAL_MIB)));
    lines.join("\n") + "\n"
}

fn build() -> Result<PathBuf, Failure> {
    let mut command = cargo::cargo();
    command.args(["build", "--release", "--package", "lifeboat-plan", "--example", "bench"]);
    cargo::run(&mut command)?;
    Ok(checkout::target()?.join("release/examples/bench"))
}

/// What the example prints.
fn asked(command: &mut Command) -> Result<Value, Failure> {
    let text = cargo::output(command)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Output { program: cargo::line(command), why: error.to_string() })
}

/// The middle of the figures that `read` takes from the samples.
fn median(samples: &[Value], read: impl Fn(&Value) -> Option<f64>) -> f64 {
    let mut figures: Vec<f64> = samples.iter().filter_map(read).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// What was measured of one estate, in a few lines of at most 80 columns.
fn table(name: &str, words: &str, samples: &[Value]) -> String {
    let count = |key: &str| samples.first().map_or(0, |sample| sample[key].as_u64().unwrap_or_default());
    let megabytes = count("bytes") as f64 / 1e6;
    let mut lines = vec![
        format!("{name}: {words}"),
        format!(
            "  {} hosts, {} plans, {} steps, {megabytes:.1} MB; {} warnings",
            count("hosts"),
            count("plans"),
            count("steps"),
            count("warnings")
        ),
    ];
    for part in PARTS {
        let seconds = median(samples, |sample| sample["parts"][part].as_f64());
        lines.push(format!("  {part:<12}{:>8.1} ms", seconds * 1e3));
    }
    let seconds = median(samples, |sample| sample["seconds"].as_f64());
    let goal = match (WITH_GOAL.contains(&name), seconds <= GOAL_SECONDS) {
        (false, _) => "",
        (true, true) => "; goal 1 s: met",
        (true, false) => "; goal 1 s: not met",
    };
    lines.push(format!("  {:<12}{:>8.1} ms{goal}", "in all", seconds * 1e3));
    let peak = median(samples, |sample| sample["peak_mib"].as_f64());
    lines.push(format!("  {:<12}{peak:>8.1} MiB", "peak memory"));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_medians_and_whether_the_goal_is_met() {
        let sample = |seconds: f64| {
            serde_json::json!({
                "hosts": 1000, "plans": 200, "steps": 20000, "bytes": 3_200_000, "warnings": 2,
                "seconds": seconds, "parts": { "parse": seconds / 2.0 }, "peak_mib": 90.0,
            })
        };
        let samples = [sample(0.4), sample(9.0), sample(0.6)];
        let text = table("estate", "all", &samples);
        assert!(text.contains("  parse          300.0 ms\n"), "{text}");
        assert!(text.contains("  in all         600.0 ms; goal 1 s: met\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(table("estate", "all", &samples[1..2]).contains("not met"));
        assert!(!table("drills", "all", &samples).contains("goal"));
    }

    #[test]
    fn the_slowest_texts_come_first_and_the_peak_is_that_of_all() {
        let sample = |name: &str, seconds: f64, peak: f64| serde_json::json!({ "text": name, "seconds": seconds, "peak_mib": peak });
        let text = harm(&[sample("quick", 0.1, 70.0), sample("slow", 0.5, 3.0)]);
        assert!(text.contains("slow ") && text.find("slow ") < text.find("quick "), "{text}");
        assert!(
            text.contains("500.0 ms; goal 1 s: met\n") && text.contains("70.0 MiB; goal 64 MiB: not met\n"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }
}
