//! One large file, of which 1 % changes in place, as in an image of a disk. The second backup is timed.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use super::Turn;
use crate::{
    Failure,
    bench::repository::{corpora::seed::Seed, figures::LARGE},
};

/// Places that change; together they are 1 % of the file.
const PLACES: u64 = 20;

/// Runs one tool once.
pub fn run(turn: &mut Turn<'_>) -> Result<(), Failure> {
    let place = turn.place()?;
    let (tool, corpus) = (turn.tool, &turn.corpora.large);
    turn.timed(&place, &tool.backup(&place, &corpus.path, "first"))?;
    change(&corpus.path, corpus.bytes)?;
    let spent = turn.timed(&place, &tool.backup(&place, &corpus.path, "again"))?;
    turn.keep(&LARGE, spent, corpus.bytes);
    Ok(())
}

/// Writes new content at the same places each time. That the content is another one each time is all that
/// matters of it, so the clock may choose it.
fn change(path: &Path, bytes: u64) -> Result<(), Failure> {
    let io = || Failure::io(format!("change {}", path.display()));
    let file = File::options().write(true).open(path).map_err(io())?;
    let mut places = Seed::new(5);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut content = Seed::new(now.as_secs() << 30 | u64::from(now.subsec_nanos()));
    let part = bytes / PLACES;
    let length = part / 100;
    let mut block = vec![0; usize::try_from(length).unwrap_or_default()];
    for number in 0..PLACES {
        content.fill(&mut block);
        let at = number * part + places.below(part - length);
        file.write_all_at(&block, at).map_err(io())?;
    }
    file.sync_all().map_err(io())
}
