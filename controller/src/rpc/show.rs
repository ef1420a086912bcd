//! Runs as people see them.

use super::status;
use crate::app::App;
use crate::runs::RunError;
use crate::store::StoreError;
use crate::store::journal::EventRow;
use crate::store::runs::RunRow;
use engine::RunState;
use model::{Mode, RunId};
use proto::v1;
use tonic::{Response, Status};

/// Runs that a list gives when nobody says, and at most.
const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 500;
/// Events that `Show` gives: `Watch` gives all.
const MAX_EVENTS: u32 = 500;

/// A state for the wire.
pub(super) fn of_state(state: &RunState) -> v1::RunState {
    let summary = state.summary();
    v1::RunState {
        run: state.run.0.as_bytes().to_vec(),
        plan: summary.plan.to_string(),
        title: summary.title,
        mode: v1::Mode::from(summary.mode).into(),
        status: summary.status.to_string(),
        sequence: summary.sequence,
        requested_by: summary.requested_by.to_string(),
        requested_us: summary.requested_at.0,
        ended_us: summary.ended_at.unwrap_or_default().0,
        detail: summary.detail,
    }
}

/// A row for the wire. A run that stands aside is shown as stuck, with why.
pub(super) fn of_row(app: &App, row: RunRow) -> v1::RunState {
    let mode: Mode = row.mode.parse().unwrap_or_default();
    let (status, detail) = match app.runs.parked(row.run) {
        Some(problem) => ("stuck".to_string(), format!("{problem} What to do: {}", problem.advice)),
        None => (row.status, row.detail),
    };
    v1::RunState {
        run: row.run.0.as_bytes().to_vec(),
        plan: row.plan,
        title: row.title,
        mode: v1::Mode::from(mode).into(),
        status,
        sequence: row.sequence,
        requested_by: row.requested_by,
        requested_us: row.requested_at.0,
        ended_us: row.ended_at.0,
        detail,
    }
}

/// An event for the wire.
pub(super) fn of_event(run: RunId, event: EventRow) -> v1::WatchEvent {
    v1::WatchEvent {
        run: run.0.as_bytes().to_vec(),
        sequence: event.sequence,
        at_us: event.at.0,
        event_json: event.text.into_bytes(),
        progress: None,
        output: None,
    }
}

/// Runs, newest first.
pub(super) async fn list(
    app: &App,
    request: v1::ListRunsRequest,
) -> Result<Response<v1::ListRunsResponse>, Status> {
    let limit = if request.limit == 0 { DEFAULT_LIMIT } else { request.limit.min(MAX_LIMIT) };
    let rows = app.store.runs(request.open_only, limit).await.map_err(status::of_store)?;
    let runs = rows.into_iter().map(|row| of_row(app, row)).collect();
    Ok(Response::new(v1::ListRunsResponse { runs }))
}

/// One run whole.
pub(super) async fn show(
    app: &App,
    request: v1::ShowRunRequest,
) -> Result<Response<v1::ShowRunResponse>, Status> {
    let run = proto::run_id_of(&request.run)?;
    let row = app.store.run(run).await.map_err(status::of_store)?;
    let row = row.ok_or_else(|| status::of_store(StoreError::NoRun { run }))?;
    let (state, view_json) = match app.runs.state(run).await {
        Ok(state) => {
            let view = engine::view_with(&state, app.clock.now(), &app.fleet.silent());
            let json = serde_json::to_vec(&view).map_err(|error| Status::internal(error.to_string()))?;
            (of_state(&state), json)
        }
        // It stands aside: its row and its events can still be read.
        Err(RunError::Parked(_)) => (of_row(app, row), Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let events = app.store.events_after(run, 0, MAX_EVENTS).await.map_err(status::of_store)?;
    let events = events.into_iter().map(|event| of_event(run, event)).collect();
    Ok(Response::new(v1::ShowRunResponse { state: Some(state), view_json, events }))
}
