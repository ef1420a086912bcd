//! A first backup that is killed half-way, and the one after it: how much is sent a second time.
//!
//! Half-way is when the repository holds half of the bytes that a whole run stores. What the second run sends
//! are the files that were not there at the kill. A tool that loses nothing sends the other half and no more;
//! one that keeps no record of what it has sent before the end sends everything, half of it a second time.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::Turn;
use crate::{
    Failure,
    bench::repository::{
        figures::{FIRST, KILLED, Sample},
        files, process,
        tools::Place,
    },
};

/// How often the repository is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Runs one tool once.
pub fn run(turn: &mut Turn<'_>) -> Result<(), Failure> {
    let whole = whole(turn)?;
    let place = turn.place()?;
    let Some(repository) = place.repository_folder() else { return Ok(()) };
    let corpus = &turn.corpora.mixed;
    process::begin_alike(turn.cold)?;
    kill_half_way(turn, &place, repository, whole)?;
    let before = listing(repository)?;
    let spent = turn.timed(&place, &turn.tool.backup(&place, &corpus.path, "again"))?;
    let rerun: u64 = listing(repository)?
        .iter()
        .filter(|(path, bytes)| before.get(*path) != Some(bytes))
        .map(|(_, bytes)| bytes)
        .sum();
    let both = before.values().sum::<u64>() + rerun;
    let part = |bytes: u64| bytes as f64 / whole.max(1) as f64;
    let sample = Sample {
        sent_again: Some(part(both.saturating_sub(whole))),
        sent_by_rerun: Some(part(rerun)),
        ..turn.sample(&KILLED, spent, corpus.bytes)
    };
    turn.samples.push(sample);
    Ok(())
}

/// What a whole run of this tool stores: known from before, or found out now.
fn whole(turn: &Turn<'_>) -> Result<u64, Failure> {
    let first = |sample: &&Sample| sample.figure == FIRST.key && sample.tool == turn.tool.name();
    if let Some(stored) = turn.samples.iter().find(first).and_then(|sample| sample.stored) {
        return Ok(stored);
    }
    let place = turn.place()?;
    turn.timed(&place, &turn.tool.backup(&place, &turn.corpora.mixed.path, "whole"))?;
    place.repository_folder().map_or(Ok(0), files::bytes)
}

fn kill_half_way(turn: &Turn<'_>, place: &Place, repository: &Path, whole: u64) -> Result<(), Failure> {
    let mut command = turn.tool.backup(place, &turn.corpora.mixed.path, "killed");
    let mut child = process::spawn(&mut command, &place.folder)?;
    // Killed also when the repository cannot be looked at: nothing is left running.
    let half = loop {
        match files::bytes(repository) {
            Ok(bytes) if bytes < whole / 2 => {}
            other => break other,
        }
        let ended = child.try_wait().map_err(Failure::io("wait for a backup"))?;
        if let Some(status) = ended {
            let why = format!("it ended with {status} before half of {whole} bytes were stored");
            return Err(Failure::Output { program: turn.tool.name().to_owned(), why });
        }
        thread::sleep(INTERVAL);
    };
    child.kill().map_err(Failure::io("kill a backup"))?;
    child.wait().map_err(Failure::io("wait for a killed backup"))?;
    half.map(drop)
}

fn listing(repository: &Path) -> Result<BTreeMap<PathBuf, u64>, Failure> {
    let mut found = BTreeMap::new();
    files::each(repository, &mut |path, metadata| {
        found.insert(path.to_path_buf(), metadata.len());
    })?;
    Ok(found)
}
