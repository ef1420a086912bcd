//! What people tell a run: approve, answer, retry, skip, pause, cancel …

use super::show;
use crate::app::App;
use crate::auth::{AuthError, Caller};
use engine::Command;
use model::{ApprovalId, Digest, Name, RunId, StepPath, Token, UserName};
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
    let (run, by) = (proto::run_id_of(run)?, caller.user()?.clone());
    tracing::info!(%run, %by, ?command, "command");
    let state = app.runs.command(run, command, by, expected).await?;
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

/// Yes or no to a question, from somebody who holds its role.
pub(super) async fn approve(app: &App, caller: &Caller, request: v1::ApproveRequest) -> State {
    let v1::ApproveRequest { run, approval, digest, decline, reason } = request;
    let id = proto::run_id_of(&run)?;
    let approval = ApprovalId(proto::uuid_of("approval", &approval)?);
    let digest = Digest::new(digest)
        .map_err(|error| Malformed::Invalid { field: "digest", why: error.to_string() })?;
    require_role(app, caller, id, approval).await?;
    let answer = match decline {
        true => Command::Decline { approval, digest, reason },
        false => Command::Approve { approval, digest, reason },
    };
    command(app, caller, &run, answer, 0).await
}

/// A question may name a role: one of its people must answer, or somebody with the role admin.
async fn require_role(app: &App, caller: &Caller, run: RunId, approval: ApprovalId) -> Result<(), Status> {
    if caller.is_admin() {
        return Ok(());
    }
    let state = app.runs.state(run).await?;
    let view = engine::view(&state, app.clock.now());
    let role = view.approvals.iter().find(|one| one.approval == approval).and_then(|one| one.role.clone());
    let user = caller.user()?;
    match role {
        Some(role) if !holds(app, &role, user) => {
            Err(AuthError::NotInRole { user: user.to_string(), role: role.to_string() }.into())
        }
        Some(_) | None => Ok(()),
    }
}

fn holds(app: &App, role: &Name, user: &UserName) -> bool {
    let head = app.estate.get().and_then(|in_force| in_force.checked.role(role));
    head.is_some_and(|head| head.primary == *user || head.backup.as_ref() == Some(user))
}

/// A person settles an attempt of which nobody else can tell.
pub(super) async fn answer(app: &App, caller: &Caller, request: v1::AnswerRequest) -> State {
    let v1::AnswerRequest { run, token, done, reason } = request;
    let token: Token = required("token", token)?.try_into()?;
    command(app, caller, &run, Command::Answer { token, done, reason }, 0).await
}
