//! `cargo xtask bench control`: what the way from one step to the next costs, with the real programs.
//!
//! A release build of controller and agent runs steps that do nothing, each durable on both sides. What is
//! measured, and how, says `tests/src/bench/`. Medians are shown beside the goals; nothing fails by a figure.

use std::{fs, path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{Failure, cargo, checkout};

/// The programs as they are shipped.
const PROGRAMS: [&str; 3] = ["lifeboat-controller", "lifeboat-agent", "lifeboat-cli"];
/// The program that measures them.
const DRIVER: &str = "lifeboat-bench-control";

/// The program that plays many agents.
const SWARM: &str = "lifeboat-swarm";

/// What `cargo xtask bench control` can be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How often what is cheap is measured; medians are shown.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A tenth of the work, for trials.
    #[arg(long)]
    small: bool,
    /// Only these: row, many, wide, restart, idle, swarm, gap, million.
    #[arg(long, value_delimiter = ',')]
    measures: Vec<String>,
    /// Where all figures go; the bench folder below cargo's target folder if nothing is said.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A figure with its goal.
struct Line {
    measure: &'static str,
    key: &'static str,
    words: &'static str,
    unit: &'static str,
    goal: Goal,
}

enum Goal {
    AtLeast(f64),
    AtMost(f64),
    None,
}

use Goal::{AtLeast, AtMost, None as NoGoal};

/// What is shown, in this order.
#[rustfmt::skip]
const LINES: &[Line] = &[
    Line { measure: "row", key: "steps_per_second", words: "durable no-op steps in a row (Restate 816)", unit: "/s", goal: AtLeast(816.0) },
    Line { measure: "row", key: "syncs_per_step", words: "  syncs a step, counted by strace", unit: "", goal: AtMost(3.0) },
    Line { measure: "row", key: "sync_ms", words: "  one sync of this disk", unit: "ms", goal: NoGoal },
    Line { measure: "row", key: "share_of_bound", words: "  share of 1/(3 x sync time)", unit: "", goal: AtLeast(0.7) },
    Line { measure: "many", key: "steps_per_second", words: "many runs at once, agents on this machine", unit: "/s", goal: AtLeast(5000.0) },
    Line { measure: "many", key: "journal_alone_per_second", words: "  the same steps without agents", unit: "/s", goal: AtLeast(5000.0) },
    Line { measure: "many", key: "controller_peak_mib", words: "  the controller's largest memory", unit: "MiB", goal: AtMost(100.0) },
    Line { measure: "wide", key: "overhead_ms", words: "200 steps, 50 hosts, depth 10", unit: "ms", goal: AtMost(150.0) },
    Line { measure: "restart", key: "next_step_seconds", words: "controller killed, started: next step", unit: "s", goal: AtMost(2.0) },
    Line { measure: "restart", key: "worst_seconds", words: "  the worst of the rounds", unit: "s", goal: AtMost(2.0) },
    Line { measure: "idle", key: "agent_mib", words: "idle agent", unit: "MiB", goal: AtMost(15.0) },
    Line { measure: "idle", key: "agent_cpu_percent", words: "  of a core", unit: "%", goal: AtMost(0.1) },
    Line { measure: "swarm", key: "controller_mib", words: "10,000 idle agents: the controller's memory", unit: "MiB", goal: AtMost(450.0) },
    Line { measure: "swarm", key: "controller_cpu_percent", words: "  of a core", unit: "%", goal: AtMost(5.0) },
    Line { measure: "swarm", key: "few_ms", words: "no-op to 8 agents of them (Salt 290)", unit: "ms", goal: AtMost(15.0) },
    Line { measure: "swarm", key: "many_ms", words: "  to 1,000", unit: "ms", goal: AtMost(150.0) },
    Line { measure: "swarm", key: "all_ms", words: "  to 10,000", unit: "ms", goal: AtMost(1200.0) },
    Line { measure: "swarm", key: "reconnect_seconds", words: "all back after a restart (bare tonic 14.8)", unit: "s", goal: AtMost(20.0) },
    Line { measure: "swarm", key: "next_step_seconds", words: "  next step of a run meanwhile", unit: "s", goal: AtMost(2.0) },
    Line { measure: "gap", key: "planned_worst_seconds", words: "write gap, planned (Patroni 1.41), the worst", unit: "s", goal: AtMost(1.0) },
    Line { measure: "gap", key: "killed_worst_seconds", words: "  host killed, run by hand (29.4), the worst", unit: "s", goal: AtMost(8.0) },
    Line { measure: "gap", key: "lost", words: "  acknowledged writes lost", unit: "", goal: AtMost(0.0) },
    Line { measure: "million", key: "ready_seconds", words: "a million journal records at start", unit: "s", goal: AtMost(3.0) },
];

/// Builds, measures, prints, and writes the JSON.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = build()?;
    let mut command = Command::new(folder.join(DRIVER));
    command.args(["--rounds", &arguments.rounds.max(1).to_string()]);
    if arguments.small {
        command.arg("--small");
    }
    if !arguments.measures.is_empty() {
        command.args(["--measures", &arguments.measures.join(",")]);
    }
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(Failure::io(format!("start {}", cargo::line(&command))))?;
    if !output.status.success() {
        return Err(Failure::Program { program: cargo::line(&command), status: output.status.to_string() });
    }
    let figures: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::Output { program: DRIVER.to_owned(), why: error.to_string() })?;
    let about = circumstances(arguments)?;
    println!("{}\n{}", spoken(&about), table(&figures));
    let path = match &arguments.json {
        Some(path) => path.clone(),
        None => bench_folder()?.join("control.json"),
    };
    let text = json!({ "circumstances": about, "figures": figures });
    fs::write(&path, format!("{text:#}\n")).map_err(Failure::io(format!("write {}", path.display())))?;
    println!("all figures: {}", path.display());
    Ok(())
}

