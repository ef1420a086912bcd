//! The mixed corpus in one repository: backed up, backed up again, checked, restored.

use super::Turn;
use crate::{
    Failure,
    bench::repository::{
        figures::{AGAIN, CHECK, FIRST, ON_DISK, RESTORE, Sample},
        files, process,
        process::Spent,
    },
};

/// Runs one tool once.
pub fn run(turn: &mut Turn<'_>) -> Result<(), Failure> {
    let place = turn.place()?;
    let (tool, corpus) = (turn.tool, &turn.corpora.mixed);
    let bytes = corpus.bytes;

    let spent = turn.timed(&place, &tool.backup(&place, &corpus.path, "first"))?;
    let stored = place.repository_folder().map(files::bytes).transpose()?;
    let first = Sample { stored, ..turn.sample(&FIRST, spent, bytes) };
    turn.samples.push(first);

    let spent = turn.timed(&place, &tool.backup(&place, &corpus.path, "again"))?;
    turn.keep(&AGAIN, spent, bytes);

    let spent = turn.timed(&place, &tool.check(&place))?;
    turn.keep(&CHECK, spent, bytes);

    let target = Turn::target(&place)?;
    let spent = turn.timed(&place, &tool.restore(&place, "again", &target))?;
    turn.keep(&RESTORE, spent, bytes);
    // Ours has synced when its command ends; of the others most is still in memory.
    let rest = process::until_on_disk(&target)?;
    turn.keep(&ON_DISK, Spent { seconds: spent.seconds + rest, ..spent }, bytes);
    Ok(())
}
