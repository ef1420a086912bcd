//! What every command pays before it does anything: opening a repository, here an empty one.

use super::Turn;
use crate::{Failure, bench::repository::figures::OPEN};

/// Runs one tool once.
pub fn run(turn: &mut Turn<'_>) -> Result<(), Failure> {
    let place = turn.place()?;
    let spent = turn.timed(&place, &turn.tool.open(&place))?;
    turn.keep(&OPEN, spent, 0);
    Ok(())
}
