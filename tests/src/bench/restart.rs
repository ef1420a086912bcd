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
    let name = |number: usize| format!("s{number}");
    let mut text = String::new();
    for number in 0..STEPS {
        let after: Vec<String> = number.checked_sub(1).map(name).into_iter().collect();
        text.push_str(&no_op(&name(number), &after, &host(0)));
    }
    let mut bed = Bed::set(1, &[("long".to_owned(), text)]).await?;
    let (mut next, mut listening) = (Vec::new(), Vec::new());
    for _ in 0..extent.rounds {
        let run = bed.start(&["long".to_owned()]).await?[0].to_string();
        until("some events", PATIENCE, async || {
            let (events, _) = newest(&bed, &run).await?;
            if events >= BEFORE { Ok(()) } else { Err(format!("{events} events")) }
        })
        .await?;
        bed.controller.kill();
        let (_, epoch) = newest(&bed, &run).await.map_err(Failure::Unexpected)?;
        let begun = model::Micros::from(jiff::Timestamp::now());
        bed.controller.start().await?;
        listening.push(model::Micros::from(jiff::Timestamp::now()).since(begun).as_secs_f64());
        let at = until("the next step", PATIENCE, async || {
            let query = "select coalesce(min(at), 0) from journal where run = $1 \
                         and json_extract(event, '$.event') = 'step-succeeded' \
                         and epoch > (select min(epoch) from journal where run = $1)";
            let (at,): (i64,) = bed.read(query, run.clone()).await?;
            if at > 0 { Ok(at) } else { Err(format!("none after epoch {epoch}")) }
        })
        .await?;
        next.push(model::Micros(at).since(begun).as_secs_f64());
        let words = v1_cancel(&bed, &run).await?;
        until("the end of the run", PATIENCE, async || {
            let (open,): (i64,) = bed.read("select open from runs where run = $1", run.clone()).await?;
            if open == 0 { Ok(()) } else { Err(words.clone()) }
        })
        .await?;
    }
    Ok(json!({
        "next_step_seconds": median(next.clone()),
        "worst_seconds": next.iter().copied().fold(0.0, f64::max),
        "rounds": next,
        "listening_seconds": median(listening),
    }))
}

/// Number and epoch of the newest event of a run.
async fn newest(bed: &Bed, run: &str) -> Result<(i64, i64), String> {
    let query = "select sequence, epoch from journal where run = $1 order by sequence desc limit 1";
    bed.read(query, run.to_owned()).await
}

/// Calls a run off.
async fn v1_cancel(bed: &Bed, run: &str) -> Result<String, Failure> {
    let id: model::RunId = run.parse().map_err(|_| Failure::Unexpected(format!("{run} is no run")))?;
    let command = proto::v1::RunCommand {
        run: id.0.as_bytes().to_vec(),
        reason: "measured".to_owned(),
        expected_sequence: 0,
    };
    let state = bed.runs()?.cancel(command).await;
    state.map(|state| state.into_inner().status).map_err(|status| Failure::Unexpected(status.to_string()))
}
