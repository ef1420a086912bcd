//! What is measured. One file each, and one line in the list.

mod killed;
mod large;
mod mixed;
mod open;
mod remote;

use std::path::{Path, PathBuf};

use super::{
    corpora::Corpus,
    figures::{Figure, Sample},
    files, process,
    process::Spent,
    tools::{Place, Template, Tool},
};
use crate::Failure;

/// One course of commands that gives some of the figures.
pub struct Measure {
    /// Its name, as in `--measures`.
    pub name: &'static str,
    /// Whether a tool takes part.
    pub takes: fn(&dyn Tool) -> bool,
    /// Runs one tool once.
    pub run: fn(&mut Turn<'_>) -> Result<(), Failure>,
}

/// The one that is never left out: every other figure is also shown less what it costs.
pub const OPEN: &str = "open";

/// All of them, in the order in which each round runs them.
pub const ALL: &[Measure] = &[
    // borg's key costs what it costs; its opening is mostly Python's start, which is no favour to take off.
    Measure { name: OPEN, takes: |tool| tool.same_format(), run: open::run },
    Measure { name: "mixed", takes: |_| true, run: mixed::run },
    Measure { name: "large", takes: |_| true, run: large::run },
    // borg keeps its progress by the clock, each half hour; it would always begin anew.
    Measure { name: "killed", takes: |tool| tool.same_format(), run: killed::run },
    Measure { name: "s3", takes: |tool| tool.same_format(), run: remote::run },
];

/// What is backed up.
pub struct Corpora {
    /// Many kinds of data.
    pub mixed: Corpus,
    /// One large file.
    pub large: Corpus,
    /// What goes to S3.
    pub remote: Corpus,
}

/// One tool in one round.
pub struct Turn<'a> {
    /// Everything is below it.
    pub scratch: &'a Path,
    /// The tool.
    pub tool: &'a dyn Tool,
    /// From 1.
    pub round: usize,
    /// Whether caches are dropped before each command.
    pub cold: bool,
    /// What is backed up.
    pub corpora: &'a Corpora,
    /// The repository that others begin from.
    pub template: &'a Template,
    /// All that was measured so far; what is new comes to its end.
    pub samples: &'a mut Vec<Sample>,
}

impl Turn<'_> {
    /// A place with an empty repository.
    fn place(&self) -> Result<Place, Failure> {
        let place = Place::fresh(self.scratch, self.tool)?;
        self.tool.make(&place, self.template)?;
        Ok(place)
    }

    /// An empty folder of `place` to restore into.
    fn target(place: &Place) -> Result<PathBuf, Failure> {
        let target = place.folder.join("target");
        files::remove(&target)?;
        files::make(&target)?;
        Ok(target)
    }

    /// Runs a command with caches as they shall be.
    fn timed(&self, place: &Place, command: &std::process::Command) -> Result<Spent, Failure> {
        process::begin_alike(self.cold)?;
        process::timed(command, &place.folder)
    }

    /// A measurement of this turn.
    fn sample(&self, figure: &Figure, spent: Spent, bytes: u64) -> Sample {
        Sample {
            figure: figure.key,
            tool: self.tool.name(),
            round: self.round,
            seconds: spent.seconds,
            peak_mib: spent.peak_mib,
            bytes,
            stored: None,
            sent_again: None,
            sent_by_rerun: None,
        }
    }

    /// Keeps a measurement.
    fn keep(&mut self, figure: &Figure, spent: Spent, bytes: u64) {
        self.samples.push(self.sample(figure, spent, bytes));
    }
}
