//! First backup and restore against an S3 server, far away and beside us.
//!
//! The server takes its part of the same processors; where it is what limits all tools alike, the figures at
//! 0 ms say so, and a ratio at 30 ms is then the least that can be said.

use std::time::Duration;

use super::Turn;
use crate::{
    Failure,
    bench::repository::{
        delay::Proxy,
        figures::{Figure, S3_FIRST, S3_FIRST_NEAR, S3_RESTORE, S3_RESTORE_NEAR},
        s3::Server,
        tools::Place,
    },
};

/// A region of a cloud that is not the nearest.
const FAR: Duration = Duration::from_millis(30);

/// Runs one tool once.
pub fn run(turn: &mut Turn<'_>) -> Result<(), Failure> {
    at(turn, FAR, &S3_FIRST, &S3_RESTORE)?;
    at(turn, Duration::ZERO, &S3_FIRST_NEAR, &S3_RESTORE_NEAR)
}

fn at(turn: &mut Turn<'_>, delay: Duration, first: &Figure, restore: &Figure) -> Result<(), Failure> {
    let server = Server::start(turn.scratch)?;
    let proxy = Proxy::start(server.port(), delay)?;
    let place = Place::fresh(turn.scratch, turn.tool)?.in_bucket(&server, proxy.port(), turn.tool.name());
    turn.tool.make(&place, turn.template)?;
    let (tool, corpus) = (turn.tool, &turn.corpora.remote);

    let spent = turn.timed(&place, &tool.backup(&place, &corpus.path, "first"))?;
    turn.keep(first, spent, corpus.bytes);
    let sent = proxy.requests();
    let target = Turn::target(&place)?;
    let spent = turn.timed(&place, &tool.restore(&place, "first", &target))?;
    turn.keep(restore, spent, corpus.bytes);
    let then = proxy.requests() - sent;
    eprint!("({} ms of delay: {sent} requests to back up, {then} to restore) ", delay.as_millis());
    Ok(())
}
