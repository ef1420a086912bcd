//! Watching a run: every event by number, from the journal, then live until the run is over.
//!
//! The watcher subscribes before it reads the journal the first time, so no event falls between. Events
//! come only from the journal, in order and each once; a client that was cut off asks again with the
//! last number that it saw.

use super::{show, status};
use crate::app::App;
use crate::runs::Live;
use crate::runs::live::Watching;
use crate::store::StoreError;
use model::RunId;
use proto::v1;
use runtime::Policy;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};

/// Events that are read at once.
const PAGE: u32 = 128;
/// Events that wait for a slow client; the journal is not read further meanwhile.
const MAX_QUEUED: usize = 64;

type Sender = mpsc::Sender<Result<v1::WatchEvent, Status>>;
type Watched = Response<ReceiverStream<Result<v1::WatchEvent, Status>>>;

/// Opens a watch.
pub(super) async fn watch(app: &Arc<App>, request: v1::WatchRequest) -> Result<Watched, Status> {
    let run = match request.run.is_empty() {
        true => newest_open(app).await?,
        false => proto::run_id_of(&request.run)?,
    };
    if app.store.run(run).await.map_err(status::of_store)?.is_none() {
        return Err(status::of_store(StoreError::NoRun { run }));
    }
    let (sender, events) = mpsc::channel(MAX_QUEUED);
    let (app, after) = (app.clone(), request.after_sequence);
    let tasks = app.tasks.clone();
    tasks.spawn(format!("watch {run}"), Policy::BACKGROUND, async move {
        if let Err(status) = feed(&app, run, after, &sender).await {
            // The client may have gone.
            let _ = sender.send(Err(status)).await;
        }
        Ok::<_, Infallible>(())
    });
    Ok(Response::new(ReceiverStream::new(events)))
}

async fn newest_open(app: &App) -> Result<RunId, Status> {
    let rows = app.store.runs(true, 1).await.map_err(status::of_store)?;
    let none = || status::invalid("LB1376", "no run is open", "Name one: `lifeboat watch RUN`.");
    rows.first().map(|row| row.run).ok_or_else(none)
}

async fn feed(app: &App, run: RunId, after: u64, sender: &Sender) -> Result<(), Status> {
    let mut watching = app.runs.shown(run).map(|shown| shown.subscribe());
    let mut last = after;
    loop {
        let events = app.store.events_after(run, last, PAGE).await.map_err(status::of_store)?;
        let more = events.len() == PAGE as usize;
        for event in events {
            last = event.sequence;
            if sender.send(Ok(show::of_event(run, event))).await.is_err() {
                return Ok(());
            }
        }
        if more {
            continue;
        }
        let Some(ends) = watching.as_mut() else { break };
        tokio::select! {
            () = app.stopping.cancelled() => return Err(Status::unavailable("the controller is stopping")),
            () = sender.closed() => return Ok(()),
            next = next(ends) => match next {
                Next::Events => {}
                Next::Live(live) => {
                    // Nobody waits for a slow watcher's progress.
                    let _ = sender.try_send(Ok(of_live(app, live)));
                }
                // Its driver has ended: what it wrote last is read once more.
                Next::Over => watching = None,
            }
        }
    }
    match app.runs.parked(run) {
        Some(problem) => Err(proto::status_of_problem(tonic::Code::DataLoss, &problem)),
        None => Ok(()),
    }
}

enum Next {
    Events,
    Live(Live),
    Over,
}

async fn next((state, live): &mut Watching) -> Next {
    tokio::select! {
        changed = state.changed() => match changed {
            Ok(()) => Next::Events,
            Err(_) => Next::Over,
        },
        live = live.recv() => match live {
            Ok(live) => Next::Live(live),
            Err(RecvError::Lagged(_)) => Next::Events,
            Err(RecvError::Closed) => Next::Over,
        },
    }
}

fn of_live(app: &App, live: Live) -> v1::WatchEvent {
    let run = live.token().run;
    let mut event =
        v1::WatchEvent { run: run.0.as_bytes().to_vec(), at_us: app.clock.now().0, ..Default::default() };
    match live {
        Live::Progress { token, progress } => {
            event.progress = Some(v1::LiveProgress {
                token: Some((&token).into()),
                phase: progress.phase,
                done_bytes: progress.done_bytes,
                total_bytes: progress.total_bytes,
            });
        }
        Live::Output { token, lines } => {
            event.output = Some(v1::LiveOutput { token: Some((&token).into()), lines });
        }
    }
    event
}
