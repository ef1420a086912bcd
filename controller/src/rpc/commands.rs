//! What people tell a run: approve, answer, retry, skip, pause, cancel …

use super::show;
use crate::app::App;
use crate::auth::Caller;
use engine::{Command, Way};
use model::{ApprovalId, Digest, StepPath, Token};
use proto::{Malformed, required, v1};
use tonic::{Response, Status};

type State = Result<Response<v1::RunState>, Status>;

/// Gives a command to a run and shows its state once the command is durable.
pub(super) async fn command(
    app: &App,
    caller: &Caller,
    run: &[u8],
    command: Command,
    expected: u64,
) -> State {
    let (run, person) = (proto::run_id_of(run)?, caller.person(&app.estate)?);
    tracing::info!(%run, by = %person.name, ?command, "command");
    let state = app.runs.command(run, command, person, expected).await?;
    Ok(Response::new(show::of_state(&state)))
}

/// A command about one step.
pub(super) async fn step(
    app: &App,
    caller: &Caller,
    request: v1::StepCommand,
    make: impl FnOnce(StepPath, String) -> Command,
) -> State {
    let v1::StepCommand { run, step, reason, expected_sequence } = request;
    let step =
        StepPath::new(step).map_err(|error| Malformed::Invalid { field: "step", why: error.to_string() })?;
    command(app, caller, &run, make(step, reason), expected_sequence).await
}

/// Yes or no to a question. The engine judges who may.
pub(super) async fn approve(app: &App, caller: &Caller, request: v1::ApproveRequest) -> State {
    let v1::ApproveRequest { run, approval, digest, decline, reason, break_glass } = request;
    let approval = ApprovalId(proto::uuid_of("approval", &approval)?);
    let digest = Digest::new(digest)
        .map_err(|error| Malformed::Invalid { field: "digest", why: error.to_string() })?;
    let way = if break_glass { Way::BreakGlass } else { Way::Plain };
    let answer = match decline {
        true => Command::Decline { approval, digest, reason },
        false => Command::Approve { approval, digest, reason, way },
    };
    command(app, caller, &run, answer, 0).await
}

/// A person settles an attempt of which nobody else can tell.
pub(super) async fn answer(app: &App, caller: &Caller, request: v1::AnswerRequest) -> State {
    let v1::AnswerRequest { run, token, done, reason } = request;
    let token: Token = required("token", token)?.try_into()?;
    command(app, caller, &run, Command::Answer { token, done, reason }, 0).await
}
