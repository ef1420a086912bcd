//! `cargo xtask bench repository`: ours beside restic, rustic and borg.
//!
//! All run on the same data in one go, in turns: the first round of every tool, then the second, so that what
//! changes on the machine meanwhile falls on all of them. Each begins with everything on disk and, as root,
//! nothing in the page cache. Medians are compared, goals are shown as met or not; nothing fails by a figure.

mod corpora;
mod delay;
mod figures;
mod files;
mod measures;
mod process;
mod s3;
mod summary;
mod table;
mod tools;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use corpora::Extent;
use figures::Sample;
use measures::{Corpora, Measure, Turn};
use serde_json::{Value, json};
use tools::{Template, Tool};

use crate::{Failure, checkout, packages};

/// Of the large file.
const LARGE_BYTES: u64 = 2 << 30;
const LARGE_BYTES_SMALL: u64 = 256 << 20;

/// What `cargo xtask bench repository` can be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How often each tool runs; medians are compared.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The tools beside ours.
    #[arg(long, value_delimiter = ',', default_values = tools::PEERS)]
    peers: Vec<String>,
    /// What is measured beside opening: mixed, large, killed, s3.
    #[arg(long, value_delimiter = ',')]
    measures: Vec<String>,
    /// Corpora of 1 GB in 20,000 files, for trials.
    #[arg(long)]
    small: bool,
    /// Corpora, repositories and restored files are below this folder; cargo's target folder has one.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// This program instead of a release build.
    #[arg(long, value_name = "PATH")]
    lifeboat: Option<PathBuf>,
    /// Where all figures go; the scratch folder if nothing is said.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Everything that is decided before the first round.
struct Bench {
    scratch: PathBuf,
    cold: bool,
    rounds: usize,
    tools: Vec<Box<dyn Tool>>,
    measures: Vec<&'static Measure>,
    corpora: Corpora,
    template: Template,
}

/// What came of all rounds.
#[derive(Default)]
struct Measured {
    samples: Vec<Sample>,
    failures: Vec<String>,
}

/// Measures, prints, and writes the JSON.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bench = prepare(arguments)?;
    let circumstances = bench.circumstances()?;
    println!("{}", spoken(&circumstances));
    let Measured { samples, failures } = bench.measure()?;
    let summaries = summary::all(&samples);
    for summary in &summaries {
        println!("{}", table::figure(summary));
    }
    let (peaks, verdict) = summary::peak(&samples);
    println!("{}", table::peaks(&peaks, verdict.as_ref()));

    for failure in &failures {
        println!("left out: {failure}");
    }
    let path = arguments.json.clone().unwrap_or_else(|| bench.scratch.join("repository.json"));
    let text = json!({
        "circumstances": circumstances,
        "figures": summaries,
        "peak": { "tools": peaks, "verdict": verdict },
        "samples": samples,
        "failures": failures,
    });
    fs::write(&path, format!("{text:#}\n")).map_err(Failure::io(format!("write {}", path.display())))?;
    println!("all figures: {}", path.display());
    Ok(())
}

fn prepare(arguments: &Arguments) -> Result<Bench, Failure> {
    packages::ensure(packages::BENCH)?;
    s3::ensure()?;
    let scratch = match &arguments.scratch {
        Some(folder) => folder.clone(),
        None => checkout::target()?.join("bench"),
    };
    files::make(&scratch)?;
    // Tools run in folders of their own, where a relative path would be another one.
    let absolute = |path: &Path| path.canonicalize().map_err(Failure::io(format!("find {}", path.display())));
    let scratch = absolute(&scratch)?;
    let lifeboat = arguments.lifeboat.as_deref().map(absolute).transpose()?;
    let mut names = vec![tools::OURS.to_owned()];
    names.extend(arguments.peers.iter().filter(|peer| *peer != tools::OURS).cloned());
    let tools: Result<_, Failure> =
        names.iter().map(|name| tools::named(name, lifeboat.as_deref())).collect();
    Ok(Bench {
        cold: process::can_be_cold()?,
        rounds: arguments.rounds.max(1),
        tools: tools?,
        measures: chosen(&arguments.measures)?,
        corpora: corpora(&scratch, arguments.small)?,
        template: Template::make(&scratch)?,
        scratch,
    })
}