fn bench_folder() -> Result<PathBuf, Failure> {
    let folder = checkout::target()?.join("bench");
    fs::create_dir_all(&folder).map_err(Failure::io(format!("create {}", folder.display())))?;
    Ok(folder)
}

/// The driver first: it turns features of the programs on that what is shipped does not have.
fn build() -> Result<PathBuf, Failure> {
    let drivers = ["build", "--release", "--package", "lifeboat-tests", "--bin", DRIVER, "--bin", SWARM];
    cargo::run(cargo::cargo().args(drivers))?;
    let mut command = cargo::cargo();
    command.args(["build", "--release"]);
    for program in PROGRAMS {
        command.args(["--package", program]);
    }
    cargo::run(&mut command)?;
    Ok(checkout::target()?.join("release"))
}

fn circumstances(arguments: &Arguments) -> Result<Value, Failure> {
    let mut git = Command::new("git");
    let commit = cargo::output(git.current_dir(checkout::root()).args(["rev-parse", "--short", "HEAD"]));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or_default().to_owned();
    Ok(json!({
        "commit": commit.map(|text| text.trim().to_owned()).unwrap_or_default(),
        "cores": cores,
        "load_at_the_end": load,
        "rounds": arguments.rounds,
        "small": arguments.small,
        "folder": bench_folder()?.display().to_string(),
    }))
}

fn spoken(about: &Value) -> String {
    let text = |key: &str| about[key].as_str().unwrap_or_default().to_owned();
    let small = if about["small"] == true { "; a tenth of the work" } else { "" };
    format!(
        "control plane at {}: {} cores, load {} at the end, medians of {}{small}",
        text("commit"),
        about["cores"],
        text("load_at_the_end"),
        about["rounds"]
    )
}

/// A line for each figure that was measured, of at most 90 columns.
fn table(figures: &Value) -> String {
    let mut lines = Vec::new();
    for line in LINES {
        let figure = &figures[line.measure];
        if figure.is_null() {
            continue;
        }
        let words = line.words;
        let Some(value) = figure[line.key].as_f64() else {
            lines.push(format!("{words:<44}  not measured"));
            continue;
        };
        let (bound, met) = match line.goal {
            AtLeast(goal) => (format!("at least {goal}"), Some(value >= goal)),
            AtMost(goal) => (format!("at most {goal}"), Some(value <= goal)),
            NoGoal => (String::new(), None),
        };
        let verdict = met
            .map_or(String::new(), |met| format!("; goal {bound}: {}", if met { "met" } else { "not met" }));
        lines.push(format!("{words:<44}{value:>10.2} {:<4}{verdict}", line.unit));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_figure_stands_beside_its_goal_and_what_was_not_measured_is_left_out() {
        let figures = json!({
            "row": { "steps_per_second": 900.0, "syncs_per_step": null, "sync_ms": 0.2, "share_of_bound": 0.5 },
        });
        let text = table(&figures);
        assert!(text.contains("900.00 /s  ; goal at least 816: met"), "{text}");
        assert!(
            text.contains("strace               not measured") || text.contains("not measured"),
            "{text}"
        );
        assert!(text.contains("0.50     ; goal at least 0.7: not met"), "{text}");
        assert!(!text.contains("idle agent"), "{text}");
    }

    #[test]
    fn every_measure_is_one_that_the_driver_takes() {
        let driver =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/src/bench/mod.rs"));
        let driver = driver.unwrap_or_default();
        assert!(LINES.iter().all(|line| driver.contains(&format!("(\"{}\"", line.measure))));
    }
}
