//! The controller is killed in the middle of a run and started again: when the next step goes on.

use super::bed::{Bed, host, no_op};
use super::{Extent, median};
use crate::{Failure, polling::until};
use serde_json::{Value, json};
use std::time::Duration;

/// Steps of the run: more than are done before the kill.
const STEPS: usize = 2000;
/// Events that are there before it.
const BEFORE: i64 = 200;
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn measure(extent: Extent) -> Result<Value, Failure> {
    let mut bed = Bed::set(1, &[long()]).await?;
    let (mut next, mut listening) = (Vec::new(), Vec::new());
    for _ in 0..extent.rounds {
        let run = under_way(&bed).await?;
        bed.controller.kill();
        let begun = model::Micros::from(jiff::Timestamp::now());
        bed.controller.start().await?;
        listening.push(model::Micros::from(jiff::Timestamp::now()).since(begun).as_secs_f64());
        next.push(next_step(&bed, &run).await?.since(begun).as_secs_f64());
        end(&bed, &run).await?;
    }
    Ok(json!({
        "next_step_seconds": median(next.clone()),
        "worst_seconds": next.iter().copied().fold(0.0, f64::max),
        "rounds": next,
        "listening_seconds": median(listening),
    }))
}

/// A plan of steps in a row: its name and steps.
pub(super) fn long() -> (String, String) {
    let name = |number: usize| format!("s{number}");
    let mut text = String::new();
    for number in 0..STEPS {
        let after: Vec<String> = number.checked_sub(1).map(name).into_iter().collect();
        text.push_str(&no_op(&name(number), &after, &host(0)));
    }
    ("long".to_owned(), text)
}

/// Starts that plan, and gives the run once it is in the middle of it.
pub(super) async fn under_way(bed: &Bed) -> Result<String, Failure> {
    let run = bed.start(&["long".to_owned()]).await?[0].to_string();
    until("some events", PATIENCE, async || {
        let query = "select sequence from journal where run = $1 order by sequence desc limit 1";
        let (events,): (i64,) = bed.read(query, run.clone()).await?;
        if events >= BEFORE { Ok(()) } else { Err(format!("{events} events")) }
    })
    .await?;
    Ok(run)
}

/// When the first step of a later epoch than the run began in was done.
pub(super) async fn next_step(bed: &Bed, run: &str) -> Result<model::Micros, Failure> {
    until("the next step", PATIENCE, async || {
        let query = "select coalesce(min(at), 0) from journal where run = $1 \
                     and json_extract(event, '$.event') = 'step-succeeded' \
                     and epoch > (select min(epoch) from journal where run = $1)";
        let (at,): (i64,) = bed.read(query, run.to_owned()).await?;
        if at > 0 { Ok(model::Micros(at)) } else { Err("none in a later epoch".to_owned()) }
    })
    .await
}

/// Calls a run off, and waits until it is over.
pub(super) async fn end(bed: &Bed, run: &str) -> Result<(), Failure> {
    let id: model::RunId = run.parse().map_err(|_| Failure::Unexpected(format!("{run} is no run")))?;
    let command = proto::v1::RunCommand {
        run: id.0.as_bytes().to_vec(),
        reason: "measured".to_owned(),
        expected_sequence: 0,
    };
    let state = bed.runs()?.cancel(command).await;
    let words = state.map_err(|status| Failure::Unexpected(status.to_string()))?.into_inner().status;
    until("the end of the run", PATIENCE, async || {
        let (open,): (i64,) = bed.read("select open from runs where run = $1", run.to_owned()).await?;
        if open == 0 { Ok(()) } else { Err(words.clone()) }
    })
    .await
}
