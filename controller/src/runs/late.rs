//! What concerns a run that has no driver: it is over, and only late results are recorded.

use super::{RunError, Runs, driver};
use engine::{Batch, Command, Person, Report, RunState, receive, request};
use model::{Head, HostName, RunId};

/// A run's state from its journal.
pub(super) async fn load(runs: &Runs, run: RunId) -> Result<(RunState, Head), RunError> {
    let loaded = runs.app()?.store.load(run).await?;
    let rows: Vec<_> = loaded.entries.into_iter().map(|entry| entry.recorded).collect();
    let state = engine::replay(&rows).map_err(|error| RunError::Illegal { run, error })?;
    Ok((state, loaded.head))
}

/// Records what came after the end of a run, if it is anything new.
pub(super) async fn record(runs: &Runs, host: &HostName, run: RunId, report: Report) -> Result<(), RunError> {
    let app = runs.app()?;
    let (state, head) = load(runs, run).await?;
    if state.is_open() {
        // Its driver has not begun or has just ended: the agent says it again.
        return Err(RunError::NotDriven { run });
    }
    let Some(token) = report.token() else { return Ok(()) };
    driver::check_owner(&state, host, token)?;
    let Some(event) = receive(&state, report) else { return Ok(()) };
    let (now, epoch) = (app.clock.now(), app.epoch.number);
    let batch = Batch::prepare(Some(state), Some(head), run, vec![event], now, epoch)
        .map_err(|error| RunError::Illegal { run, error })?;
    Ok(app.store.append(app.epoch, batch, Vec::new()).await?)
}

/// Why a command to a run that is over cannot be.
pub(super) async fn refuse(
    runs: &Runs,
    run: RunId,
    command: &Command,
    by: &Person,
) -> Result<RunError, RunError> {
    let (state, _) = load(runs, run).await?;
    request(&state, command, by, runs.app()?.clock.now())?;
    Ok(RunError::NotDriven { run })
}
