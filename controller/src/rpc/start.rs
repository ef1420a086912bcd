//! Starting runs: a plan of the estate, or a plain verb as a plan of one step.

use super::{estate, status};
use crate::app::App;
use crate::auth::Caller;
use model::{Mode, Name};
use plan::CheckedPlan;
use proto::v1;
use proto::v1::start_request::What;
use std::collections::BTreeMap;
use tonic::{Response, Status};

/// Inputs that one start may give, and bytes of each.
const MAX_INPUTS: usize = 128;
const MAX_INPUT_BYTES: usize = 4096;
/// Bytes of a verb's parameters.
const MAX_PARAMETER_BYTES: usize = 64 * 1024;

pub(super) async fn start(
    app: &App,
    caller: &Caller,
    request: v1::StartRequest,
) -> Result<Response<v1::StartResponse>, Status> {
    let by = caller.person(&app.estate)?.name;
    let mode = Mode::try_from(request.mode())?;
    let v1::StartRequest { what, mode: _, inputs, request_id } = request;
    let request = match request_id.is_empty() {
        true => None,
        false => Some(proto::uuid_of("request_id", &request_id)?),
    };
    let too_long = |(name, value): (&String, &String)| name.len() + value.len() > MAX_INPUT_BYTES;
    if inputs.len() > MAX_INPUTS || inputs.iter().any(too_long) {
        return Err(status::invalid(
            "LB1373",
            "there are too many inputs, or they are too long",
            "Give fewer.",
        ));
    }
    let plan = compile(app, what, mode, inputs.into_iter().collect())?;
    let run = app.runs.start(plan, by, request).await?;
    Ok(Response::new(v1::StartResponse { run: run.0.as_bytes().to_vec(), warnings: Vec::new() }))
}

fn compile(
    app: &App,
    what: Option<What>,
    mode: Mode,
    inputs: BTreeMap<String, String>,
) -> Result<CheckedPlan, Status> {
    let in_force = app.estate.get().ok_or_else(|| {
        status::invalid("LB1374", "no estate is in force", "Apply one first: `lifeboat apply FOLDER`.")
    })?;
    match proto::required("start.what", what)? {
        What::Plan(name) => {
            let name = Name::new(name).map_err(|error| {
                status::invalid(
                    "LB1375",
                    error.to_string(),
                    "Give the name that stands behind `plan:` in its file.",
                )
            })?;
            let compiled = in_force.checked.compile(&name, mode, &inputs);
            compiled.map_err(|found| estate::refused(&format!("plan {name}"), &found))
        }
        What::Verb(v1::Verb { kind, parameters_yaml }) => {
            if parameters_yaml.len() > MAX_PARAMETER_BYTES {
                return Err(status::invalid("LB1373", "the parameters are too long", "Give fewer."));
            }
            let compiled = in_force.checked.single(&kind, &parameters_yaml, mode);
            compiled.map_err(|found| estate::refused(&kind, &found))
        }
    }
}