fn chosen(names: &[String]) -> Result<Vec<&'static Measure>, Failure> {
    if let Some(unknown) = names.iter().find(|name| measures::ALL.iter().all(|known| known.name != **name)) {
        let known: Vec<&str> = measures::ALL.iter().map(|measure| measure.name).collect();
        let why = format!("it is none of {}", known.join(", "));
        return Err(Failure::Output { program: format!("--measures {unknown}"), why });
    }
    let wanted = |measure: &&Measure| {
        names.is_empty() || measure.name == measures::OPEN || names.iter().any(|name| name == measure.name)
    };
    Ok(measures::ALL.iter().filter(wanted).collect())
}

fn corpora(scratch: &Path, small: bool) -> Result<Corpora, Failure> {
    let (suffix, mixed, large, remote) = if small {
        ("-small", Extent::SMALL, LARGE_BYTES_SMALL, Extent::REMOTE_SMALL)
    } else {
        ("", Extent::FULL, LARGE_BYTES, Extent::REMOTE)
    };
    Ok(Corpora {
        mixed: corpora::mixed(scratch, &format!("mixed{suffix}"), mixed)?,
        large: corpora::large(scratch, &format!("large{suffix}"), large)?,
        remote: corpora::mixed(scratch, &format!("remote{suffix}"), remote)?,
    })
}

impl Bench {
    fn measure(&self) -> Result<Measured, Failure> {
        let mut measured = Measured::default();
        for round in 1..=self.rounds {
            for measure in &self.measures {
                for tool in self.tools.iter().filter(|tool| (measure.takes)(tool.as_ref())) {
                    self.turn(round, measure, tool.as_ref(), &mut measured);
                }
            }
        }
        files::remove(&self.scratch.join("template"))?;
        Ok(measured)
    }

    /// A tool that fails is left out and named with the figures; hours of the others' are not thrown away.
    fn turn(&self, round: usize, measure: &Measure, tool: &dyn Tool, measured: &mut Measured) {
        eprint!("round {round} of {}: {}, {} ", self.rounds, measure.name, tool.name());
        let begun = Instant::now();
        let done = (measure.run)(&mut Turn {
            scratch: &self.scratch,
            tool,
            round,
            cold: self.cold,
            corpora: &self.corpora,
            template: &self.template,
            samples: &mut measured.samples,
        });
        eprintln!("took {:.0} s", begun.elapsed().as_secs_f64());
        // Removed after a failure too: the next tool needs the room.
        let removed = files::remove(&self.scratch.join("work"));
        if let Err(failure) = done.and(removed) {
            let text = format!("round {round}, {}, {}: {failure}", measure.name, tool.name());
            eprintln!("{text}");
            measured.failures.push(text);
        }
    }

    /// What one has to know to read the figures.
    fn circumstances(&self) -> Result<Value, Failure> {
        let versions: Result<Vec<String>, Failure> = self.tools.iter().map(|tool| tool.version()).collect();
        let corpus = |corpus: &corpora::Corpus| json!({ "bytes": corpus.bytes, "files": corpus.files });
        Ok(json!({
            "versions": versions?,
            "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            "rounds": self.rounds,
            "caches": if self.cold { "cold" } else { "warm" },
            "scrypt": self.template.cost()?,
            "corpora": {
                "mixed": corpus(&self.corpora.mixed),
                "large": corpus(&self.corpora.large),
                "s3": corpus(&self.corpora.remote),
            },
        }))
    }
}

/// The circumstances, a line each.
fn spoken(circumstances: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines: Vec<String> =
        circumstances["versions"].as_array().into_iter().flatten().map(text).collect();
    let [cores, rounds, caches] = ["cores", "rounds", "caches"].map(|key| text(&circumstances[key]));
    lines.push(format!("{cores} cores, rounds: {rounds}, caches {caches} before each command"));
    lines.push(format!(
        "scrypt {} for all but borg, which derives its key otherwise",
        text(&circumstances["scrypt"])
    ));
    for (name, corpus) in circumstances["corpora"].as_object().into_iter().flatten() {
        let megabytes = corpus["bytes"].as_f64().unwrap_or_default() / 1e6;
        lines.push(format!("corpus {name}: {megabytes:.0} MB in {} files", corpus["files"]));
    }
    lines.push("encryption on, zstd of one class, every tool with a cache of its own\n".to_owned());
    lines.join("\n")
}
