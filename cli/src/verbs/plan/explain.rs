//! `lifeboat plan explain`: what a plan would do and how long it would take, offline.
//!
//! An estate that is sound but promises more than it keeps is explained all the same: the sum is what its
//! author looks for then.

use super::{check, inputs};
use crate::args::Cli;
use crate::failure::Failure;
use crate::{folder, screen};
use model::{Mode, Name, StepPath};
use plan::explainable;
use plan::objectives::History;
use runtime::lifecycle::Exit;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most reports of past runs that are read.
const MAX_REPORTS: usize = 500;
/// Largest report, in bytes.
const MAX_REPORT_BYTES: u64 = 16 * 1024 * 1024;
/// Codes of what this version cannot do yet.
const TO_COME: [&str; 2] = ["LB0125", "LB0128"];
/// Where the simulation begins: the same past gives the same figures.
const SEED: u64 = 7;

/// `plan explain`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The plan's name.
    plan: String,
    /// The estate's folder.
    #[arg(long, default_value = ".")]
    path: PathBuf,
    /// live or drill.
    #[arg(long, default_value = "live")]
    mode: String,
    /// Inputs, `name=value`.
    #[arg(long = "input", short)]
    inputs: Vec<String>,
    /// Reports of past runs, as `lifeboat runs show RUN --output json` writes them: gives p50 and p90.
    #[arg(long)]
    history: Vec<PathBuf>,
}

/// Explains a plan.
pub fn explain(cli: &Cli, args: &Args) -> Result<Exit, Failure> {
    let plan = Name::new(args.plan.as_str()).map_err(|error| {
        Failure::usage("LB0203", error.to_string(), "Give the name of a plan of the estate.")
    })?;
    let mode = args.mode.parse::<Mode>().map_err(|error| {
        Failure::usage("LB4040", format!("--mode: {error}"), "Give live, drill or preview.")
    })?;
    let inputs = inputs(&args.inputs)?;
    let history = history(&plan, &args.history)?;
    let checked = explainable(&folder::read(&args.path)?);
    // What is still to come stands in the steps themselves.
    let told = |one: &&plan::Diagnostic| !TO_COME.contains(&one.code.as_str());
    check::print(&checked.diagnostics.iter().filter(told).cloned().collect::<Vec<_>>());
    let Some(estate) = &checked.estate else { return Ok(Exit::No) };
    let mut random = random(SEED);
    let past = history.as_ref().map(|history| (history, &mut random as &mut dyn FnMut() -> u64));
    match estate.explain(&plan, mode, &inputs, past) {
        Ok(explanation) => {
            let explained = report::explain::explain(&explanation);
            screen::show(cli.output, &explained, || explained.text());
            Ok(if checked.errors() == 0 { Exit::Done } else { Exit::No })
        }
        Err(diagnostics) => {
            check::print(&diagnostics);
            Ok(Exit::No)
        }
    }
}

/// What is read of a report.
#[derive(Debug, Deserialize)]
struct PastRun {
    plan: Name,
    mode: Mode,
    steps: Vec<PastStep>,
}

/// A step of it.
#[derive(Debug, Deserialize)]
struct PastStep {
    step: StepPath,
    kind: String,
    state: String,
    took_ms: Option<u64>,
}

/// What steps took in the reports; `None` when none were given.
fn history(plan: &Name, paths: &[PathBuf]) -> Result<Option<History>, Failure> {
    if paths.len() > MAX_REPORTS {
        return Err(Failure::usage(
            "LB0420",
            format!("{} reports of past runs; at most {MAX_REPORTS} are read", paths.len()),
            "Give the newest ones.",
        ));
    }
    let mut history = History::new();
    for path in paths {
        let run = past_run(path)?;
        let done = run.steps.iter().filter(|step| step.state == "succeeded" && run.mode != Mode::Preview);
        for (step, took) in done.filter_map(|step| Some((step, Duration::from_millis(step.took_ms?)))) {
            // Steps of other plans only share their kind with this one.
            if run.plan == *plan {
                history.add(&step.step, &step.kind, took);
            } else {
                history.add_kind(&step.kind, took);
            }
        }
    }
    Ok((!paths.is_empty()).then_some(history))
}

fn past_run(path: &Path) -> Result<PastRun, Failure> {
    let meta = std::fs::metadata(path).map_err(|error| Failure::file("read", path, &error))?;
    if meta.len() > MAX_REPORT_BYTES {
        return Err(Failure::usage(
            "LB0420",
            format!("{} is larger than a report of a run", path.display()),
            "Give reports of single runs.",
        ));
    }
    let text = std::fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    serde_json::from_slice(&text).map_err(|error| {
        Failure::usage(
            "LB0420",
            format!("{} is no report of a run: {error}", path.display()),
            "Write it with `lifeboat runs show RUN --output json`.",
        )
    })
}

/// SplitMix64: enough for a simulation, and the same everywhere.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_input_is_a_name_and_a_value() {
        let read = |text: &str| inputs(&[text.to_string()]);
        assert_eq!(read("point=a=b").unwrap()["point"], "a=b");
        assert_eq!(read("point").unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn reports_of_this_plan_teach_its_steps_and_those_of_others_only_their_kinds() {
        let folder = tempfile::tempdir().unwrap();
        let report = |name: &str, plan: &str, mode: &str, took: u64| {
            let path = folder.path().join(name);
            let text = format!(
                r#"{{"run":"x","plan":"{plan}","mode":"{mode}","steps":[
                   {{"step":"start","kind":"start","state":"succeeded","took_ms":{took}}},
                   {{"step":"last","kind":"check","state":"failed","took_ms":1}}]}}"#
            );
            std::fs::write(&path, text).unwrap();
            path
        };
        let own: Vec<PathBuf> =
            (0..3).map(|at| report(&format!("own{at}"), "p", "live", 1_000 + at)).collect();
        let other = report("other", "q", "drill", 9_000);
        let preview = report("preview", "p", "preview", 5);
        let all = [own, vec![other, preview]].concat();
        let history = history(&Name::new("p").unwrap(), &all).unwrap().unwrap();
        let ms = |all: &[u64]| all.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>();
        assert_eq!(history.past(&StepPath::new("start").unwrap(), "start"), ms(&[1_000, 1_001, 1_002]));
        assert_eq!(history.past(&StepPath::new("else").unwrap(), "start"), ms(&[1_000, 1_001, 1_002, 9_000]));
        assert!(history.past(&StepPath::new("last").unwrap(), "check").is_empty());
    }

    #[test]
    fn what_is_no_report_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        std::fs::write(&path, "[]").unwrap();
        let failure = history(&Name::new("p").unwrap(), &[path]).unwrap_err();
        assert_eq!((failure.problem.code.as_str(), failure.exit), ("LB0420", Exit::Usage));
        assert!(failure.problem.message.contains("x.json"));
    }
}
